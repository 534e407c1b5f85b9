package keeper_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/keepertest"
)

// within fails if a token takes longer to come than it may.
func (h *house) within(most time.Duration, what string) keeper.Token {
	h.t.Helper()
	start := time.Now()
	token, err := h.token()
	check(h.t, err)
	if took := time.Since(start); took > most {
		h.t.Errorf("%s: it took %v, and may take %v", what, took, most)
	}
	return token
}

// A token with 200 s left comes at once while another process refreshes, and
// after one that died refreshing.
func TestValidTokenWhileAnotherRefreshes(t *testing.T) {
	for _, signal := range []string{"", "killed"} {
		h := newHouse(t)
		realTime(h)
		h.box.Rotate, h.box.DetectReuse = true, true
		h.provider()
		h.connect()
		_, err := h.DB.Exec(`UPDATE connections SET expires = datetime('now', '+200 seconds')`)
		check(t, err)
		h.box.Set(func(p *keepertest.Provider) { p.Delay = 3 * time.Second })
		cmd := process(t, "token", h, "25s")
		cmd.Env = append(cmd.Env, "KEEPER_TEST_TTL=5m")
		check(t, cmd.Start())
		for range 2000 {
			if time.Sleep(5 * time.Millisecond); h.box.Count("/token") == 2 {
				break
			}
		}
		if signal != "" {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		h.within(time.Second, "a valid token "+signal)
		equal(t, "refresh requests", h.box.Count("/token"), 2)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// A site that hangs delays one caller, until the next try is due: to the end of
// the request, or in a process that stays for as long as its Patience, while the
// refresh goes on.
func TestHangingSiteDelaysOneCaller(t *testing.T) {
	for _, patience := range []time.Duration{0, 200 * time.Millisecond} {
		t.Run(patience.String(), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.Timeout, h.Patience = 4*time.Second, patience
			h.provider()
			h.connect()
			h.clock.pass(57 * time.Minute)
			var held sync.WaitGroup
			h.Hold = func() func() { held.Add(1); return held.Done }
			h.box.Set(func(p *keepertest.Provider) { p.Delay = 6 * time.Second })
			start := time.Now()
			h.within(6*time.Second, "the caller who meets it")
			if took := time.Since(start); patience > 0 && took > 2*time.Second {
				t.Errorf("with patience %v it took %v", patience, took)
			}
			for range 5 {
				h.within(time.Second, "everybody else")
			}
			held.Wait()
			h.within(time.Second, "everybody else afterwards")
			equal(t, "state", h.state().State, keeper.StateFailing)
			equal(t, "requests", h.box.Count("/token"), 2)
		})
	}
}

// What a process that stays did not wait for is saved.
func TestRefreshGoesOn(t *testing.T) {
	h := newHouse(t)
	h.Patience, h.box.Rotate, h.box.DetectReuse = 50*time.Millisecond, true, true
	h.provider()
	old := string(func() keeper.Token { h.connect(); t, _ := h.token(); return t }().AccessToken)
	h.clock.pass(57 * time.Minute)
	ended := make(chan bool)
	h.Hold = func() func() { return func() { close(ended) } }
	h.box.Set(func(p *keepertest.Provider) { p.Delay = 400 * time.Millisecond })
	ctx, cancel := context.WithCancel(context.Background())
	token, err := h.Token(ctx, "owner", "box", 5*time.Minute)
	check(t, err)
	cancel()
	equal(t, "the old token", string(token.AccessToken), old)
	<-ended
	token, err = h.token()
	check(t, err)
	equal(t, "the new token is another one", string(token.AccessToken) == old, false)
	equal(t, "requests", h.box.Count("refresh_token"), 1)
}

// Whatever hinders a refresh, a token with 200 s left is handed out; an expired
// one is an error, and `refresh` hears of the failure.
func TestValidTokenWhateverHinders(t *testing.T) {
	for name, hinder := range map[string]func(h *house){
		"500":              func(h *house) { h.box.Fail("/token", 9, 500) },
		"429":              func(h *house) { h.box.Fail("/token", 9, http.StatusTooManyRequests) },
		"a refusal":        func(h *house) { h.box.Kill() },
		"another client":   func(h *house) { h.box.Fail("/token", 9, 401, `{"error":"invalid_client"}`) },
		"a cut line":       func(h *house) { h.box.DropAnswer("/token", 9) },
		"no connection":    func(h *house) { h.box.DropRequest("/token", 9) },
		"a page":           func(h *house) { h.box.Fail("/token", 9, 200, `<html>`) },
		"no provider":      func(h *house) { _, _ = h.DB.Exec(`DELETE FROM providers`) },
		"no refresh token": func(h *house) { _, _ = h.DB.Exec(`UPDATE connections SET refresh_token = NULL`) },
		"a read-only file": func(h *house) { _, _ = h.DB.Exec(`PRAGMA query_only = 1`) },
		"a lease": func(h *house) {
			_, _ = h.DB.Exec(`UPDATE connections SET lease_until = '2026-11-20 11:58:00'`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.Lease = 100 * time.Millisecond
			h.provider()
			h.connect()
			h.clock.pass(3400 * time.Second)
			hinder(h)
			for range 3 {
				h.within(time.Second, name)
			}
			if name == "a lease" {
				return
			}
			if _, err := h.Refresh(context.Background(), "owner", "box"); err == nil {
				t.Error("refresh says nothing")
			}
			h.clock.pass(time.Hour)
			if _, err := h.token(); err == nil {
				t.Error("an expired token")
			}
		})
	}
}

// min_ttl is a wish: tokens that live at most ten minutes are due when a fifth of
// their life is left, whatever is asked for: the first as all later ones.
func TestShortLives(t *testing.T) {
	for _, test := range []struct{ life, minTTL, age, due int }{
		{600, 300, 479, 0}, {600, 300, 481, 1}, {600, 60, 539, 0}, {600, 60, 541, 1}, {300, 300, 239, 0}, {300, 300, 241, 1},
		{60, 300, 47, 0}, {60, 300, 49, 1}, {5, 300, 3, 0}, {5, 300, 5, 1}, {120, 9999, 95, 0}, {610, 300, 311, 1}, {3600, 300, 3290, 0},
	} {
		h := newHouse(t)
		h.box.Lifetime = time.Duration(test.life) * time.Second
		h.provider()
		h.connect()
		for round := range 2 {
			h.clock.pass(time.Duration(test.age) * time.Second)
			before := h.box.Count("refresh_token")
			token, err := h.Token(context.Background(), "owner", "box", time.Duration(test.minTTL)*time.Second)
			check(t, err)
			equal(t, fmt.Sprintf("%+v, round %d: refreshes", test, round), h.box.Count("refresh_token")-before, test.due)
			equal(t, "valid", h.box.Active(string(token.AccessToken)), true)
			if test.due == 0 {
				break
			}
		}
	}
}

// A lease that ends later than any that is given was taken by a clock that was
// ahead; what was obtained in the future has an end that cannot be trusted.
func TestE9ClockAhead(t *testing.T) {
	for _, ahead := range []time.Duration{26 * time.Second, time.Minute, time.Hour, 5 * time.Hour, 24 * time.Hour, 365 * 24 * time.Hour} {
		h := newHouse(t)
		h.provider()
		h.connect()
		h.clock.pass(2 * time.Hour)
		_, err := h.DB.Exec(`UPDATE connections SET lease_until = ?`, h.clock.now().Add(ahead).UTC().Format(time.DateTime))
		check(t, err)
		h.within(time.Second, "a lease that is "+ahead.String()+" ahead")
		h.clock.pass(5 * time.Hour)
		_, err = h.token()
		check(t, err)
		h.clock.pass(-5 * time.Hour)
		token := h.within(time.Second, "the clock put right")
		equal(t, "expires", token.Expires.Equal(h.clock.now().Add(time.Hour)), true)
	}
}
