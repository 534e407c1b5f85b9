package discover

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/html"
	"willnorris.com/go/microformats"
)

// An item is a microformat of a page.
type item = microformats.Microformat

// items returns the items that have one of the given types (h-card, …), outer ones
// before those in them. Values are as the library reads them, but with p-, u- and
// e-: only name, url, uid, photo, logo and email are there. It may be called once,
// and the relations must have been read before: it takes the document apart.
func (d *document) items(types ...string) []*item {
	if d.root == nil {
		return nil
	}
	p := pruner{left: maxText}
	p.prune(d.root, place{})
	data := microformats.ParseNode(d.root, d.base)
	d.root = &html.Node{Type: html.DocumentNode}
	var found []*item
	var collect func(it *item)
	collect = func(it *item) {
		if slices.ContainsFunc(it.Type, func(t string) bool { return slices.Contains(types, t) }) {
			found = append(found, it)
		}
		for _, name := range slices.Sorted(maps.Keys(it.Properties)) {
			for _, v := range it.Properties[name] {
				if nested, ok := v.(*item); ok {
					collect(nested)
				}
			}
		}
		for _, child := range it.Children {
			collect(child)
		}
	}
	for _, it := range data.Items {
		collect(it)
	}
	return found
}

// values returns the texts of a property; of an item, its value.
func values(it *item, property string) []string {
	var out []string
	for _, v := range it.Properties[property] {
		switch v := v.(type) {
		case string:
			out = append(out, v)
		case map[string]string: // an image with its alt text
			out = append(out, v["value"])
		case *item:
			out = append(out, v.Value)
		}
	}
	return out
}

// first returns the first text of the first of the properties that has any.
func first(it *item, properties ...string) string {
	for _, property := range properties {
		if v := values(it, property); len(v) > 0 {
			return v[0]
		}
	}
	return ""
}

// cleanName makes one line of at most 80 characters of what a page calls an app or a
// person, without characters that are invisible or change the direction of writing, and
// with no more marks on a letter than languages have.
func cleanName(name string) string {
	marks := 0
	name = strings.Map(func(r rune) rune {
		if marks++; !unicode.IsMark(r) {
			marks = 0
		}
		hidden := !unicode.IsPrint(r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || r == '\u2800'
		if hidden || r == unicode.ReplacementChar || marks > 3 {
			return -1
		}
		return r
	}, strings.Join(strings.Fields(name), " "))
	if short := []rune(name); len(short) > 80 {
		name = string(short[:80]) + "…"
	}
	return strings.TrimSpace(name)
}
