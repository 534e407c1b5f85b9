package endpoint_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// The parsers of the programs that read our answers, as they are in their
// languages.

// refusal is a program's orderly no. Any other error of an acceptance rule means
// that the program itself fell over, or took our answer for something else.
type refusal string

func (r refusal) Error() string { return string(r) }

func refuse(format string, args ...any) error { return refusal(fmt.Sprintf(format, args...)) }

func refused(err error) bool { return errors.As(err, new(refusal)) }

// decodeJSON reads an object and nothing after it.
func decodeJSON(body string) (map[string]any, error) {
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("no JSON object: %w", err)
	}
	if d.More() || m == nil {
		return nil, errors.New("no JSON object alone")
	}
	return m, nil
}

// depth2 is PHP's json_decode($body, true, 2), which knows no nested values.
func depth2(body string) map[string]any {
	m, err := decodeJSON(body)
	if err != nil {
		return nil
	}
	for _, v := range m {
		switch v.(type) {
		case map[string]any, []any:
			return nil
		}
	}
	return m
}

// parseStr is PHP's parse_str, and as good as Node's querystring: nothing is
// an error, and JSON becomes one strange key.
func parseStr(body string) map[string]any {
	m := make(map[string]any)
	for pair := range strings.SplitSeq(body, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name != "" {
			m[lenient(name)] = lenient(value)
		}
	}
	return m
}

// parseQS is Python's urllib.parse.parse_qs, which drops what has no value.
func parseQS(body string) map[string]any {
	m := make(map[string]any)
	for pair := range strings.SplitSeq(body, "&") {
		if name, value, ok := strings.Cut(pair, "="); ok && value != "" {
			m[lenient(name)] = lenient(value)
		}
	}
	return m
}

func lenient(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// jsonElseForm is the two steps of many PHP programs.
func jsonElseForm(body string) map[string]any {
	if m, err := decodeJSON(body); err == nil {
		return m
	}
	return parseStr(body)
}

func str(m map[string]any, name string) string {
	s, _ := m[name].(string)
	return s
}

func integer(m map[string]any, name string) bool {
	n, ok := m[name].(json.Number)
	if !ok {
		return false
	}
	_, err := n.Int64()
	return err == nil
}

// missing names the members that are not non-empty strings.
func missing(m map[string]any, names ...string) error {
	for _, name := range names {
		if str(m, name) == "" {
			return refuse("no %s", name)
		}
	}
	return nil
}

// exactly compares me byte for byte with the site's URL.
func exactly(m map[string]any) error {
	if m["me"] != jane {
		return refuse("me is %v", m["me"])
	}
	return nil
}

// slashless compares me after the slash at the end is gone from both.
func slashless(m map[string]any) error {
	if me := str(m, "me"); me == "" || strings.TrimRight(me, "/") != strings.TrimRight(jane, "/") {
		return refuse("me is %v", m["me"])
	}
	return nil
}

// hostOnly compares the host alone.
func hostOnly(m map[string]any) error {
	u, err := url.Parse(str(m, "me"))
	if err != nil || u.Host != "jane.example" {
		return refuse("me is %v", m["me"])
	}
	return nil
}

// mayPost looks for create or its old name in a scope given as a string.
func mayPost(m map[string]any) error {
	words := strings.FieldsFunc(str(m, "scope"), func(r rune) bool { return r == ' ' || r == ',' })
	if !slices.Contains(words, "create") && !slices.Contains(words, "post") {
		return refuse("scope is %v", m["scope"])
	}
	return nil
}

// first returns the first thing that is wrong.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
