package keeper_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"mintkeep/keeper"
	"mintkeep/keeper/keepertest"
	"mintkeep/keeper/provider"
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
	h.provider(func(p *provider.Provider) { p.Lifetime = 600 })
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
	wants(t, err, keeper.ErrTemporary, "502", "hint: it is tried again after")
	seen := map[time.Duration]bool{}
	for range 12 {
		c := h.state()
		seen[c.RetryAfter.Sub(h.clock.now())] = true
		h.clock.pass(2 * time.Hour)
		_, err = h.token()
		wants(t, err, keeper.ErrTemporary)
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
		wants(t, err, keeper.ErrTemporary)
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
	equal(t, "reconnect", c.Reconnect, "mintkeep connect box -grant password -username ada")
	h.clock.pass(time.Hour)
	_, err = h.token()
	wants(t, err, keeper.ErrReauthorize, "invalid_grant", "hint: connect again: mintkeep connect box")
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
	source := h.TokenSource(context.Background(), "owner", "box", time.Minute)
	var _ oauth2.TokenSource = source
	a, err := source.Token()
	check(t, err)
	equal(t, "valid", h.box.Active(a.AccessToken), true)
	c, err := h.Find(context.Background(), "mintkeep-test", h.url, "write", "read write")
	check(t, err)
	equal(t, "found", c.Name, "box")
	_, err = h.Find(context.Background(), "mintkeep-test", h.url, "write")
	wants(t, err, keeper.ErrUnknown)
}

// The end of the program is held off from before the refresh token is sent until
// the new one is saved, and for nothing else.
func TestHold(t *testing.T) {
	h := newHouse(t)
	h.provider()
	h.connect()
	said := ""
	h.Hold = func() func() {
		said += fmt.Sprintf("held at %d requests, ", h.box.Count("refresh_token"))
		return func() { said += fmt.Sprintf("released at %d saved", h.events("refreshed")) }
	}
	_, err := h.token()
	check(t, err)
	equal(t, "a fresh token", said, "")
	h.clock.pass(2 * time.Hour)
	_, err = h.token()
	check(t, err)
	equal(t, "a refresh", said, "held at 0 requests, released at 1 saved")
}
