package main

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

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
		c, err := parseConfig(file, []byte(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), file+", line ") {
				t.Errorf("the error names no line: %v", err)
			}
			return
		}
		for _, path := range []string{c.database, c.keyFile, c.errorLog, c.caFile} {
			if path != "" && !filepath.IsAbs(path) {
				t.Errorf("the path %q is relative", path)
			}
		}
		if c.url != "" && checkBase(c.url) != nil || c.journal != "" && c.journal != "rollback" && c.journal != "wal" || c.inRoot != "" && c.inRoot != "yes" && c.inRoot != "no" {
			t.Errorf("accepted: %+v", c)
		}
		for _, u := range append(c.endpoint, c.me...) {
			if checkURL(u) != nil {
				t.Errorf("accepted as a URL: %q", u)
			}
		}
		for _, k := range configKeys() {
			if v := *k.field(c); v != strings.TrimSpace(v) {
				return // a path like "a /", which a file cannot hold in its shortest form
			}
		}
		again, err := parseConfig(file, []byte(written(c)))
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("read %+v\nwritten and read again %+v, %v", c, again, err)
		}
	})
}

// written is the configuration as a file.
func written(c *config) string {
	var b strings.Builder
	for _, k := range configKeys() {
		if v := *k.field(c); v != "" {
			b.WriteString(k.name + ": " + v + "\n")
		}
	}
	for _, u := range c.endpoint {
		b.WriteString("endpoint: " + u + "\n")
	}
	for _, u := range c.me {
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
		d, err := parseDuration(v)
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
