package main

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"mintkeep/keeper"
)

// The verbs that use the outbound half: connect, get, connections, refresh,
// introspect, forget.

func userFlag(in *invocation) { in.stringFlag("user", "", "whose connection; `owner` by default") }

func connectFlags(in *invocation) {
	userFlag(in)
	in.stringFlag("as", "", "`name` of the connection; by default the provider's")
	in.stringFlag("grant", "", "`how`: code, device, password, client_credentials, login, api_key or jwt")
	in.boolFlag("web", "print a link for a browser anywhere, good for ten minutes and one use")
	in.stringFlag("username", "", "`name` to sign in with (password, login)")
	in.stringFlag("listen", "", "where the browser comes back to: `127.0.0.1:PORT`; any port by default")
	in.boolFlag("no-browser", "start no browser here")
	providerFlags(in) // for a provider that is not registered yet
}

func runConnect(in *invocation) error {
	if len(in.args) > 1 {
		return in.wrong()
	}
	k, done, err := in.keeper()
	if err != nil {
		return err
	}
	defer done()
	name := strings.Join(in.args, "")
	if name == "" {
		if name, err = in.ask("Provider (mintkeep provider presets lists the known ones)", ""); err != nil {
			return in.wrong()
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
		_, err = fmt.Fprintln(in.stdout, string(link))
		return err
	}
	ask := keeper.Ask{Out: in.stderr, Listen: *in.strings["listen"], Username: *in.strings["username"], Secret: in.secret,
		User: func() (string, error) { return in.ask("User name", "username") }}
	if in.interactive() {
		ask.In = in.stdin
		if !*in.bools["no-browser"] {
			ask.Open = in.browser()
		}
	}
	c, err := k.Connect(in.ctx, target, *in.strings["grant"], ask)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(in.stdout, "Connected: %s (%s). `mintkeep get %s` prints a token.\n", c.Name, c.Provider, c.Name)
	return err
}

// known registers a provider that is not, if it is a preset that needs a client
// or somebody can be asked.
func (in *invocation) known(k *keeper.Keeper, name string) error {
	_, err := k.Provider(in.ctx, name)
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

func getFlags(in *invocation) {
	userFlag(in)
	in.stringFlag("min-ttl", "300", "refresh if the token has less than this left: `seconds`, or 5m")
}

func (in *invocation) user() string { return cmp.Or(*in.strings["user"], keeper.DefaultUser) }

// seconds reads a number of seconds or a duration.
func (in *invocation) seconds(name string) (time.Duration, error) {
	v := *in.strings[name]
	if n, err := strconv.Atoi(v); err == nil && n >= 0 {
		v = strconv.Itoa(n) + "s"
	}
	if v == "0s" {
		return 0, nil
	}
	d, err := parseDuration(v)
	if err != nil || d == 0 {
		return 0, usageError(fmt.Sprintf("-%s: %q is neither seconds nor a duration like 20m", name, *in.strings[name]))
	}
	return d, nil
}

func runGet(in *invocation) error {
	ttl, err := in.seconds("min-ttl")
	if err != nil {
		return err
	}
	if len(in.args) != 1 {
		return in.wrong()
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
	_, err = fmt.Fprintln(in.stdout, string(t.AccessToken))
	return err
}

func connectionsFlags(in *invocation) {
	in.stringFlag("user", "", "only those of this `user`")
	in.boolFlag("check", "only those that are dead or failing; status 1 if there are any")
	in.stringFlag("from", "", "with import: `tokenkeep` or pyauthflow")
}

func runConnections(in *invocation) error {
	importing := len(in.args) == 2 && in.args[0] == "import"
	if !importing && (len(in.args) > 1 || len(in.args) == 1 && in.args[0] != "list") {
		return in.wrong()
	}
	k, done, err := in.keeper()
	if err != nil {
		return err
	}
	defer done()
	if importing {
		return in.importFrom(k, in.args[1])
	}
	all, err := k.Connections(in.ctx, *in.strings["user"])
	if err != nil {
		return err
	}
	troubled := keeper.Troubled(all)
	if *in.bools["check"] {
		all = troubled
	}
	var rows [][]string
	for _, c := range all {
		expiry := "unknown"
		if !c.Expires.IsZero() {
			expiry = timeText(c.Expires)
		}
		rows = append(rows, []string{c.Name, c.Provider, c.User, c.Grant, c.Scope, expiry, c.State, c.LastError, c.Reconnect})
	}
	if err := in.list([]string{"name", "provider", "user", "grant", "scope", "expiry", "state", "error", "reconnect"}, rows); err != nil {
		return err
	}
	if *in.bools["check"] && len(troubled) > 0 {
		return fmt.Errorf("connections: dead or failing: %d", len(troubled))
	}
	return nil
}

// importFrom takes another program's store over; what is here already stays.
func (in *invocation) importFrom(k *keeper.Keeper, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return wrap("import", err)
	}
	defer f.Close()
	if err := in.ensureKey(k); err != nil {
		return err
	}
	var done []keeper.Imported
	switch *in.strings["from"] {
	case "pyauthflow":
		done, err = k.ImportPyAuthFlow(in.ctx, f, in.user())
	case "tokenkeep":
		db, err2 := sql.Open("sqlite3", "file:"+(&url.URL{Path: file}).EscapedPath()+"?mode=ro")
		if err2 != nil {
			return wrap("import", err2)
		}
		defer db.Close()
		done, err = k.ImportTokenKeep(in.ctx, db, in.user())
	default:
		return usageError("connections import: say what it is\nhint: -from tokenkeep or -from pyauthflow")
	}
	var rows [][]string
	for _, i := range done {
		rows = append(rows, []string{i.Name, i.Provider, i.Result})
	}
	if err2 := in.list([]string{"name", "provider", "result"}, rows); err == nil {
		err = err2
	}
	return err
}

func refreshFlags(in *invocation) {
	userFlag(in)
	in.stringFlag("within", "20m", "without a name: what has less than this `duration` left")
}

func runRefresh(in *invocation) error {
	within, err := in.seconds("within")
	if err != nil {
		return err
	}
	if len(in.args) > 1 {
		return in.wrong()
	}
	k, done, err := in.keeper()
	if err != nil {
		return err
	}
	defer done()
	if len(in.args) == 1 {
		_, err := k.Refresh(in.ctx, in.user(), in.args[0])
		return err
	}
	all, err := k.RefreshDue(in.ctx, within)
	return in.outcomes("refresh", all, err, "failed")
}

// outcomes lists what became of several connections. One of the bad results
// makes the verb fail.
func (in *invocation) outcomes(verb string, all []keeper.Outcome, err error, bad string) error {
	n := 0
	var rows [][]string
	for _, o := range all {
		why := ""
		if o.Err != nil {
			why, _, _ = strings.Cut(o.Err.Error(), "\n")
		}
		if o.Result == bad {
			n++
		}
		rows = append(rows, []string{o.Name, o.User, o.Result, why})
	}
	if err2 := in.list([]string{"name", "user", "result", "error"}, rows); err == nil {
		err = err2
	}
	if err == nil && n > 0 {
		err = fmt.Errorf("%s: %s: %d of %d", verb, bad, n, len(all))
	}
	return err
}

func runIntrospect(in *invocation) error {
	if len(in.args) != 1 {
		return in.wrong()
	}
	k, done, err := in.keeper()
	if err != nil {
		return err
	}
	defer done()
	answer, err := k.Introspect(in.ctx, in.user(), in.args[0])
	if err != nil {
		return err
	}
	e := json.NewEncoder(in.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(answer)
}

func forgetFlags(in *invocation) {
	in.stringFlag("user", "", "whose connection; `owner` by default, with -all everybody")
	in.boolFlag("all", "every connection")
	in.onFlag("revoke-offline", "revoke tokens with the scope offline_access at the provider")
	in.onFlag("revoke-online", "revoke all other tokens at the provider")
	in.boolFlag("even-if-revoke-fails", "forget here although the provider did not confirm; the next refresh asks it again")
}

func runForget(in *invocation) error {
	if *in.bools["all"] == (len(in.args) == 1) || len(in.args) > 1 {
		return in.wrong()
	}
	k, done, err := in.keeper()
	if err != nil {
		return err
	}
	defer done()
	policy := keeper.Policy{RevokeOffline: *in.bools["revoke-offline"], RevokeOnline: *in.bools["revoke-online"],
		EvenIfRevokeFails: *in.bools["even-if-revoke-fails"]}
	var all []keeper.Outcome
	if *in.bools["all"] {
		all, err = k.ForgetAll(in.ctx, *in.strings["user"], policy)
	} else {
		var o keeper.Outcome
		if o, err = k.Forget(in.ctx, in.user(), in.args[0], policy); err == nil {
			all = append(all, o)
		}
	}
	return in.outcomes("forget", all, err, keeper.KeptQueued)
}
