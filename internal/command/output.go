package command

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// list prints rows as a table, or as an array of objects with -json. The names
// of the columns are the names of the members.
func (c *Command) list(columns []string, rows [][]string) error {
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
	t := tabwriter.NewWriter(c.Stdout, 0, 0, 2, ' ', 0)
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

// printable keeps what strangers wrote from controlling a terminal.
func printable(r rune) rune {
	if r < 0x20 || r >= 0x7f && r < 0xa0 {
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
