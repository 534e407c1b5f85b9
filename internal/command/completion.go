package command

import (
	"flag"
	"fmt"
	"strings"
)

// runCompletion prints what is made from the table of verbs: a script by which a
// shell completes them, their words and flags, or the manual page.
func runCompletion(c *Command) error {
	if len(c.args) != 1 {
		return c.usage()
	}
	switch c.args[0] {
	case "bash":
		return c.println(c.bashCompletion(), nil)
	case "zsh":
		// The first time, zsh reads the file because somebody asked for words: it must then give them.
		return c.println("#compdef mintkeep\nautoload -U +X bashcompinit && bashcompinit\n"+c.bashCompletion()+
			"\nif [ \"$funcstack[1]\" = _mintkeep ]; then _bash_complete -o default -F _mintkeep; fi", nil)
	case "fish":
		return c.println(c.fishCompletion(), nil)
	case "man":
		return c.println(c.manPage(), nil)
	}
	return c.usage()
}

// choices are the words and flags that may follow a verb.
func (c *Command) choices(v verb) (all []string) {
	all = v.words()
	for _, f := range v.ownFlags(c.newFlags("")) {
		all = append(all, "-"+f.Name)
	}
	return append(all, "-config", "-db", "-json", "-sites", "-site")
}

func (c *Command) bashCompletion() string {
	var names []string
	var cases strings.Builder
	for _, v := range verbs() {
		if names = append(names, v.name); v.name == "help" {
			continue
		}
		fmt.Fprintf(&cases, "\t%s) words=%q ;;\n", v.name, strings.Join(c.choices(v), " "))
	}
	fmt.Fprintf(&cases, "\thelp) words=%q ;;\n", strings.Join(names, " "))
	return fmt.Sprintf(`_mintkeep() {
	local words word=${COMP_WORDS[COMP_CWORD]}
	case ${COMP_WORDS[COMP_CWORD-1]} in
	-config|-db|-database|-key_file|-key-file|-secret-file|-errorlog|-ca_file|-sites) COMPREPLY=($(compgen -f -- "$word")); return ;;
	esac
	case $COMP_CWORD-${COMP_WORDS[1]} in
	1-*) words=%q ;;
	*) case ${COMP_WORDS[1]} in
%s	esac ;;
	esac
	COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _mintkeep mintkeep`, strings.Join(names, " "), cases.String())
}

func (c *Command) fishCompletion() string {
	lines := []string{"complete -c mintkeep -f"}
	for _, v := range verbs() {
		lines = append(lines, fmt.Sprintf("complete -c mintkeep -n __fish_use_subcommand -a %s -d '%s'", v.name, v.about))
		when := "-n '__fish_seen_subcommand_from " + v.name + "'"
		if words := v.words(); len(words) > 0 {
			lines = append(lines, fmt.Sprintf("complete -c mintkeep %s -a '%s'", when, strings.Join(words, " ")))
		}
		for _, f := range v.ownFlags(c.newFlags("")) {
			lines = append(lines, fmt.Sprintf("complete -c mintkeep %s -o %s", when, f.Name))
		}
	}
	return strings.Join(append(lines, "complete -c mintkeep -o config -r -F", "complete -c mintkeep -o db -r -F", "complete -c mintkeep -o json",
		"complete -c mintkeep -o sites -r -F", "complete -c mintkeep -o site -r"), "\n")
}

// manPage is the manual page mintkeep(1).
func (c *Command) manPage() string {
	escape := strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n.", "\n\\&.").Replace
	var b strings.Builder
	fmt.Fprintf(&b, ".TH MINTKEEP 1 \"\" \"mintkeep %s\"\n.SH NAME\nmintkeep \\- token endpoint for your own site, keeper of the tokens of others\n", escape(c.Version))
	b.WriteString(".SH SYNOPSIS\n.B mintkeep\n.I VERB\n[flags] [arguments]\n.SH DESCRIPTION\n" +
		"Flags may stand before the verb, before and after its arguments. Every verb takes\n.BR \\-config ,\n.B \\-json\n" +
		"and the keys of the configuration file. Status 0 done, 1 failed, 2 wrong usage.\n")
	group := ""
	for _, v := range verbs() {
		if v.group != group {
			group = v.group
			fmt.Fprintf(&b, ".SH %s\n", strings.ToUpper(group))
		}
		fmt.Fprintf(&b, ".SS mintkeep %s %s\n%s\n", v.name, escape(v.args), escape(v.about))
		for _, f := range v.ownFlags(c.newFlags("")) {
			value, about := flag.UnquoteUsage(f)
			fmt.Fprintf(&b, ".TP\n.BI \\-%s \" %s\"\n%s\n", escape(f.Name), value, escape(about+standard(f)))
		}
		fmt.Fprintf(&b, ".PP\nExample:\n.B mintkeep %s\n", escape(v.example))
	}
	b.WriteString(".SH ENVIRONMENT\n.B MINTKEEP_CONFIG\nis the configuration file; MINTKEEP_DATABASE and so on are its keys; MINTKEEP_KEY is the sealing key.\n")
	return b.String()
}
