package command

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"mintkeep/internal/instance"
	"mintkeep/keeper"
)

// The verbs of the outbound half, and provider. The others are in
// command_keep_connect.go (connect, get), command_keep_list.go (connections, refresh,
// introspect, forget) and command_keep_key.go (apikey, key); command_keep_ask.go asks.

func keepVerbs() []verb {
	return []verb{
		{"provider", "add|set|remove NAME [flags] | list | presets", "sites that give you tokens", providerFlags, runProvider},
		{"connect", "PROVIDER [-as NAME] [-user U] [-grant G] [-web]", "obtain the first token from a provider", connectFlags, runConnect},
		{"get", "NAME [-user U] [-min-ttl S]", "print a fresh access token and nothing else", getFlags, runGet},
		{"connections", "[-user U] [-check] | import -from tokenkeep|pyauthflow FILE", "the tokens that are kept", connectionsFlags, runConnections},
		{"refresh", "[NAME] [-user U] [-within 20m]", "refresh now; without a name, all that end soon", refreshFlags, runRefresh},
		{"introspect", "NAME [-user U]", "ask the provider what it thinks of a token", userFlag, runIntrospect},
		{"forget", "NAME [-user U] | -all", "revoke at the provider, and forget", forgetFlags, runForget},
		{"apikey", "add|remove NAME [-user U] [-provider P] [-write] | list", "keys for reading tokens over HTTP", apiKeyFlags, runAPIKey},
		{"key", "new|rotate", "the sealing key", nil, runKey},
	}
}

// keeper opens the outbound half for a verb. What it has to say stands in the
// errors and events, so only a configured error log is written besides.
func (in *Command) keeper() (*keeper.Keeper, func(), error) {
	c, db, err := in.open()
	if err != nil {
		return nil, nil, err
	}
	return in.Keeper(c, db, instance.NewLog(io.Discard, c.ErrorLog)), func() { db.Close() }, nil
}

// ensureKey makes the sealing key of an installation that never had one.
func (in *Command) ensureKey(k *keeper.Keeper) error {
	made, err := k.EnsureKey(in.ctx)
	if made {
		fmt.Fprintf(in.Stderr, "A sealing key was made: %s\nKeep a copy of it apart from the database: without it the kept tokens are lost.\n", k.Keys.Path)
	}
	return err
}

// A providerField is a property of a provider that is a flag of the same name.
type providerField struct {
	name, about string
	of          func(*keeper.Provider) *string
}

func providerFields() []providerField {
	return []providerField{
		{"issuer", "the issuer's `URL`, whose metadata names the endpoints", func(p *keeper.Provider) *string { return &p.Issuer }},
		{"auth-url", "authorization endpoint", func(p *keeper.Provider) *string { return &p.AuthURL }},
		{"token-url", "token endpoint", func(p *keeper.Provider) *string { return &p.TokenURL }},
		{"device-url", "device authorization endpoint", func(p *keeper.Provider) *string { return &p.DeviceURL }},
		{"revoke-url", "revocation endpoint", func(p *keeper.Provider) *string { return &p.RevokeURL }},
		{"introspect-url", "introspection endpoint", func(p *keeper.Provider) *string { return &p.IntrospectURL }},
		{"client-id", "the `id` that the provider gave your app", func(p *keeper.Provider) *string { return &p.ClientID }},
		{"auth-style", "`header` or body: where the client secret is sent", func(p *keeper.Provider) *string { return &p.AuthStyle }},
		{"scope", "scope to ask for, `words` with spaces between", func(p *keeper.Provider) *string { return &p.Scope }},
	}
}

func providerFlags(in *Command) {
	for _, f := range providerFields() {
		in.stringFlag(f.name, "", f.about)
	}
	in.stringFlag("preset", "", "with add: take what is known of this `provider`; by default the one called NAME")
	in.stringFlag("instance", "", "with add: the `host` of a provider that exists many times over (mastodon)")
	in.stringFlag("options", "", "`JSON` with what few providers need, as the README lists it")
	in.stringFlag("secret-file", "", "read the secret from this `file` instead of stdin")
	in.boolFlag("secret", "with set: read a new client secret")
	in.boolFlag("public", "the client has no secret")
}

// changes puts the flags that were given into a provider.
func (in *Command) changes(p *keeper.Provider) error {
	for _, f := range providerFields() {
		if in.given(f.name) {
			*f.of(p) = *in.strings[f.name]
		}
	}
	if !in.given("options") {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(*in.strings["options"]))
	d.DisallowUnknownFields()
	if err := d.Decode(&p.Options); err != nil {
		return usageError("-options: " + err.Error())
	}
	return nil
}

func runProvider(in *Command) error {
	do := map[string]func(*Command, *keeper.Keeper) error{
		"add": addProvider, "set": setProvider, "remove": removeProvider, "list": listProviders}
	switch {
	case len(in.args) == 1 && in.args[0] == "presets":
		return listPresets(in)
	case len(in.args) == 0:
		in.args = []string{"list"}
	case do[in.args[0]] == nil, len(in.args) > 2, (in.args[0] == "list") != (len(in.args) == 1):
		return in.usageError()
	}
	k, done, err := in.keeper()
	if err != nil {
		return err
	}
	defer done()
	return do[in.args[0]](in, k)
}

func listPresets(in *Command) error {
	var rows [][]string
	for _, p := range keeper.Presets() {
		rows = append(rows, []string{p.Name, p.Grants, p.Note})
	}
	return in.list([]string{"preset", "grants", "note"}, rows)
}

func listProviders(in *Command, k *keeper.Keeper) error {
	all, err := k.Providers(in.ctx)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, p := range all {
		where := p.Issuer
		if p.Login != nil {
			where = p.Login.Base
		} else if p.TokenURL != "" {
			where = p.TokenURL
		}
		rows = append(rows, []string{p.Name, p.Preset, where, p.ClientID, yesNo(p.HasSecret), p.AuthStyle, p.Scope, p.DefaultGrant()})
	}
	return in.list([]string{"name", "preset", "tokens_from", "client_id", "secret", "auth_style", "scope", "grant"}, rows)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func addProvider(in *Command, k *keeper.Keeper) error { return in.register(k, in.args[1]) }

// register adds a provider from a preset, an issuer or URLs, and asks a person
// at a terminal for what is missing.
func (in *Command) register(k *keeper.Keeper, name string) error {
	p, err := in.describe(k, name)
	if err != nil {
		return err
	}
	if err := in.changes(&p); err != nil {
		return err
	}
	if p.ClientID == "" && !p.Static && p.Login == nil {
		fmt.Fprintf(in.Stderr, "Register an app at %s, with the redirect address %s\n", name, in.redirect(k))
		if p.ClientID, err = in.ask("Client id", "client-id"); err != nil {
			return err
		}
	}
	if p.ClientID != "" && !*in.bools["public"] {
		if p.ClientSecret, err = in.secret("Client secret (empty if there is none)"); err != nil {
			return err
		}
	}
	if err := in.ensureKey(k); err != nil {
		return err
	}
	return k.AddProvider(in.ctx, p)
}

// redirect is what a provider must be told to expect.
func (in *Command) redirect(k *keeper.Keeper) string {
	local := "http://127.0.0.1:PORT/callback (connect -listen 127.0.0.1:PORT)"
	if k.URL == "" {
		return local
	}
	return k.URL + "/keep/callback (connect -web) or " + local
}

func (in *Command) describe(k *keeper.Keeper, name string) (p keeper.Provider, err error) {
	preset, issuer := *in.strings["preset"], *in.strings["issuer"]
	bare := *in.strings["token-url"] == "" && *in.strings["options"] == ""
	if preset == "" && issuer == "" {
		if known, err := keeper.FindPreset(name); err == nil && (bare || !known.AsksInstance) {
			preset = name // what other flags name is changed in it
		} else if !bare {
			// they say where it is
		} else if issuer, err = in.ask("Issuer URL", "issuer (or -preset, -auth-url, -token-url)"); err != nil {
			return p, err
		}
	}
	switch {
	case preset != "":
		known, err := keeper.FindPreset(preset)
		if err != nil {
			return p, err
		}
		instance := *in.strings["instance"]
		if known.AsksInstance && instance == "" {
			if instance, err = in.ask("Host of your account, such as mastodon.social", "instance"); err != nil {
				return p, err
			}
		}
		return keeper.FromPreset(preset, name, instance)
	case issuer != "" && *in.strings["token-url"] == "":
		p, err = k.Discover(in.ctx, issuer)
	}
	p.Name = name
	return p, err
}

// setProvider changes what the flags name. Another issuer is asked for its endpoints.
func setProvider(in *Command, k *keeper.Keeper) error {
	if in.given("preset") || in.given("instance") {
		return usageError("provider: set does not change preset and instance\nhint: mintkeep provider remove " + in.args[1] + ", and add it anew; or name the URLs")
	}
	var at keeper.Provider
	if *in.strings["issuer"] != "" && !in.given("token-url") {
		var err error
		if at, err = k.Discover(in.ctx, *in.strings["issuer"]); err != nil {
			return err
		}
	}
	var secret keeper.Secret
	if *in.bools["secret"] || *in.strings["secret-file"] != "" {
		var err error
		if secret, err = in.secret("New client secret"); err != nil {
			return err
		}
	}
	return k.SetProvider(in.ctx, in.args[1], func(p *keeper.Provider) error {
		p.ClientSecret = secret
		if at.TokenURL != "" {
			p.AuthURL, p.TokenURL, p.DeviceURL, p.RevokeURL, p.IntrospectURL = at.AuthURL, at.TokenURL, at.DeviceURL, at.RevokeURL, at.IntrospectURL
		}
		if *in.bools["public"] {
			p.HasSecret = false
		}
		return in.changes(p)
	})
}

func removeProvider(in *Command, k *keeper.Keeper) error {
	return k.RemoveProvider(in.ctx, in.args[1])
}
