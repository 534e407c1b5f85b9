// Package owner is the owner's pages: people who sign in with a profile of this
// site see which apps have tokens, and revoke them. Administrators also see the
// tokens kept of other sites, resource servers, API keys, and the log.
//
// There is no password here. Signing in (signin.go) goes through the authorization
// endpoint as for any other client; the browser then has a session (session.go).
// A request is parsed once and finds its handler in a table (routeFor). A handler
// returns a reply or an error, which write.go sends. Handlers put what a page
// shows into a plain struct; the markup is in pages/*.html. Pages need no script.
package owner

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"mintkeep/endpoint"
	"mintkeep/endpoint/grant"
	"mintkeep/internal/config"
	"mintkeep/internal/oauth"
	"mintkeep/internal/page"
	"mintkeep/keeper"
)

// Pages answers every request for BASE/owner and what lies below. All fields are required.
type Pages struct {
	// In is the token endpoint; its database, clock, URL and log are used here too.
	In *endpoint.Handler
	// Out is the keeper; its pages are shown when there is a sealing key.
	Out *keeper.Keeper
	// SharedHost allows these pages where neighbours have pages on the same host name.
	SharedHost bool
	// Table, Config and Parse are the settings that there are, the configuration, and how
	// the rows of the table settings are checked together with it.
	Table  config.Table
	Config *config.Config
	Parse  func([]config.Row) (*grant.Settings, error)
	// Check looks for what is wrong with the installation.
	Check func(*http.Request) []Finding
}

// Finding is the outcome of one of the doctor's checks: what it is about, its level (ok,
// warn or fail), what is so, what to do by FTP, and in a shell where that is another way.
type Finding struct{ Group, Level, What, Do, Shell string }

// Serves reports whether a route (the path below BASE) is one of these pages.
func Serves(route string) bool {
	return route == "owner" || strings.HasPrefix(route, "owner/")
}

// A request is one request, parsed.
type request struct {
	http    *http.Request
	now     time.Time
	form    map[string]string // of the body if it is a POST, else of the query
	st      *grant.Settings
	session *session // nil if nobody is signed in
}

func (q *request) ctx() context.Context { return q.http.Context() }

// admin reports whether the person sees everything.
func (q *request) admin() bool { return q.session != nil && q.session.Admin }

// filterMe is whose tokens and sessions are listed and revoked: a profile URL, or
// "" for everybody's.
func (q *request) filterMe() string {
	if q.admin() {
		return ""
	}
	return q.session.Me
}

// A reply is a page or a redirect.
type reply struct {
	status  int // 200 if 0; a redirect has 303
	page    *page.Page
	to      string // where the browser is redirected to, if not empty
	header  map[string]string
	cookies []*http.Cookie
	file    *os.File // what is sent instead of a page
}

type handler func(*Pages, *request) (*reply, error)

// Who may see a page.
const (
	anybody = iota
	person  // who is signed in
	admin
)

type route struct {
	who       int
	get, post handler
}

// routeFor is the table of pages; word is the part of the path below BASE/owner.
func routeFor(word string) route {
	return map[string]route{
		"":            {anybody, (*Pages).home, nil},
		"signin":      {anybody, (*Pages).signIn, nil},
		"callback":    {anybody, (*Pages).callback, nil},
		"signout":     {anybody, nil, (*Pages).signOut},
		"revoke":      {person, (*Pages).askRevoke, (*Pages).revoke},
		"make":        {person, (*Pages).makeForm, (*Pages).makeToken},
		"sessions":    {person, (*Pages).sessions, (*Pages).endSessions},
		"connections": {admin, (*Pages).connections, (*Pages).changeConnection},
		"connect":     {admin, (*Pages).connect, nil},
		"forget":      {admin, (*Pages).askForget, nil},
		"remove":      {admin, (*Pages).askRemove, nil},
		"programs":    {admin, (*Pages).programs, (*Pages).changePrograms},
		"settings":    {admin, (*Pages).settings, (*Pages).changeSettings},
		"download":    {admin, nil, (*Pages).download},
		"log":         {admin, (*Pages).log, nil},
		"check":       {admin, (*Pages).check, nil},
	}[word]
}

// ServeHTTP answers one request.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := &request{http: r, now: p.In.Grants.Now().UTC()}
	rep, err := p.handle(q)
	if err != nil {
		rep = p.errorReply(q, err)
	}
	p.write(w, q, rep)
}

func (p *Pages) handle(q *request) (*reply, error) {
	if p.In.URL == "" {
		return nil, &oauth.Error{Status: http.StatusServiceUnavailable, Code: "server_error",
			Description: "the configuration does not say at which address this is reached; add a line url: https://…"}
	}
	if exposed(p) {
		return nil, forbidden("other people have pages on the host of this address, and their programs would receive the cookie with which you sign in; " +
			"use a host name of your own, or, if you trust them all, add the line shared_host: yes to the configuration")
	}
	var err error
	if q.st, err = p.In.Grants.Settings(q.ctx()); err != nil {
		return nil, err
	}
	if q.session, err = p.findSession(q); err != nil {
		return nil, err
	}
	word := p.word(q.http)
	rt := routeFor(word)
	handle, err := rt.handler(q.http.Method)
	if err != nil {
		return nil, err
	}
	if q.http.Method == http.MethodPost {
		if err := page.SameSite(p.In.URL, q.http); err != nil {
			return nil, forbidden("this was sent by another site")
		}
	}
	if q.session == nil && rt.who != anybody {
		return p.requireSignIn(q, word)
	}
	if rt.who == admin && !q.session.Admin {
		return nil, notFound()
	}
	if err := q.parse(); err != nil {
		return nil, err
	}
	return handle(p, q)
}

// exposed reports whether neighbours would receive the cookies of these pages, which
// the owner has not allowed (case E14).
func exposed(p *Pages) bool { return !p.SharedHost && page.SharedHost(p.In.URL) }

// word is the part of the path below BASE/owner.
func (p *Pages) word(r *http.Request) string {
	if below, ok := p.In.Route(r); ok && Serves(below) {
		return strings.TrimPrefix(strings.TrimPrefix(below, "owner"), "/")
	}
	if path.Base(path.Clean("/"+r.URL.Path)) == "owner" {
		return ""
	}
	return "?"
}

func (rt route) handler(method string) (handler, error) {
	var allow []string
	if rt.get != nil {
		allow = append(allow, "GET, HEAD")
	}
	if rt.post != nil {
		allow = append(allow, "POST")
	}
	switch {
	case len(allow) == 0:
		return nil, notFound()
	case rt.get != nil && (method == http.MethodGet || method == http.MethodHead):
		return rt.get, nil
	case rt.post != nil && method == http.MethodPost:
		return rt.post, nil
	}
	return nil, &oauth.Error{Status: http.StatusMethodNotAllowed, Code: "invalid_request",
		Description: "use " + strings.Join(allow, ", ") + " here", Header: map[string]string{"Allow": strings.Join(allow, ", ")}}
}

func notFound() error {
	return &oauth.Error{Status: http.StatusNotFound, Code: "not_found", Description: "there is no such page"}
}

// requireSignIn sends a browser that is not signed in to the page where one signs
// in, from where it comes back to word. A form is refused.
func (p *Pages) requireSignIn(q *request, word string) (*reply, error) {
	if q.http.Method == http.MethodPost {
		return nil, forbidden("you are not signed in, or no longer; nothing was changed")
	}
	return &reply{to: p.url("") + "?to=" + url.QueryEscape(word)}, nil
}

// parse reads the parameters, of the body if there is one to be had. Only
// scope may be given more than once: a tick for each.
func (q *request) parse() error {
	raw := q.http.URL.RawQuery
	if q.http.Method == http.MethodPost {
		media, _, _ := mime.ParseMediaType(q.http.Header.Get("Content-Type"))
		if media != "application/x-www-form-urlencoded" {
			return &oauth.Error{Status: http.StatusUnsupportedMediaType, Code: "invalid_request", Description: "this is not what a form sends"}
		}
		body, err := io.ReadAll(http.MaxBytesReader(nil, q.http.Body, oauth.MaxBody))
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			return &oauth.Error{Status: http.StatusRequestEntityTooLarge, Code: "invalid_request",
				Description: "this is more than a form of these pages sends"}
		}
		if err != nil {
			return badRequest("what was sent could not be read to its end")
		}
		raw = string(body)
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return badRequest("what was sent cannot be read")
	}
	q.form = make(map[string]string, len(values))
	for name, v := range values {
		if len(v) > 1 && name != "scope" {
			return badRequest("the field " + strconv.Quote(name) + " was sent more than once")
		}
		q.form[name] = strings.TrimSpace(strings.Join(v, " "))
		if !oauth.IsPrintable(q.form[name]) {
			return badRequest("a field contains characters that cannot be part of it")
		}
	}
	return nil
}

func badRequest(why string) error { return oauth.InvalidRequest(why) }

func forbidden(why string) error {
	return &oauth.Error{Status: http.StatusForbidden, Code: "access_denied", Description: why}
}

// url is the address of one of the pages; "" is the first one.
func (p *Pages) url(word string) string {
	return strings.TrimSuffix(p.In.Authorize.OwnerClient()+"/"+word, "/")
}
