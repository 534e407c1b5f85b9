package keeper_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/keepertest"
	"mintkeep/keeper/keyring"
	"mintkeep/keeper/provider"
)

const dsn = "?_txlock=immediate&_busy_timeout=8000"

// TestMain lets the test binary be a second process: several of these tests
// are about processes that share a database, and about one being killed.
func TestMain(m *testing.M) {
	switch os.Getenv("KEEPER_TEST_ROLE") {
	case "":
		os.Exit(m.Run())
	case "token":
		k := open(os.Getenv("KEEPER_TEST_DB"))
		ttl, _ := time.ParseDuration(os.Getenv("KEEPER_TEST_TTL"))
		token, err := k.Token(context.Background(), "owner", "box", max(ttl, time.Minute))
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Println(string(token.AccessToken))
	case "rotate":
		k := open(os.Getenv("KEEPER_TEST_DB"))
		fmt.Println("ready")
		for {
			if _, _, err := k.Rotate(context.Background()); err != nil {
				fmt.Println("error:", err)
				os.Exit(1)
			}
		}
	}
	os.Exit(0)
}

// open is a keeper as another process would have it: its own connection, the
// real clock.
func open(path string) *keeper.Keeper {
	db, err := sql.Open("sqlite3", "file:"+path+dsn)
	if err != nil {
		panic(err)
	}
	return &keeper.Keeper{DB: db, Keys: keyring.Source{Path: strings.TrimSuffix(path, ".db") + ".key"},
		Lease: lease()}
}

func lease() time.Duration {
	d, _ := time.ParseDuration(os.Getenv("KEEPER_TEST_LEASE"))
	return d
}

type clock struct {
	sync.Mutex
	t time.Time
}

func (c *clock) now() time.Time {
	c.Lock()
	defer c.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.Lock()
	defer c.Unlock()
	c.t = c.t.Add(d)
}

// house is a keeper with a real database, a clock of its own and a provider in a box.
type house struct {
	*keeper.Keeper
	t     testing.TB
	path  string
	clock *clock
	box   *keepertest.Provider
	url   string
	log   *bytes.Buffer
	admin bool // who asks is a signed-in administrator
}

func newHouse(t testing.TB) *house {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens.db")
	db, err := sql.Open("sqlite3", "file:"+path+dsn)
	check(t, err)
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1) // as in CGI: a query inside another one would hang
	schema, err := os.ReadFile("../schema.sql")
	check(t, err)
	_, err = db.Exec(string(schema))
	check(t, err)
	check(t, keyring.NewFile(strings.TrimSuffix(path, ".db")+".key"))
	h := &house{t: t, path: path, clock: &clock{t: time.Date(2026, 11, 20, 12, 0, 0, 0, time.FixedZone("CET", 3600))}, box: keepertest.New(), log: &bytes.Buffer{}}
	h.box.Now = h.clock.now
	srv := httptest.NewServer(h.box)
	t.Cleanup(srv.Close)
	h.url = srv.URL
	h.Keeper = &keeper.Keeper{DB: db, Keys: keyring.Source{Path: strings.TrimSuffix(path, ".db") + ".key"}, Now: h.clock.now,
		URL: "https://example.com/auth/token.cgi",
		Log: slog.New(slog.NewTextHandler(h.log, nil))}
	return h
}

// provider registers the box as "box".
func (h *house) provider(change ...func(*provider.Provider)) {
	h.t.Helper()
	p := provider.Provider{Name: "box", Issuer: h.url, AuthURL: h.url + "/authorize", TokenURL: h.url + "/token", DeviceURL: h.url + "/device",
		RevokeURL: h.url + "/revoke", IntrospectURL: h.url + "/introspect", ClientID: keepertest.ClientID,
		ClientSecret: keepertest.ClientSecret, AuthStyle: provider.AuthHeader, Scope: "read write"}
	for _, c := range change {
		c(&p)
	}
	check(h.t, h.Registry().Add(context.Background(), p))
}

// connect makes the connection owner/box with the password grant.
func (h *house) connect() keeper.Connection {
	h.t.Helper()
	c, err := h.Connect(context.Background(), keeper.Target{Provider: "box"}, keeper.GrantPassword, ask(keepertest.Password))
	check(h.t, err)
	return c
}

func ask(secret string) keeper.Ask {
	return keeper.Ask{Username: keepertest.Username, Secret: func(string) (keeper.Secret, error) { return keeper.Secret(secret), nil }}
}

func (h *house) token() (keeper.Token, error) {
	return h.Token(context.Background(), "owner", "box", 5*time.Minute)
}

func (h *house) state() keeper.Connection {
	h.t.Helper()
	c, err := h.Connection(context.Background(), "owner", "box")
	check(h.t, err)
	return c
}

func (h *house) events(kind string) (n int) {
	h.t.Helper()
	check(h.t, h.DB.QueryRow(`SELECT count(*) FROM events WHERE event = ?`, kind).Scan(&n))
	return n
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func wants(t testing.TB, err, kind error, words ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("error %v, want kind %v", err, kind)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}
