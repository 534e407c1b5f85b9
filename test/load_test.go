package test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"mintkeep/test/wire"
)

// Many processes, each with hundreds of operations of all kinds, at one file:
// no error, no lock that was not got, and a whole database.
func TestLoad(t *testing.T) {
	const processes = 16
	rounds := long(20, 200) // of ten operations
	h := newTestHost(t, released(t), "cgi")
	h.mustRun(t, "init", "-config", h.config())
	var wg sync.WaitGroup
	start := time.Now()
	var twins []*testHost
	for i := range processes {
		mode := []string{"http", "fcgi", "http", "fcgi", "cgi", "fcgi", "http", "fcgi"}[i%8]
		w := h.twin(t, mode, i)
		twins = append(twins, w)
		wg.Go(func() {
			for range rounds {
				if err := w.round(); err != nil {
					t.Errorf("process %d (%s): %v", i, mode, err)
					return
				}
			}
		})
	}
	wg.Wait()
	busy := 0
	for _, w := range twins {
		log := w.log()
		if strings.Contains(log, "level=ERROR") {
			t.Errorf("an error in the log of a process: %.2000s", log)
		}
		busy += strings.Count(log, "last use not written")
	}
	t.Logf("%d operations in %v; %d times the last use was left for later", processes*rounds*10, time.Since(start).Round(time.Second), busy)
	db := h.open(t)
	if n := value[int](t, db, `SELECT count(*) FROM grants WHERE ended IS NULL`); n != 0 {
		t.Errorf("%d grants live", n)
	}
	if n := value[int](t, db, `SELECT count(*) FROM tokens`); n != processes*rounds*2 {
		t.Errorf("%d tokens, want %d", n, processes*rounds*2)
	}
	h.mustBeWhole(t)
}

// twin is the same account, asked through a process of its own.
func (h *testHost) twin(t testing.TB, mode string, n int) *testHost {
	t.Helper()
	inner := &host{dir: h.dir, mode: mode, script: h.script, env: h.env, vars: h.vars, bare: h.bare, socket: fmt.Sprintf("%d.sock", n)}
	var err error
	if inner.stderr, err = os.OpenFile(h.path(fmt.Sprintf("%d.log", n)), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600); err != nil {
		t.Fatal(err)
	}
	w := &testHost{host: inner, auth: h.auth, authURL: h.authURL}
	w.codes.Store(int64(n) * 1_000_000)
	t.Cleanup(func() { inner.stop(); inner.stderr.Close() })
	return w
}

// round is the life of one grant: ten operations.
func (h *testHost) round() error {
	code, client := h.code()
	redeem := redemption(code, client)
	issued, err := h.want(redeem, http.StatusOK)
	if err != nil {
		return fmt.Errorf("redeeming: %w", err)
	}
	first := pairOf(issued)
	refreshed := new(wire.Reply)
	for _, op := range []struct {
		name   string
		r      func() *wire.Request
		status int
		answer *wire.Reply
	}{
		{"verifying", func() *wire.Request { return get(first.access) }, 200, nil},
		{"verifying again", func() *wire.Request { return get(first.access) }, 200, nil},
		{"introspecting", func() *wire.Request { return introspecting(first.access) }, 200, nil},
		{"refreshing", func() *wire.Request { return refreshing(first.refresh) }, 200, refreshed},
		{"verifying the new", func() *wire.Request { return get(pairOf(refreshed).access) }, 200, nil},
		{"refreshing again", func() *wire.Request { return refreshing(first.refresh) }, 200, refreshed},
		{"revoking", func() *wire.Request { return post("revoke", "token", pairOf(refreshed).access) }, 200, nil},
		{"verifying the revoked", func() *wire.Request { return get(pairOf(refreshed).access) }, 401, nil},
		{"redeeming again", func() *wire.Request { return redeem }, 400, nil},
	} {
		a, err := h.want(op.r(), op.status)
		if err != nil {
			return fmt.Errorf("%s: %w", op.name, err)
		}
		if op.answer != nil {
			*op.answer = *a
		}
	}
	return nil
}

func introspecting(token string) *wire.Request {
	r := post("introspect", "token", token)
	r.Header = append(r.Header, [2]string{"Authorization", "Bearer " + token})
	return r
}

func (h *testHost) want(r *wire.Request, status int) (*wire.Reply, error) {
	a, err := h.do(r)
	if err != nil {
		return nil, err
	}
	if a.Status != status {
		return nil, fmt.Errorf("%d %s", a.Status, a.Body)
	}
	return a, nil
}
