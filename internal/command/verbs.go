package command

// verbs are what the command line knows, in the order of the help. A new verb is
// a line here and a file, or a function in the file of its noun.
func verbs() []verb {
	return []verb{
		{"init", "[-me URL]… [ENDPOINT …]", "create the database and trust the endpoints", initVerb},
		{"endpoint", "add|remove|list [URL]", "trusted authorization endpoints", endpointVerb},
		{"setting", "[-unset] [NAME [VALUE]]", "list, read, write or unset a setting", settingVerb},
		{"token", "list | revoke [ID…] [-client URL] [-all] [-me URL] | mint -me URL -client URL -scope WORDS | prune", "the tokens that were issued", tokenVerb},
		{"server", "add|remove|list [NAME]", "resource servers that may introspect", noFlags(runServer)},
		{"log", "[-n N]", "what happened, newest last", logVerb},
		{"provider", "add|set|remove NAME [flags] | list | presets", "sites that give you tokens", providerVerb},
		{"connect", "PROVIDER [-as NAME] [-user U] [-grant G] [-web]", "obtain the first token from a provider", connectVerb},
		{"get", "NAME [-user U] [-min-ttl S]", "print a fresh access token and nothing else", getVerb},
		{"connections", "[-user U] [-check] | import -from tokenkeep|pyauthflow FILE", "the tokens that are kept", connectionsVerb},
		{"refresh", "[NAME] [-user U] [-within 20m]", "refresh now; without a name, all that end soon", refreshVerb},
		{"introspect", "NAME [-user U]", "ask the provider what it thinks of a token", introspectVerb},
		{"forget", "NAME [-user U] | -all", "revoke at the provider, and forget", forgetVerb},
		{"apikey", "add|remove NAME [-user U] [-provider P] [-write] | list", "keys for reading tokens over HTTP", apiKeyVerb},
		{"key", "new|rotate", "the sealing key", noFlags(runKey)},
		{"serve", "[-listen 127.0.0.1:8080] [-socket-mode 0660]", "answer plain HTTP, behind a web server", serveVerb},
		{"fcgi", "[-listen 127.0.0.1:9000] [-socket-mode 0660]", "answer FastCGI on unix:/path or host:port", fastCGIVerb},
		{"doctor", "[PROFILE-URL]", "check this installation and, given your profile URL, the live site", noFlags(runDoctor)},
		{"backup", "FILE", "copy the database into a new file, while it is in use", noFlags(runBackup)},
		{"demo", "[-stay]", "show the whole flow over HTTP on loopback", demoVerb},
		{"version", "", "version, SQLite version, build", noFlags(runVersion)},
	}
}
