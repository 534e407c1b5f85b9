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

const pageStyle = `:root{color-scheme:light dark}*{box-sizing:border-box}
body{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.25}
pre{overflow-x:auto;padding:.75rem;border:1px solid;border-radius:.25rem}
dt{font-weight:600;margin-top:.75rem}dd{margin:0}.name{display:block}
fieldset{border:1px solid;border-radius:.25rem;margin:1.5rem 0;padding:.5rem 1rem}
.box{display:flex;gap:.75rem;align-items:baseline;padding:.4rem 0}
input[type=checkbox]{width:1.25rem;height:1.25rem;flex:none;margin:0;align-self:center}
.buttons{display:flex;flex-wrap:wrap;gap:1rem}
button{font:inherit;min-height:2.75rem;padding:.5rem 1.5rem;border:1px solid;border-radius:.25rem}`

// A page is an HTML document without scripts, and the policy that allows it
// nothing but its own style and, if it has one, its own form.
type page struct {
	title   string
	form    bool
	refresh string // where the browser goes on by itself
	content []*html.Node
}

func document(title string, content ...*html.Node) (*reply, error) {
	p := page{title: title, content: content}
	return p.reply()
}

func (p *page) reply() (*reply, error) {
	style := El("style", nil, &html.Node{Type: html.RawNode, Data: pageStyle})
	head := El("head", nil,
		El("meta", []string{"charset", "utf-8"}),
		El("meta", []string{"name", "viewport", "content", "width=device-width, initial-scale=1"}),
		El("title", nil, Text(p.title)), style)
	if p.refresh != "" {
		head.AppendChild(El("meta", []string{"http-equiv", "refresh", "content", "0; url=" + p.refresh}))
	}
	var b bytes.Buffer
	b.WriteString("<!doctype html>\n")
	if err := html.Render(&b, El("html", []string{"lang", "en"}, head, El("body", nil, El("main", nil, p.content...)))); err != nil {
		return nil, fmt.Errorf("writing the page: %w", err)
	}
	action, referrer := "'none'", "no-referrer"
	if p.form { // with no-referrer, browsers would post it with Origin: null
		action, referrer = "'self'", "same-origin"
	}
	sum := sha256.Sum256([]byte(pageStyle))
	return &reply{contentType: "text/html; charset=utf-8", body: b.Bytes(), header: map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; base-uri 'none'; form-action " + action + "; frame-ancestors 'none'",
		"X-Frame-Options": "DENY",
		"Referrer-Policy": referrer,
	}}, nil
}

// errorPage tells a person what error JSON tells a program.
func errorPage(e *Error) (*reply, error) {
	title := "This did not work"
	if e.Status >= http.StatusInternalServerError {
		title = "This does not work at the moment"
	}
	rep, err := document(title, El("h1", nil, Text(title)), El("p", nil, Text("The reason: "+e.Description+".")),
		El("p", nil, El("small", nil, Text("Error: "), El("code", nil, Text(e.Code)))))
	if err != nil {
		return nil, err
	}
	for name, value := range e.Header {
		rep.header[name] = value
	}
	return rep, nil
}
