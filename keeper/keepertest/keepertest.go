// Package keepertest is a provider in a box: an OAuth 2.0 authorization server
// that lives in the test's process, does as it is told, and counts what it was
// asked. It is meant for mintkeep's own tests and for those of programs that
// use package keeper.
//
//	p := keepertest.New()
//	srv := httptest.NewServer(p)
//	defer srv.Close()
//	p.Rotate = true             // every refresh gives a new refresh token
//	p.DetectReuse = true        // and an old one presented again ends the grant
//	... issuer srv.URL, client keepertest.ClientID and keepertest.ClientSecret,
//	    user keepertest.Username with keepertest.Password
//	p.Fail("/token", 2, 503)    // the next two token requests fail
//	p.Count("refresh_token")    // how many refresh requests arrived
//
// It speaks: authorization code with PKCE (RFC 6749, RFC 7636; /authorize
// approves at once), device code (RFC 8628; Approve, Deny, Expire), password,
// client credentials, refresh, revocation (RFC 7009), introspection (RFC 7662),
// metadata (RFC 8414 and OpenID Connect Discovery), and the JSON login of Ergani
// under /json/; clients that register by themselves (RFC 7591, /api/v1/apps of
// Mastodon, client metadata documents), and an MCP server at /mcp.
//
// Fields may be set before the first request; later, through Set.
package keepertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// The one client and the one user.
const (
	ClientID     = "mintkeep-test"
	ClientSecret = "client-secret-of-the-box"
	Username     = "ada"
	Password     = "password-of-ada"
)

// Provider is the box. It is an http.Handler.
type Provider struct {
	Rotate        bool  // a refresh gives a new refresh token and ends the old one
	DetectReuse   bool  // an ended refresh token ends its whole grant (RFC 9700 section 4.14.2)
	AllowRetry    bool  // the refresh token just ended still works until its successor is used
	NoRefresh     bool  // answers have no refresh token at first
	Public        bool  // the client needs no secret
	NoPKCE        bool  // requests with PKCE are refused
	SecretExpires int64 // Unix time at which the secret of a registered client ends
	Registers     bool  // clients register (RFC 7591): their addresses are all https or none of them is
	Resource      bool  // it is /mcp's, an MCP server: requests without it as resource are refused
	// Documents reads client metadata documents: the redirect addresses in that of a
	// client id; nil takes none.
	Documents func(clientID string) []string

	Lifetime  time.Duration    // of access tokens; New sets an hour
	ExpiresIn any              // what expires_in says: nil says the Lifetime in seconds, "" leaves it out, else as it is
	Scope     string           // the scope granted; "" grants what was asked for and does not say so
	Redirect  string           // the scope granted, as it is told in the redirect alone; "" tells nothing
	Now       func() time.Time // New sets time.Now
	Delay     time.Duration    // before a token request is answered
	Interval  int              // of the device flow, in seconds; New sets 1
	SlowDown  int              // this many polls are answered slow_down

	mu      sync.Mutex
	counts  map[string]int
	faults  map[string]*fault
	serial  int
	codes   map[string]code
	devices map[string]*device
	grants  map[string]*grant
	access  map[string]access
	clients map[string]client
}

type code struct{ redirect, challenge, scope string }

type fault struct {
	times, status int
	body          string
	drop          bool // do the work, then cut the connection
	before        bool // cut the connection without doing the work
}

// device is a device flow in progress.
type device struct{ userCode, scope, state string }

// grant is one authorization and its chain of refresh tokens.
type grant struct {
	scope    string
	current  string
	previous string // ended last
	dead     bool
	login    bool
}

type access struct {
	grant   *grant
	expires time.Time
	revoked bool
}

// New is a box with tokens that live an hour and refresh tokens that do not rotate.
func New() *Provider {
	return &Provider{Lifetime: time.Hour, Now: time.Now, Interval: 1, counts: map[string]int{}, faults: map[string]*fault{},
		codes: map[string]code{}, devices: map[string]*device{}, grants: map[string]*grant{}, access: map[string]access{}, clients: map[string]client{}}
}

// Count is how many requests arrived for a path ("/token", "/revoke") or a
// grant type ("refresh_token", "authorization_code", "login", "login_refresh").
func (p *Provider) Count(what string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[what]
}

// Fail makes the next requests for a path fail with a status and, if it is not
// empty, a body such as {"error":"invalid_grant"}.
func (p *Provider) Fail(path string, times, status int, body ...string) {
	p.Set(func(p *Provider) { p.faults[path] = &fault{times: times, status: status, body: strings.Join(body, "")} })
}

// DropAnswer does the work of the next requests for a path and cuts the
// connection instead of answering: the reply is lost on its way.
func (p *Provider) DropAnswer(path string, times int) {
	p.Set(func(p *Provider) { p.faults[path] = &fault{times: times, drop: true} })
}

// DropRequest cuts the connection of the next requests for a path without doing anything.
func (p *Provider) DropRequest(path string, times int) {
	p.Set(func(p *Provider) { p.faults[path] = &fault{times: times, before: true} })
}

// Set changes fields of the box while it is in use.
func (p *Provider) Set(change func(*Provider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

// Kill ends every grant, as if the user had withdrawn them all.
func (p *Provider) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.grants {
		g.dead = true
	}
}

// Active reports whether an access token is good, as a resource server would see it.
func (p *Provider) Active(token string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.active(token)
}

func (p *Provider) active(token string) bool {
	a, ok := p.access[token]
	return ok && !a.revoked && !a.grant.dead && p.Now().Before(a.expires)
}

// Grant makes an access and a refresh token by hand, for tests that begin with a connection.
func (p *Provider) Grant(scope string) (accessToken, refreshToken string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := &grant{scope: scope}
	return p.mint(g), p.renew(g)
}

// Approve decides that the user of a device code said yes ("" is all of them).
func (p *Provider) Approve(userCode string) { p.decide(userCode, "approved") }

// Deny decides that the user said no.
func (p *Provider) Deny(userCode string) { p.decide(userCode, "access_denied") }

// Expire decides that the user was too slow.
func (p *Provider) Expire(userCode string) { p.decide(userCode, "expired_token") }

func (p *Provider) decide(userCode, state string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.devices {
		if userCode == "" || d.userCode == userCode {
			d.state = state
		}
	}
}

func (p *Provider) name(kind string) string {
	p.serial++
	return fmt.Sprintf("box-%s-%06d-secret", kind, p.serial)
}

func (p *Provider) mint(g *grant) string {
	token := p.name("access")
	p.access[token] = access{grant: g, expires: p.Now().Add(p.Lifetime)}
	return token
}

func (p *Provider) renew(g *grant) string {
	g.previous, g.current = g.current, p.name("refresh")
	p.grants[g.current] = g
	return g.current
}

// ServeHTTP implements http.Handler.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	serve := map[string]func(*Provider, http.ResponseWriter, *http.Request){
		"/authorize": (*Provider).authorize, "/token": (*Provider).token, "/device": (*Provider).device,
		"/oauth/authorize": (*Provider).authorize, "/oauth/token": (*Provider).token, "/oauth/revoke": (*Provider).revoke,
		"/register": (*Provider).register, "/api/v1/apps": (*Provider).apps,
		"/mcp": (*Provider).mcp, "/.well-known/oauth-protected-resource/mcp": (*Provider).resource,
		"/revoke": (*Provider).revoke, "/introspect": (*Provider).introspect,
		"/.well-known/oauth-authorization-server": (*Provider).metadata, "/.well-known/openid-configuration": (*Provider).metadata,
		"/json/Authentication": (*Provider).login, "/json/Authentication/Refresh": (*Provider).loginRefresh,
		"/json/Authentication/Logout": (*Provider).logout,
	}[r.URL.Path]
	if serve == nil {
		http.NotFound(w, r)
		return
	}
	p.mu.Lock()
	delay := p.Delay
	p.counts[r.URL.Path]++
	f := p.faults[r.URL.Path]
	if f != nil {
		if f.times--; f.times < 0 {
			f = nil
		}
	}
	p.mu.Unlock()
	if strings.Contains(r.URL.Path, "/token") || strings.HasPrefix(r.URL.Path, "/json/") {
		time.Sleep(delay)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case f == nil:
		serve(p, w, r)
	case f.before:
		panic(http.ErrAbortHandler)
	case f.drop:
		serve(p, discard{http.Header{}}, r)
		panic(http.ErrAbortHandler)
	default:
		if f.body != "" {
			w.Header().Set("Content-Type", "application/json")
		}
		w.WriteHeader(f.status)
		_, _ = w.Write([]byte(f.body))
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, status int, code string) {
	write(w, status, map[string]string{"error": code, "error_description": "the box says " + code})
}
