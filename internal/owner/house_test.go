package owner_test

import (
	"bytes"
	"context"
	"database/sql"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"

	"mintkeep/endpoint"
	"mintkeep/endpoint/authorize"
	"mintkeep/endpoint/grant"
	"mintkeep/internal/config"
	"mintkeep/internal/demo"
	"mintkeep/internal/discover"
	"mintkeep/internal/owner"
	"mintkeep/internal/secret"
	"mintkeep/keeper"
	"mintkeep/keeper/api"
	"mintkeep/keeper/keepertest"
	"mintkeep/keeper/keyring"
)

// The people of these tests.
const (
	jane = "https://jane.example/"
	joe  = "https://joe.example/"
	app  = "https://app.example/"
)

// A house is an installation on a socket: a Selfauth each for Jane, who sees
// everything, and Joe, who does not; a provider that gives tokens.
type house struct {
	*owner.Pages
	t        testing.TB
	mu       sync.Mutex
	now      time.Time
	settings grant.Settings
	findings []owner.Finding
	log      bytes.Buffer
	provider *keepertest.Provider
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func (h *house) set(change func(*grant.Settings)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(&h.settings)
}

// Write takes the log.
func (h *house) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Write(b)
}

func newHouse(t testing.TB) *house { return newHouseAt(t, httptest.NewServer) }

func newHouseAt(t testing.TB, door func(http.Handler) *httptest.Server) *house {
	t.Helper()
	h := &house{t: t, now: time.Date(2026, 7, 1, 12, 0, 0, 0, time.Local), provider: keepertest.New()}
	dir := t.TempDir()
	schema, err1 := os.ReadFile(filepath.Join("..", "..", "schema.sql"))
	db, err2 := sql.Open("sqlite3", "file:"+filepath.Join(dir, "tokens.db")+"?_txlock=immediate&_busy_timeout=8000")
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.Exec(string(schema)); err != nil {
		t.Fatal(err)
	}
	h.settings = grant.Settings{IdleLifetime: 90 * 24 * time.Hour, RefreshLifetime: 365 * 24 * time.Hour, Direct: true,
		Me: []string{jane, joe}, Admins: []string{jane}}
	auth := httptest.NewServer(h.twoSelfauths())
	t.Cleanup(auth.Close)
	h.settings.Endpoints = []string{auth.URL + "/auth/"}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	log := slog.New(slog.NewTextHandler(h, nil))
	grants := &grant.Store{DB: db, Now: h.clock, Log: log, Settings: func(context.Context) (*grant.Settings, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		st := h.settings
		return &st, nil
	}}
	in := &endpoint.Handler{Grants: grants, Log: log,
		Authorize: &authorize.Handler{Grants: grants, Upstreams: client, Discover: &discover.Client{Trusted: client}, Log: log}}
	out := &keeper.Keeper{DB: db, Now: h.clock, Keys: keyring.Source{Path: filepath.Join(dir, "mintkeep.key")}}
	h.Pages = &owner.Pages{In: in, Out: out, Config: &config.Config{Database: filepath.Join(dir, "tokens.db")}, Check: func(*http.Request) []owner.Finding { return h.findings }}
	kept := &api.Handler{Keeper: out, Admin: h.Admin, Page: h.KeeperPage,
		Route: func(r *http.Request) string { route, _ := in.Route(r); return route }}
	srv := door(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch route, _ := in.Route(r); {
		case owner.Serves(route):
			h.ServeHTTP(w, r)
		case api.Serves(route):
			kept.ServeHTTP(w, r)
		default:
			in.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	in.URL = srv.URL + "/token"
	in.Authorize.URL = in.URL
	out.URL = in.URL
	return h
}

// twoSelfauths is an endpoint for both.
func (h *house) twoSelfauths() http.Handler {
	a := &demo.Selfauth{Me: jane, Password: "p", Key: "a", Now: h.clock}
	b := &demo.Selfauth{Me: joe, Password: "p", Key: "b", Now: h.clock}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if me := r.URL.Query().Get("me"); me == joe {
			b.ServeHTTP(w, r)
			return
		} else if me != "" {
			a.ServeHTTP(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body) // a code, which only one of them knows
		for _, s := range []*demo.Selfauth{a, b} {
			r.Body = io.NopCloser(bytes.NewReader(body))
			rec := httptest.NewRecorder()
			s.ServeHTTP(rec, r)
			if rec.Code == http.StatusOK || s == b {
				w.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
				w.WriteHeader(rec.Code)
				w.Write(rec.Body.Bytes())
				return
			}
		}
	})
}

// keeping makes a sealing key, a site and a connection to it.
func (h *house) keeping() {
	h.t.Helper()
	srv := httptest.NewServer(h.provider)
	h.t.Cleanup(srv.Close)
	h.provider.Now = h.clock
	ctx := context.Background()
	if _, err := h.Out.EnsureKey(ctx); err != nil {
		h.t.Fatal(err)
	}
	p, err := h.Out.Registry().Client.Discover(ctx, srv.URL)
	if err != nil {
		h.t.Fatal(err)
	}
	p.Name, p.ClientID, p.ClientSecret, p.Scope = "club", keepertest.ClientID, keepertest.ClientSecret, "read"
	if err := h.Out.Registry().Add(ctx, p); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) exec(query string, args ...any) {
	h.t.Helper()
	if _, err := h.In.Grants.DB.Exec(query, args...); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) count(query string, args ...any) (n int) {
	h.t.Helper()
	if err := h.In.Grants.DB.QueryRow(query, args...).Scan(&n); err != nil {
		h.t.Fatal(err)
	}
	return n
}

func (h *house) mint(me, client, scope string) secret.Secret {
	h.t.Helper()
	secret, err := h.In.Grants.Mint(context.Background(), me, client, scope)
	if err != nil {
		h.t.Fatal(err)
	}
	return secret
}
