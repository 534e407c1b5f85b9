// Package page writes the pages that people see: one layout and one style sheet
// around what a package's own templates show, the headers that forbid scripts,
// frames and foreign forms, and the cookies. No page needs a script.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"sync"
)

//go:embed layout.html style.css parts.html
var files embed.FS

var layout = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(functions()).ParseFS(files, "layout.html", "style.css"))
})

// Templates returns the templates pages/*.html of a package, each under the name
// of its file. They are parsed when the first page is asked for: a process that
// verifies one token must not pay for them. A template that cannot be parsed panics.
func Templates(pages fs.FS) func() *template.Template {
	return sync.OnceValue(func() *template.Template {
		return template.Must(template.Must(template.New("").Funcs(functions()).ParseFS(files, "parts.html")).ParseFS(pages, "pages/*.html"))
	})
}

// A Page is an HTML page without scripts.
type Page struct {
	Title    string       // in the browser's title bar
	Heading  string       // the page's h1; none if empty
	Lead     string       // the sentence below it; none if empty
	Acts     []Link       // buttons beside it
	Site     string       // address of the site that this is for, to which the header leads
	SignOut  string       // where a form signs out; empty if nobody is signed in
	Column   bool         // it has one task, in a narrow column
	Form     bool         // it has forms, which are sent to this site
	Refresh  template.URL // where the browser goes on by itself; its scheme has been checked
	Home     string       // address of the owner's pages, if they are to be linked above
	Links    []Link       // the owner's pages, if they are to be linked above
	Template string       // name of the template of the content
	Data     any          // what that template shows
}

// A Link is a link to one of the pages; Current marks the one that is shown.
type Link struct {
	URL, Text string
	Current   bool
}

// Render returns the page, whose content is taken from the templates, and the headers
// it must be sent with. The Content-Security-Policy allows nothing but the page's
// own style and, if there is one, a form to this site.
func (p *Page) Render(templates *template.Template) (body []byte, header map[string]string, err error) {
	var content, b bytes.Buffer
	if err := templates.ExecuteTemplate(&content, p.Template, p.Data); err != nil {
		return nil, nil, fmt.Errorf("writing the page: %w", err)
	}
	data := struct {
		*Page
		Content template.HTML // escaped by its own template
	}{p, template.HTML(content.String())}
	if err := layout().ExecuteTemplate(&b, "layout.html", data); err != nil {
		return nil, nil, fmt.Errorf("writing the page: %w", err)
	}
	action, referrer := "'none'", "no-referrer"
	if p.Form { // with no-referrer, browsers would post it with Origin: null
		action, referrer = "'self'", "same-origin"
	}
	return b.Bytes(), map[string]string{
		"Content-Type": "text/html; charset=utf-8",
		"Content-Security-Policy": "default-src 'none'; style-src 'sha256-" + styleHash(b.Bytes()) +
			"'; base-uri 'none'; form-action " + action + "; frame-ancestors 'none'",
		"X-Frame-Options": "DENY",
		"Referrer-Policy": referrer,
	}, nil
}

// styleHash is the hash of the style as it was rendered: html/template removes
// comments. Only text of the layout can come before the style element's end.
func styleHash(page []byte) string {
	_, rest, _ := bytes.Cut(page, []byte("<style>"))
	style, _, _ := bytes.Cut(rest, []byte("</style>"))
	sum := sha256.Sum256(style)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Write renders the page and sends it, without its body if headOnly. If it cannot be
// rendered, nothing has been sent.
func (p *Page) Write(w http.ResponseWriter, status int, headOnly bool, templates *template.Template) error {
	body, header, err := p.Render(templates)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Del("Access-Control-Allow-Origin") // other sites' scripts have no business with pages
	h.Del("Access-Control-Expose-Headers")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	for name, value := range header {
		h.Set(name, value)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if !headOnly {
		_, _ = w.Write(body)
	}
	return nil
}
