// Package command is the command line: a table of verbs, a file for each noun.
package command

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"

	"mintkeep/endpoint"
	"mintkeep/internal/config"
	"mintkeep/internal/instance"
	"mintkeep/internal/store"
)

// A verb is a command of the command line.
type verb struct {
	name  string
	args  string // what follows the name in the usage line
	about string
	flags func(*Command) // declares the verb's own flags; may be nil
	run   func(*Command) error
}

func verbs() []verb {
	return slices.Concat([]verb{
		{"init", "[-me URL]… [ENDPOINT …]", "create the database and trust the endpoints", initFlags, runInit},
		{"endpoint", "add|remove|list [URL]", "trusted authorization endpoints", endpointFlags, runEndpoint},
		{"setting", "[-unset] [NAME [VALUE]]", "list, read, write or unset a setting", settingFlags, runSetting},
	}, tokenVerbs(), keepVerbs(), []verb{
		{"serve", "[-listen 127.0.0.1:8080] [-socket-mode 0660]", "answer plain HTTP, behind a web server", serveFlags, runServe},
		{"fcgi", "[-listen 127.0.0.1:9000] [-socket-mode 0660]", "answer FastCGI on unix:/path or host:port", serveFlags, runFastCGI},
		{"doctor", "[PROFILE-URL]", "check this installation and, given your profile URL, the live site", nil, runDoctor},
		{"backup", "FILE", "copy the database into a new file, while it is in use", nil, runBackup},
		{"demo", "[-stay]", "show the whole flow over HTTP on loopback", demoFlags, runDemo},
		{"version", "", "version, SQLite version, build", nil, runVersion},
	})
}

// A Command is one verb with its flags and arguments.
type Command struct {
	*instance.Environment
	ctx     context.Context
	verb    verb
	flags   *flag.FlagSet
	args    []string // what is not a flag
	json    bool
	values  map[string]string // configuration keys given as flags
	file    string            // -config
	strings map[string]*string
	lists   map[string]*[]string
	bools   map[string]*bool
}

// A usageError is the caller's: exit status 2.
type usageError string

func (e usageError) Error() string { return string(e) }

// Run runs the command line and returns the exit status.
func Run(e *instance.Environment) int {
	if len(e.Args) == 0 || slices.Contains([]string{"-h", "-help", "--help", "help"}, e.Args[0]) {
		usage(e.Stdout)
		return 0
	}
	all := verbs()
	n := slices.IndexFunc(all, func(v verb) bool { return v.name == e.Args[0] })
	if e.Args[0] == "cgi" {
		fmt.Fprintln(e.Stderr, "mintkeep: a web server starts this, by CGI or FastCGI\nhint: mintkeep doctor -config FILE checks what it would do")
		return 2
	}
	if n < 0 {
		fmt.Fprintf(e.Stderr, "mintkeep: there is no command %q\nhint: mintkeep -h lists them\n", e.Args[0])
		return 2
	}
	in := &Command{Environment: e, ctx: context.Background(), verb: all[n]}
	switch err := in.parse(e.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		in.help(e.Stdout)
		return 0
	case err != nil:
		return report(e.Stderr, usageError(fmt.Sprintf("%s: %v", in.verb.name, err)))
	}
	return report(e.Stderr, in.verb.run(in))
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

func usage(w io.Writer) {
	fmt.Fprintln(w, "mintkeep mints tokens for your own site and keeps those that others gave you.\n\nUsage: mintkeep VERB [flags] [arguments]")
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, v := range verbs() {
		fmt.Fprintf(t, "  %s\t%s\n", v.name, v.about)
	}
	t.Flush()
	fmt.Fprintln(w, "\nmintkeep VERB -h shows the arguments and flags of a verb.")
}

func (in *Command) help(w io.Writer) {
	fmt.Fprintf(w, "Usage: mintkeep %s %s\n\n%s\n\n", in.verb.name, in.verb.args, in.verb.about)
	in.flags.SetOutput(w)
	in.flags.PrintDefaults()
}

// parse reads flags before, between and after the arguments.
func (in *Command) parse(args []string) error {
	in.flags = flag.NewFlagSet(in.verb.name, flag.ContinueOnError)
	in.flags.SetOutput(io.Discard)
	in.values, in.strings = make(map[string]string), make(map[string]*string)
	in.lists, in.bools = make(map[string]*[]string), make(map[string]*bool)
	in.flags.StringVar(&in.file, "config", in.Getenv("MINTKEEP_CONFIG"), "configuration `file`")
	in.flags.BoolVar(&in.json, "json", false, "print JSON")
	for _, k := range in.Settings.Keys() {
		if k.File == nil {
			continue
		}
		set := func(v string) error { in.values[k.Name] = v; return nil }
		in.flags.Func(k.Name, "as the key in the configuration file", set)
		if k.Name == "database" {
			in.flags.Func("db", "short for -database", set)
		}
	}
	if in.verb.flags != nil {
		in.verb.flags(in)
	}
	for {
		if err := in.flags.Parse(args); err != nil {
			return err
		}
		rest := in.flags.Args()
		if len(rest) == 0 {
			return nil
		}
		ended := len(args) > len(rest) && args[len(args)-len(rest)-1] == "--"
		if ended {
			in.args = append(in.args, rest...)
			return nil
		}
		in.args, args = append(in.args, rest[0]), rest[1:]
	}
}

func (in *Command) stringFlag(name, standard, about string) {
	in.strings[name] = in.flags.String(name, standard, about)
}

func (in *Command) boolFlag(name string, about string) {
	in.bools[name] = in.flags.Bool(name, false, about)
}

// onFlag is a switch that is on unless it is given as -name=false.
func (in *Command) onFlag(name string, about string) {
	in.bools[name] = in.flags.Bool(name, true, about)
}

func (in *Command) listFlag(name, about string) {
	var list []string
	in.lists[name] = &list
	in.flags.Func(name, about, func(v string) error { list = append(list, v); return nil })
}

// given reports whether a flag stands on the command line.
func (in *Command) given(name string) bool {
	found := false
	in.flags.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// usageError is a usage error that repeats the usage line.
func (in *Command) usageError() error {
	return usageError(fmt.Sprintf("%s: wrong arguments\nhint: mintkeep %s %s", in.verb.name, in.verb.name, in.verb.args))
}

func (in *Command) config() (*config.Config, error) {
	c, err := in.Settings.Read(in.file, in.Getenv, in.values)
	if fault := new(config.FlagError); errors.As(err, &fault) {
		return nil, usageError(fault.Error())
	}
	if err != nil {
		return nil, err
	}
	return c.WithDefaults("tokens.db")
}

// open opens the database of an installation; a missing one is an error.
func (in *Command) open() (*config.Config, *sql.DB, error) {
	c, err := in.config()
	if err != nil {
		return nil, nil, err
	}
	db, err := in.OpenDatabase(in.ctx, c, false, store.Never)
	return c, db, err
}

// server opens the inbound half for a verb.
func (in *Command) server() (*endpoint.Handler, func(), error) {
	c, db, err := in.open()
	if err != nil {
		return nil, nil, err
	}
	return in.Endpoint(c, db, instance.NewLog(in.Stderr, "")), func() { db.Close() }, nil
}

// list prints rows as a table, or as an array of objects with -json. The names
// of the columns are the names of the members.
func (in *Command) list(columns []string, rows [][]string) error {
	if in.json {
		objects := make([]map[string]any, 0, len(rows))
		for _, row := range rows {
			o := make(map[string]any, len(row))
			for i, v := range row {
				if o[columns[i]] = v; v == "" {
					o[columns[i]] = nil
				}
			}
			objects = append(objects, o)
		}
		e := json.NewEncoder(in.Stdout)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(objects)
	}
	t := tabwriter.NewWriter(in.Stdout, 0, 0, 2, ' ', 0)
	if len(rows) > 0 {
		fmt.Fprintln(t, strings.ToUpper(strings.ReplaceAll(strings.Join(columns, "\t"), "_", " ")))
	}
	for _, row := range rows {
		for i, v := range row {
			row[i] = strings.Map(printable, v)
			if v == "" {
				row[i] = "-"
			}
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

// printable keeps what strangers wrote from steering a terminal.
func printable(r rune) rune {
	if r < 0x20 || r >= 0x7f && r < 0xa0 {
		return '?'
	}
	return r
}

func runVersion(in *Command) error {
	if len(in.args) > 0 {
		return in.usageError()
	}
	build := "unknown build"
	if info, ok := debug.ReadBuildInfo(); ok {
		build = info.GoVersion
		for _, s := range info.Settings {
			if s.Key == "GOOS" || s.Key == "GOARCH" || s.Key == "vcs.revision" {
				build += " " + s.Value
			}
		}
	}
	_, err := fmt.Fprintf(in.Stdout, "mintkeep %s\nSQLite %s\n%s\n", in.Version, store.SQLiteVersion(), build)
	return err
}

// wrap says what was being done; nil stays nil.
func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
