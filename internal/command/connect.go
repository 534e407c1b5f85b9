package command

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"

	"mintkeep/keeper"
	"mintkeep/keeper/provider"
)

type connectFlags struct {
	providerFlags // for a provider that is not registered yet

	user, as, grant, username, listen, redirect string
	web, noBrowser                              bool
}

func connectVerb(f *flag.FlagSet) action {
	o := new(connectFlags)
	userFlag(f, &o.user)
	f.StringVar(&o.as, "as", "", "`name` of the connection; by default the provider's")
	f.StringVar(&o.grant, "grant", "", "`how`: code, device, password, client_credentials, login, api_key or jwt")
	f.BoolVar(&o.web, "web", false, "print a link for a browser anywhere, good for ten minutes and one use")
	f.StringVar(&o.username, "username", "", "`name` to sign in with (password, login)")
	f.StringVar(&o.listen, "listen", "", "where the browser comes back to: `127.0.0.1:PORT` or localhost:PORT; any port by default")
	f.StringVar(&o.redirect, "redirect", "", "the redirect address to ask for, a `URL`, if it is another; paste what the browser ends at")
	f.BoolVar(&o.noBrowser, "no-browser", false, "start no browser here")
	o.declare(f)
	return func(c *Command) error {
		if len(c.args) > 1 || o.web && !slices.Contains([]string{"", keeper.GrantCode}, o.grant) {
			return c.usage()
		}
		if o.web {
			if err := refuse(c, "-web has the site send the browser back to this one", "listen", "redirect", "username"); err != nil {
				return err
			}
		}
		return c.withKeeper(func(k *keeper.Keeper) error { return o.connect(c, k) })
	}
}

func (o *connectFlags) connect(c *Command, k *keeper.Keeper) (err error) {
	name := strings.Join(c.args, "")
	if name == "" {
		if name, err = c.ask("Provider (mintkeep provider presets lists the known ones)", ""); err != nil {
			return c.usage()
		}
	}
	if err := o.ensureProvider(c, k, name); err != nil {
		return err
	}
	if err := c.ensureKey(k); err != nil {
		return err
	}
	target := keeper.Target{Provider: name, Name: o.as, User: o.user, Scope: o.fields.Scope}
	if o.web {
		link, err := k.Browser().Ticket(c.ctx, target, keeper.Ask{Out: c.Stderr})
		return c.println(string(link), err)
	}
	ask := keeper.Ask{Out: c.Stderr, Listen: o.listen, Redirect: o.redirect, Username: o.username,
		Secret: func(prompt string) (keeper.Secret, error) { return c.secret(prompt, o.secretFile) },
		User:   func() (string, error) { return c.ask("User name", "-username") }}
	if c.interactive() {
		ask.In = c.Stdin
		if !o.noBrowser {
			ask.Open = c.browser()
		}
	}
	made, err := k.Connect(c.ctx, target, o.grant, ask)
	if err != nil {
		return err
	}
	// Not on stdout: `get || connect` captures a token there.
	fmt.Fprintf(c.Stderr, "Connected: %s (%s). `%s` prints a token.\n", made.Name, made.Provider, made.GetCommand())
	return nil
}

// ensureProvider registers a provider that is not, if it is a preset that needs
// a client or somebody can be asked.
func (o *connectFlags) ensureProvider(c *Command, k *keeper.Keeper, name string) error {
	_, err := k.Registry().Get(c.ctx, name)
	for _, flag := range []string{"issuer", "auth-url", "token-url", "device-url", "revoke-url", "introspect-url",
		"client-id", "auth-style", "preset", "instance", "mcp", "options", "public"} {
		if err == nil && c.given(flag) {
			return c.usageErrorf("%s is registered already, so -%s would change nothing\nhint: mintkeep provider set %s", name, flag, keeper.ShellWord(name))
		}
	}
	if !errors.Is(err, keeper.ErrUnknown) {
		return err
	}
	preset, unknown := provider.FindPreset(cmp.Or(o.preset, name))
	if unknown != nil && o.fields.Issuer+o.fields.TokenURL+o.mcp == "" && !c.interactive() {
		return err
	}
	if unknown == nil && !preset.NeedsClient() && o.preset == "" {
		return nil
	}
	return o.register(c, k, name)
}
