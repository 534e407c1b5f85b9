package config

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// keys are the program's, each with its check.
var keys = Table{
	{Name: "database", Path: true, File: func(c *Config) *string { return &c.Database }},
	{Name: "url", File: func(c *Config) *string { return &c.URL }, Check: CheckBase},
	{Name: "endpoint", Files: func(c *Config) *[]string { return &c.Endpoints }, CheckKey: CheckEndpoint, Row: true, Many: true, Check: CheckURL},
	{Name: "me", Files: func(c *Config) *[]string { return &c.Me }, Row: true, Many: true, Check: CheckURL},
	{Name: "key_file", Path: true, File: func(c *Config) *string { return &c.KeyFile }},
	{Name: "errorlog", Path: true, File: func(c *Config) *string { return &c.ErrorLog }},
	{Name: "ca_file", Path: true, File: func(c *Config) *string { return &c.CAFile }},
	{Name: "journal", File: func(c *Config) *string { return &c.Journal }, Check: OneOf("rollback", "wal")},
	{Name: "database_in_docroot", File: func(c *Config) *string { return &c.DatabaseInDocRoot }, Check: OneOf("no", "yes")},
}

// A configuration file comes from an editor, an upload program, a stranger's
// machine: whatever it is, it is read or refused with a line, and what is read
// is what the keys promise.
func FuzzConfig(f *testing.F) {
	f.Add("#!../../bin/mintkeep cgi\ndatabase: ../../mintkeep/tokens.db\nurl: https://example.com/auth/token.cgi\nendpoint: https://example.com/auth/\nme: https://example.com/\n")
	f.Add("\xef\xbb\xbf# a comment\r\n\r\n  database :  /var/lib/mintkeep/tokens.db  \r\njournal: wal\r\n")
	f.Add("database: a\ndatabase: b\n")
	f.Add("database:\n")
	f.Add("colour: blue")
	f.Add("url: http://127.0.0.1:8080/token\nkey_file: k\nerrorlog: e\nca_file: c\ndatabase_in_docroot: yes\nendpoint: http://[::1]:1/\nendpoint: https://b/\n")
	f.Add("url: https://example.com/#\x00")
	f.Fuzz(func(t *testing.T, text string) {
		const file = "/home/you/public_html/auth/token.cgi"
		c, err := keys.parse(file, []byte(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), file+", line ") {
				t.Errorf("the error names no line: %v", err)
			}
			return
		}
		for _, path := range []string{c.Database, c.KeyFile, c.ErrorLog, c.CAFile} {
			if path != "" && !filepath.IsAbs(path) {
				t.Errorf("the path %q is relative", path)
			}
		}
		if c.URL != "" && CheckBase(c.URL) != nil || c.Journal != "" && c.Journal != "rollback" && c.Journal != "wal" || c.DatabaseInDocRoot != "" && c.DatabaseInDocRoot != "yes" && c.DatabaseInDocRoot != "no" {
			t.Errorf("accepted: %+v", c)
		}
		for _, u := range append(c.Endpoints, c.Me...) {
			if CheckURL(u) != nil {
				t.Errorf("accepted as a URL: %q", u)
			}
		}
		for _, k := range keys {
			if k.File == nil {
				continue
			}
			if v := *k.File(c); v != strings.TrimSpace(v) {
				return // a path like "a /", which a file cannot hold in its shortest form
			}
		}
		again, err := keys.parse(file, []byte(written(c)))
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("read %+v\nwritten and read again %+v, %v", c, again, err)
		}
	})
}

// written is the configuration as a file.
func written(c *Config) string {
	var b strings.Builder
	for _, k := range keys {
		if k.File == nil {
			continue
		}
		if v := *k.File(c); v != "" {
			b.WriteString(k.Name + ": " + v + "\n")
		}
	}
	for _, u := range c.Endpoints {
		b.WriteString("endpoint: " + u + "\n")
	}
	for _, u := range c.Me {
		b.WriteString("me: " + u + "\n")
	}
	return b.String()
}

// A duration is never 0 but for never, never negative, never more than a
// hundred years; and a day is 24 hours.
func FuzzDuration(f *testing.F) {
	for _, v := range []string{"90s", "15m", "12h", "30d", "never", "0d", "-1d", "+1d", "1.5h", "36500d", "36501d", "99999999999d", "1 d", "d", "", "90", "1e3s", "0x10s", "1_000s", "١d"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		d, err := ParseDuration(v)
		switch {
		case err != nil && d != 0:
			t.Errorf("%q: %v and %v", v, d, err)
		case err != nil:
			if !strings.Contains(err.Error(), "write 90s, 15m, 12h, 30d or never") {
				t.Errorf("%q: the error does not help: %v", v, err)
			}
		case (d == 0) != (v == "never"):
			t.Errorf("%q is %v", v, d)
		case d < 0 || d > 100*365*24*time.Hour || d%time.Second != 0:
			t.Errorf("%q is %v", v, d)
		case v != "never" && strings.Trim(v[:len(v)-1], "0123456789") != "":
			t.Errorf("%q was accepted", v)
		}
	})
}
