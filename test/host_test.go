package test

import (
	"database/sql"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	_ "github.com/mattn/go-sqlite3"

	"mintkeep/internal/demo"
	"mintkeep/test/wire"
)

// A testHost is an account with a Selfauth next door, for tests of many processes.
type testHost struct {
	*host
	auth    *demo.Selfauth
	authURL string
	codes   atomic.Int64
	slow    atomic.Pointer[func(*http.Request)] // runs before Selfauth verifies
}

func newTestHost(t testing.TB, program, mode string) *testHost {
	t.Helper()
	inner, err := newHost(t.TempDir(), program, mode)
	if err != nil {
		t.Fatal(err)
	}
	h := &testHost{host: inner}
	h.auth = &demo.Selfauth{Me: "https://you.example", Key: "key", Fault: func(_ http.ResponseWriter, r *http.Request) bool {
		if wait := h.slow.Load(); wait != nil {
			(*wait)(r)
		}
		return false
	}}
	server := httptest.NewServer(h.auth)
	h.authURL = server.URL + "/auth/"
	t.Cleanup(func() {
		h.stop()
		server.Close()
		h.stderr.Close()
		if t.Failed() {
			t.Logf("the log: %.4000s", h.log())
		}
	})
	h.mustConfigure(t)
	return h
}

func (h *testHost) config() string { return h.path("public_html" + scriptPath) }

func (h *testHost) mustConfigure(t testing.TB, more ...string) {
	t.Helper()
	lines := append([]string{"database: ../../mintkeep/tokens.db", "url: https://example.com" + scriptPath, "endpoint: " + h.authURL, "me: https://you.example/"}, more...)
	if err := h.configure(lines...); err != nil {
		t.Fatal(err)
	}
}

// run runs a command and returns all that it printed.
func (h *testHost) run(args ...string) (string, error) {
	out, err := exec.Command(h.path("bin/mintkeep"), args...).CombinedOutput()
	return string(out), err
}

func (h *testHost) mustRun(t testing.TB, args ...string) string {
	t.Helper()
	out, err := h.run(args...)
	if err != nil {
		t.Fatalf("mintkeep %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out)
}

func (h *testHost) mustDo(t testing.TB, r *wire.Request) *wire.Reply {
	t.Helper()
	a, err := h.do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.Target, err)
	}
	return a
}

// code makes a code that is like no other: for another app each time.
func (h *testHost) code() (code, client string) {
	client = fmt.Sprintf("https://app.example/%d", h.codes.Add(1))
	return h.auth.Code(client, appRedirect, "create update"), client
}

func redemption(code, client string) *wire.Request {
	return post("", "grant_type", "authorization_code", "code", code, "client_id", client, "redirect_uri", appRedirect)
}

func refreshing(token string) *wire.Request {
	return post("", "grant_type", "refresh_token", "refresh_token", token)
}

func get(bearer string) *wire.Request {
	r := &wire.Request{Method: "GET", Target: scriptPath}
	if bearer != "" {
		r.Header = [][2]string{{"Authorization", "Bearer " + bearer}}
	}
	return r
}

// post is a form sent to BASE or a word below it.
func post(word string, pairs ...string) *wire.Request {
	v := make(url.Values)
	for pair := range slices.Chunk(pairs, 2) {
		v.Set(pair[0], pair[1])
	}
	target := scriptPath
	if word != "" {
		target += "/" + word
	}
	return &wire.Request{Method: "POST", Target: target, Body: v.Encode(),
		Header: [][2]string{{"Content-Type", "application/x-www-form-urlencoded"}}}
}

// A pair is what a client holds.
type pair struct{ access, refresh string }

// pairOf is the tokens of a reply.
func pairOf(a *wire.Reply) pair {
	access, _ := a.Member("access_token")
	refresh, _ := a.Member("refresh_token")
	return pair{access, refresh}
}

// mustRedeem gets the tokens of a new code.
func (h *testHost) mustRedeem(t testing.TB) pair {
	t.Helper()
	a := h.mustDo(t, redemption(h.code()))
	if a.Status != http.StatusOK {
		t.Fatalf("redeeming: %d %s", a.Status, a.Body)
	}
	return pairOf(a)
}

// verifies reports whether the token is good; a fault that is not the token's is fatal.
func (h *testHost) verifies(t testing.TB, token string) bool {
	t.Helper()
	a := h.mustDo(t, get(token))
	if a.Status != http.StatusOK && a.Status != http.StatusUnauthorized {
		t.Fatalf("verifying: %d %s", a.Status, a.Body)
	}
	return a.Status == http.StatusOK
}

// open opens the database beside the program.
func (h *testHost) open(t testing.TB) *sql.DB {
	t.Helper()
	return openDatabase(t, h.path("mintkeep/tokens.db"))
}

// openDatabase opens a database as any program would, until the end of the test.
func openDatabase(t testing.TB, file string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+file+"?_busy_timeout=8000")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// value is the one value of a query.
func value[T any](t testing.TB, db *sql.DB, query string, args ...any) (v T) {
	t.Helper()
	if err := db.QueryRow(query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func (h *testHost) mustBeWhole(t testing.TB) {
	t.Helper()
	if got := value[string](t, h.open(t), `PRAGMA integrity_check`); got != "ok" {
		t.Errorf("integrity_check: %s", got)
	}
}

// atOnce starts a CGI process for each request, lets all of them come as far as
// their body, and then sends all bodies.
func (h *testHost) atOnce(t testing.TB, requests []*wire.Request) []*wire.Reply {
	t.Helper()
	children := make([]*wire.Child, len(requests))
	for i, r := range requests {
		c, err := h.startCGI(r)
		if err != nil {
			t.Fatal(err)
		}
		children[i] = c
	}
	for i, c := range children {
		c.Send(requests[i].Body)
	}
	answers := make([]*wire.Reply, len(requests))
	for i, c := range children {
		a, err := c.Reply()
		if err != nil {
			t.Fatal(err)
		}
		answers[i] = a
	}
	return answers
}

// statuses counts the answers by status.
func statuses(answers []*wire.Reply) string {
	n := make(map[int]int)
	for _, a := range answers {
		n[a.Status]++
	}
	var b strings.Builder
	for _, status := range slices.Sorted(maps.Keys(n)) {
		fmt.Fprintf(&b, "%d×%d ", n[status], status)
	}
	return strings.TrimSpace(b.String())
}
