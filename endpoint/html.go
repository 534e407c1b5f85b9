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
	d := Document{Title: title, Content: content}
	d.Write(w, status, false)
}

// A Document is an HTML page without scripts, and the policy that allows it
// nothing but its own style and, if it has one, its own form.
type Document struct {
	Title   string
	Form    bool    // it has a form that is sent to this site
	Refresh string  // where the browser goes on by itself
	Header  []*Node // what stands above the content, such as the ways to other pages
	Content []*Node
}

// Node is a node of a page.
type Node = html.Node

// Write sends the page; of the headers, only those that it needs itself.
func (d *Document) Write(w http.ResponseWriter, status int, headOnly bool) {
	p, err := d.reply()
	if err != nil { // a tree of elements and text can always be written
		http.Error(w, d.Title, status)
		return
	}
	p.status = status
	p.write(w, headOnly)
}

func document(title string, content ...*html.Node) (*reply, error) {
	d := Document{Title: title, Content: content}
	return d.reply()
}

func (d *Document) reply() (*reply, error) {
	style := El("style", nil, &html.Node{Type: html.RawNode, Data: pageStyle})
	head := El("head", nil,
		El("meta", []string{"charset", "utf-8"}),
		El("meta", []string{"name", "viewport", "content", "width=device-width, initial-scale=1"}),
		El("title", nil, Text(d.Title)), style)
	if d.Refresh != "" {
		head.AppendChild(El("meta", []string{"http-equiv", "refresh", "content", "0; url=" + d.Refresh}))
	}
	body := El("body", nil)
	if len(d.Header) > 0 {
		body.AppendChild(El("header", nil, d.Header...))
	}
	body.AppendChild(El("main", nil, d.Content...))
	var b bytes.Buffer
	b.WriteString("<!doctype html>\n")
	if err := html.Render(&b, El("html", []string{"lang", "en"}, head, body)); err != nil {
		return nil, fmt.Errorf("writing the page: %w", err)
	}
	action, referrer := "'none'", "no-referrer"
	if d.Form { // with no-referrer, browsers would post it with Origin: null
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
