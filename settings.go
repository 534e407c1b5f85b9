package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
)

// A config says where things are. It never holds a secret: where CGI is
// switched off, a web server shows the file as text.
type config struct {
	file     string // the configuration file, "" if there is none
	database string
	url      string
	endpoint []string
	me       []string
	keyFile  string
	errorLog string
	caFile   string
	journal  string // "rollback" or "wal"
	inRoot   string // database_in_docroot: "yes" or "no"
}

// configKey is a key of the configuration file. Single-valued keys are also
// flags and, with MINTKEEP_ before the upper-case name, environment variables.
type configKey struct {
	name  string
	path  bool // relative to the configuration file
	field func(*config) *string
	check func(string) error
}

func configKeys() []configKey {
	return []configKey{
		{"database", true, func(c *config) *string { return &c.database }, nil},
		{"url", false, func(c *config) *string { return &c.url }, checkBase},
		{"key_file", true, func(c *config) *string { return &c.keyFile }, nil},
		{"errorlog", true, func(c *config) *string { return &c.errorLog }, nil},
		{"ca_file", true, func(c *config) *string { return &c.caFile }, nil},
		{"journal", false, func(c *config) *string { return &c.journal }, oneOf("rollback", "wal")},
		{"database_in_docroot", false, func(c *config) *string { return &c.inRoot }, oneOf("no", "yes")},
	}
}

func oneOf(words ...string) func(string) error {
	return func(v string) error {
		for _, w := range words {
			if v == w {
				return nil
			}
		}
		return fmt.Errorf("%q is not one of: %s", v, strings.Join(words, ", "))
	}
}

// checkBase accepts a public URL that clients can append to: https, or http on
// loopback, without query, fragment or trailing slash.
func checkBase(v string) error {
	u, err := url.Parse(v)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		return fmt.Errorf("%q is not a full URL", v)
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(v, "#"):
		return fmt.Errorf("%q must have neither query nor fragment", v)
	case strings.HasSuffix(v, "/"):
		return fmt.Errorf("%q must not end with a slash", v)
	}
	return checkSecure(u)
}

// checkSecure accepts https everywhere and http on loopback.
func checkSecure(u *url.URL) error {
	if u.Scheme == "https" && u.Hostname() != "" || u.Scheme == "http" && loopback(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("%q must begin with https:// (http:// only on loopback)", u)
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// settings are the values of a setting that stand in the configuration file.
func (c *config) settings(name string) []string {
	switch name {
	case "endpoint":
		return c.endpoint
	case "me":
		return c.me
	}
	return nil
}

// parseConfig reads `name: value` lines. Blank lines and comments, from a # at
// the beginning or after a space, are skipped, so that the file can begin with #!
// and be executable. With an error, it returns what the other lines say.
func parseConfig(file string, text []byte) (c *config, fault error) {
	c = &config{file: file}
	seen := make(map[string]int)
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	n := 0
	for line := range strings.SplitSeq(string(text), "\n") {
		n++
		if line = strings.TrimSpace(uncomment(line)); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		err := errors.New("a line has the form `name: value`")
		if ok && value != "" {
			err = c.setLine(name, value, seen, n)
		}
		if err != nil && fault == nil {
			fault = fmt.Errorf("%s, line %d: %w", file, n, err)
		}
	}
	return c, fault
}

func uncomment(line string) string {
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}

func (c *config) setLine(name, value string, seen map[string]int, n int) error {
	switch name {
	case "endpoint":
		c.endpoint = append(c.endpoint, value)
		return wrap(name, checkEndpoint(value))
	case "me":
		c.me = append(c.me, value)
		return wrap(name, checkProfile(value))
	}
	for _, k := range configKeys() {
		if k.name != name {
			continue
		}
		if first := seen[name]; first != 0 {
			return fmt.Errorf("%s is given already in line %d", name, first)
		}
		seen[name] = n
		dir := ""
		if k.path {
			dir = filepath.Dir(c.file)
		}
		return c.set(k, value, dir)
	}
	return fmt.Errorf("there is no key %q\nhint: the keys are database, url, endpoint, me, key_file, errorlog, ca_file, journal, database_in_docroot", name)
}

// set stores a value; a relative path is taken to start at dir.
func (c *config) set(k configKey, value, dir string) error {
	if k.check != nil {
		if err := k.check(value); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	if k.path {
		if !filepath.IsAbs(value) {
			value = filepath.Join(dir, value)
		}
		abs, err := filepath.Abs(value)
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		value = abs
	}
	*k.field(c) = value
	return nil
}

func checkURL(v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("%q is not a full http or https URL", v)
	}
	return nil
}

func checkEndpoint(v string) error {
	if strings.Contains(v, "#") {
		return fmt.Errorf("%q must not have a fragment", v)
	}
	return checkURL(v)
}

// readConfig reads the file, if one is named, lets the environment and then the
// flags override it, and fills in the defaults. With an error, it returns what
// of the configuration is known.
func readConfig(file string, getenv func(string) string, flags map[string]string) (*config, error) {
	c := &config{}
	if file != "" {
		text, err := readStart(file, maxConfig)
		if err == nil && len(text) == maxConfig {
			err = fmt.Errorf("%s is larger than %d bytes", file, maxConfig-1)
		}
		if err != nil {
			return c, fmt.Errorf("reading the configuration: %w", err)
		}
		abs, err := filepath.Abs(file)
		if err != nil {
			return c, fmt.Errorf("reading the configuration: %w", err)
		}
		if c, err = parseConfig(abs, text); err != nil {
			return c, err
		}
	}
	for _, k := range configKeys() {
		env := "MINTKEEP_" + strings.ToUpper(k.name)
		if v := getenv(env); v != "" {
			if err := c.set(k, v, ""); err != nil {
				return c, fmt.Errorf("%s: %w", env, err)
			}
		}
		if v, ok := flags[k.name]; ok {
			if err := c.set(k, v, ""); err != nil {
				return c, usageError(fmt.Sprintf("-%s: %v", k.name, err))
			}
		}
	}
	if c.journal == "" {
		c.journal = "rollback"
	}
	return c, nil
}

// withDefaults names the key file and, outside a web server, the database. With
// an error, it returns the configuration as it is.
func (c *config) withDefaults(database string) (*config, error) {
	if c.database == "" && database != "" {
		abs, err := filepath.Abs(database)
		if err != nil {
			return c, err
		}
		c.database = abs
	}
	if c.database == "" {
		return c, errors.New("the configuration names no database\nhint: add a line `database: PATH`, outside what the web server shows")
	}
	if c.keyFile == "" {
		c.keyFile = filepath.Join(filepath.Dir(c.database), "mintkeep.key")
	}
	return c, nil
}
