package endpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"

	"golang.org/x/net/html"
)

// Pages are built as trees of nodes and written by x/net/html, so that what
// strangers wrote can only ever be text or a value. (html/template does as well,
// but costs every CGI process a tenth of its time and memory, page or not.)

// Text is a piece of text in a page.
func Text(s string) *html.Node { return &html.Node{Type: html.TextNode, Data: s} }

// El is an element: attributes as name, value pairs, then what it contains.
func El(name string, attributes []string, children ...*html.Node) *html.Node {
	n := &html.Node{Type: html.ElementNode, Data: name}
	for i := 0; i+1 < len(attributes); i += 2 {
		n.Attr = append(n.Attr, html.Attribute{Key: attributes[i], Val: attributes[i+1]})
	}
	for _, c := range children {
		if c != nil {
			n.AppendChild(c)
		}
	}
	return n
}

// Page writes a page of a heading and paragraphs of text. main hands it to the
// other half of the program too.
func Page(w http.ResponseWriter, status int, title string, paragraphs ...string) {
	content := []*html.Node{El("h1", nil, Text(title))}
	for _, p := range paragraphs {
		content = append(content, El("p", nil, Text(p)))
	}
	p, err := document(title, content...)
	if err != nil { // a tree of elements and text can always be written
		http.Error(w, title, status)
		return
	}
	p.status = status
	p.write(w, false)
}

const pageStyle = `:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem}
pre{overflow-x:auto;padding:.75rem;border:1px solid;border-radius:.25rem}`

// document is a whole page without scripts, and the policy that allows it
// nothing but its own style.
func document(title string, content ...*html.Node) (*reply, error) {
	style := El("style", nil, &html.Node{Type: html.RawNode, Data: pageStyle})
	page := El("html", []string{"lang", "en"},
		El("head", nil,
			El("meta", []string{"charset", "utf-8"}),
			El("meta", []string{"name", "viewport", "content", "width=device-width, initial-scale=1"}),
			El("title", nil, Text(title)), style),
		El("body", nil, El("main", nil, content...)))
	var b bytes.Buffer
	b.WriteString("<!doctype html>\n")
	if err := html.Render(&b, page); err != nil {
		return nil, fmt.Errorf("writing the page: %w", err)
	}
	sum := sha256.Sum256([]byte(pageStyle))
	return &reply{contentType: "text/html; charset=utf-8", body: b.Bytes(), header: map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		"Referrer-Policy": "no-referrer",
	}}, nil
}
