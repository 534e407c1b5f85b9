package provider

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// fields is a JSON object or a form that a provider answered.
type fields map[string]any

// parseFields reads a JSON object or a form, whatever it is labelled as, behind a
// byte order mark or what keeps scripts from reading it, or without. A list of
// objects is one of errors. A web page or a sentence is neither.
func parseFields(body []byte) (fields, bool) {
	body = bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\ufeff"))
	body = bytes.TrimSpace(regexp.MustCompile(`^(\)\]\}',?|while\(1\);|for\(;;\);)`).ReplaceAll(body, nil))
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if d.Decode(&v) == nil {
		switch v := v.(type) {
		case map[string]any:
			return v, true
		case []any:
			if !slices.ContainsFunc(v, func(m any) bool { _, is := m.(map[string]any); return !is }) {
				return fields{"errors": v}, true
			}
		}
	}
	f := fields{}
	if !regexp.MustCompile(`^[\w.-]+=[^\s<>]*$|^([\w.-]+=[^<>\r\n]*&)?(access_token|error)=[^<>\r\n]*$`).Match(body) {
		return f, false
	}
	form, err := url.ParseQuery(string(body))
	for name := range form {
		f[name] = form.Get(name)
	}
	return f, err == nil
}

// plainName is a member's name without what sites disagree about: accessToken,
// Access-Token and access_token are one.
func plainName(name string) string {
	return strings.ToLower(plainer.Replace(name))
}

const separators = "_-."

var plainer = strings.NewReplacer("_", "", "-", "", ".", "")

// sameName reports whether two names have the same plainName, and costs nothing: an
// answer may have thousands.
func sameName(a, b string) bool {
	lower := func(c byte) byte {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		return c
	}
	for {
		a, b = strings.TrimLeft(a, separators), strings.TrimLeft(b, separators)
		if a == "" || b == "" || lower(a[0]) != lower(b[0]) {
			return a == b
		}
		a, b = a[1:], b[1:]
	}
}

// value is the member of that name, however its name is spelled; nil if there is none.
func (f fields) value(name string) any {
	if v, ok := f[name]; ok {
		return v
	}
	found := ""
	for other := range f {
		if sameName(other, name) && (found == "" || other < found) {
			found = other
		}
	}
	if found == "" {
		return nil
	}
	return f[found]
}

func (f fields) text(name string) string { return TextOf(f.value(name)) }

// TextOf is a member of a JSON object that is a text or a number; "" for anything else.
func TextOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// list is a list of texts, or the words of a text; empty if the member is neither.
func (f fields) list(name string) []string {
	values, ok := f.value(name).([]any)
	if !ok {
		return strings.Fields(f.text(name))
	}
	list := []string{}
	for _, v := range values {
		if s, ok := v.(string); ok {
			list = append(list, s)
		}
	}
	return list
}

// scope is what was granted, as a text or list, under either name.
func (f fields) scope() string {
	for _, name := range []string{"scope", "scopes", "granted_scopes"} {
		if s := NormalScope(strings.Join(f.list(name), " ")); s != "" {
			return s
		}
	}
	return ""
}

// at is the object that the token lies in: behind the members that path names if
// there is a token (some sites answer otherwise when they refresh), else f itself.
func (f fields) at(path, token string) fields {
	inner := f
	for _, name := range strings.Split(path, ".") {
		inner, _ = inner.value(name).(map[string]any)
	}
	if inner.text(token) == "" {
		return f
	}
	return inner
}

// pathTo is where in the answer a token lies; "" if there is none.
func (f fields) pathTo() string {
	for _, name := range slices.Sorted(maps.Keys(f)) {
		inner, _ := f[name].(map[string]any)
		if fields(inner).text("access_token") != "" {
			return name
		}
		if path := fields(inner).pathTo(); path != "" {
			return name + "." + path
		}
	}
	return ""
}
