package keeper_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"mintkeep/keeper"
	"mintkeep/keeper/keepertest"
)

func TestTokenServedUntilDue(t *testing.T) {
	h := newHouse(t)
	h.provider()
	h.connect()
	a, err := h.token()
	check(t, err)
	h.clock.pass(54 * time.Minute)
	b, err := h.token()
	check(t, err)
	equal(t, "same token", string(b.AccessToken), string(a.AccessToken))
	equal(t, "refreshes", h.box.Count("refresh_token"), 0)
	h.clock.pass(2 * time.Minute)
	c, err := h.token()
	check(t, err)
	equal(t, "new token", c.AccessToken == a.AccessToken, false)
	equal(t, "refreshed", c.Refreshed, true)
	equal(t, "refreshes", h.box.Count("refresh_token"), 1)
	equal(t, "events", h.events("refreshed"), 1)
	equal(t, "expires", c.Expires, h.clock.now().Add(time.Hour).UTC())
}

func TestRefreshTokenKeptOrRotated(t *testing.T) {
	for _, rotate := range []bool{false, true} {
		h := newHouse(t)
		h.box.Rotate, h.box.DetectReuse = rotate, true
		h.provider()
		h.connect()
		for range 3 {
			h.clock.pass(2 * time.Hour)
			token, err := h.token()
			check(t, err)
			equal(t, "good at the provider", h.box.Active(string(token.AccessToken)), true)
		}
		equal(t, "refreshes", h.box.Count("refresh_token"), 3)
	}
}

func TestExpiresIn(t *testing.T) {
	for _, test := range []struct {
		says any
		left time.Duration
	}{{nil, time.Hour}, {"1800", 30 * time.Minute}, {1800.5, 30*time.Minute + time.Second/2}, {"", 0}, {"soon", 0}, {map[string]int{}, 0}, {-1, 0}} {
		h := newHouse(t)
		h.box.ExpiresIn = test.says
		h.provider()
		c := h.connect()
		want := time.Time{}
		if test.left > 0 {
			want = h.clock.now().Add(test.left).UTC().Truncate(time.Second)
		}
		equal(t, fmt.Sprintf("expires_in %v", test.says), c.Expires, want)
		h.clock.pass(20 * time.Minute)
		_, err := h.token()
		check(t, err)
		_, err = h.Refresh(context.Background(), "owner", "box")
		check(t, err)
		equal(t, "refreshes", h.box.Count("refresh_token"), 1)
	}
}

func TestAssumedLifetime(t *testing.T) {
	h := newHouse(t)
	h.box.ExpiresIn = ""
	h.provider(func(p *keeper.Provider) { p.Lifetime = 600 })
	equal(t, "expires", h.connect().Expires, h.clock.now().Add(10*time.Minute).UTC())
}

func TestTransientFaults(t *testing.T) {
	h := newHouse(t)
	h.box.Rotate, h.box.DetectReuse = true, true
	h.provider()
	h.connect()
	a, err := h.token()
	check(t, err)
	h.clock.pass(58 * time.Minute)
	h.box.Fail("/token", 100, http.StatusBadGateway)
	b, err := h.token() // a still valid token is served while the refresh fails
	check(t, err)
	equal(t, "same token", string(b.AccessToken), string(a.AccessToken))
	c := h.state()
	equal(t, "state", c.State, keeper.StateFailing)
	if d := c.RetryAfter.Sub(h.clock.now()); d < 14*time.Second || d > 46*time.Second {
		t.Errorf("first retry in %s", d)
	}
	_, _ = h.token()
	equal(t, "asked while backing off", h.box.Count("/token"), 2)
	h.clock.pass(3 * time.Minute)
	_, err = h.token()
	wants(t, err, keeper.ErrFailing, "502", "hint: it is tried again after")
	seen := map[time.Duration]bool{}
	for range 12 {
		c := h.state()
		seen[c.RetryAfter.Sub(h.clock.now())] = true
		h.clock.pass(2 * time.Hour)
		_, err = h.token()
		wants(t, err, keeper.ErrFailing)
	}
	if len(seen) < 6 {
		t.Errorf("no jitter: %v", seen)
	}
	if d := h.state().RetryAfter.Sub(h.clock.now()); d < 29*time.Minute || d > 91*time.Minute {
		t.Errorf("late retry in %s", d)
	}
	equal(t, "failing events", h.events("failing"), 1)
	h.box.Fail("/token", 0, 0)
	h.clock.pass(2 * time.Hour)
	_, err = h.token()
	check(t, err)
	equal(t, "state", h.state().State, keeper.StateRecovered)
	equal(t, "recovered events", h.events("recovered"), 1)
	h.clock.pass(25 * time.Hour)
	equal(t, "state a day later", h.state().State, keeper.StateOK)
}

func TestFaultsThatNeverKill(t *testing.T) {
	for _, f := range []func(*house){
		func(h *house) { h.box.DropRequest("/token", 1) },
		func(h *house) { h.box.Fail("/token", 1, 503, `{"error":"invalid_grant"}`) },
		func(h *house) { h.box.Fail("/token", 1, 429, `{"error":"invalid_grant"}`) },
		func(h *house) { h.box.Fail("/token", 1, 401, `{"error":"invalid_client"}`) },
		func(h *house) { h.box.Fail("/token", 1, 200, `<html>`) },
		func(h *house) { h.box.Fail("/token", 1, 200, `{}`) },
		func(h *house) { h.box.Fail("/token", 1, 302) },
		func(h *house) {
			h.Timeout = 50 * time.Millisecond
			h.box.Set(func(p *keepertest.Provider) { p.Delay = 300 * time.Millisecond })
		},
	} {
		h := newHouse(t)
		h.provider()
		h.connect()
		h.clock.pass(2 * time.Hour)
		f(h)
		_, err := h.token()
		wants(t, err, keeper.ErrFailing)
		h.Timeout = 0
		h.box.Set(func(p *keepertest.Provider) { p.Delay = 0 })
		h.clock.pass(2 * time.Hour)
		_, err = h.token()
		check(t, err)
	}
}

func TestDeadAndReconnected(t *testing.T) {
	h := newHouse(t)
	h.provider()
	h.connect()
	h.box.Kill()
	h.clock.pass(58 * time.Minute)
	_, err := h.token() // dead, but what is there is not yet expired
	check(t, err)
	c := h.state()
	equal(t, "state", c.State, keeper.StateDead)
	equal(t, "reconnect", c.Reconnect, "mintkeep connect box")
	h.clock.pass(time.Hour)
	_, err = h.token()
	wants(t, err, keeper.ErrDead, "invalid_grant", "hint: connect again: mintkeep connect box")
	equal(t, "refreshes", h.box.Count("refresh_token"), 1)
	list, err := h.Connections(context.Background(), "")
	check(t, err)
	equal(t, "troubled", len(keeper.Troubled(list)), 1)
	h.connect()
	equal(t, "state", h.state().State, keeper.StateRecovered)
	_, err = h.token()
	check(t, err)
	equal(t, "dead events", h.events("dead"), 1)
	equal(t, "recovered events", h.events("recovered"), 1)
}

// A provider that took its rotation back: the newer refresh token never worked.
func TestPreviousRefreshToken(t *testing.T) {
	h := newHouse(t)
	h.box.Rotate, h.box.AllowRetry = true, true
	h.provider()
	h.connect()
	h.clock.pass(2 * time.Hour)
	_, err := h.token()
	check(t, err)
	var before string
	check(t, h.DB.QueryRow(`SELECT previous_refresh_token FROM connections`).Scan(&before))
	h.clock.pass(2 * time.Hour)
	h.box.Fail("/token", 1, 400, `{"error":"invalid_grant"}`)
	_, err = h.token()
	check(t, err)
	equal(t, "state", h.state().State, keeper.StateOK)
	equal(t, "requests", h.box.Count("/token"), 4)
}

func TestRaceOneRefresh(t *testing.T) {
	h := newHouse(t)
	h.box.Rotate, h.box.DetectReuse = true, true
	h.box.Delay = 300 * time.Millisecond
	h.provider()
	h.connect()
	h.clock.pass(2 * time.Hour)
	var wg sync.WaitGroup
	tokens, errs := make([]string, 50), make([]error, 50)
	for i := range 50 {
		wg.Go(func() {
			k := open(h.path) // as if it were a process: its own database handle
			defer k.DB.Close()
			k.Now = h.clock.now
			token, err := k.Token(context.Background(), "owner", "box", 5*time.Minute)
			tokens[i], errs[i] = string(token.AccessToken), err
		})
	}
	wg.Wait()
	for i := range tokens {
		check(t, errs[i])
		equal(t, "token", tokens[i], tokens[0])
	}
	equal(t, "good at the provider", h.box.Active(tokens[0]), true)
	equal(t, "refresh requests", h.box.Count("refresh_token"), 1)
}

// A minimum lifetime that the provider's tokens never have must not make every
// waiting caller refresh in its turn.
func TestRaceMinTTLTooLong(t *testing.T) {
	h := newHouse(t)
	h.box.Delay = 200 * time.Millisecond
	h.provider()
	h.connect()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := h.Token(context.Background(), "owner", "box", 48*time.Hour); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := h.box.Count("refresh_token"); n != 1 {
		t.Errorf("%d refresh requests", n)
	}
}

func process(t *testing.T, role string, h *house, lease string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	check(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "KEEPER_TEST_ROLE="+role, "KEEPER_TEST_DB="+h.path, "KEEPER_TEST_LEASE="+lease)
	return cmd
}

// realTime puts the house on the real clock, for tests with other processes.
func realTime(h *house) {
	h.Now, h.box.Now = time.Now, time.Now
}

func expire(h *house) {
	h.t.Helper()
	_, err := h.DB.Exec(`UPDATE connections SET expires = '2020-01-01 00:00:00'`)
	check(h.t, err)
}

func TestProcessesOneRefresh(t *testing.T) {
	if testing.Short() {
		t.Skip("starts 50 processes")
	}
	h := newHouse(t)
	realTime(h)
	h.box.Rotate, h.box.DetectReuse, h.box.Delay = true, true, 300*time.Millisecond
	h.provider()
	h.connect()
	expire(h)
	var wg sync.WaitGroup
	out, errs := make([]string, 50), make([]error, 50)
	for i := range 50 {
		wg.Go(func() {
			b, err := process(t, "token", h, "").Output()
			out[i], errs[i] = strings.TrimSpace(string(b)), err
		})
	}
	wg.Wait()
	for i := range out {
		if errs[i] != nil || out[i] != out[0] {
			t.Fatalf("process %d: %q %v, want %q", i, out[i], errs[i], out[0])
		}
	}
	equal(t, "good at the provider", h.box.Active(out[0]), true)
	equal(t, "refresh requests", h.box.Count("refresh_token"), 1)
}

// The refreshing process is killed before, during and after the provider's
// answer. A provider that allows a retry loses nothing; from a strict one the
// owner hears that a person must connect again.
func TestKilledWhileRefreshing(t *testing.T) {
	for _, retry := range []bool{true, false} {
		for _, delay := range []time.Duration{40, 120, 200, 280, 360} {
			h := newHouse(t)
			realTime(h)
			h.box.Rotate, h.box.DetectReuse, h.box.AllowRetry, h.box.Delay = true, !retry, retry, 150*time.Millisecond
			h.provider()
			h.connect()
			expire(h)
			cmd := process(t, "token", h, "1s")
			check(t, cmd.Start())
			time.Sleep(delay * time.Millisecond)
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			time.Sleep(200 * time.Millisecond)
			h.Lease = time.Second
			token, err := h.token()
			switch {
			case err == nil:
				equal(t, "good at the provider", h.box.Active(string(token.AccessToken)), true)
			case retry:
				t.Errorf("killed after %dms: %v", delay, err)
			default:
				wants(t, err, keeper.ErrDead, "connect again")
			}
		}
	}
}

func TestRefreshDue(t *testing.T) {
	h := newHouse(t)
	h.provider()
	h.connect()
	done, err := h.RefreshDue(context.Background(), 20*time.Minute)
	check(t, err)
	equal(t, "nothing due", len(done), 0)
	h.clock.pass(45 * time.Minute)
	done, err = h.RefreshDue(context.Background(), 20*time.Minute)
	check(t, err)
	if len(done) != 1 || done[0].Result != "refreshed" {
		t.Fatalf("%+v", done)
	}
	h.clock.pass(45 * time.Minute)
	h.box.Fail("/token", 1, 500)
	done, err = h.RefreshDue(context.Background(), 20*time.Minute)
	check(t, err)
	if len(done) != 1 || done[0].Result != "failed" || done[0].Err == nil {
		t.Fatalf("%+v", done)
	}
}

func TestTokenSource(t *testing.T) {
	h := newHouse(t)
	h.provider()
	h.connect()
	var source oauth2.TokenSource = h.TokenSource(context.Background(), "owner", "box", time.Minute)
	a, err := source.Token()
	check(t, err)
	equal(t, "valid", h.box.Active(a.AccessToken), true)
	c, err := h.Find(context.Background(), "mintkeep-test", h.url, "write", "read write")
	check(t, err)
	equal(t, "found", c.Name, "box")
	_, err = h.Find(context.Background(), "mintkeep-test", h.url, "write")
	wants(t, err, keeper.ErrUnknown)
}
