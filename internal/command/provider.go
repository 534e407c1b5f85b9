package command

import (
	"encoding/json"
	"flag"
	"fmt"
	"strings"

	"mintkeep/keeper"
	"mintkeep/keeper/provider"
)

// A providerField is a property of a provider that is a flag of the same name.
type providerField struct {
	name, about string
	of          func(*provider.Provider) *string
}

func providerFields() []providerField {
	return []providerField{
		{"issuer", "the issuer's `URL`, whose metadata names the endpoints", func(p *provider.Provider) *string { return &p.Issuer }},
		{"auth-url", "authorization endpoint", func(p *provider.Provider) *string { return &p.AuthURL }},
		{"token-url", "token endpoint", func(p *provider.Provider) *string { return &p.TokenURL }},
		{"device-url", "device authorization endpoint", func(p *provider.Provider) *string { return &p.DeviceURL }},
		{"revoke-url", "revocation endpoint", func(p *provider.Provider) *string { return &p.RevokeURL }},
		{"introspect-url", "introspection endpoint", func(p *provider.Provider) *string { return &p.IntrospectURL }},
		{"client-id", "the `id` that the provider gave your app", func(p *provider.Provider) *string { return &p.ClientID }},
		{"auth-style", "`header`, header-raw or body: where the client secret is sent", func(p *provider.Provider) *string { return &p.AuthStyle }},
		{"scope", "scope to ask for, `words` with spaces between", func(p *provider.Provider) *string { return &p.Scope }},
	}
}

// providerFlags describe a provider: of the verb provider, and of connect for one
// that is not registered yet.
type providerFlags struct {
	fields                                provider.Provider // what providerFields names
	preset, instance, options, secretFile string
	mcp                                   string
	secret, public                        bool
}

func (o *providerFlags) declare(f *flag.FlagSet) {
	for _, field := range providerFields() {
		f.StringVar(field.of(&o.fields), field.name, "", field.about)
	}
	f.StringVar(&o.preset, "preset", "", "with add: take what is known of this `provider`; by default the one called NAME")
	f.StringVar(&o.instance, "instance", "", "with add: the `host` of a provider that exists many times over (mastodon)")
	f.StringVar(&o.mcp, "mcp", "", "with add: the `URL` of an MCP server, which names its issuer")
	f.StringVar(&o.options, "options", "", "`JSON` with what few providers need, as docs/keeping.md lists it")
	f.StringVar(&o.secretFile, "secret-file", "", "read the secret from this `file` instead of stdin")
	f.BoolVar(&o.secret, "secret", false, "with set: read a new client secret")
	f.BoolVar(&o.public, "public", false, "the client has no secret")
}

// names are those of all flags.
func (o *providerFlags) names() (all []string) {
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	new(providerFlags).declare(flags)
	flags.VisitAll(func(f *flag.Flag) { all = append(all, f.Name) })
	return all
}

// apply puts the flags that were given into a provider.
func (o *providerFlags) apply(c *Command, p *provider.Provider) error {
	for _, f := range providerFields() {
		if c.given(f.name) {
			*f.of(p) = *f.of(&o.fields)
			if strings.HasSuffix(f.name, "-url") {
				p.NamedHost = "" // an address is the owner's own word now
			}
		}
	}
	if !c.given("options") {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(o.options))
	d.DisallowUnknownFields()
	if err := d.Decode(&p.Options); err != nil {
		return usageError("-options: " + err.Error())
	}
	return nil
}

func providerVerb(f *flag.FlagSet) action {
	o := new(providerFlags)
	o.declare(f)
	return func(c *Command) error {
		var do func(*Command, *keeper.Keeper) error
		var err error
		switch {
		case c.is("presets", 0):
			if err = refuse(c, "presets names all", o.names()...); err == nil {
				return c.listPresets()
			}
		case c.isList():
			err = refuse(c, "list names all", o.names()...)
			do = listProviders
		case c.is("add", 1):
			err = refuse(c, "add asks for the secret", "secret")
			do = func(c *Command, k *keeper.Keeper) error { return o.register(c, k, c.args[1]) }
		case c.is("set", 1):
			do = o.set
		case c.is("remove", 1):
			err = refuse(c, "remove takes a name alone", o.names()...)
			do = func(c *Command, k *keeper.Keeper) error { return k.Registry().Remove(c.ctx, c.args[1]) }
		default:
			return c.usage()
		}
		if err != nil {
			return err
		}
		return c.withKeeper(func(k *keeper.Keeper) error { return do(c, k) })
	}
}

func (c *Command) listPresets() error {
	return list(c, "preset grants note", provider.Presets(), nil, func(p provider.Preset) []string {
		return []string{p.Name, p.Grants, p.Note}
	})
}

func listProviders(c *Command, k *keeper.Keeper) error {
	all, err := k.Registry().List(c.ctx)
	return list(c, "name preset tokens_from client_id secret auth_style scope grant", all, err, func(p provider.Provider) []string {
		from := p.Issuer
		if p.Login != nil {
			from = p.Login.Base
		} else if p.TokenURL != "" {
			from = p.TokenURL
		}
		return []string{p.Name, p.Preset, from, p.ClientID, yesNo(p.HasSecret), p.AuthStyle, p.Scope, keeper.DefaultGrant(p)}
	})
}

// register adds a provider from a preset, an issuer or URLs, and asks a person
// at a terminal for what is missing.
func (o *providerFlags) register(c *Command, k *keeper.Keeper, name string) error {
	registered := false
	p, err := o.describe(c, k, name)
	if err != nil {
		return err
	}
	if err := o.apply(c, &p); err != nil {
		return err
	}
	if p.ClientID == "" && !p.Static && p.Login == nil {
		if registered, err = k.Registry().Register(c.ctx, &p, k.URL); err != nil {
			return err
		}
		if !registered {
			fmt.Fprintf(c.Stderr, "Register an app at %s, with the redirect address %s\n", name, redirectAddress(k))
			if p.ClientID, err = c.ask("Client id", "-client-id"); err != nil {
				return err
			}
		}
	}
	if p.ClientID != "" && !o.public && !registered {
		if p.ClientSecret, err = c.secret("Client secret (empty if there is none)", o.secretFile); err != nil {
			return err
		}
	}
	if err := c.ensureKey(k); err != nil {
		return err
	}
	if err := k.Registry().Add(c.ctx, p); err != nil || c.verb.name != "provider" {
		return err
	}
	if registered {
		fmt.Fprintf(c.Stderr, "%s knows mintkeep now, as client %s.\n", name, p.ClientID)
	}
	next := "mintkeep connect " + keeper.ShellWord(name)
	if p.RedirectURI == k.URL+"/keep/callback" {
		next += " -web"
	}
	fmt.Fprintf(c.Stderr, "Next: %s\n", next)
	return nil
}

// redirectAddress is what a provider must be told to expect.
func redirectAddress(k *keeper.Keeper) string {
	local := "http://127.0.0.1:PORT/callback (connect -listen 127.0.0.1:PORT)"
	if k.URL == "" {
		return local
	}
	return k.URL + "/keep/callback (connect -web) or " + local
}

// describe finds out what is known of a provider that is to be added.
func (o *providerFlags) describe(c *Command, k *keeper.Keeper, name string) (p provider.Provider, err error) {
	preset, issuer := o.preset, o.fields.Issuer
	if err := o.oneSite(c); err != nil {
		return p, err
	}
	bare := o.fields.TokenURL == "" && o.options == ""
	if o.mcp != "" {
		p, err = k.Registry().Client.DiscoverMCP(c.ctx, o.mcp)
		p.Name = name
		return p, err
	}
	if preset == "" && issuer == "" {
		if known, err := provider.FindPreset(name); err == nil && (bare || !known.AsksInstance) {
			preset = name // what other flags name is changed in it
		} else if bare { // else they say where it is
			if issuer, err = c.ask("Issuer URL", provider.NearestPreset(name, "-issuer (or -preset, -auth-url, -token-url)")); err != nil {
				return p, err
			}
		}
	}
	switch {
	case preset != "":
		known, err := provider.FindPreset(preset)
		if err != nil {
			return p, err
		}
		instance := o.instance
		if instance != "" && !known.HasInstances() {
			return p, c.usageErrorf("%s is in one place, so -instance would change nothing\nhint: -auth-url, -token-url and -revoke-url for another one", preset)
		}
		if known.AsksInstance && instance == "" {
			if instance, err = c.ask("Host of your account, such as mastodon.social", "-instance"); err != nil {
				return p, err
			}
		}
		return provider.FromPreset(preset, name, instance)
	case issuer != "" && o.fields.TokenURL == "":
		p, err = k.Registry().Client.Discover(c.ctx, issuer)
	}
	p.Name = name
	return p, err
}

// oneSite refuses flags that name two sites: secrets would go to the other one.
func (o *providerFlags) oneSite(c *Command) error {
	for _, two := range [][2]string{{"mcp", "preset"}, {"mcp", "issuer"}, {"mcp", "instance"}, {"preset", "issuer"}, {"issuer", "instance"}} {
		if c.given(two[0]) && c.given(two[1]) {
			return c.usageErrorf("-%s says where the site is, and so does -%s\nhint: one of the two", two[0], two[1])
		}
	}
	return nil
}

// set changes what the flags name. Another issuer is asked for its endpoints.
func (o *providerFlags) set(c *Command, k *keeper.Keeper) (err error) {
	if c.given("preset") || c.given("instance") || c.given("mcp") {
		return c.usageErrorf("set does not change preset, instance and MCP server\nhint: mintkeep provider remove %s, and add it anew; or name the URLs",
			keeper.ShellWord(c.args[1]))
	}
	var at provider.Provider
	if o.fields.Issuer != "" && !c.given("token-url") {
		if at, err = k.Registry().Client.Discover(c.ctx, o.fields.Issuer); err != nil {
			return err
		}
	}
	var secret keeper.Secret
	if o.secret || o.secretFile != "" {
		if secret, err = c.secret("New client secret", o.secretFile); err != nil {
			return err
		}
	}
	return k.Registry().Set(c.ctx, c.args[1], func(p *provider.Provider) error {
		p.ClientSecret = secret
		if at.TokenURL != "" {
			p.AuthURL, p.TokenURL, p.DeviceURL = at.AuthURL, at.TokenURL, at.DeviceURL
			p.RevokeURL, p.IntrospectURL, p.NamedHost, p.RequireIss = at.RevokeURL, at.IntrospectURL, at.NamedHost, at.RequireIss
		}
		if o.public {
			p.HasSecret = false
		}
		return o.apply(c, p)
	})
}
