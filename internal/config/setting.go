package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"mintkeep/internal/nearest"
	"mintkeep/internal/oauth"
)

// A Setting is a key of the configuration file, a name in the table `settings`
// of the database, or both. The program's are listed in settings.go of package main.
type Setting struct {
	// Name is the same in both places. A key with one value is also a flag and,
	// with MINTKEEP_ before the upper-case name, an environment variable.
	Name string
	// File returns where a key of the configuration file with one value is kept,
	// Files the same for one that may be given several times. Without either it is no key.
	File  func(*Config) *string
	Files func(*Config) *[]string
	// Path says that the value names a file, relative to the configuration file.
	Path bool
	// Row says that it is a name in the table `settings`.
	Row bool
	// Many says that there may be several rows.
	Many bool
	// Default is the value of a setting that has no row.
	Default string
	// DefaultNote says for people what applies where there is no default.
	DefaultNote string
	// Title is what a person reads above the field of a row.
	Title string
	// Options are the only values, if they are few.
	Options []string
	// Check returns what is wrong with a value; nil accepts any.
	Check func(string) error
	// CheckKey is in place of Check for a value of the configuration file.
	CheckKey func(string) error
	// Canonical is the form in which a row is stored; nil leaves it as it is.
	Canonical func(string) (string, error)
	// Meaning explains it in one line of Markdown.
	Meaning string
}

// A Table is every setting that the program knows.
type Table []Setting

// check returns what is wrong with the value of a row.
func (s Setting) check(value string) error {
	switch {
	case s.Options != nil:
		return OneOf(s.Options...)(value)
	case s.Check != nil:
		return s.Check(value)
	}
	return nil
}

func (s Setting) checkKey(value string) error {
	if s.CheckKey != nil {
		return s.CheckKey(value)
	}
	return s.check(value)
}

// Stored checks a value and returns it as it is stored in a row.
func (s Setting) Stored(value string) (string, error) {
	if err := s.check(value); err != nil {
		return "", err
	}
	if s.Canonical == nil {
		return value, nil
	}
	return s.Canonical(value)
}

// Keys are the settings that are keys of the configuration file.
func (t Table) Keys() Table {
	return slices.DeleteFunc(slices.Clone(t), func(s Setting) bool { return s.File == nil && s.Files == nil })
}

// Rows are the settings that are names in the table `settings`.
func (t Table) Rows() Table {
	return slices.DeleteFunc(slices.Clone(t), func(s Setting) bool { return !s.Row })
}

// Names are the names in order.
func (t Table) Names() []string {
	names := make([]string, len(t))
	for i, s := range t {
		names[i] = s.Name
	}
	return names
}

// Find returns the setting of a name.
func (t Table) Find(name string) (s Setting, ok bool) {
	i := slices.IndexFunc(t, func(s Setting) bool { return s.Name == name })
	if i < 0 {
		return s, false
	}
	return t[i], true
}

// FindRow returns the setting that rows of this name belong to.
func (t Table) FindRow(name string) (Setting, error) {
	s, ok := t.Rows().Find(name)
	if !ok {
		names := t.Rows().Names()
		return s, fmt.Errorf("there is no setting %q\nhint: %s", name, nearest.Hint(name, names, "the settings are "+strings.Join(names, ", ")))
	}
	return s, nil
}

// A Value is one of a setting, and where it stands.
type Value struct{ Text, From string }

// Values are the values that the rows of the database and the configuration file
// give a setting; its default, if there is none.
func (s Setting) Values(rows []Row, c *Config) (all []Value) {
	for _, r := range rows {
		if r.Name == s.Name {
			all = append(all, Value{r.Value, "database"})
		}
	}
	if s.Files != nil {
		for _, v := range *s.Files(c) {
			all = append(all, Value{v, "configuration file"})
		}
	}
	if len(all) == 0 {
		all = append(all, Value{s.Default, "default"})
	}
	return all
}

// Values are the values of each setting by its name, defaults filled in and
// everything checked.
type Values map[string][]string

// Parse checks the rows of the table `settings` together with what the
// configuration says. Its error names everything that is wrong. An endpoint that
// cannot be trusted stands in refused alone: it is left out, and the rest works.
func (t Table) Parse(rows []Row, c *Config) (_ Values, refused, fault error) {
	values := make(Values)
	var faults []error
	for _, s := range t.Rows() {
		for _, v := range s.Values(rows, c) {
			if s.Many && v.From == "default" {
				continue
			}
			values[s.Name] = append(values[s.Name], v.Text)
			if err := s.check(v.Text); err != nil && s.Name != "endpoint" {
				faults = append(faults, fmt.Errorf("the setting %s: %w", s.Name, err))
			}
		}
		if all := values[s.Name]; !s.Many && len(all) > 1 {
			faults = append(faults, fmt.Errorf("the setting %s has %d rows (%s)\nhint: keep one: mintkeep setting %s VALUE",
				s.Name, len(all), strings.Join(all, ", "), s.Name))
		}
	}
	values["endpoint"], refused = c.trusted(values["endpoint"], len(values["me"]) > 0)
	return values, refused, errors.Join(faults...)
}

// trusted are the endpoints that may be asked, each once, and what is wrong with
// the others.
func (c *Config) trusted(endpoints []string, named bool) (good []string, refused error) {
	for _, e := range endpoints {
		if err := c.CheckEndpoint(e, named); err != nil {
			refused = errors.Join(refused, fmt.Errorf("the setting endpoint: %w", err))
		} else if e, err := oauth.CanonicalURL(e); err == nil && !slices.Contains(good, e) {
			good = append(good, e)
		}
	}
	return good, refused
}
