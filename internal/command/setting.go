package command

import (
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"strings"

	"mintkeep/internal/config"
)

// setting is one that the program is known to have.
func (c *Command) setting(name string) config.Setting {
	s, _ := c.Settings.Find(name)
	return s
}

// asUsage makes a value that cannot be set the caller's fault.
func asUsage(err error) error {
	if fault := new(config.ValueError); errors.As(err, &fault) {
		return usageError(fault.Error())
	}
	return err
}

func settingVerb(f *flag.FlagSet) action {
	var me []string
	unset := f.Bool("unset", false, "remove the setting, or the one value of it")
	f.Func("me", "with endpoint: a profile `URL` that gets tokens", appendTo(&me))
	return func(c *Command) error {
		return c.withDatabase(func(conf *config.Config, db *sql.DB) error {
			if len(c.args) == 0 && !*unset {
				return c.listSettings(conf, db)
			}
			if len(c.args) == 0 || len(c.args) > 2 {
				return c.usage()
			}
			s, err := c.Settings.FindRow(c.args[0])
			if err != nil {
				return c.usageErrorf("%v", err)
			}
			if c.given("me") && (*unset || s.Name != "endpoint") {
				return c.usage()
			}
			switch {
			case *unset && len(c.args) == 2:
				return s.Remove(c.ctx, db, c.args[1])
			case *unset:
				return s.Unset(c.ctx, db)
			case len(c.args) == 1:
				return c.showSetting(conf, db, s)
			case s.Name == "endpoint":
				return c.addEndpoints(db, conf, c.args[1:], me)
			case s.Many:
				return asUsage(s.Add(c.ctx, db, c.args[1]))
			}
			return asUsage(s.Replace(c.ctx, db, c.args[1]))
		})
	}
}

func (c *Command) showSetting(conf *config.Config, db *sql.DB, s config.Setting) error {
	rows, err := config.ReadRows(c.ctx, db)
	if err != nil {
		return err
	}
	var out [][]string
	for _, v := range s.Values(rows, conf) {
		if v.Text == "" { // no default
			continue
		}
		if out = append(out, []string{s.Name, v.Text}); !c.json {
			fmt.Fprintln(c.Stdout, v.Text)
		}
	}
	if !c.json {
		return nil
	}
	return c.list("setting value", out)
}

// listSettings shows every setting, and then what is wrong with them.
func (c *Command) listSettings(conf *config.Config, db *sql.DB) error {
	rows, err := config.ReadRows(c.ctx, db)
	if err != nil {
		return err
	}
	var out [][]string
	for _, s := range c.Settings.Rows() {
		for _, v := range s.Values(rows, conf) {
			out = append(out, []string{s.Name, v.Text, v.From, strings.ReplaceAll(s.Meaning, "`", "")})
		}
	}
	if err := c.list("setting value from meaning", out); err != nil {
		return err
	}
	_, refused, err := c.Settings.Parse(rows, conf)
	return errors.Join(err, refused)
}
