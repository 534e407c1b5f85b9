// Package endpoint is the inbound half of mintkeep on the wire: the IndieAuth token
// endpoint with verification, introspection, revocation, userinfo and metadata.
//
// A request comes in at ServeHTTP, is parsed once (request.go) and is answered by
// the handler of its route, which returns a reply or an error; both are written in
// one place. What was granted is in package grant, the authorization endpoint in
// package authorize.
//
// The package implements IndieAuth (https://indieauth.spec.indieweb.org/),
// RFC 6749, RFC 6750, RFC 7009, RFC 7662 and RFC 8414.
package endpoint

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"

	"mintkeep/endpoint/authorize"
	"mintkeep/endpoint/grant"
	"mintkeep/internal/discover"
	"mintkeep/internal/oauth"
	"mintkeep/internal/store"
)

// Handler answers every request below the token endpoint's URL. All fields but
// HeaderHint are required. It keeps no state between requests except what is in the
// database, and may be used by many goroutines.
type Handler struct {
	// URL is the public URL of the token endpoint (BASE); empty if the owner set none.
	URL string
	// Grants is what was granted.
	Grants *grant.Store
	// Authorize is the authorization endpoint.
	Authorize *authorize.Handler
	// HeaderHint returns what to tell a caller whose Authorization header did not
	// arrive, if the web server in between is one that removes it. May be nil.
	HeaderHint func(*http.Request) string
	// Log receives errors; it never sees a secret.
	Log *slog.Logger
}

type handler func(*Handler, *request) (*oauth.Reply, error)

// A route is what lies at one path below BASE.
type route struct {
	cors       bool
	page       string // the method whose replies are for a person in a browser
	params     oauth.Fields
	noSettings bool // works without settings
	get        handler
	post       handler
}

func routeFor(name string) (route, bool) {
	switch name {
	case "":
		return route{cors: true, get: (*Handler).verify, post: (*Handler).token}, true
	case "introspect":
		return route{cors: true, post: (*Handler).introspect}, true
	case "revoke":
		return route{cors: true, noSettings: true, post: (*Handler).revoke}, true
	case "metadata":
		return route{cors: true, get: (*Handler).metadata}, true
	case "userinfo":
		return route{cors: true, get: (*Handler).userinfo}, true
	case "authorize":
		return route{cors: true, page: http.MethodGet, get: (*Handler).authorize, post: (*Handler).identify,
			params: oauth.Fields{Repeated: "resource", Names: []string{"response_type", "client_id", "redirect_uri", "state", "scope", "me",
				"code_challenge", "code_challenge_method", "resource"}}}, true
	case "callback":
		return route{page: http.MethodGet, get: (*Handler).callback,
			params: oauth.Fields{Names: []string{"flow", "state", "code", "error", "error_description"}, Opaque: "error_description"}}, true
	case "consent":
		return route{page: http.MethodPost, post: (*Handler).consent,
			params: oauth.Fields{Names: []string{"flow", "scope", "answer"}, Repeated: "scope"}}, true
	case "client":
		return route{cors: true, noSettings: true, get: (*Handler).client}, true
	case "client.json":
		return route{cors: true, noSettings: true, get: (*Handler).clientJSON}, true
	}
	return route{}, false
}

// ServeHTTP answers one request; see the table in the README.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := h.route(r)
	rt, known := routeFor(name)
	page := rt.page != "" && (r.Method == rt.page || r.Method == http.MethodHead || !rt.cors)
	if rt.cors && !page {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After")
	}
	if r.Method == http.MethodOptions && rt.cors {
		preflight(w.Header(), r.Header)
		w.Header().Set("Allow", rt.allow())
		w.WriteHeader(http.StatusNoContent)
		return
	}
	q, err := h.parse(r, name, page, rt.params)
	if !known {
		err = &oauth.Error{Status: http.StatusNotFound, Code: "invalid_request",
			Description: "there is nothing at this address; the token endpoint answers one level up"}
	}
	var reply *oauth.Reply
	if err == nil {
		reply, err = h.answer(q, rt)
	}
	if err != nil {
		reply = h.errorReply(q, err)
	}
	reply.Write(w, r.Method == http.MethodHead)
}

// answer calls the handler of the route, with the settings as they are now.
func (h *Handler) answer(q *request, rt route) (*oauth.Reply, error) {
	handle := rt.handler(q.http.Method)
	if handle == nil {
		return nil, &oauth.Error{Status: http.StatusMethodNotAllowed, Code: "invalid_request",
			Description: "use " + rt.allow() + " here", Header: map[string]string{"Allow": rt.allow()}}
	}
	if !rt.noSettings {
		var err error
		if q.Settings, err = h.Grants.Settings(q.ctx()); err != nil {
			return nil, err
		}
		if q.verifies() {
			q.asForm = wantsForm(q.http.Header, q.Settings.DefaultForm)
		}
	}
	return handle(h, q)
}

// errorReply is the one place that makes replies of errors, and logs them.
func (h *Handler) errorReply(q *request, err error) *oauth.Reply {
	e := oauth.ToError(err, store.IsTransient(err))
	if e.Status >= 500 && !errors.Is(err, discover.ErrBusy) { // of which strangers can have any number
		h.Log.Error("request failed", "method", q.http.Method, "route", q.route, "error", e.Error())
	}
	if q.page {
		if reply, err := h.errorPage(q, e); err == nil {
			return reply
		}
	}
	return e.Reply(q.asForm)
}

func (rt route) handler(method string) handler {
	switch {
	case method == http.MethodGet, method == http.MethodHead && rt.page == "":
		return rt.get
	case method == http.MethodPost:
		return rt.post
	}
	return nil
}

func (rt route) allow() string {
	var methods []string
	if rt.get != nil {
		methods = append(methods, "GET")
	}
	if rt.get != nil && rt.page == "" {
		methods = append(methods, "HEAD")
	}
	if rt.post != nil {
		methods = append(methods, "POST")
	}
	if rt.cors {
		methods = append(methods, "OPTIONS")
	}
	return strings.Join(methods, ", ")
}

// preflight opens an address to scripts of other origins (R30): bearer tokens are
// sent on purpose, and there are no cookies that could be abused. Whatever headers
// are asked for may be sent (case L9); `*` would leave Authorization out.
func preflight(h, asked http.Header) {
	allowed := "Authorization, Content-Type, Accept"
	if more := strings.Join(asked.Values("Access-Control-Request-Headers"), ", "); more != "" {
		allowed = more
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	h.Set("Access-Control-Allow-Headers", allowed)
	h.Set("Access-Control-Max-Age", "86400")
	h.Set("Vary", "Access-Control-Request-Headers")
}

// route is the name of the request's route: the path below BASE if it begins with
// BASE's, else the last segment if it is a route's name. Web servers disagree on
// SCRIPT_NAME, so that is not looked at.
func (h *Handler) route(r *http.Request) string {
	if path.Clean("/"+r.URL.Path) == wellKnown+h.basePath() {
		return "metadata"
	}
	if name, below := h.Route(r); below && h.URL != "" && name != "" {
		return name
	}
	if r.Method != http.MethodPost && r.URL.Query().Get("action") == "authorize" { // of MIndie and its like (case L10)
		return "authorize"
	}
	switch last := path.Base(path.Clean("/" + r.URL.Path)); last {
	case "introspect", "revoke", "userinfo", "metadata", "authorize", "callback", "consent", "check", "owner", "client", "client.json":
		return last
	}
	return ""
}

// Route is the cleaned path of a request without BASE's path and slashes at the
// ends; false if it does not begin with BASE's. Without a URL, BASE is the root.
func (h *Handler) Route(r *http.Request) (string, bool) {
	p := strings.TrimSuffix(path.Clean("/"+r.URL.Path), "/")
	rest, below := strings.CutPrefix(p, h.basePath())
	return strings.TrimPrefix(rest, "/"), below && (rest == "" || rest[0] == '/')
}

// basePath is the path of BASE without a trailing slash, empty for the root.
func (h *Handler) basePath() string {
	u, err := url.Parse(h.URL)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(u.Path, "/")
}
