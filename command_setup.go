package main

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mintkeep/endpoint"
)

// The verbs that set an installation up: init, endpoint, setting.

func initFlags(in *invocation) {
	in.listFlag("me", "a profile `URL` that gets tokens; may be repeated")
}

// runInit creates what is missing: the folder, the database, the rows.
func runInit(in *invocation) error {
	c, err := in.config()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(c.database), 0o700); err != nil {
		return wrap("creating the folder of the database", err)
	}
	db, err := openDatabase(in.ctx, c, opening{in.now(), true, always})
	if err != nil {
		return err
	}
	defer db.Close()
	if err := trust(in.ctx, db, c, in.args, *in.lists["me"]); err != nil {
		return err
	}
	if n, err := mintokenLeftovers(in.ctx, db, in.now()); err == nil && n > 0 {
		fmt.Fprintf(in.stdout, "%d tokens of php-mintoken are past their date; current PHP still accepted them, mintkeep does not.\n", n)
	}
	fmt.Fprintln(in.stdout, "The database is at", c.database)
	return nil
}

func endpointFlags(in *invocation) {
	in.listFlag("me", "with add: a profile `URL` that gets tokens")
}

func runEndpoint(in *invocation) error {
	c, db, err := in.open()
	if err != nil {
		return err
	}
	defer db.Close()
	switch {
	case in.given("me") && !(len(in.args) == 2 && in.args[0] == "add"):
		return in.wrong()
	case len(in.args) == 2 && in.args[0] == "add":
		return trust(in.ctx, db, c, in.args[1:], *in.lists["me"])
	case len(in.args) == 2 && in.args[0] == "remove":
		return removeSetting(in.ctx, db, "endpoint", in.args[1])
	case len(in.args) == 0 || len(in.args) == 1 && in.args[0] == "list":
		return listEndpoints(in, c, db)
	}
	return in.wrong()
}

func listEndpoints(in *invocation, c *config, db *sql.DB) error {
	rows, err := settingRows(in.ctx, db)
	if err != nil {
		return err
	}
	var out [][]string
	for _, r := range rows {
		if r.name == "endpoint" {
			out = append(out, []string{r.value, "database"})
		}
	}
	for _, u := range c.endpoint {
		out = append(out, []string{u, "configuration file"})
	}
	return in.list([]string{"endpoint", "from"}, out)
}

// trust adds endpoints and profiles, all of them or none. What an endpoint says
// about `me` is believed, so a public service is only trusted for named profiles.
func trust(ctx context.Context, db *sql.DB, c *config, endpoints, me []string) error {
	public := ""
	for _, address := range endpoints {
		u, err := url.Parse(address)
		if err == nil {
			err = cmp.Or(checkEndpoint(address), checkSecure(u))
		}
		if err != nil {
			return usageError("endpoint: " + err.Error())
		}
		if publicService(u.Hostname()) {
			public = u.Hostname()
		}
	}
	return write(ctx, db, func(tx *sql.Tx) error {
		for _, profile := range me {
			if err := addSetting(ctx, tx, "me", profile); err != nil {
				return err
			}
		}
		named := len(c.me) > 0
		if public != "" && !named {
			if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM settings WHERE setting_name = 'me')`).Scan(&named); err != nil {
				return wrap("reading the settings", err)
			}
		}
		if public != "" && !named {
			return usageError("endpoint: " + public + " signs anybody in, so everybody would get tokens of yours\nhint: name yourself too: -me https://your.site/")
		}
		for _, address := range endpoints {
			if err := addSetting(ctx, tx, "endpoint", address); err != nil {
				return err
			}
		}
		return nil
	})
}

func publicService(host string) bool {
	for _, public := range []string{"indieauth.com", "indielogin.com", "indieauth.net", "commentpara.de"} {
		if host == public || strings.HasSuffix(host, "."+public) {
			return true
		}
	}
	return false
}

func settingFlags(in *invocation) {
	in.boolFlag("unset", "remove the setting, or the one value of it")
	in.listFlag("me", "with endpoint: a profile `URL` that gets tokens")
}

func runSetting(in *invocation) error {
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
		return in.wrong()
	}
	s, err := findSetting(in.args[0])
	if err != nil {
		return usageError("setting: " + err.Error())
	}
	if in.given("me") && (unset || s.name != "endpoint") {
		return in.wrong()
	}
	switch {
	case unset && len(in.args) == 2:
		return removeSetting(in.ctx, db, s.name, in.args[1])
	case unset:
		_, err := db.ExecContext(in.ctx, `DELETE FROM settings WHERE setting_name = ?`, s.name)
		return wrap("unsetting "+s.name, err)
	case len(in.args) == 1:
		return showSetting(in, c, db, s)
	case s.name == "endpoint":
		return trust(in.ctx, db, c, in.args[1:], *in.lists["me"])
	case s.many:
		return addSetting(in.ctx, db, s.name, in.args[1])
	}
	return setSetting(in.ctx, db, s, in.args[1])
}

func showSetting(in *invocation, c *config, db *sql.DB, s settingName) error {
	rows, err := settingRows(in.ctx, db)
	if err != nil {
		return err
	}
	values := slices.Clone(c.settings(s.name))
	for _, r := range rows {
		if r.name == s.name {
			values = append(values, r.value)
		}
	}
	if len(values) == 0 && s.standard != "" {
		values = []string{s.standard}
	}
	if in.json {
		var out [][]string
		for _, v := range values {
			out = append(out, []string{s.name, v})
		}
		return in.list([]string{"setting", "value"}, out)
	}
	for _, v := range values {
		fmt.Fprintln(in.stdout, v)
	}
	return nil
}

func listSettings(in *invocation, c *config, db *sql.DB) error {
	rows, err := settingRows(in.ctx, db)
	if err != nil {
		return err
	}
	var out [][]string
	for _, s := range settingNames() {
		set := false
		for _, r := range rows {
			if r.name == s.name {
				set = true
				out = append(out, []string{s.name, r.value, "database", s.about})
			}
		}
		for _, u := range c.settings(s.name) {
			set = true
			out = append(out, []string{s.name, u, "configuration file", s.about})
		}
		if !set {
			out = append(out, []string{s.name, s.standard, "default", s.about})
		}
	}
	if err := in.list([]string{"setting", "value", "from", "meaning"}, out); err != nil {
		return err
	}
	_, err = parseSettings(rows, c)
	return err
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func addSetting(ctx context.Context, db execer, name, value string) error {
	s, err := findSetting(name)
	if err == nil {
		err = s.check(value)
	}
	if err != nil {
		return usageError(name + ": " + err.Error())
	}
	if name == "me" || name == "admin" {
		value, _ = endpoint.CanonicalURL(value)
	}
	_, err = db.ExecContext(ctx, `INSERT INTO settings (setting_name, setting_value) VALUES (?, ?) ON CONFLICT DO NOTHING`, name, value)
	return wrap("writing the setting "+name, err)
}

// setSetting replaces all rows of a setting that has one value.
func setSetting(ctx context.Context, db *sql.DB, s settingName, value string) error {
	if err := s.check(value); err != nil {
		return usageError("setting " + s.name + ": " + err.Error())
	}
	return wrap("writing the setting "+s.name, write(ctx, db, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM settings WHERE setting_name = ?`, s.name); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO settings (setting_name, setting_value) VALUES (?, ?)`, s.name, value)
		return err
	}))
}

func removeSetting(ctx context.Context, db *sql.DB, name, value string) error {
	canonical := value
	if name == "me" || name == "admin" {
		canonical, _ = endpoint.CanonicalURL(value)
	}
	r, err := db.ExecContext(ctx, `DELETE FROM settings WHERE setting_name = ? AND setting_value IN (?, ?)`, name, value, canonical)
	if err != nil {
		return wrap("removing "+name, err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return fmt.Errorf("%s: %s is not in the database\nhint: mintkeep setting lists what is", name, value)
	}
	return nil
}
