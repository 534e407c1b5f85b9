package endpoint_test

import (
	"bytes"
	"context"
	"database/sql"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mintkeep/endpoint"
	"mintkeep/endpoint/authorize"
	"mintkeep/endpoint/grant"
	"mintkeep/internal/demo"
	"mintkeep/internal/discover"
)

// What the clients and resource servers of these tests have in common.
const (
	jane        = "https://jane.example/"
	janeTyped   = "https://jane.example" // as it was typed into Selfauth
	clientID    = "https://app.example/"
	redirectURI = "https://app.example/callback"
	scope       = "create update media"
)

// A house is a token endpoint on a socket, with a real database file, and a
// Selfauth next door.
type house struct {
	*endpoint.Handler
	t        testing.TB
	clock    *clock
	selfauth *demo.Selfauth
	auth     string // Selfauth's URL
	host     string // of the token endpoint, at /token
	file     string // the database

	mu       sync.Mutex
	settings grant.Settings
	remote   string // what the server takes for the client's address, if set
	log      bytes.Buffer
	secrets  []string // must be neither in the log nor in the database
}

// A clock is moved by hand. It starts in the zone of the machine, so that a
// time that is not turned to UTC shows.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, clock: &clock{t: time.Date(2026, 7, 1, 12, 0, 0, 0, time.Local)}, file: filepath.Join(t.TempDir(), "tokens.db")}
	h.selfauth = &demo.Selfauth{Me: janeTyped, Password: "p", Key: "k", Now: h.clock.now}
	next := httptest.NewServer(h.selfauth)
	t.Cleanup(next.Close)
	h.auth = next.URL + "/auth/"
	h.settings = standard(h.auth)
	db := openFile(t, h.file, "_busy_timeout=8000")
	schema, err := os.ReadFile(filepath.Join("..", "schema.sql"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(string(schema)); err != nil {
		t.Fatal(err)
	}
	h.Handler = h.serverOn(db)
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		if h.remote != "" {
			r.RemoteAddr = h.remote
		}
		h.mu.Unlock()
		h.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(door.Close)
	h.host = door.Listener.Addr().String()
	h.setURL(door.URL + "/token")
	t.Cleanup(h.searchSecrets)
	return h
}

// standard is what the settings are without rows, with one trusted endpoint.
func standard(endpoints ...string) grant.Settings {
	return grant.Settings{Endpoints: endpoints, IdleLifetime: 90 * 24 * time.Hour, RefreshLifetime: 365 * 24 * time.Hour,
		IntrospectSelf: true, Direct: true}
}

func openFile(t testing.TB, file, options string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+(&url.URL{Path: file}).EscapedPath()+"?_txlock=immediate&_synchronous=FULL&"+options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// serverOn makes a server with the house's clock and settings, as another
// process on the same file would be.
func (h *house) serverOn(db *sql.DB) *endpoint.Handler {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	log := slog.New(slog.NewTextHandler(&lockedWriter{h: h}, nil))
	grants := &grant.Store{DB: db, Now: h.clock.now, Log: log, Settings: func(context.Context) (*grant.Settings, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		st := h.settings
		return &st, nil
	}}
	return &endpoint.Handler{Grants: grants, Log: log,
		Authorize: &authorize.Handler{Grants: grants, Upstreams: client, Discover: &discover.Client{Trusted: client}, Log: log}}
}

func (h *house) setURL(url string) { h.URL, h.Authorize.URL = url, url }

type lockedWriter struct{ h *house }

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.h.mu.Lock()
	defer w.h.mu.Unlock()
	return w.h.log.Write(p)
}

// set changes the settings, as a row written by another process would.
func (h *house) set(change func(*grant.Settings)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(&h.settings)
}

func (h *house) from(address string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remote = address
}

func (h *house) plant(secret string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.secrets = append(h.secrets, secret)
	return secret
}

// searchSecrets looks for everything secret that passed through, in the log and
// in the raw database file.
func (h *house) searchSecrets() {
	raw, err := os.ReadFile(h.file)
	if err != nil {
		h.t.Error(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.secrets {
		if len(s) > 20 && (bytes.Contains(raw, []byte(s)) || strings.Contains(h.log.String(), s)) {
			h.t.Errorf("the secret %.12s… is readable in the database or the log", s)
		}
	}
}

const redeemText = `
	POST /token HTTP/1.1
	Host: {{host}}
	Accept: application/json
	Content-Type: application/x-www-form-urlencoded
	Content-Length: {{length}}

	grant_type=authorization_code&code={{form code}}
	&client_id={{form client_id}}&redirect_uri={{form redirect_uri}}`

// values are those of a client that asks with this code.
func values(code string) map[string]string {
	return map[string]string{"code": code, "client_id": clientID, "redirect_uri": redirectURI}
}

// code is a fresh code. Selfauth's codes of one second are alike.
func (h *house) code() string {
	h.clock.pass(time.Second)
	return h.plant(h.selfauth.Code(clientID, redirectURI, scope))
}

func (h *house) redeem(code string) answer {
	h.t.Helper()
	a := h.send(redeemText, values(code))
	h.plant(a.text("access_token"))
	h.plant(a.text("refresh_token"))
	return a
}

// login gives an access token and a refresh token as any client gets them.
func (h *house) login() (access, refresh string) {
	h.t.Helper()
	a := h.redeem(h.code()).want(h.t, http.StatusOK, "")
	return a.text("access_token"), a.text("refresh_token")
}

func (h *house) refresh(token string, more ...string) answer {
	h.t.Helper()
	a := h.send(`
		POST /token HTTP/1.1
		Host: {{host}}
		Content-Type: application/x-www-form-urlencoded
		Content-Length: {{length}}

		grant_type=refresh_token&refresh_token={{form token}}{{more}}`, map[string]string{"token": token, "more": strings.Join(more, "")})
	h.plant(a.text("access_token"))
	h.plant(a.text("refresh_token"))
	return a
}

func (h *house) verify(token string) answer {
	h.t.Helper()
	return h.send(`
		GET /token HTTP/1.1
		Host: {{host}}
		Accept: application/json
		Authorization: Bearer {{token}}`, map[string]string{"token": token})
}

// live and dead assert what a bearer token is worth now.
func (h *house) live(token string) {
	h.t.Helper()
	h.verify(token).want(h.t, http.StatusOK, "")
}

func (h *house) dead(token string) {
	h.t.Helper()
	h.verify(token).want(h.t, http.StatusUnauthorized, "invalid_token")
}

func (h *house) revoke(token string) answer {
	h.t.Helper()
	return h.send(`
		POST /token/revoke HTTP/1.1
		Host: {{host}}
		Content-Type: application/x-www-form-urlencoded
		Content-Length: {{length}}

		token={{form token}}`, map[string]string{"token": token})
}

// events counts the events of a kind.
func (h *house) events(kind string) (n int) {
	h.t.Helper()
	if err := h.Grants.DB.QueryRow(`SELECT count(*) FROM events WHERE event = ?`, kind).Scan(&n); err != nil {
		h.t.Fatal(err)
	}
	return n
}

// mangle changes the last character of a token.
func mangle(token string) string {
	last := "0"
	if strings.HasSuffix(token, last) {
		last = "1"
	}
	return token[:len(token)-1] + last
}

// says makes the authorization endpoint give this answer to everything.
func says(status int, contentType, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header()["Content-Type"] = nil
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
		return true
	}
}

// wireBody is the body of a redemption.
func (h *house) wireBody(code string) string {
	_, body, _ := strings.Cut(h.wire(redeemText, values(code)), "\r\n\r\n")
	return body
}
