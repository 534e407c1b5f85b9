package command

import (
	"database/sql"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mintkeep/internal/config"
	"mintkeep/internal/store"
)

// appendTo makes a flag that may be repeated.
func appendTo(list *[]string) func(string) error {
	return func(v string) error { *list = append(*list, v); return nil }
}

// initVerb creates what is missing: the folder, the database, the rows.
func initVerb(f *flag.FlagSet) action {
	var me []string
	f.Func("me", "a profile `URL` that gets tokens; may be repeated", appendTo(&me))
	return func(c *Command) error {
		if c.site != "" {
			if err := c.makeSite(); err != nil {
				return err
			}
		}
		conf, err := c.config()
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(conf.Database), 0o700); err != nil {
			return wrap("creating the folder of the database", err)
		}
		stop := c.progress("Opening the database, and bringing it up to date", nil)
		db, err := c.OpenDatabase(c.ctx, conf, true, store.Always)
		stop()
		if err != nil {
			return err
		}
		defer db.Close()
		if err := c.addEndpoints(db, conf, c.args, me); err != nil {
			return err
		}
		if n, err := store.OverdueMintokens(c.ctx, db, c.Now()); err == nil && n > 0 {
			fmt.Fprintf(c.Stdout, "%d tokens of php-mintoken are past their date; current PHP still accepted them, mintkeep does not.\n", n)
		}
		return c.reportInit(db, conf)
	}
}

// reportInit says where the database is, whom it trusts, and what comes next.
func (c *Command) reportInit(db *sql.DB, conf *config.Config) error {
	rows, err := config.ReadRows(c.ctx, db)
	if err != nil {
		return err
	}
	values, _, err := c.Settings.Parse(rows, conf)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.Stdout, "The database is at "+conf.Database)
	next := "mintkeep endpoint add URL trusts your authorization endpoint, such as Selfauth."
	if trusted := values["endpoint"]; len(trusted) > 0 {
		fmt.Fprintln(c.Stdout, "It trusts "+strings.Join(trusted, " and "))
		next = "the steps of the README put the program beside your site; mintkeep doctor checks them."
		if c.site != "" {
			next = "the web server passes " + conf.URL + " on to mintkeep serve -sites " + c.sites
		}
	}
	return c.println("Next: "+next, nil)
}

func endpointVerb(f *flag.FlagSet) action {
	var me []string
	f.Func("me", "with add: a profile `URL` that gets tokens", appendTo(&me))
	return func(c *Command) error {
		return c.withDatabase(func(conf *config.Config, db *sql.DB) error {
			switch {
			case c.given("me") && !c.is("add", 1):
				return c.usage()
			case c.is("add", 1):
				return c.addEndpoints(db, conf, c.args[1:], me)
			case c.is("remove", 1):
				return c.setting("endpoint").Remove(c.ctx, db, c.args[1])
			case c.isList():
				return c.listEndpoints(conf, db)
			}
			return c.usage()
		})
	}
}

func (c *Command) listEndpoints(conf *config.Config, db *sql.DB) error {
	rows, err := config.ReadRows(c.ctx, db)
	if err != nil {
		return err
	}
	var out [][]string
	for _, v := range c.setting("endpoint").Values(rows, conf) {
		if v.Text != "" {
			out = append(out, []string{v.Text, v.From})
		}
	}
	return c.list("endpoint from", out)
}

// addEndpoints adds endpoints and profiles, all of them or none. What an endpoint says
// about `me` is believed, so a public service is only trusted for named profiles.
func (c *Command) addEndpoints(db *sql.DB, conf *config.Config, endpoints, me []string) error {
	return store.Write(c.ctx, db, func(tx *sql.Tx) error {
		for _, profile := range me {
			if err := asUsage(c.setting("me").Add(c.ctx, tx, profile)); err != nil {
				return err
			}
		}
		named := len(conf.Me) > 0
		if !named {
			if err := tx.QueryRowContext(c.ctx, `SELECT EXISTS (SELECT 1 FROM settings WHERE setting_name = 'me')`).Scan(&named); err != nil {
				return wrap("reading the settings", err)
			}
		}
		for _, address := range endpoints {
			if err := conf.CheckEndpoint(address, named); err != nil {
				return usageError("endpoint: " + err.Error())
			}
		}
		for _, address := range endpoints {
			if err := asUsage(c.setting("endpoint").Add(c.ctx, tx, address)); err != nil {
				return err
			}
		}
		return nil
	})
}
