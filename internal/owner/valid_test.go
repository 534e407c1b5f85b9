package owner_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// valid asserts that the page is what a parser makes of it, that no id is
// given twice, and that whatever can be filled in has a label.
func valid(t *testing.T, s sight) {
	t.Helper()
	var again bytes.Buffer
	if err := html.Render(&again, s.root); err != nil {
		t.Fatal(err)
	}
	if sent, got := tags(s.text), tags(again.String()); !slices.Equal(sent, got) {
		t.Errorf("%s: a parser makes something else of the page:\n%q\n%q", s.Request.URL, sent, got)
	}
	ids, labels, fields, headings := map[string]bool{}, map[string]bool{}, []string{}, 0
	for n := range s.root.Descendants() {
		a := map[string]string{}
		for _, x := range n.Attr {
			if _, twice := a[x.Key]; twice {
				t.Errorf("%s: <%s> has two of %s", s.Request.URL, n.Data, x.Key)
			}
			a[x.Key] = x.Val
		}
		if id := a["id"]; id != "" {
			if ids[id] {
				t.Errorf("%s: two of id %s", s.Request.URL, id)
			}
			ids[id] = true
		}
		switch n.Data {
		case "label":
			labels[a["for"]] = true
		case "input", "select", "textarea":
			if a["type"] != "hidden" {
				fields = append(fields, a["id"])
			}
		case "h1":
			headings++
		case "script", "img", "iframe", "object", "link":
			t.Errorf("%s: there is a <%s>", s.Request.URL, n.Data)
		}
	}
	for _, id := range fields {
		if id == "" || !labels[id] {
			t.Errorf("%s: the field %q has no label", s.Request.URL, id)
		}
	}
	if headings != 1 {
		t.Errorf("%s: %d main headings", s.Request.URL, headings)
	}
}

// tags are the pieces of a page, attributes in the order of their names.
func tags(page string) []string {
	var all []string
	for z := html.NewTokenizer(strings.NewReader(page)); z.Next() != html.ErrorToken; {
		token := z.Token()
		slices.SortFunc(token.Attr, func(a, b html.Attribute) int { return strings.Compare(a.Key, b.Key) })
		if text := strings.TrimSpace(token.String()); text != "" && token.Type != html.DoctypeToken {
			all = append(all, text)
		}
	}
	return all
}
