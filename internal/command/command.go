// Package command is the command line: a table of verbs, a file for each noun.
package command

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/config"
	"mintkeep/internal/instance"
	"mintkeep/internal/nearest"
	"mintkeep/internal/store"
	"mintkeep/keeper"
)

// A verb is a command of the command line.
type verb struct {
	group   string // the heading of the help
	name    string
	args    string // what follows the name in the usage line
	about   string
	example string // a command line that does something, without "mintkeep"
	// declare declares the verb's own flags and returns what runs the verb.
	declare func(*flag.FlagSet) action
}

// An action does what a verb says. The error is for a person: one line and hints.
type action func(*Command) error

// noFlags is for a verb without flags of its own.
func noFlags(run action) func(*flag.FlagSet) action {
	return func(*flag.FlagSet) action { return run }
}

// A Command is one verb with its flags and arguments.
type Command struct {
	*instance.Environment
	ctx   context.Context
	verb  verb
	flags *flag.FlagSet
	args  []string          // what is not a flag
	json  bool              // -json
	file  string            // -config
	sites string            // -sites: a folder of sites
	site  string            // -site: the one of them that is meant
	keys  map[string]string // keys of the configuration file given as flags
}

// A usageError is the caller's: exit status 2.
type usageError string

func (e usageError) Error() string { return string(e) }

// Run runs the command line and returns the exit status.
func Run(e *instance.Environment) int {
	if len(e.Args) == 0 || slices.Contains([]string{"-h", "-help", "--help"}, e.Args[0]) {
		usage(e.Stdout)
		return 0
	}
	c := &Command{Environment: e, ctx: context.Background()}
	args, err := c.findVerb()
	if err != nil {
		return report(e.Stderr, err)
	}
	run, err := c.parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		c.help()
		return 0
	case err != nil:
		return report(e.Stderr, c.usageErrorf("%v", err))
	}
	return report(e.Stderr, run(c))
}

// findVerb finds the verb, which may stand after flags that every verb has, and
// returns the other words.
func (c *Command) findVerb() (args []string, err error) {
	if slices.Contains([]string{"-version", "--version"}, c.Args[0]) {
		c.verb, _ = findVerb("version")
		return c.Args[1:], nil
	}
	common := c.newFlags("mintkeep")
	if err := common.Parse(c.Args); err != nil || common.NArg() == 0 {
		return nil, usageError(fmt.Sprintf("%s: this needs a verb, and flags of the verb after it\nhint: mintkeep -h lists the verbs", c.Args[0]))
	}
	before := c.Args[:len(c.Args)-common.NArg()]
	name := common.Arg(0)
	if name == "cgi" {
		return nil, usageError("a web server starts this, by CGI or FastCGI\nhint: mintkeep doctor -config FILE checks what it would do")
	}
	if c.verb, err = findVerb(name); err != nil {
		return nil, err
	}
	return slices.Concat(before, common.Args()[1:]), nil
}

// findVerb returns the verb of that name.
func findVerb(name string) (verb, error) {
	all := verbs()
	names := make([]string, len(all))
	for i, v := range all {
		if names[i] = v.name; v.name == name {
			return v, nil
		}
	}
	return verb{}, usageError(fmt.Sprintf("there is no command %q\nhint: %s", name, nearest.Hint(name, names, "mintkeep -h lists them")))
}

// report writes an error as one line and its hint, and returns the exit status.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(w, "mintkeep: "+err.Error())
	if usage := usageError(""); errors.As(err, &usage) {
		return 2
	}
	return 1
}

// newFlags has the flags that every verb has.
func (c *Command) newFlags(name string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	c.keys = make(map[string]string)
	f.SetOutput(io.Discard)
	f.StringVar(&c.file, "config", c.Getenv("MINTKEEP_CONFIG"), "configuration `file`")
	f.BoolVar(&c.json, "json", false, "print JSON")
	f.StringVar(&c.sites, "sites", "", "a `folder` with a folder for each host name")
	f.StringVar(&c.site, "site", "", "the `host` of -sites that is meant")
	for _, k := range c.Settings.Keys() {
		if k.File == nil {
			continue
		}
		set := func(v string) error { c.keys[k.Name] = v; return nil }
		f.Func(k.Name, "as the key in the configuration file", set)
		if k.Name == "database" {
			f.Func("db", "short for -database", set)
		}
	}
	return f
}

// parse reads flags before, between and after the arguments, up to "--".
func (c *Command) parse(args []string) (action, error) {
	c.flags = c.newFlags(c.verb.name)
	run := c.verb.declare(c.flags)
	for {
		if err := c.flags.Parse(args); err != nil {
			return nil, err
		}
		rest := c.flags.Args()
		if n := len(args) - len(rest); len(rest) == 0 || n > 0 && args[n-1] == "--" {
			c.args = append(c.args, rest...)
			return run, nil
		}
		c.args, args = append(c.args, rest[0]), rest[1:]
	}
}

// given reports whether a flag stands on the command line.
func (c *Command) given(name string) bool {
	found := false
	c.flags.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// refuse is an error if one of the flags was given, which would change nothing, and why.
func refuse(c *Command, why string, flags ...string) error {
	for _, name := range flags {
		if c.given(name) {
			return c.usageErrorf("%s, so -%s would change nothing", why, name)
		}
	}
	return nil
}

// is reports whether the arguments are this word and n more.
func (c *Command) is(word string, n int) bool { return len(c.args) == n+1 && c.args[0] == word }

// isList reports whether the arguments ask for a list, as no argument does.
func (c *Command) isList() bool { return len(c.args) == 0 || c.is("list", 0) }

// usage is an error that repeats the usage line.
func (c *Command) usage() error {
	return c.usageErrorf("wrong arguments\nhint: mintkeep %s %s", c.verb.name, c.verb.args)
}

// usageErrorf is an error of the caller of this verb.
func (c *Command) usageErrorf(format string, args ...any) error {
	return usageError(c.verb.name + ": " + fmt.Sprintf(format, args...))
}

// config reads the configuration; without any, the database is ./tokens.db.
func (c *Command) config() (*config.Config, error) {
	if c.sites != "" || c.site != "" {
		return c.siteConfig()
	}
	conf, err := c.Settings.Read(c.file, c.Getenv, c.keys)
	if err != nil {
		return nil, asUsage(err)
	}
	return conf.WithDefaults("tokens.db")
}

// withDatabase runs fn with the database of the installation; a missing one is an error.
func (c *Command) withDatabase(fn func(*config.Config, *sql.DB) error) error {
	conf, err := c.config()
	if err != nil {
		return err
	}
	db, err := c.OpenDatabase(c.ctx, conf, false, store.Never)
	if err != nil {
		return err
	}
	defer db.Close()
	return fn(conf, db)
}

// withGrants runs fn with what the inbound half has issued.
func (c *Command) withGrants(fn func(*grant.Store) error) error {
	return c.withDatabase(func(conf *config.Config, db *sql.DB) error {
		return fn(c.Grants(conf, db, instance.NewLog(c.Stderr, "")))
	})
}

// withKeeper runs fn with the outbound half. What that has to say stands in errors
// and events, so only a configured error log is written besides.
func (c *Command) withKeeper(fn func(*keeper.Keeper) error) error {
	return c.withDatabase(func(conf *config.Config, db *sql.DB) error {
		return fn(c.Keeper(conf, db, instance.NewLog(io.Discard, conf.ErrorLog)))
	})
}
