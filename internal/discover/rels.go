package discover

import (
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"mintkeep/internal/oauth"
)

// maxRels is how many targets of one relation are kept.
const maxRels = 200

// A document is a parsed page.
type document struct {
	root *html.Node // nil if it could not be parsed
	base *url.URL   // what relative URLs are resolved against
}

// document parses the page on its first call. It is not for concurrent use.
func (p *Page) document() *document {
	if p.parsed == nil {
		root := parse(p.Body)
		p.parsed = &document{root: root, base: baseURL(root, p.URL)}
	}
	return p.parsed
}

// Rels returns the targets of each relation, those of the Link header first,
// absolute and in their order. Relations are in lower case.
func (p *Page) Rels() map[string][]string {
	rels := p.HeaderRels()
	for rel, targets := range p.HTMLRels() {
		rels[rel] = append(rels[rel], targets...)
	}
	return rels
}

// HeaderRels is like Rels, for the Link header alone (RFC 8288). Links whose
// anchor is another page are left out.
func (p *Page) HeaderRels() map[string][]string {
	rels := make(map[string][]string)
	for _, l := range parseLinks(strings.Join(p.Header.Values("Link"), ",")) {
		target, err := p.URL.Parse(strings.TrimSpace(l.target))
		if err != nil {
			continue
		}
		if of, err := p.URL.Parse(l.anchor); l.anchor != "" && (err != nil || of.String() != p.URL.String()) {
			continue
		}
		addRels(rels, l.rels, target)
	}
	return rels
}

// HTMLRels is like Rels, for link and a elements alone. It differs from the
// microformats library where that differs from the HTML standard: white space
// around href does not count, one without href is no link, and a base element
// counts wherever it stands.
func (p *Page) HTMLRels() map[string][]string {
	d := p.document()
	rels := make(map[string][]string)
	for n := range elements(d.root) {
		href, has := attr(n, "href")
		if !has || n.DataAtom != atom.Link && n.DataAtom != atom.A {
			continue
		}
		if u, err := d.base.Parse(href); err == nil {
			rel, _ := attr(n, "rel")
			addRels(rels, strings.Fields(strings.ToLower(rel)), u)
		}
	}
	return rels
}

func addRels(rels map[string][]string, words []string, target *url.URL) {
	address := target.String()
	for _, word := range words {
		if found := rels[word]; len(found) < maxRels && !slices.Contains(found, address) {
			rels[word] = append(found, address)
		}
	}
}

// baseURL is the first base element's address, or the page's.
func baseURL(root *html.Node, page *url.URL) *url.URL {
	for n := range elements(root) {
		if href, _ := attr(n, "href"); n.DataAtom == atom.Base && href != "" && len(href) <= oauth.MaxURL {
			if u, err := page.Parse(href); err == nil {
				return u
			}
		}
	}
	return page
}

// elements yields the elements of a tree in document order, without those in templates.
func elements(root *html.Node) func(yield func(*html.Node) bool) {
	var walk func(*html.Node, func(*html.Node) bool) bool
	walk = func(n *html.Node, yield func(*html.Node) bool) bool {
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			if c.Type == html.ElementNode && c.DataAtom != atom.Template && (!yield(c) || !walk(c, yield)) {
				return false
			}
		}
		return true
	}
	return func(yield func(*html.Node) bool) {
		if root != nil {
			walk(root, yield)
		}
	}
}
