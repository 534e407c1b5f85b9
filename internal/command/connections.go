package command

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"strings"

	"mintkeep/internal/store"
	"mintkeep/keeper"
)

type connectionsFlags struct {
	user, from string
	check      bool
}

func connectionsVerb(f *flag.FlagSet) action {
	o := new(connectionsFlags)
	f.StringVar(&o.user, "user", "", "only those of this `user`")
	f.BoolVar(&o.check, "check", false, "only those that are dead or failing; status 1 if there are any")
	f.StringVar(&o.from, "from", "", "with import: `tokenkeep` or pyauthflow")
	return func(c *Command) error {
		switch {
		case c.is("import", 1):
			if err := refuse(c, "import looks at nothing that is kept", "check"); err != nil {
				return err
			}
			return c.withKeeper(func(k *keeper.Keeper) error { return o.importFrom(c, k, c.args[1]) })
		case c.isList():
			if err := refuse(c, "nothing is imported", "from"); err != nil {
				return err
			}
			return c.withKeeper(func(k *keeper.Keeper) error { return o.list(c, k) })
		}
		return c.usage()
	}
}

func (o *connectionsFlags) list(c *Command, k *keeper.Keeper) error {
	all, err := k.Connections(c.ctx, o.user)
	if err != nil {
		return err
	}
	troubled := keeper.Troubled(all)
	for _, v := range all {
		if v.Warning != "" && !c.json {
			fmt.Fprintf(c.Stderr, "%s: %s\n", strings.Map(printable, v.Name), v.Warning)
		}
	}
	if o.check {
		if err := k.CheckKey(c.ctx); err != nil {
			return wrap("connections", err)
		}
		all = troubled
	}
	err = list(c, "name provider user grant scope expiry refresh_expiry state error reconnect last_refresh client_id issuer", all, nil, func(v keeper.Connection) []string {
		expiry := "unknown"
		if !v.Expires.IsZero() {
			expiry = timeText(v.Expires)
		}
		return []string{v.Name, v.Provider, v.User, v.Grant, v.Scope, expiry, timeText(v.RefreshExpires), v.State, v.LastError, v.Reconnect,
			timeText(v.Refreshed), v.ClientID, v.Issuer}
	})
	if err == nil && o.check && len(troubled) > 0 {
		err = fmt.Errorf("connections: dead or failing: %d", len(troubled))
	}
	return err
}

// importFrom takes another program's store over; what is here already stays.
func (o *connectionsFlags) importFrom(c *Command, k *keeper.Keeper, file string) error {
	if o.from != "pyauthflow" && o.from != "tokenkeep" {
		return usageError("connections import: say what it is\nhint: -from tokenkeep or -from pyauthflow")
	}
	f, err := os.Open(file)
	if err != nil {
		return wrap("import", err)
	}
	defer f.Close()
	if err := c.ensureKey(k); err != nil {
		return err
	}
	stop := c.progress("Importing", nil)
	var done []keeper.Imported
	if o.from == "pyauthflow" {
		done, err = k.ImportPyAuthFlow(c.ctx, f, orOwner(o.user))
	} else {
		db, err2 := store.OpenAsIs(file, true)
		if err2 != nil {
			stop()
			return wrap("import", err2)
		}
		defer db.Close()
		done, err = k.ImportTokenKeep(c.ctx, db, orOwner(o.user))
	}
	stop()
	listed := list(c, "name provider result", done, nil, func(i keeper.Imported) []string { return []string{i.Name, i.Provider, i.Result} })
	return cmp.Or(err, listed)
}

// listOutcomes lists what became of several connections. One of the bad results
// makes the verb fail.
func (c *Command) listOutcomes(all []keeper.Outcome, err error, bad string) error {
	n := 0
	listed := list(c, "name user result error", all, nil, func(o keeper.Outcome) []string {
		why := ""
		if o.Err != nil {
			why, _, _ = strings.Cut(o.Err.Error(), "\n")
		}
		if o.Result == bad {
			n++
		}
		return []string{o.Name, o.User, o.Result, why}
	})
	if err = cmp.Or(err, listed); err == nil && n > 0 {
		err = fmt.Errorf("%s: %s: %d of %d", c.verb.name, bad, n, len(all))
	}
	return err
}
