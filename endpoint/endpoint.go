// Package endpoint is the inbound half of mintkeep: the IndieAuth token endpoint.
//
// It turns an authorization code into tokens after a trusted authorization
// endpoint has confirmed the code, and verifies, introspects, refreshes and
// revokes what it issued. A request comes in at ServeHTTP, is parsed once
// (request.go), is answered by one handler (redeem.go, refresh.go, verify.go)
// that returns a reply or an error, and is written in one place (reply.go).
// All SQL about tokens is in token.go and the file of the function that uses it.
//
// Before an authorization endpoint that knows neither PKCE nor iss nor codes
// for single use stands the front: authorize.go takes the client's request and
// sends the browser on, callback.go takes what the endpoint says, consent.go asks
// the owner where the endpoint did not, code.go makes and redeems the front's own
// codes. discover.go reads the pages of apps and people, profile.go keeps profiles.
//
// The package implements IndieAuth (https://indieauth.spec.indieweb.org/),
// RFC 6749, RFC 6750, RFC 7009, RFC 7636, RFC 7662, RFC 8414 and RFC 9207.
package endpoint

import (
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mintkeep/internal/store"
)

// Server answers every request below the token endpoint's URL. All fields but
// Guarded and Stripped are required. It keeps no state between requests except what is
// in the database, and may be used by many goroutines.
type Server struct {
	// DB is mintkeep's database. Every transaction begun on it is immediate.
	DB *sql.DB
	// URL is the public URL of the token endpoint (BASE); empty if the owner set none.
	URL string
	// Now is the clock, read once a request.
	Now func() time.Time
	// ReadSettings reads the settings as they are at this moment; each request does so.
	ReadSettings func(context.Context, store.Querier) (*Settings, error)
	// Client asks the trusted endpoints. It follows no redirects.
	Client *http.Client
	// Guarded reads pages that strangers name; it dials public addresses only.
	// Without it such pages count as unreachable.
	Guarded *http.Client
	// Record writes an event within the transaction it belongs to.
	Record func(context.Context, *sql.Tx, Event) error
	// Unavailable tells a database that is busy, full or not writable from a bug.
	Unavailable func(error) bool
	// Stripped returns what to tell a caller whose Authorization header did not
	// arrive, if the web server in between is one that removes it. May be nil.
	Stripped func(*http.Request) string
	// Log receives warnings; it never sees a secret.
	Log *slog.Logger
}

// Settings are the rows of the settings table, parsed. A duration of 0 means never.
type Settings struct {
	Endpoints       []string      // trusted authorization endpoints
	Me              []string      // canonical profile URLs that get tokens; any if empty
	Admins          []string      // canonical profile URLs that see everything
	IdleLifetime    time.Duration // an access token dies after this long without use
	MaxLifetime     time.Duration // and in any case after this long
	RefreshLifetime time.Duration // a refresh token dies after this long without use
	IntrospectSelf  bool          // the introspected token authorizes its own introspection
	Direct          bool          // codes of trusted endpoints redeem directly
	RequirePKCE     bool          // the front refuses requests without a challenge
	DefaultForm     bool          // GET verification answers form when no format is named
}

// Event is something worth remembering, shown by `mintkeep log`. It holds no secret.
type Event struct {
	At       time.Time
	Kind     string // issued, refreshed, revoked, replay, reuse, refused, made
	Me       string
	ClientID string
	TokenID  string
	Address  string
	Detail   string
}

type handler func(*Server, *request) (*reply, error)

// A route is one word below BASE; the empty word is BASE itself.
type route struct {
	cors bool
	page string // the method whose answers are for a person in a browser
	get  handler
	post handler
}

func routeFor(word string) (route, bool) {
	switch word {
	case "":
		return route{cors: true, get: (*Server).verify, post: (*Server).token}, true
	case "introspect":
		return route{cors: true, post: (*Server).introspect}, true
	case "revoke":
		return route{cors: true, post: (*Server).revoke}, true
	case "metadata":
		return route{cors: true, get: (*Server).metadata}, true
	case "userinfo":
		return route{cors: true, get: (*Server).userinfo}, true
	case "authorize":
		return route{cors: true, page: http.MethodGet, get: (*Server).authorize, post: (*Server).identify}, true
	case "callback":
		return route{page: http.MethodGet, get: (*Server).callback}, true
	case "consent":
		return route{page: http.MethodPost, post: (*Server).consent}, true
	case "client":
		return route{cors: true, get: (*Server).client}, true
	}
	return route{}, false
}

// ServeHTTP answers one request; see the table in the README.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	word, ok := s.word(r)
	rt, known := routeFor(word)
	if !ok || !known {
		s.fail(w, &request{http: r}, &Error{Status: http.StatusNotFound, Code: "invalid_request",
			Description: "there is nothing at this address; the token endpoint answers one level up"})
		return
	}
	page := rt.page != "" && (r.Method == rt.page || r.Method == http.MethodHead || !rt.cors)
	if rt.cors && !page {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After")
	}
	if r.Method == http.MethodOptions && rt.cors {
		preflight(w.Header())
		w.Header().Set("Allow", rt.allow())
		w.WriteHeader(http.StatusNoContent)
		return
	}
	q, err := s.parse(r, word, page)
	if err != nil {
		s.fail(w, q, err)
		return
	}
	handle := rt.handler(r.Method)
	if handle == nil {
		s.fail(w, q, &Error{Status: http.StatusMethodNotAllowed, Code: "invalid_request",
			Description: "use " + rt.allow() + " here", Header: map[string]string{"Allow": rt.allow()}})
		return
	}
	rep, err := handle(s, q)
	if err != nil {
		s.fail(w, q, err)
		return
	}
	rep.write(w, r.Method == http.MethodHead)
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

// preflight opens an address to scripts of other origins (R30): bearer tokens
// are sent on purpose, there are no cookies to be abused.
func preflight(h http.Header) {
	h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Accept")
	h.Set("Access-Control-Max-Age", "86400")
}

// Settings reads the settings as they are at this moment.
func (s *Server) Settings(ctx context.Context) (*Settings, error) {
	return s.ReadSettings(context.WithoutCancel(ctx), s.DB) // watching for cancellation would cost more than the statement
}

// basePath is the path of BASE without a trailing slash, empty for the root.
func (s *Server) basePath() string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(u.Path, "/")
}
