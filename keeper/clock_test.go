package keeper_test

import (
	"context"
	"testing"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/provider"
)

// A token that was connected, stored or imported while the clock was five hours ahead
// has an end that is as wrong. When the clock is right again it is refreshed, by
// whoever comes first, and again when that fails.
func TestFirstTokenOfAWrongClock(t *testing.T) {
	ctx := context.Background()
	makes := map[string]func(h *house){
		"connect": func(h *house) { h.connect() },
		"store": func(h *house) {
			access, refresh := h.box.Grant("read")
			n := keeper.NewConnection{Target: keeper.Target{Provider: "box", Name: "box", User: "owner"}, Grant: keeper.GrantImported, Kind: keeper.KindOAuth2,
				Token: provider.TokenResponse{AccessToken: keeper.Secret(access), RefreshToken: keeper.Secret(refresh), Expires: h.clock.now().Add(time.Hour)}}
			_, err := h.Store(ctx, keeper.APIKey{}, n)
			check(t, err)
		},
	}
	asks := map[string]func(h *house) error{
		"get":     func(h *house) error { _, err := h.token(); return err },
		"refresh": func(h *house) error { _, err := h.RefreshDue(ctx, 20*time.Minute); return err },
		"ahead":   func(h *house) error { return h.RefreshAhead(ctx, time.Minute) },
	}
	for made, make := range makes {
		for asked, ask := range asks {
			t.Run(made+" "+asked, func(t *testing.T) {
				h := newHouse(t)
				h.provider()
				right := h.clock.now()
				h.clock.pass(5 * time.Hour)
				make(h)
				h.clock.pass(-5*time.Hour + 90*time.Minute)
				h.box.Fail("/token", 1, 503)
				_ = ask(h)
				equal(t, "tried", h.box.Count("/token")-h.box.Count("password"), 1)
				h.clock.pass(5 * time.Minute)
				check(t, ask(h))
				equal(t, "refreshed", h.box.Count("refresh_token"), 1)
				equal(t, "ends", h.state().Expires, right.Add(155*time.Minute).UTC())
				check(t, ask(h))
				equal(t, "refreshed", h.box.Count("refresh_token"), 1)
			})
		}
	}
}

// What a clock that was years ahead put off is refreshed ahead of time all the same.
func TestRefreshAheadAfterAWrongClock(t *testing.T) {
	for _, column := range []string{"retry_after", "lease_until"} {
		h := newHouse(t)
		h.provider()
		h.connect()
		h.clock.pass(58 * time.Minute)
		_, err := h.DB.Exec(`UPDATE connections SET ` + column + ` = '2030-01-01 00:00:00'`)
		check(t, err)
		check(t, h.RefreshAhead(context.Background(), time.Minute))
		equal(t, column+": refreshed", h.box.Count("refresh_token"), 1)
	}
}
