package command

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mintkeep/internal/config"
	"mintkeep/internal/instance"
	"mintkeep/internal/store"
)

// The verbs that set an installation up: init, endpoint, setting.

func initFlags(in *Command) {
	in.listFlag("me", "a profile `URL` that gets tokens; may be repeated")
}

// runInit creates what is missing: the folder, the database, the rows.
func runInit(in *Command) error {
	c, err := in.config()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(c.Database), 0o700); err != nil {
		return wrap("creating the folder of the database", err)
	}
	db, err := in.OpenDatabase(in.ctx, c, true, store.Always)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := in.addEndpoints(db, c, in.args, *in.lists["me"]); err != nil {
		return err
	}
	if n, err := store.OverdueMintokens(in.ctx, db, in.Now()); err == nil && n > 0 {
		fmt.Fprintf(in.Stdout, "%d tokens of php-mintoken are past their date; current PHP still accepted them, mintkeep does not.\n", n)
	}
	fmt.Fprintln(in.Stdout, "The database is at", c.Database)
	return nil
}

func endpointFlags(in *Command) {
	in.listFlag("me", "with add: a profile `URL` that gets tokens")
}

func runEndpoint(in *Command) error {
	c, db, err := in.open()
	if err != nil {
		return err
	}
	defer db.Close()
	switch {
	case in.given("me") && !(len(in.args) == 2 && in.args[0] == "add"):
		return in.usageError()
	case len(in.args) == 2 && in.args[0] == "add":
		return in.addEndpoints(db, c, in.args[1:], *in.lists["me"])
	case len(in.args) == 2 && in.args[0] == "remove":
		return in.removeSetting(db, "endpoint", in.args[1])
	case len(in.args) == 0 || len(in.args) == 1 && in.args[0] == "list":
		return listEndpoints(in, c, db)
	}
	return in.usageError()
}

func listEndpoints(in *Command, c *config.Config, db *sql.DB) error {
	rows, err := config.ReadRows(in.ctx, db)
	if err != nil {
		return err
	}
	var out [][]string
	for _, r := range rows {
		if r.Name == "endpoint" {
			out = append(out, []string{r.Value, "database"})
		}
	}
	for _, u := range c.Endpoints {
		out = append(out, []string{u, "configuration file"})
	}
	return in.list([]string{"endpoint", "from"}, out)
}

// addEndpoints adds endpoints and profiles, all of them or none. What an endpoint says
// about `me` is believed, so a public service is only trusted for named profiles.
func (in *Command) addEndpoints(db *sql.DB, c *config.Config, endpoints, me []string) error {
	public := ""
	for _, address := range endpoints {
		u, err := url.Parse(address)
		if err == nil {
			err = cmp.Or(config.CheckEndpoint(address), config.CheckSecure(u))
		}
		if err != nil {
			return usageError("endpoint: " + err.Error())
		}
		if instance.PublicService(u.Hostname()) {
			public = u.Hostname()
		}
	}
	return store.Write(in.ctx, db, func(tx *sql.Tx) error {
		for _, profile := range me {
			if err := in.addSetting(tx, "me", profile); err != nil {
				return err
			}
		}
		named := len(c.Me) > 0
		if public != "" && !named {
			if err := tx.QueryRowContext(in.ctx, `SELECT EXISTS (SELECT 1 FROM settings WHERE setting_name = 'me')`).Scan(&named); err != nil {
				return wrap("reading the settings", err)
			}
		}
		if public != "" && !named {
			return usageError("endpoint: " + public + " signs anybody in, so everybody would get tokens of yours\nhint: name yourself too: -me https://your.site/")
		}
		for _, address := range endpoints {
			if err := in.addSetting(tx, "endpoint", address); err != nil {
				return err
			}
		}
		return nil
	})
}

func settingFlags(in *Command) {
	in.boolFlag("unset", "remove the setting, or the one value of it")
	in.listFlag("me", "with endpoint: a profile `URL` that gets tokens")
}

func runSetting(in *Command) error {
	c, db, err := in.open()
	if err != nil {
		return err
	}
	defer db.Close()
	unset := *in.bools["unset"]
	if len(in.args) == 0 && !unset {
		return listSettings(in, c, db)
	}
	if len(in.args) == 0 || len(in.args) > 2 {
		return in.usageError()
	}
	s, err := in.Settings.FindRow(in.args[0])
	if err != nil {
		return usageError("setting: " + err.Error())
	}
	if in.given("me") && (unset || s.Name != "endpoint") {
		return in.usageError()
	}
	switch {
	case unset && len(in.args) == 2:
		return s.Remove(in.ctx, db, in.args[1])
	case unset:
		return s.Unset(in.ctx, db)
	case len(in.args) == 1:
		return showSetting(in, c, db, s)
	case s.Name == "endpoint":
		return in.addEndpoints(db, c, in.args[1:], *in.lists["me"])
	case s.Many:
		return asUsage(s.Add(in.ctx, db, in.args[1]))
	}
	return asUsage(s.Replace(in.ctx, db, in.args[1]))
}

func showSetting(in *Command, c *config.Config, db *sql.DB, s config.Setting) error {
	rows, err := config.ReadRows(in.ctx, db)
	if err != nil {
		return err
	}
	values := slices.Clone(s.InFile(c))
	for _, r := range rows {
		if r.Name == s.Name {
			values = append(values, r.Value)
		}
	}
	if len(values) == 0 && s.Default != "" {
		values = []string{s.Default}
	}
	if in.json {
		var out [][]string
		for _, v := range values {
			out = append(out, []string{s.Name, v})
		}
		return in.list([]string{"setting", "value"}, out)
	}
	for _, v := range values {
		fmt.Fprintln(in.Stdout, v)
	}
	return nil
}

func listSettings(in *Command, c *config.Config, db *sql.DB) error {
	rows, err := config.ReadRows(in.ctx, db)
	if err != nil {
		return err
	}
	var out [][]string
	for _, s := range in.Settings.Rows() {
		set := false
		for _, r := range rows {
			if r.Name == s.Name {
				set = true
				out = append(out, []string{s.Name, r.Value, "database", plainText(s.Meaning)})
			}
		}
		for _, u := range s.InFile(c) {
			set = true
			out = append(out, []string{s.Name, u, "configuration file", plainText(s.Meaning)})
		}
		if !set {
			out = append(out, []string{s.Name, s.Default, "default", plainText(s.Meaning)})
		}
	}
	if err := in.list([]string{"setting", "value", "from", "meaning"}, out); err != nil {
		return err
	}
	_, err = in.ParseSettings(rows, c)
	return err
}

// plainText takes the marks of code out of Markdown.
func plainText(markdown string) string { return strings.ReplaceAll(markdown, "`", "") }

func (in *Command) addSetting(db store.Querier, name, value string) error {
	s, err := in.Settings.FindRow(name)
	if err != nil {
		return err
	}
	return asUsage(s.Add(in.ctx, db, value))
}

func (in *Command) removeSetting(db store.Querier, name, value string) error {
	s, err := in.Settings.FindRow(name)
	if err != nil {
		return err
	}
	return s.Remove(in.ctx, db, value)
}

// asUsage makes a value that cannot be set the caller's fault: exit status 2.
func asUsage(err error) error {
	if fault := new(config.ValueError); errors.As(err, &fault) {
		return usageError(fault.Error())
	}
	return err
}
