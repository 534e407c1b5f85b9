package owner_test

import (
	"bytes"
	"context"
	"database/sql"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
	"golang.org/x/net/html"

	"mintkeep/endpoint"
	"mintkeep/endpoint/endpointtest"
	"mintkeep/keeper"
	"mintkeep/keeper/keepertest"
	"mintkeep/owner"
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
	settings endpoint.Settings
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

func (h *house) set(change func(*endpoint.Settings)) {
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
	schema, err1 := os.ReadFile(filepath.Join("..", "schema.sql"))
	db, err2 := sql.Open("sqlite3", "file:"+filepath.Join(dir, "tokens.db")+"?_txlock=immediate&_busy_timeout=8000")
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.Exec(string(schema)); err != nil {
		t.Fatal(err)
	}
	h.settings = endpoint.Settings{IdleLifetime: 90 * 24 * time.Hour, RefreshLifetime: 365 * 24 * time.Hour, Direct: true,
		Me: []string{jane, joe}, Admins: []string{jane}}
	auth := httptest.NewServer(h.twoSelfauths())
	t.Cleanup(auth.Close)
	h.settings.Endpoints = []string{auth.URL + "/auth/"}
	in := &endpoint.Server{DB: db, Now: h.clock, SettingsColumn: "''",
		ParseSettings: func(string) (*endpoint.Settings, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			st := h.settings
			return &st, nil
		},
		Client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		Record: record, Unavailable: func(error) bool { return false }, Log: slog.New(slog.NewTextHandler(h, nil))}
	out := &keeper.Keeper{DB: db, Now: h.clock, Keys: keeper.KeySource{Path: filepath.Join(dir, "mintkeep.key")},
		Record: func(ctx context.Context, tx *sql.Tx, e keeper.Event) error {
			return record(ctx, tx, endpoint.Event{At: e.At, Kind: e.Kind, Detail: e.Detail})
		}}
	h.Pages = &owner.Pages{In: in, Out: out, Events: h.events, Check: func(*http.Request) []owner.Finding { return h.findings }}
	out.Admin, out.Page = h.Admin, h.KeeperPage
	kept := out.Handler(func(r *http.Request) string { route, _ := in.Below(r); return route })
	srv := door(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch route, _ := in.Below(r); {
		case owner.Serves(route):
			h.ServeHTTP(w, r)
		case keeper.Serves(route):
			kept.ServeHTTP(w, r)
		default:
			in.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	in.URL = srv.URL + "/token"
	out.URL = in.URL
	return h
}

// twoSelfauths is an endpoint for both.
func (h *house) twoSelfauths() http.Handler {
	a := &endpointtest.Selfauth{Me: jane, Password: "p", Key: "a", Now: h.clock}
	b := &endpointtest.Selfauth{Me: joe, Password: "p", Key: "b", Now: h.clock}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if me := r.URL.Query().Get("me"); me == joe {
			b.ServeHTTP(w, r)
			return
		} else if me != "" {
			a.ServeHTTP(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body) // a code, which only one of them knows
		for _, s := range []*endpointtest.Selfauth{a, b} {
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

func record(ctx context.Context, tx *sql.Tx, e endpoint.Event) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO events (at, event, me, client_id, token_id, address, detail) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		e.At.UTC().Format(time.DateTime), e.Kind, e.Me, e.ClientID, e.TokenID, e.Address, e.Detail)
	return err
}

func (h *house) events(ctx context.Context, before int64, n int) ([]owner.Event, error) {
	found, err := h.In.DB.QueryContext(ctx, `SELECT event_id, event, coalesce(me, ''), coalesce(client_id, ''), coalesce(detail, '') FROM events
		WHERE ?1 = 0 OR event_id < ?1 ORDER BY event_id DESC LIMIT ?2`, before, n)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var all []owner.Event
	for found.Next() {
		e := owner.Event{At: h.clock()}
		if err := found.Scan(&e.ID, &e.Kind, &e.Me, &e.ClientID, &e.Detail); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, found.Err()
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
	p, err := h.Out.Discover(ctx, srv.URL)
	if err != nil {
		h.t.Fatal(err)
	}
	p.Name, p.ClientID, p.ClientSecret, p.Scope = "club", keepertest.ClientID, keepertest.ClientSecret, "read"
	if err := h.Out.AddProvider(ctx, p); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) exec(query string, args ...any) {
	h.t.Helper()
	if _, err := h.In.DB.Exec(query, args...); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) count(query string, args ...any) (n int) {
	h.t.Helper()
	if err := h.In.DB.QueryRow(query, args...).Scan(&n); err != nil {
		h.t.Fatal(err)
	}
	return n
}

func (h *house) mint(me, client, scope string) endpoint.Secret {
	h.t.Helper()
	secret, err := h.In.Mint(context.Background(), me, client, scope)
	if err != nil {
		h.t.Fatal(err)
	}
	return secret
}

// A visitor is a browser.
type visitor struct {
	*http.Client
	h *house
}

func (h *house) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &visitor{&http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, h}
}

// A sight is what a browser gets.
type sight struct {
	*http.Response
	text string
	root *html.Node
}

func (v *visitor) see(method, address string, form url.Values, header ...string) sight {
	v.h.t.Helper()
	if !strings.HasPrefix(address, "http") {
		address = v.h.In.OwnerClient() + address
	}
	req, err := http.NewRequest(method, address, nil)
	if form != nil {
		req, err = http.NewRequest(method, address, strings.NewReader(form.Encode()))
	}
	if err != nil {
		v.h.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := v.Do(req)
	if err != nil {
		v.h.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.h.t.Fatal(err)
	}
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		v.h.t.Fatal(err)
	}
	return sight{res, string(body), root}
}

func (v *visitor) get(address string) sight { v.h.t.Helper(); return v.see("GET", address, nil) }

func (v *visitor) post(address string, pairs ...string) sight {
	v.h.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return v.see("POST", address, form, "Sec-Fetch-Site", "same-origin", "Origin", strings.TrimSuffix(v.h.In.URL, "/token"))
}

// words is what a person reads.
func (s sight) words() string {
	var b strings.Builder
	for n := range s.root.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "style" {
			b.WriteString(n.Data)
		}
	}
	return b.String()
}

func (s sight) shows(t testing.TB, status int, words ...string) sight {
	t.Helper()
	if s.StatusCode != status {
		t.Errorf("%s %s: got %d, want %d: %s", s.Request.Method, s.Request.URL, s.StatusCode, status, s.words())
	}
	for _, w := range words {
		if !strings.Contains(s.words(), w) {
			t.Errorf("%s %s: no %q in %s", s.Request.Method, s.Request.URL, w, s.words())
		}
	}
	return s
}

func (s sight) hides(t testing.TB, words ...string) {
	t.Helper()
	for _, w := range words {
		if strings.Contains(s.text, w) {
			t.Errorf("%s %s: there is %q in %s", s.Request.Method, s.Request.URL, w, s.words())
		}
	}
}

func (s sight) leads(t testing.TB, to string) {
	t.Helper()
	if s.StatusCode != http.StatusSeeOther || s.Header.Get("Location") != to {
		t.Errorf("%s %s: got %d to %q, want 303 to %q: %s", s.Request.Method, s.Request.URL, s.StatusCode, s.Header.Get("Location"), to, s.words())
	}
}

// toCallback goes from signing in to Selfauth and back, up to our callback, which is not followed.
func (v *visitor) toCallback(me, to string) *url.URL {
	v.h.t.Helper()
	s := v.get("/signin?" + url.Values{"me": {me}, "to": {to}}.Encode())
	s = v.get(s.Header.Get("Location")) // the front
	auth := s.Header.Get("Location")
	s = v.get(auth)
	m := regexp.MustCompile(`name="_csrf" value="([^"]*)"`).FindStringSubmatch(s.text)
	if m == nil {
		v.h.t.Fatalf("no login form: %s", s.words())
	}
	s = v.see("POST", auth, url.Values{"_csrf": {m[1]}, "password": {"p"}})
	s = v.get(s.Header.Get("Location")) // the front's callback
	u, err := url.Parse(s.Header.Get("Location"))
	if err != nil || !strings.HasPrefix(u.String(), v.h.In.OwnerClient()+"/callback?") {
		v.h.t.Fatalf("the front led to %q: %s", u, s.words())
	}
	return u
}

// signedIn is a browser in which somebody has signed in.
func (h *house) signedIn(me string) *visitor {
	h.t.Helper()
	v := h.visitor()
	v.get(v.toCallback(me, "").String()).leads(h.t, h.In.OwnerClient())
	return v
}
