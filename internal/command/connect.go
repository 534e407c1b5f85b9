package command

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"mintkeep/internal/config"
	"mintkeep/keeper"
)

// The verbs connect and get.

func userFlag(in *Command) { in.stringFlag("user", "", "whose connection; `owner` by default") }

func connectFlags(in *Command) {
	userFlag(in)
	in.stringFlag("as", "", "`name` of the connection; by default the provider's")
	in.stringFlag("grant", "", "`how`: code, device, password, client_credentials, login, api_key or jwt")
	in.boolFlag("web", "print a link for a browser anywhere, good for ten minutes and one use")
	in.stringFlag("username", "", "`name` to sign in with (password, login)")
	in.stringFlag("listen", "", "where the browser comes back to: `127.0.0.1:PORT`; any port by default")
	in.boolFlag("no-browser", "start no browser here")
	providerFlags(in) // for a provider that is not registered yet
}

func runConnect(in *Command) error {
	if len(in.args) > 1 || *in.bools["web"] && !slices.Contains([]string{"", keeper.GrantCode}, *in.strings["grant"]) {
		return in.usageError()
	}
	k, done, err := in.keeper()
	if err != nil {
		return err
	}
	defer done()
	name := strings.Join(in.args, "")
	if name == "" {
		if name, err = in.ask("Provider (mintkeep provider presets lists the known ones)", ""); err != nil {
			return in.usageError()
		}
	}
	if err := in.known(k, name); err != nil {
		return err
	}
	if err := in.ensureKey(k); err != nil {
		return err
	}
	target := keeper.Target{Provider: name, Name: *in.strings["as"], User: *in.strings["user"], Scope: *in.strings["scope"]}
	if *in.bools["web"] {
		link, err := k.Ticket(in.ctx, target)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(in.Stdout, string(link))
		return err
	}
	ask := keeper.Ask{Out: in.Stderr, Listen: *in.strings["listen"], Username: *in.strings["username"], Secret: in.secret,
		User: func() (string, error) { return in.ask("User name", "username") }}
	if in.interactive() {
		ask.In = in.Stdin
		if !*in.bools["no-browser"] {
			ask.Open = in.browser()
		}
	}
	c, err := k.Connect(in.ctx, target, *in.strings["grant"], ask)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(in.Stdout, "Connected: %s (%s). `%s` prints a token.\n", c.Name, c.Provider, c.GetCommand())
	return err
}

// known registers a provider that is not, if it is a preset that needs a client
// or somebody can be asked.
func (in *Command) known(k *keeper.Keeper, name string) error {
	_, err := k.Provider(in.ctx, name)
	for _, flag := range []string{"issuer", "auth-url", "token-url", "device-url", "revoke-url", "introspect-url", "client-id", "auth-style", "preset", "instance", "options", "public"} {
		if err == nil && in.given(flag) {
			return usageError("connect: " + name + " is registered already, so -" + flag + " would change nothing\nhint: mintkeep provider set " + name)
		}
	}
	if !errors.Is(err, keeper.ErrUnknown) {
		return err
	}
	preset, unknown := keeper.FindPreset(cmp.Or(*in.strings["preset"], name))
	if unknown != nil && *in.strings["issuer"] == "" && *in.strings["token-url"] == "" && !in.interactive() {
		return err
	}
	if unknown == nil && !preset.NeedsClient() && *in.strings["preset"] == "" {
		return nil
	}
	return in.register(k, name)
}

func getFlags(in *Command) {
	userFlag(in)
	in.stringFlag("min-ttl", "300", "refresh if the token has less than this left: `seconds`, or 5m")
}

func (in *Command) user() string { return cmp.Or(*in.strings["user"], keeper.DefaultUser) }

// seconds reads a number of seconds or a duration.
func (in *Command) seconds(name string) (time.Duration, error) {
	v := *in.strings[name]
	if n, err := strconv.Atoi(v); err == nil && n >= 0 {
		v = strconv.Itoa(n) + "s"
	}
	if v == "0s" {
		return 0, nil
	}
	d, err := config.ParseDuration(v)
	if err != nil || d == 0 {
		return 0, usageError(fmt.Sprintf("-%s: %q is neither seconds nor a duration like 20m", name, *in.strings[name]))
	}
	return d, nil
}

func runGet(in *Command) error {
	ttl, err := in.seconds("min-ttl")
	if err != nil {
		return err
	}
	if len(in.args) != 1 {
		return in.usageError()
	}
	k, done, err := in.keeper()
	if err != nil {
		return err
	}
	defer done()
	t, err := k.Token(in.ctx, in.user(), in.args[0], ttl)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(in.Stdout, string(t.AccessToken))
	return err
}
