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

// One passing invalid_grant at a site with reuse detection: the connection is dead
// at once, the refresh token before is not presented, which would end the grant.
// `refresh NAME` tries the current one again.
func TestD11PassingInvalidGrant(t *testing.T) {
	for _, answer := range []string{`{"error":"invalid_grant"}`, `{"error":"invalid_grant","error_description":"Token has been expired or revoked."}`,
		`{"error":"bad_refresh_token"}`, `{"error":"token_revoked"}`} {
		h := newHouse(t)
		h.box.Rotate, h.box.DetectReuse = true, true
		h.provider()
		h.connect()
		h.clock.pass(2 * time.Hour)
		_, err := h.token()
		check(t, err)
		h.clock.pass(2 * time.Hour)
		h.box.Fail("/token", 2, 400, answer)
		for range 2 {
			_, err = h.token()
			wants(t, err, keeper.ErrReauthorize, "is dead", "hint: connect again")
		}
		equal(t, "requests", h.box.Count("/token"), 3)
		equal(t, "state", h.state().State, keeper.StateDead)
		_, err = h.Refresh(context.Background(), "owner", "box") // still refused
		wants(t, err, keeper.ErrReauthorize, "is dead")
		equal(t, "requests", h.box.Count("/token"), 4)
		equal(t, "dead events", h.events("dead"), 1)
		token, err := h.Refresh(context.Background(), "owner", "box")
		check(t, err)
		equal(t, "good", h.box.Active(string(token.AccessToken)), true)
		equal(t, "state", h.state().State, keeper.StateRecovered)
		equal(t, "recovered events", h.events("recovered"), 1)
	}
}

// After a provider was changed, its failing connections are tried at once.
func TestChangedProviderIsTriedAtOnce(t *testing.T) {
	for name, change := range map[string]func(*provider.Provider) error{
		"secret":   func(p *provider.Provider) error { p.ClientSecret = keepertest.ClientSecret; return nil },
		"scope":    func(p *provider.Provider) error { p.Scope = "read"; return nil },
		"nothing":  func(*provider.Provider) error { return nil },
		"no issue": func(p *provider.Provider) error { p.Issuer = ""; return nil },
	} {
		h := newHouse(t)
		h.provider()
		h.connect()
		h.clock.pass(2 * time.Hour)
		h.box.Fail("/token", 1, 401, `{"error":"invalid_client"}`)
		for range 2 {
			_, err := h.token()
			wants(t, err, keeper.ErrTemporary, "invalid_client")
		}
		check(t, h.Registry().Set(context.Background(), "box", change))
		_, err := h.token()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A next try that is more than a day away was written by a clock that was ahead.
func TestRetryAfterBeyondADay(t *testing.T) {
	for _, test := range []struct {
		ahead time.Duration
		tried bool
	}{{time.Minute, false}, {time.Hour, false}, {23 * time.Hour, false}, {24 * time.Hour, false}, {24*time.Hour + time.Second, true},
		{48 * time.Hour, true}, {30 * 24 * time.Hour, true}, {4 * 365 * 24 * time.Hour, true}} {
		h := newHouse(t)
		h.provider()
		h.connect()
		h.clock.pass(2 * time.Hour)
		h.box.Fail("/token", 1, 503)
		_, err := h.token()
		wants(t, err, keeper.ErrTemporary)
		_, err = h.DB.Exec(`UPDATE connections SET retry_after = ?`, h.clock.now().Add(test.ahead).UTC().Format(time.DateTime))
		check(t, err)
		_, err = h.token()
		equal(t, fmt.Sprintf("%s ahead: tried", test.ahead), err == nil, test.tried)
		equal(t, "requests", h.box.Count("/token") == 3, test.tried)
	}
}

// The cron job names as failed what is failing or dead, tried or not.
func TestRefreshDueNamesWhatFails(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(h *house)
		kind  error
	}{
		"backing off": {func(h *house) { h.box.Fail("/token", 9, 500) }, keeper.ErrTemporary},
		"to be tried": {func(h *house) {
			h.box.Fail("/token", 9, 500)
			_, _ = h.token()
			h.clock.pass(2 * time.Hour)
		}, keeper.ErrTemporary},
		"a wrong client": {func(h *house) { h.box.Fail("/token", 9, 401, `{"error":"invalid_client"}`) }, keeper.ErrTemporary},
		"dead":           {func(h *house) { h.box.Kill() }, keeper.ErrReauthorize},
		"dead, not expired": {func(h *house) {
			h.clock.pass(-10 * time.Minute)
			h.box.Kill()
			_, _ = h.Refresh(context.Background(), "owner", "box")
		}, keeper.ErrReauthorize},
		"no refresh token": {func(h *house) {
			h.clock.pass(time.Hour)
			_, _ = h.DB.Exec(`UPDATE connections SET refresh_token = NULL`)
		}, keeper.ErrReauthorize},
		"no provider": {func(h *house) { _, _ = h.DB.Exec(`DELETE FROM providers`) }, keeper.ErrTemporary},
		"a cut line":  {func(h *house) { h.box.DropRequest("/token", 9) }, keeper.ErrTemporary},
	} {
		h := newHouse(t)
		h.provider()
		h.connect()
		h.clock.pass(50 * time.Minute)
		test.spoil(h)
		for run := range 2 {
			before := h.box.Count("/token")
			done, err := h.RefreshDue(context.Background(), 20*time.Minute)
			check(t, err)
			if len(done) != 1 || done[0].Result != "failed" {
				t.Fatalf("%s, run %d: %+v", name, run, done)
			}
			wants(t, done[0].Err, test.kind)
			if n := h.box.Count("/token") - before; run == 1 && n != 0 {
				t.Errorf("%s: asked %d times", name, n)
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
