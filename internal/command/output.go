package command

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// list prints a row for each value; an error in front of it is returned instead.
func list[T any](c *Command, columns string, all []T, err error, row func(T) []string) error {
	if err != nil {
		return err
	}
	rows := make([][]string, len(all))
	for i, v := range all {
		rows[i] = row(v)
	}
	return c.list(columns, rows)
}

// list prints rows as a table, or as an array of objects with -json. columns has
// the names of the columns, which are those of the members, with spaces between.
func (c *Command) list(names string, rows [][]string) error {
	columns := strings.Fields(names)
	if c.json {
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
		return c.printJSON(objects)
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(c.Stderr, nothing(c.verb.name))
		return err
	}
	t := tabwriter.NewWriter(c.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.ToUpper(strings.ReplaceAll(strings.Join(columns, "\t"), "_", " ")))
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

// nothing is what a verb says of an empty list.
func nothing(verb string) string {
	return cmp.Or(map[string]string{
		"endpoint":    "No authorization endpoint is trusted yet: mintkeep endpoint add URL",
		"token":       "No tokens.",
		"server":      "No resource servers.",
		"log":         "Nothing has happened yet.",
		"provider":    "No providers yet: mintkeep provider presets lists those that are known.",
		"connections": "No connections.",
		"refresh":     "Nothing is due.",
		"apikey":      "No API keys.",
	}[verb], "Nothing.")
}

func (c *Command) printJSON(v any) error {
	e := json.NewEncoder(c.Stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// println prints a line; an error in front of it is returned instead.
func (c *Command) println(line string, err error) error {
	if err == nil {
		_, err = fmt.Fprintln(c.Stdout, line)
	}
	return err
}

// colours reports whether the output goes to a terminal that shows colours;
// NO_COLOR, set to anything, says that the person wants none.
func (c *Command) colours() bool {
	return isTerminal(c.Stdout) && c.Getenv("NO_COLOR") == "" && c.Getenv("TERM") != "dumb"
}

// printable keeps what strangers wrote from controlling a terminal, or turning the
// text around it.
func printable(r rune) rune {
	if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
		return '?'
	}
	return r
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// timeText is UTC to the second; "" for the zero time.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateTime)
}

// wrap says what was being done; nil stays nil.
func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
