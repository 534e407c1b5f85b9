package owner

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"mintkeep/endpoint"
	"mintkeep/internal/page"
	"mintkeep/keeper"
)

// write is the one place that writes.
func (p *Pages) write(w http.ResponseWriter, q *request, rep *reply) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	for name, value := range rep.header {
		h.Set(name, value)
	}
	for _, c := range rep.cookies {
		http.SetCookie(w, c)
	}
	if rep.to != "" {
		h.Set("Location", rep.to)
		h.Set("Referrer-Policy", "no-referrer")
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	if rep.status == 0 {
		rep.status = http.StatusOK
	}
	rep.doc.Write(w, rep.status, q.http.Method == http.MethodHead, templates())
}

// fault is the page of an error. What is not meant for people becomes a
// sentence that says nothing but where the cause is.
func (p *Pages) fault(q *request, err error) *reply {
	e := p.judge(err)
	if e.Status >= http.StatusInternalServerError {
		p.In.Log.Error("owner's page failed", "path", q.http.URL.Path, "error", err.Error())
	}
	title := "This did not work"
	if e.Status == http.StatusNotFound {
		title = "Nothing here"
	}
	return &reply{status: e.Status, header: e.Header, doc: p.document(q, "", title,
		para(text("The reason: "+e.Description+".")),
		para(link(p.at(""), "To the first page")))}
}

func (p *Pages) judge(err error) *endpoint.Error {
	e := new(endpoint.Error)
	if errors.As(err, &e) {
		return e
	}
	if errors.Is(err, endpoint.ErrNoToken) {
		return &endpoint.Error{Status: http.StatusNotFound, Description: "there is no such token"}
	}
	if p.In.Unavailable(err) {
		return &endpoint.Error{Status: http.StatusServiceUnavailable, Description: "the database is busy, full or not writable; try again later"}
	}
	if errors.Is(err, keeper.ErrKey) {
		return &endpoint.Error{Status: http.StatusInternalServerError, Description: "the sealing key is missing, or is not the one of this database; Check says more"}
	}
	fault := new(keeper.Fault)
	if errors.As(err, &fault) && !errors.Is(err, keeper.ErrSealed) {
		status := http.StatusConflict
		switch {
		case errors.Is(err, keeper.ErrUnknown):
			status = http.StatusNotFound
		case errors.Is(err, keeper.ErrTemporary):
			status = http.StatusServiceUnavailable
		}
		said, _, _ := strings.Cut(fault.Error(), "\nhint: ") // hints name commands
		return &endpoint.Error{Status: status, Description: said}
	}
	return &endpoint.Error{Status: http.StatusInternalServerError, Description: "something is wrong here; the cause is in the error log"}
}

// KeeperPage writes the keeper's pages of a few paragraphs, with a way back to these.
func (p *Pages) KeeperPage(w http.ResponseWriter, status int, title string, paragraphs ...string) {
	var content []*node
	for _, s := range paragraphs {
		content = append(content, para(text(s)))
	}
	if p.In.URL != "" {
		content = append(content, para(link(p.at("connections"), "To the connections")))
	}
	d := page.Page{Title: title, Heading: title, Template: "nodes.html", Data: rendered(content)}
	d.Write(w, status, false, templates())
}

// document is one of these pages: ways to the others above, a heading, the rest.
func (p *Pages) document(q *request, word, title string, content ...*node) *page.Page {
	d := &page.Page{Title: title + " – mintkeep", Heading: title, Form: true, Home: p.at(""), Template: "nodes.html", Data: rendered(content)}
	if q.session == nil {
		return d
	}
	for _, way := range p.ways(q) {
		d.Links = append(d.Links, page.Link{URL: p.at(way[0]), Text: way[1], Current: way[0] == word})
	}
	return d
}

func (p *Pages) ways(q *request) [][2]string {
	ways := [][2]string{{"", "Apps"}}
	if q.admin() && p.Out.On(q.ctx()) {
		ways = append(ways, [2]string{"connections", "Connections"})
	}
	if q.admin() {
		ways = append(ways, [2]string{"programs", "Programs"}, [2]string{"log", "Log"}, [2]string{"check", "Check"})
	}
	return append(ways, [2]string{"sessions", "You"})
}

// Small pieces of pages.

func class(c string) []string { return []string{"class", c} }

func para(children ...*node) *node { return el("p", nil, children...) }

func link(to, words string) *node { return el("a", []string{"href", to}, text(words)) }

func code(s string) *node { return el("code", nil, text(s)) }

// rows is a list of names and values; an empty value is left out.
func rows(pairs ...any) *node {
	dl := el("dl", nil)
	for i := 0; i+1 < len(pairs); i += 2 {
		value, ok := pairs[i+1].(*node)
		if s, isText := pairs[i+1].(string); isText && s != "" {
			value, ok = text(s), true
		}
		if ok && value != nil {
			dl.AppendChild(el("dt", nil, text(pairs[i].(string))))
			dl.AppendChild(el("dd", nil, value))
		}
	}
	return dl
}

// form is a form of hidden values and what else it contains.
func (p *Pages) form(word string, hidden []string, children ...*node) *node {
	f := el("form", []string{"method", "post", "action", p.at(word)})
	for i := 0; i+1 < len(hidden); i += 2 {
		f.AppendChild(el("input", []string{"type", "hidden", "name", hidden[i], "value", hidden[i+1]}))
	}
	for _, c := range children {
		f.AppendChild(c)
	}
	return f
}

func button(words string) *node {
	return el("button", []string{"type", "submit"}, text(words))
}

// danger is a button that takes something away; what names it for those who
// hear the page.
func danger(words, what string) *node {
	return el("button", []string{"type", "submit", "class", "danger", "aria-label", words + ": " + what}, text(words))
}

// field is an input with its label.
func field(id, label string, attributes ...string) *node {
	return el("div", class("field"), el("label", []string{"for", id}, text(label)),
		el("input", append([]string{"id", id, "name", id, "autocomplete", "off"}, attributes...)))
}

// choice is a select with its label; the options are value, words pairs.
func choice(id, label string, options ...string) *node {
	s := el("select", []string{"id", id, "name", id})
	for i := 0; i+1 < len(options); i += 2 {
		s.AppendChild(el("option", []string{"value", options[i]}, text(options[i+1])))
	}
	return el("div", class("field"), el("label", []string{"for", id}, text(label)), s)
}

// more is something that is shown when it is asked for.
func more(words string, children ...*node) *node {
	return el("details", nil, append([]*node{el("summary", nil, text(words))}, children...)...)
}

func notice(words string) *node {
	return el("p", []string{"class", "notice", "role", "status"}, text(words))
}

// when is a moment, or nil for none.
func when(t time.Time) *node {
	if t.IsZero() {
		return nil
	}
	return el("time", []string{"datetime", t.UTC().Format(time.RFC3339)}, text(t.UTC().Format("2 Jan 2006, 15:04")+" UTC"))
}

// or is what there is, or words for nothing.
func or(n *node, words string) *node {
	if n == nil {
		return text(words)
	}
	return n
}

func span(nodes ...*node) *node { return el("span", nil, nodes...) }

// many counts things in words.
func many(n int, one, several string) string {
	if n == 1 {
		return "one " + one
	}
	return strconv.Itoa(n) + " " + several
}

// secret shows a secret, once: it is in the answer to the form and nowhere else.
func (p *Pages) secret(q *request, word, title, secret string, content ...*node) *reply {
	content = append([]*node{
		el("pre", []string{"tabindex", "0", "aria-label", title}, code(secret)),
		el("p", nil, el("strong", nil, text("It is shown this once. ")), text("Copy it now; here, only its checksum is kept."))}, content...)
	return &reply{doc: p.document(q, word, title, append(content, para(link(p.at(word), "Back")))...)}
}
