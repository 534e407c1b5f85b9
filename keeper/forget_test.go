package keeper_test

import (
	"context"
	"testing"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/provider"
)

func tokens(t *testing.T, h *house) (access string) {
	t.Helper()
	token, err := h.token()
	check(t, err)
	return string(token.AccessToken)
}

func TestForgetPolicy(t *testing.T) {
	for _, test := range []struct {
		scope  string
		policy keeper.Policy
		status int // of the revocation endpoint; 0 works
		result string
		gone   bool // here
		alive  bool // at the provider
	}{
		{"read", keeper.Policy{RevokeOffline: true, RevokeOnline: true}, 0, keeper.Revoked, true, false},
		{"read", keeper.Policy{RevokeOffline: true}, 0, keeper.NotRevoked, true, true},
		{"read offline_access", keeper.Policy{RevokeOffline: true}, 0, keeper.Revoked, true, false},
		{"read offline_access", keeper.Policy{RevokeOnline: true}, 0, keeper.NotRevoked, true, true},
		{"read", keeper.Policy{RevokeOnline: true}, 503, keeper.KeptQueued, false, true},
		{"read", keeper.Policy{RevokeOnline: true, EvenIfRevokeFails: true}, 503, keeper.Queued, true, true},
	} {
		h := newHouse(t)
		ctx := context.Background()
		h.provider(func(p *provider.Provider) { p.Scope = test.scope })
		h.connect()
		access := tokens(t, h)
		if test.status != 0 {
			h.box.Fail("/revoke", 1, test.status)
		}
		o, err := h.Forget(ctx, "owner", "box", test.policy)
		check(t, err)
		equal(t, "result", o.Result, test.result)
		c, err := h.Connection(ctx, "owner", "box")
		equal(t, "gone", err != nil, test.gone)
		equal(t, "alive", h.box.Active(access), test.alive)
		if test.status == 0 {
			continue
		}
		if !test.gone {
			equal(t, "state", c.State, keeper.StateForgetting)
			_, err = h.token()
			wants(t, err, keeper.ErrReauthorize, "being forgotten")
		}
		done, err := h.RefreshDue(ctx, 0)
		check(t, err)
		equal(t, "too early", len(done), 0)
		h.clock.pass(time.Minute)
		done, err = h.RefreshDue(ctx, 0)
		check(t, err)
		equal(t, "retried", len(done), 1)
		equal(t, "alive", h.box.Active(access), false)
		_, err = h.Connection(ctx, "owner", "box")
		wants(t, err, keeper.ErrUnknown)
		n := 1
		check(t, h.DB.QueryRow(`SELECT count(*) FROM revocations`).Scan(&n))
		equal(t, "queued", n, 0)
	}
}

func TestForgetNoEndpoint(t *testing.T) {
	h := newHouse(t)
	h.provider(func(p *provider.Provider) { p.RevokeURL = "" })
	h.connect()
	o, err := h.Forget(context.Background(), "owner", "box", keeper.Policy{RevokeOnline: true})
	check(t, err)
	equal(t, "result", o.Result, keeper.NoEndpoint)
}

func TestForgetAll(t *testing.T) {
	h := newHouse(t)
	h.provider()
	for _, name := range []string{"a", "b", "c"} {
		_, err := h.Connect(context.Background(), keeper.Target{Provider: "box", Name: name}, keeper.GrantPassword, ask("password-of-ada"))
		check(t, err)
	}
	done, err := h.ForgetAll(context.Background(), "", keeper.Policy{RevokeOnline: true})
	check(t, err)
	equal(t, "forgotten", len(done), 3)
	equal(t, "asked", h.box.Count("/revoke"), 6)
}

func TestRevokeAccessAndIntrospect(t *testing.T) {
	h := newHouse(t)
	ctx := context.Background()
	h.provider()
	h.connect()
	access := tokens(t, h)
	m, err := h.Introspect(ctx, "owner", "box", keeper.Inspection{})
	check(t, err)
	equal(t, "active", m["active"], any(true))
	check(t, h.Revoke(ctx, "owner", "box", "access_token"))
	equal(t, "alive", h.box.Active(access), false)
	again := tokens(t, h) // refreshed
	equal(t, "new", again != access && h.box.Active(again), true)
	check(t, h.Revoke(ctx, "owner", "box", "refresh_token"))
	_, err = h.token()
	wants(t, err, keeper.ErrUnknown)
}
