package endpoint

import (
	"bytes"
	stdhtml "html"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// A reader of the pages of apps and people, for rels, h-app and h-card.
//
// The full parsers (golang.org/x/net/html.Parse, and on top of it
// willnorris.com/go/microformats) build tables of 160 KB when the program
// starts, every time a web server starts it for one request: 0.4 ms, a
// tenth of a verification, which never reads a page. So the tokenizer of
// x/net/html finds the tags here and the rest is by hand; the tests hold it
// against microformats on pages of many kinds.

// maxDepth bounds how deep elements may lie in each other.
const maxDepth = 200

// maxAttrs is how many attributes of one element are read.
const maxAttrs = 64

// parseHTML makes a tree of elements and texts. It is more forgiving than a
// browser and knows few of its rules; it never fails.
func parseHTML(text []byte) *html.Node {
	root := &html.Node{Type: html.DocumentNode}
	at, depth := root, 0
	z := html.NewTokenizer(bytes.NewReader(text))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return root
		case html.TextToken:
			at.AppendChild(&html.Node{Type: html.TextNode, Data: stdhtml.UnescapeString(string(z.Raw()))})
		case html.StartTagToken, html.SelfClosingTagToken:
			n := startTag(string(z.Raw()))
			for closes(n.Data, at.Data) {
				at, depth = at.Parent, depth-1
			}
			at.AppendChild(n)
			if !void(n.Data) && depth < maxDepth {
				at, depth = n, depth+1
			}
		case html.EndTagToken:
			name := tagName(strings.TrimPrefix(string(z.Raw()), "</"))
			for n, up := at, 1; n != root; n, up = n.Parent, up+1 {
				if n.Data == name {
					at, depth = n.Parent, depth-up
					break
				}
			}
		}
	}
}

func tagName(s string) string {
	if n := strings.IndexAny(s, " \t\n\f\r/>"); n >= 0 {
		s = s[:n]
	}
	return strings.ToLower(s)
}

// startTag reads a tag as it stands in the text. (The tokenizer would as well,
// but with those tables.)
func startTag(raw string) *html.Node {
	raw = strings.TrimSuffix(strings.TrimPrefix(raw, "<"), ">")
	end := strings.IndexAny(raw, " \t\n\f\r/>")
	if end < 0 {
		end = len(raw)
	}
	n, rest := &html.Node{Type: html.ElementNode, Data: strings.ToLower(raw[:end])}, raw[end:]
	for {
		rest = strings.TrimLeft(rest, " \t\n\f\r/")
		if rest == "" {
			return n
		}
		end := strings.IndexAny(rest[1:], " \t\n\f\r/=")
		if end < 0 {
			end = len(rest) - 1
		}
		name := strings.ToLower(rest[:end+1])
		rest = strings.TrimLeft(rest[end+1:], " \t\n\f\r")
		value := ""
		if after, ok := strings.CutPrefix(rest, "="); ok {
			value, rest = attributeValue(strings.TrimLeft(after, " \t\n\f\r"))
		}
		if _, twice := lookUpAttr(n, name); !twice && len(n.Attr) < maxAttrs {
			n.Attr = append(n.Attr, html.Attribute{Key: name, Val: stdhtml.UnescapeString(value)})
		}
	}
}

func attributeValue(s string) (value, rest string) {
	if s != "" && (s[0] == '"' || s[0] == '\'') {
		value, rest, _ = strings.Cut(s[1:], s[:1])
		return value, rest
	}
	if n := strings.IndexAny(s, " \t\n\f\r"); n >= 0 {
		return s[:n], s[n:]
	}
	return s, ""
}

func void(name string) bool {
	switch name {
	case "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr":
		return true
	}
	return false
}

// closes reports whether a start tag ends the open element without an end tag of
// its own, which many pages leave out.
func closes(tag, open string) bool {
	switch open {
	case "p":
		switch tag {
		case "address", "article", "aside", "blockquote", "div", "dl", "fieldset", "figure", "footer", "form", "h1", "h2", "h3",
			"h4", "h5", "h6", "header", "hr", "main", "nav", "ol", "p", "pre", "section", "table", "ul", "li", "dt", "dd":
			return true
		}
	case "li", "option":
		return tag == open
	case "dt", "dd":
		return tag == "dt" || tag == "dd"
	case "td", "th":
		return tag == "td" || tag == "th" || tag == "tr"
	case "tr":
		return tag == "tr"
	case "head":
		return tag == "body"
	}
	return false
}

func attr(n *html.Node, name string) string {
	value, _ := lookUpAttr(n, name)
	return value
}

func lookUpAttr(n *html.Node, name string) (value string, has bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// walk visits the elements below n in their order, and what lies in one if visit says so.
func walk(n *html.Node, visit func(*html.Node) bool) {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type == html.ElementNode && c.Data != "template" && visit(c) {
			walk(c, visit)
		}
	}
}

// baseOf is what relative URLs of the page start from.
func baseOf(root *html.Node, page *url.URL) *url.URL {
	base := page
	walk(root, func(n *html.Node) bool {
		if href := attr(n, "href"); n.Data == "base" && href != "" && len(href) <= maxURL && base == page {
			if u, err := page.Parse(strings.TrimSpace(href)); err == nil {
				base = u
			}
		}
		return true
	})
	return base
}

// rels are the targets of a page's links with the given relation, those of the
// Link header first.
func (p *fetched) rels(root *html.Node, base *url.URL, rel string) []string {
	found := HeaderRels(p.header.Values("Link"), p.url)[rel]
	if root == nil {
		return found
	}
	return append(found, elementRels(root, base)[rel]...)
}
