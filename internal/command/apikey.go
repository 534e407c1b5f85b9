package command

import (
	"errors"
	"fmt"

	"mintkeep/keeper"
)

// The verbs about keys: apikey, key.

func apiKeyFlags(in *Command) {
	in.stringFlag("user", "", "only for connections of this `user`")
	in.stringFlag("provider", "", "only for connections to this `provider`")
	in.boolFlag("write", "may also store, refresh and delete")
}

func runAPIKey(in *Command) error {
	k, done, err := in.keeper()
	if err != nil {
		return err
	}
	defer done()
	switch {
	case len(in.args) == 2 && in.args[0] == "add":
		if err := in.ensureKey(k); err != nil { // without it, nothing is answered
			return err
		}
		secret, err := k.AddAPIKey(in.ctx, keeper.APIKey{Name: in.args[1], User: *in.strings["user"],
			Provider: *in.strings["provider"], Write: *in.bools["write"]})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(in.Stdout, string(secret))
		return err
	case len(in.args) == 2 && in.args[0] == "remove":
		return k.RemoveAPIKey(in.ctx, in.args[1])
	case len(in.args) == 0 || len(in.args) == 1 && in.args[0] == "list":
		all, err := k.APIKeys(in.ctx)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, a := range all {
			rows = append(rows, []string{a.Name, a.User, a.Provider, yesNo(a.Write), timeText(a.Created), timeText(a.LastUse)})
		}
		return in.list([]string{"name", "user", "provider", "write", "created", "last_use"}, rows)
	}
	return in.usageError()
}

func runKey(in *Command) error {
	if len(in.args) != 1 || in.args[0] != "new" && in.args[0] != "rotate" {
		return in.usageError()
	}
	k, done, err := in.keeper()
	if err != nil {
		return err
	}
	defer done()
	if in.args[0] == "new" {
		if k.Keys.Exists() {
			return errors.New("key: there is one already: " + k.Keys.String() + "\nhint: mintkeep key rotate changes it")
		}
		return in.ensureKey(k)
	}
	n, id, err := k.Rotate(in.ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(in.Stdout, "%d values sealed again, with key %s\n", n, id)
	return err
}
