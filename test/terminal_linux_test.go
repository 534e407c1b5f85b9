package test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper/keepertest"
)

// A person at a terminal sees that long work goes on; a script sees nothing of it.
func TestProgressOnTerminal(t *testing.T) {
	t.Parallel()
	k := newKeepSite(t)
	box := keepertest.New()
	srv := httptest.NewServer(box)
	t.Cleanup(srv.Close)
	k.ok(keepertest.ClientSecret+"\n", "provider", "add", "box", "-token-url", srv.URL+"/token", "-client-id", keepertest.ClientID)
	k.ok("", "connect", "box")
	box.Set(func(b *keepertest.Provider) { b.Delay = 2500 * time.Millisecond })
	s := startTerminal(t, k, "refresh", "-within", "2h")
	s.sees(`(Refreshing what ends soon … \d+ s)`)
	s.sees(`(box +owner +refreshed)`)
	s.ends(0)
	if _, stderr, status := k.run("", "refresh", "-within", "2h"); status != 0 || strings.Contains(stderr, "Refreshing") {
		t.Errorf("a script sees %q, status %d", stderr, status)
	}
}

// What doctor finds has colours on a terminal, and none elsewhere.
func TestColoursOnTerminal(t *testing.T) {
	t.Parallel()
	k := newKeepSite(t)
	s := startTerminal(t, k, "doctor")
	s.sees("(\x1b\\[32mok  \x1b\\[0m)")
	if out, _, _ := k.run("", "doctor"); strings.Contains(out, "\x1b") {
		t.Errorf("a script sees %q", out)
	}
}
