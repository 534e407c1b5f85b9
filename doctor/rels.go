package doctor

import (
	"io"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// htmlRels are the targets of each relation in a page's link, a and area
// elements, absolute, in document order, as microformats2 parsers read them.
// (Those parsers compile regular expressions when a program starts, every CGI
// process included; the tests hold this function against one.)
func htmlRels(r io.Reader, page *url.URL) (map[string][]string, error) {
	doc, err := html.Parse(r)
	if err != nil {
		return nil, err
	}
	rels, base := make(map[string][]string), baseOf(doc, page)
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode || !slices.Contains([]string{"link", "a", "area"}, n.Data) {
			continue
		}
		href, has := attribute(n, "href")
		target, err := base.Parse(strings.TrimSpace(href))
		if !has || err != nil {
			continue
		}
		rel, _ := attribute(n, "rel")
		for _, word := range strings.Fields(strings.ToLower(rel)) {
			if !slices.Contains(rels[word], target.String()) {
				rels[word] = append(rels[word], target.String())
			}
		}
	}
	return rels, nil
}

// baseOf honours the page's first base element.
func baseOf(doc *html.Node, page *url.URL) *url.URL {
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode || n.Data != "base" {
			continue
		}
		if href, has := attribute(n, "href"); has {
			if u, err := page.Parse(strings.TrimSpace(href)); err == nil {
				return u
			}
		}
	}
	return page
}

func attribute(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name && a.Namespace == "" {
			return a.Val, true
		}
	}
	return "", false
}

// sameURL compares two addresses as clients that canonicalise do: scheme and
// host in any case, no path is the path /.
func sameURL(a, b string) bool { return a == b || canonical(a) == canonical(b) }

func canonical(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return s
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String()
}
