// Package config reads what an installation is configured with: flags over the
// environment over the configuration file, and the rows of the table `settings`.
// What keys and rows there are is a Table that package main fills.
package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"mintkeep/internal/nearest"
	"mintkeep/internal/store"

	"path/filepath"
	"strings"
)

// A Config says where things are. It never holds a secret: where CGI is
// switched off, a web server shows the file as text.
type Config struct {
	File              string // the configuration file, "" if there is none
	Database          string
	URL               string
	Endpoints         []string
	Me                []string
	Admins            []string
	KeyFile           string
	ErrorLog          string
	CAFile            string
	Journal           string // "rollback" or "wal"
	DatabaseInDocRoot string // "yes" or "no"
	SharedHost        string // "yes" or "no"
}

// parse reads `name: value` lines. Blank lines and comments, from a # at
// the beginning or after a space, are skipped, so that the file can begin with #!
// and be executable. With an error, it returns what the other lines say.
func (t Table) parse(file string, text []byte) (c *Config, fault error) {
	c = &Config{File: file}
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
			err = t.setLine(c, name, value, seen, n)
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

func (t Table) setLine(c *Config, name, value string, seen map[string]int, n int) error {
	k, ok := t.Keys().Find(name)
	if !ok {
		names := t.Keys().Names()
		return fmt.Errorf("there is no key %q\nhint: %s", name, nearest.Hint(name, names, "the keys are "+strings.Join(names, ", ")))
	}
	if k.Files != nil {
		values := k.Files(c)
		*values = append(*values, value)
		if err := k.checkKey(value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	if first := seen[name]; first != 0 {
		return fmt.Errorf("%s is given already in line %d", name, first)
	}
	seen[name] = n
	dir := ""
	if k.Path {
		dir = filepath.Dir(c.File)
	}
	return k.set(c, value, dir)
}

// set stores the value of a key; a relative path is taken to start at dir.
func (s Setting) set(c *Config, value, dir string) error {
	if err := s.checkKey(value); err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	if s.Path && value != store.Memory {
		if !filepath.IsAbs(value) {
			value = filepath.Join(dir, value)
		}
		abs, err := filepath.Abs(value)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		value = abs
	}
	*s.File(c) = value
	return nil
}

// Read reads the file, if one is named, lets the environment and then the flags
// override it, and fills in the defaults. With an error, it returns what of the
// configuration is known; the fault of a flag is a *ValueError.
func (t Table) Read(file string, getenv func(string) string, flags map[string]string) (*Config, error) {
	c := &Config{}
	if file != "" {
		text, err := readStart(file, maxConfig)
		if err == nil && len(text) == maxConfig {
			err = fmt.Errorf("%s is larger than %d bytes", file, maxConfig-1)
		}
		abs, err2 := filepath.Abs(file)
		if err := cmp.Or(err, err2); err != nil {
			return c, fmt.Errorf("reading the configuration: %w", err)
		}
		if c, err = t.parse(abs, text); err != nil {
			return c, err
		}
	}
	for _, k := range t.Keys() {
		if k.File == nil {
			continue
		}
		env := "MINTKEEP_" + strings.ToUpper(k.Name)
		if v := getenv(env); v != "" {
			if err := k.set(c, v, ""); err != nil {
				return c, fmt.Errorf("%s: %w", env, err)
			}
		}
		if v, ok := flags[k.Name]; ok {
			if err := k.set(c, v, ""); err != nil {
				return c, &ValueError{"-" + k.Name, err}
			}
		}
	}
	if c.Journal == "" {
		c.Journal = "rollback"
	}
	for _, e := range c.Endpoints { // whether a public service is named for somebody, the rows say too
		if err := c.CheckEndpoint(e, true); err != nil {
			return c, fmt.Errorf("%s: endpoint: %w", c.File, err)
		}
	}
	return c, nil
}

// ErrNoDatabase says that a configuration is whole but for its most needed line.
var ErrNoDatabase = errors.New("the configuration names no database\nhint: add a line `database: PATH`, outside what the web server shows")

// WithDefaults names the key file and, if database is not empty, the database
// that is used where none is configured. With an error, it returns the
// configuration as it is.
func (c *Config) WithDefaults(database string) (*Config, error) {
	if c.Database == "" && database != "" {
		abs, err := filepath.Abs(database)
		if err != nil {
			return c, err
		}
		c.Database = abs
	}
	if c.Database == "" {
		return c, ErrNoDatabase
	}
	if c.KeyFile == "" && c.Database != store.Memory {
		c.KeyFile = filepath.Join(filepath.Dir(c.Database), "mintkeep.key")
	}
	return c, nil
}
