package command

// verbs are what the command line knows, in the order of the help. A new verb is
// a line here and a file, or a function in the file of its noun.
func verbs() []verb {
	const (
		setUp   = "Set up"
		issued  = "Tokens for your own site"
		kept    = "Tokens of other sites"
		running = "Run"
		more    = "More"
	)
	return []verb{
		{setUp, "init", "[-me URL]… [ENDPOINT …]", "create the database, or add what is missing, and trust the endpoints", "init https://example.com/auth/", initVerb},
		{setUp, "endpoint", "add|remove|list [URL]", "trusted authorization endpoints", "endpoint add https://example.com/auth/", endpointVerb},
		{setUp, "setting", "[-unset] [NAME [VALUE]]", "list, read, write or unset a setting", "setting idle_lifetime 30d", settingVerb},
		{setUp, "doctor", "[PROFILE-URL] | -sites DIR | -restored", "check this installation and, given your profile URL, the live site; status 1 if a check fails",
			"doctor https://example.com/ -config token.cgi", doctorVerb},
		{issued, "token", "list | revoke [ID…] [-client URL] [-all] [-me URL] | mint -me URL -client URL -scope WORDS | prune",
			"the tokens that were issued: list, revoke, make by hand, remove those dead for 30 days", "token revoke -client https://quill.p3k.io/", tokenVerb},
		{issued, "server", "add|remove|list [NAME] [-resource URL [-scope WORDS]]", "resource servers that may introspect; add prints the secret, once",
			"server add mcp -resource https://example.com/mcp", serverVerb},
		{issued, "log", "[-n N]", "what happened, newest last: issued, refreshed, revoked, replay, reuse, refused …", "log -n 50", logVerb},
		{kept, "provider", "add|set|remove NAME [flags] | list | presets", "sites that give you tokens",
			"provider add mastodon -instance mastodon.social -scope \"read write\"", providerVerb},
		{kept, "connect", "PROVIDER [-as NAME] [-user U] [-grant G] [-web]", "obtain the first token from a provider", "connect mastodon -web", connectVerb},
		{kept, "get", "NAME [-user U] [-min-ttl S] [-format F] [-or-connect] | -issuer URL -client-id ID [-scope WORDS]",
			"print a fresh access token and nothing else", "get mastodon -format header", getVerb},
		{kept, "connections", "[-user U] [-check] | import -from tokenkeep|pyauthflow FILE", "the tokens that are kept, and how they are; with -check status 1 if one is dead or failing", "connections -check", connectionsVerb},
		{kept, "refresh", "[NAME] [-user U] [-within 20m]", "refresh now; without a name, all that end soon", "refresh -within 20m", refreshVerb},
		{kept, "introspect", "NAME [-user U] [-token refresh] [-client-id ID]", "ask the provider what it thinks of a token", "introspect club", introspectVerb},
		{kept, "revoke", "NAME -token access|refresh [-user U]", "revoke one token at the provider, and keep the rest", "revoke club -token access", revokeVerb},
		{kept, "forget", "NAME [-user U] | -all", "revoke at the provider, and forget", "forget mastodon", forgetVerb},
		{kept, "apikey", "add|remove NAME [-user U] [-provider P] [-write] [-key-file F] | list", "keys for reading tokens over HTTP", "apikey add blog -provider mastodon", apiKeyVerb},
		{kept, "key", "new|rotate", "the sealing key", "key rotate", noFlags(runKey)},
		{running, "serve", "[-listen 127.0.0.1:8080] [-socket-mode 0660] [-sites DIR [-max-open N]]", "answer plain HTTP, behind a web server", "serve -config /etc/mintkeep.conf", serveVerb},
		{running, "fcgi", "[-listen 127.0.0.1:9000] [-socket-mode 0660] [-sites DIR [-max-open N]]", "answer FastCGI on unix:/path or host:port",
			"fcgi -listen unix:/run/mintkeep/fcgi.sock", fastCGIVerb},
		{more, "backup", "FILE", "copy the database into a new file, while it is in use; the key file is separate", "backup tokens-monday.db", noFlags(runBackup)},
		{more, "demo", "[-stay]", "show the whole flow over HTTP on loopback", "demo", demoVerb},
		{more, "completion", "bash|zsh|fish|man", "print what makes the shell complete verbs and flags, or the manual page",
			"completion bash > ~/.local/share/bash-completion/completions/mintkeep", noFlags(runCompletion)},
		{more, "help", "[VERB]", "show the verbs, or the arguments and flags of one", "help connect", noFlags(runHelp)},
		{more, "version", "", "version, SQLite version, build", "version", noFlags(runVersion)},
	}
}
