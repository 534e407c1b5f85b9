package command

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"mintkeep/internal/store"
	"mintkeep/keeper"
)

// The verbs about what is kept: connections, refresh, introspect, forget.

func connectionsFlags(in *Command) {
	in.stringFlag("user", "", "only those of this `user`")
	in.boolFlag("check", "only those that are dead or failing; status 1 if there are any")
	in.stringFlag("from", "", "with import: `tokenkeep` or pyauthflow")
}

func runConnections(in *Command) error {
	importing := len(in.args) == 2 && in.args[0] == "import"
	if !importing && (len(in.args) > 1 || len(in.args) == 1 && in.args[0] != "list") {
		return in.usageError()
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
		if err := k.CheckKey(in.ctx); err != nil {
			return wrap("connections", err)
		}
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
func (in *Command) importFrom(k *keeper.Keeper, file string) error {
	from := *in.strings["from"]
	if from != "pyauthflow" && from != "tokenkeep" {
		return usageError("connections import: say what it is\nhint: -from tokenkeep or -from pyauthflow")
	}
	f, err := os.Open(file)
	if err != nil {
		return wrap("import", err)
	}
	defer f.Close()
	if err := in.ensureKey(k); err != nil {
		return err
	}
	var done []keeper.Imported
	if from == "pyauthflow" {
		done, err = k.ImportPyAuthFlow(in.ctx, f, in.user())
	} else {
		db, err2 := store.OpenAsIs(file, true)
		if err2 != nil {
			return wrap("import", err2)
		}
		defer db.Close()
		done, err = k.ImportTokenKeep(in.ctx, db, in.user())
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

func refreshFlags(in *Command) {
	userFlag(in)
	in.stringFlag("within", "20m", "without a name: what has less than this `duration` left")
}

func runRefresh(in *Command) error {
	within, err := in.seconds("within")
	if err != nil {
		return err
	}
	if len(in.args) > 1 {
		return in.usageError()
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
func (in *Command) outcomes(verb string, all []keeper.Outcome, err error, bad string) error {
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

func runIntrospect(in *Command) error {
	if len(in.args) != 1 {
		return in.usageError()
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
	e := json.NewEncoder(in.Stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(answer)
}

func forgetFlags(in *Command) {
	in.stringFlag("user", "", "whose connection; `owner` by default, with -all everybody")
	in.boolFlag("all", "every connection")
	in.onFlag("revoke-offline", "revoke tokens with the scope offline_access at the provider")
	in.onFlag("revoke-online", "revoke all other tokens at the provider")
	in.boolFlag("even-if-revoke-fails", "forget here although the provider did not confirm; the next refresh asks it again")
}

func runForget(in *Command) error {
	if *in.bools["all"] == (len(in.args) == 1) || len(in.args) > 1 {
		return in.usageError()
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
