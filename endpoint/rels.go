package endpoint

import (
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// HeaderRels are the targets of each relation in a page's Link header fields,
// absolute and in their order (RFC 8288). Relations are in lower case. Links
// of other pages (anchor) are left out.
func HeaderRels(fields []string, page *url.URL) map[string][]string {
	rels := make(map[string][]string)
	for _, l := range parseLinks(strings.Join(fields, ",")) {
		target, err := page.Parse(strings.TrimSpace(l.target))
		if err != nil {
			continue
		}
		if of, err := page.Parse(l.anchor); l.anchor != "" && (err != nil || of.String() != page.String()) {
			continue
		}
		addRels(rels, l.rels, target)
	}
	return rels
}

// HTMLRels are the targets of each relation in a page's link and a elements,
// absolute and in document order, as microformats2 parsers read them.
// Relations are in lower case.
func HTMLRels(text []byte, page *url.URL) map[string][]string {
	root := parseHTML(text)
	return elementRels(root, baseOf(root, page))
}

func elementRels(root *html.Node, base *url.URL) map[string][]string {
	rels := make(map[string][]string)
	walk(root, func(n *html.Node) bool {
		if href, has := lookUpAttr(n, "href"); has && (n.Data == "link" || n.Data == "a") {
			if u, err := base.Parse(strings.TrimSpace(href)); err == nil {
				addRels(rels, strings.Fields(strings.ToLower(attr(n, "rel"))), u)
			}
		}
		return true
	})
	return rels
}

// maxRels is how many targets of one relation are read.
const maxRels = 200

func addRels(rels map[string][]string, words []string, target *url.URL) {
	address := target.String()
	for _, word := range words {
		if found := rels[word]; len(found) < maxRels && !slices.Contains(found, address) {
			rels[word] = append(found, address)
		}
	}
}
