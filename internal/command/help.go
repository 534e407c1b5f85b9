package command

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// usage shows every verb under the heading of its group.
func usage(w io.Writer) {
	fmt.Fprint(w, "mintkeep mints tokens for your own site and keeps those that others gave you.\n\nUsage: mintkeep VERB [flags] [arguments]\n")
	group := ""
	for _, v := range verbs() {
		if v.group != group {
			group = v.group
			fmt.Fprintf(w, "\n%s\n", group)
		}
		fmt.Fprintf(w, "  %-12s %s\n", v.name, v.about)
	}
	fmt.Fprintln(w, "\nmintkeep help VERB shows the arguments and flags of a verb, with an example.")
}

func runHelp(c *Command) (err error) {
	if len(c.args) == 0 {
		usage(c.Stdout)
		return nil
	}
	if c.verb, err = findVerb(c.args[0]); err == nil {
		c.help()
	}
	return err
}

// help shows what a verb does: its own flags first, then in a line those that
// every verb has.
func (c *Command) help() {
	v, common := c.verb, c.newFlags("")
	fmt.Fprintf(c.Stdout, "Usage: mintkeep %s %s\n\n%s\n\nExample:\n  mintkeep %s\n", v.name, v.args, v.about, v.example)
	if own := v.ownFlags(common); len(own) > 0 {
		fmt.Fprintln(c.Stdout, "\nFlags:")
		t := tabwriter.NewWriter(c.Stdout, 0, 0, 2, ' ', 0)
		for _, f := range own {
			value, about := flag.UnquoteUsage(f)
			fmt.Fprintf(t, "  %s\t%s%s\n", strings.TrimSpace("-"+f.Name+" "+value), about, standard(f))
		}
		t.Flush()
	}
	fmt.Fprintln(c.Stdout, "\nEvery verb:\n  -config file  configuration file (or MINTKEEP_CONFIG)\n  -json         print JSON\n  -sites folder -site host\n                one of many sites (docs/sites.md)")
	var keys []string
	common.VisitAll(func(f *flag.Flag) {
		if !slices.Contains([]string{"config", "json", "db", "sites", "site"}, f.Name) {
			keys = append(keys, "-"+f.Name)
		}
	})
	fmt.Fprintf(c.Stdout, "  %s\n                as the keys of the configuration file; -db is short for -database\n", strings.Join(keys, " "))
}

// standard is the default of a flag that has one, in brackets.
func standard(f *flag.Flag) string {
	if f.DefValue == "" || f.DefValue == "false" {
		return ""
	}
	return " (" + f.DefValue + ")"
}

// ownFlags are the flags that only this verb has.
func (v verb) ownFlags(common *flag.FlagSet) (own []*flag.Flag) {
	f := flag.NewFlagSet(v.name, flag.ContinueOnError)
	v.declare(f)
	f.VisitAll(func(f *flag.Flag) {
		if common.Lookup(f.Name) == nil {
			own = append(own, f)
		}
	})
	return own
}

// words are the first arguments that a verb knows, as its usage line begins:
// "add|remove|list [URL]", "list | revoke …".
func (v verb) words() (all []string) {
	for _, way := range strings.Split(v.args, " | ") {
		first, _, _ := strings.Cut(way, " ")
		for _, word := range strings.Split(first, "|") {
			if word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyz") == "" {
				all = append(all, word)
			}
		}
	}
	return all
}
