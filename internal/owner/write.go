package owner

import (
	"context"
	"embed"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/oauth"
	"mintkeep/internal/page"
	"mintkeep/internal/store"
	"mintkeep/keeper"
)

//go:embed pages/*.html
var pageFiles embed.FS

var templates = page.Templates(pageFiles)

// newPage makes the page of a route: data is shown by the template. What the
// authorization endpoint looks for at the client_id BASE/owner, an h-app, is on
// every page.
func (p *Pages) newPage(q *request, word, title, template string, data any) *page.Page {
	d := &page.Page{Title: title, Heading: title, Site: q.st.Site(), Form: true, Home: p.url(""), Template: template, Data: data}
	if q.session != nil {
		d.SignOut = p.url("signout")
		d.Links = navigation(p, q, word)
	}
	return d
}

// newCommon is what most pages show.
type common struct {
	Owner, Site string // addresses of the owner's pages and of the site
	Now         time.Time
	Endpoints   []string // where one signs in
}

func newCommon(p *Pages, q *request) common {
	return common{p.url(""), q.st.Site(), q.now, q.st.Endpoints}
}

func navigation(p *Pages, q *request, word string) []page.Link {
	var links []page.Link
	add := func(to, text string) {
		links = append(links, page.Link{URL: p.url(to), Text: text, Current: to == word})
	}
	add("", "Apps")
	if q.admin() && p.Out.On(q.ctx()) {
		add("connections", "Connections")
	}
	if q.admin() {
		add("programs", "Sites and keys")
		add("settings", "Settings")
		add("log", "Log")
		add("check", "Check")
	}
	add("sessions", "Browsers")
	return links
}

// A message is a page of a few sentences.
type message struct {
	Paragraphs []string
	Facts      [][2]string // what and which, below them
	Said       string      // by the other site
	Todo       []string    // what helps
	Link       page.Link
}

// write sends every reply. A page that cannot be rendered is logged and becomes a
// plain 500.
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
	if rep.file != nil {
		defer rep.file.Close()
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(10 * time.Minute)) // only serve has one
		if _, err := io.Copy(w, rep.file); err != nil {
			p.In.Log.Warn("download not finished", "error", err)
		}
		return
	}
	if rep.status == 0 {
		rep.status = http.StatusOK
	}
	writePage(p, w, rep.status, q.http.Method == http.MethodHead, rep.page)
}

func writePage(p *Pages, w http.ResponseWriter, status int, headOnly bool, d *page.Page) {
	if err := d.Write(w, status, headOnly, templates()); err != nil {
		p.In.Log.Error("owner's page not rendered", "error", err)
		http.Error(w, d.Title, http.StatusInternalServerError)
	}
}

// errorReply is the page of an error.
func (p *Pages) errorReply(q *request, err error) *reply {
	e := toError(err)
	if e.Status >= http.StatusInternalServerError {
		p.In.Log.Error("owner's page failed", "path", q.http.URL.Path, "error", err.Error())
	}
	title, word, m := "This did not work", "", message{Link: page.Link{URL: p.url(""), Text: "To the first page"}}
	switch back := p.word(q.http); {
	case q.session == nil && q.st != nil:
		m.Link.Text = "Sign in"
	case q.http.Method == http.MethodPost && routeFor(back).get != nil:
		word, m.Link = back, page.Link{URL: p.url(back), Text: "Go back"}
	}
	switch {
	case e.Status == http.StatusNotFound:
		title = "Nothing here"
	case e.Status >= http.StatusInternalServerError:
		title = "This does not work at the moment"
		m.Todo = []string{"With FTP: put an empty file check into the folder of the database, and open " + p.In.URL + "/check.",
			"With a shell: mintkeep doctor. The error log has the details."}
	}
	m.Paragraphs = []string{"The reason: " + e.Description + "."}
	d := p.newPage(q, word, title, "message.html", m)
	d.Column = true
	return &reply{status: e.Status, header: e.Header, page: d}
}

// toError gives every error a status and a sentence for a person. An error that is
// not meant for people becomes a sentence that says where the cause is.
func toError(err error) *oauth.Error {
	known, fault := new(oauth.Error), new(keeper.Fault)
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, grant.ErrNoToken):
		return &oauth.Error{Status: http.StatusNotFound, Description: "there is no such token"}
	case store.IsTransient(err) && !errors.Is(err, keeper.ErrTemporary): // that may be a provider which hangs
		return &oauth.Error{Status: http.StatusServiceUnavailable, Description: "the database is busy, full or not writable; try again later"}
	case errors.Is(err, keeper.ErrKey):
		return &oauth.Error{Status: http.StatusInternalServerError,
			Description: "the sealing key is missing, or is not the one of this database; Check says more"}
	case errors.As(err, &fault) && !errors.Is(err, keeper.ErrSealed):
		said, _, _ := strings.Cut(fault.Error(), "\nhint: ") // hints name commands
		return &oauth.Error{Status: faultStatus(err), Description: said}
	}
	return &oauth.Error{Status: http.StatusInternalServerError, Description: "something is wrong here; the cause is in the error log"}
}

func faultStatus(err error) int {
	switch {
	case errors.Is(err, keeper.ErrUnknown):
		return http.StatusNotFound
	case errors.Is(err, keeper.ErrTemporary):
		return http.StatusServiceUnavailable
	}
	return http.StatusConflict
}

// KeeperPage writes a page of the keeper, with a link to the connections.
func (p *Pages) KeeperPage(w http.ResponseWriter, status int, title string, paragraphs ...string) {
	m := message{Paragraphs: paragraphs}
	if p.In.URL != "" {
		m.Link = page.Link{URL: p.url("connections"), Text: "To the connections"}
	}
	st, _ := p.In.Grants.Settings(context.Background()) // if they cannot be read, the header names no site
	writePage(p, w, status, false, &page.Page{Title: title, Heading: title, Site: st.Site(), Template: "message.html", Data: m})
}

// plural counts things in words, at the beginning of a sentence or in it.
func plural(n int, one, several string) string {
	switch n {
	case 0:
		return "no " + several
	case 1:
		return "one " + one
	}
	return strconv.Itoa(n) + " " + several
}

// sentence is a text with a capital.
func sentence(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	return strings.Replace(s, s[:size], string(unicode.ToUpper(first)), min(size, 1))
}
