package discover

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

const (
	maxDepth   = 64        // of the elements that microformats sees
	maxItems   = 1_000     // microformats of a page
	maxRoots   = 4         // microformats in one another
	maxReaders = 12        // items and properties, in one another, that may ask for the same text
	maxText    = 256 << 10 // bytes, counted once for each of these
)

// A pruner cuts a tree down to what items needs, so that microformats, which reads
// an element's text anew for every item and property around it and at every level
// between, has little to do whatever the page is made of.
type pruner struct {
	left  int // bytes of text that may still be kept
	items int // found so far
}

// A place is where in the tree the pruner is: how many elements, roots of
// microformats and readers of text are around.
type place struct{ depth, roots, readers int }

// prune removes, below n, elements that lie too deep, base elements (the caller
// knows the base), templates and comments, attributes and classes that are of no
// use, and text that no item or property asks for.
func (p *pruner) prune(n *html.Node, at place) {
	for c, next := n.FirstChild, (*html.Node)(nil); c != nil; c = next {
		next = c.NextSibling
		keep := false
		switch c.Type {
		case html.TextNode:
			keep = p.pay(c.Data, at.readers)
		case html.ElementNode:
			keep = c.DataAtom != atom.Template && c.DataAtom != atom.Base && at.depth < maxDepth && p.element(c, at)
		}
		if !keep {
			n.RemoveChild(c)
		}
	}
}

// pay takes a text from what may still be kept, and reports whether there was enough left.
func (p *pruner) pay(text string, readers int) bool {
	cost := len(text) * readers
	if cost == 0 || cost > p.left {
		return false
	}
	p.left -= cost
	return true
}

// element prunes one element and what is in it. It reports whether the element stays.
func (p *pruner) element(n *html.Node, at place) bool {
	class, _ := attr(n, "class")
	c := readClasses(class)
	if at.readers+c.readers > maxReaders {
		c = classes{}
	}
	at.depth++
	at.readers += c.readers
	if c.root {
		at.roots++
		p.items++
	}
	if at.roots > maxRoots || p.items > maxItems {
		return false
	}
	n.Attr = slices.DeleteFunc(n.Attr, func(a html.Attribute) bool {
		text := a.Key == "alt" || a.Key == "title" || a.Key == "value"
		return a.Key == "class" || a.Key == "rel" || text && a.Val != "" && !p.pay(a.Val, at.readers)
	})
	if len(c.words) > 0 {
		n.Attr = append(n.Attr, html.Attribute{Key: "class", Val: strings.Join(c.words, " ")})
	}
	p.prune(n, at)
	for _, other := range c.others {
		n.AppendChild(&html.Node{Type: html.ElementNode, Data: "data", DataAtom: atom.Data,
			Attr: []html.Attribute{{Key: "class", Val: other}, {Key: "value"}}})
	}
	return true
}

// classes are the classes of an element that mean something here.
type classes struct {
	words   []string // the ones to keep
	root    bool     // whether one begins a microformat
	readers int      // how many may ask for the element's text
	others  []string // "p-other", "u-other": it has properties that are not read
}

// readClasses keeps the roots, the properties that items reads, and those of hCard,
// the older microformat, which have no prefix. An e- property counts as p-, whose
// value is the same: the markup in it is not wanted. Of all other properties only
// their kind counts, because an item that has any has no implied name or photo;
// elements without text stand for them. So an item whose name is not wanted gets one.
func readClasses(class string) classes {
	var c classes
	add := func(to *[]string, word string) {
		if !slices.Contains(*to, word) {
			*to = append(*to, word)
		}
	}
	implied := false
	for word := range strings.FieldsSeq(class) {
		kind, name, _ := strings.Cut(word, "-")
		switch word {
		case "h-card", "h-app", "h-x-app":
			c.root, implied = true, true
			add(&c.words, word)
			continue
		case "vcard", "adr", "geo", "hentry", "hfeed", "hnews", "hproduct", "hrecipe", "hresume", "hreview", "hreview-aggregate", "vevent":
			c.root = true
			add(&c.words, word)
			continue
		case "fn", "url", "uid", "photo", "logo", "email", "value", "value-title":
			add(&c.words, word)
			continue
		}
		if !formatName().MatchString(name) {
			continue
		}
		switch kind {
		case "h":
			c.root = true
			add(&c.words, "h-other")
		case "p", "e", "u":
			kind = strings.Replace(kind, "e", "p", 1)
			if slices.Contains([]string{"name", "url", "uid", "photo", "logo", "email"}, name) {
				add(&c.words, kind+"-"+name)
			} else {
				add(&c.others, kind+"-other")
			}
		}
	}
	c.readers = len(c.words)
	if c.root { // other properties are the surrounding item's, which has no implied values anyway
		c.others = nil
	}
	if c.root && !implied {
		c.others = []string{"p-other"}
		c.readers--
	}
	return c
}

// formatName matches what may follow h-, p-, u- or e- in a class
// (https://microformats.org/wiki/microformats2-parsing). It is compiled when a page is read.
var formatName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([a-z0-9]+-)?[a-z]+(-[a-z]+)*$`) })
