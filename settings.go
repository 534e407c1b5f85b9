package main

import (
	"mintkeep/endpoint/grant"
	"mintkeep/internal/config"
	"mintkeep/internal/oauth"
)

// settings is every key of the configuration file and every name in the table
// `settings`. The reading, the verb `setting` and the two tables of docs/settings.md are
// made from it. A new setting is a line here and a field where it is used.
func settings() config.Table {
	onOff := []string{"on", "off"}
	return config.Table{
		{Name: "database", Path: true, File: func(c *config.Config) *string { return &c.Database },
			Meaning: "the database file, outside of what the web server shows"},
		{Name: "url", File: func(c *config.Config) *string { return &c.URL }, Check: config.CheckBase,
			Meaning: "the address of the token endpoint: https, no slash at the end"},
		{Name: "endpoint", Files: func(c *config.Config) *[]string { return &c.Endpoints }, CheckKey: config.CheckEndpoint,
			Row: true, Many: true, Check: config.CheckURL, Canonical: oauth.CanonicalURL,
			Title:   "Sign-in pages",
			Meaning: "a trusted authorization endpoint, such as your Selfauth; there may be several. What it says about who you are is believed."},
		{Name: "me", Files: func(c *config.Config) *[]string { return &c.Me },
			Row: true, Many: true, DefaultNote: "any", Check: config.CheckURL, Canonical: oauth.CanonicalURL,
			Title:   "Profiles",
			Meaning: "a profile that gets tokens, such as your home page; there may be several. Those of others are refused, whenever they were made."},
		{Name: "key_file", Path: true, File: func(c *config.Config) *string { return &c.KeyFile },
			Meaning: "sealing key of the outbound half; `mintkeep.key` beside the database"},
		{Name: "errorlog", Path: true, File: func(c *config.Config) *string { return &c.ErrorLog },
			Meaning: "also write faults to this file"},
		{Name: "ca_file", Path: true, File: func(c *config.Config) *string { return &c.CAFile },
			Meaning: "certificate authorities, if the system has none that fit"},
		{Name: "journal", File: func(c *config.Config) *string { return &c.Journal }, Check: config.OneOf("rollback", "wal"),
			Meaning: "`rollback`; `wal` only for `serve` and `fcgi` on a local disk"},
		{Name: "database_in_docroot", File: func(c *config.Config) *string { return &c.DatabaseInDocRoot }, Check: config.OneOf("no", "yes"),
			Meaning: "`yes` if your whole space is public. Then the server must refuse to hand out the file."},
		{Name: "shared_host", File: func(c *config.Config) *string { return &c.SharedHost }, Check: config.OneOf("no", "yes"),
			Meaning: "`yes` lets you use the owner's pages at an address such as `https://example.com/~you/`. Your cookies go to everybody who has pages on that host."},
		{Name: "admin", Files: func(c *config.Config) *[]string { return &c.Admins }, Row: true, Many: true, DefaultNote: "the only `me`", Check: config.CheckURL, Canonical: oauth.CanonicalURL,
			Title:   "Administrators",
			Meaning: "who sees everything on the owner's pages"},
		{Name: "idle_lifetime", Row: true, Default: "90d", Check: config.CheckDuration,
			Title:   "A token ends unused after",
			Meaning: "a token dies after this long without use"},
		{Name: "max_lifetime", Row: true, Default: "never", Check: config.CheckDuration,
			Title:   "Every token ends after",
			Meaning: "a token dies after this long even if it is used"},
		{Name: "refresh_lifetime", Row: true, Default: "365d", Check: config.CheckDuration,
			Title:   "An app can renew its token for",
			Meaning: "a refresh token dies after this long without use"},
		{Name: "introspect_self", Row: true, Default: "on", Options: onOff,
			Title:   "Tokens may ask about themselves",
			Meaning: "a program that holds a token may ask what it is good for; `off`: only sites that are registered may ask"},
		{Name: "direct", Row: true, Default: "on", Options: onOff,
			Title:   "Let in apps that skip this site",
			Meaning: "apps may go straight to your sign-in page and fetch the token here, as old ones do; `off` when all follow the lines of your home page"},
		{Name: "require_pkce", Row: true, Default: "off", Options: onOff,
			Title:   "Demand proof that it is the same app (PKCE)",
			Meaning: "an app has to prove that it is the one that asked when it fetches the token; some old ones cannot"},
		{Name: "default_format", Row: true, Default: "json", Options: []string{"json", "form"},
			Title:   "Form of the answers",
			Meaning: "how a site is answered that names no format; `form` for old ones"},
	}
}

// endpointSettings are the checked values as the token endpoint has them. The
// only `me` is the administrator, if none is named.
func endpointSettings(v config.Values) *grant.Settings {
	st := &grant.Settings{
		Endpoints:       v["endpoint"],
		Me:              config.CanonicalURLs(v["me"]),
		Admins:          config.CanonicalURLs(v["admin"]),
		IdleLifetime:    v.Duration("idle_lifetime"),
		MaxLifetime:     v.Duration("max_lifetime"),
		RefreshLifetime: v.Duration("refresh_lifetime"),
		IntrospectSelf:  v.Is("introspect_self", "on"),
		Direct:          v.Is("direct", "on"),
		RequirePKCE:     v.Is("require_pkce", "on"),
		DefaultForm:     v.Is("default_format", "form"),
	}
	if len(st.Admins) == 0 && len(st.Me) == 1 {
		st.Admins = st.Me
	}
	return st
}
