package keeper_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/keepertest"
	"mintkeep/keeper/provider"
)

// refreshingMeanwhile does something while another process waits for the answer to
// its refresh, and asserts that the refresh token which that brings is not lost.
func refreshingMeanwhile(t *testing.T, h *house, do func()) {
	t.Helper()
	h.box.Set(func(b *keepertest.Provider) { b.Delay = 400 * time.Millisecond })
	k := open(h.path)
	defer k.DB.Close()
	k.Now = h.clock.now
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = k.Refresh(context.Background(), "owner", "box")
	}()
	for h.box.Count("/token") < 2 {
		time.Sleep(5 * time.Millisecond)
	}
	h.box.Set(func(b *keepertest.Provider) { b.Delay = 0 })
	do()
	<-done
	h.clock.pass(2 * time.Hour)
	token, err := h.token()
	check(t, err)
	equal(t, "good at the provider", h.box.Active(string(token.AccessToken)), true)
}

func strict(t *testing.T) *house {
	h := newHouse(t)
	h.box.Rotate, h.box.DetectReuse = true, true
	h.provider()
	h.connect()
	return h
}

func TestRevokeWhileRefreshing(t *testing.T) {
	h := strict(t)
	refreshingMeanwhile(t, h, func() { check(t, h.Revoke(context.Background(), "owner", "box", "access_token")) })
}

// A first token without a refresh token keeps the one from before, which another
// process is just spending.
func TestConnectWhileRefreshing(t *testing.T) {
	h := strict(t)
	refreshingMeanwhile(t, h, func() {
		h.box.Set(func(b *keepertest.Provider) { b.NoRefresh = true })
		h.connect()
		h.box.Set(func(b *keepertest.Provider) { b.NoRefresh = false })
		_, err := h.Refresh(context.Background(), "owner", "box") // waits for it
		check(t, err)
	})
}

// After a revocation nobody waits for the lease that it took.
func TestRevokeDropsItsLease(t *testing.T) {
	h := strict(t)
	ctx := context.Background()
	check(t, h.Revoke(ctx, "owner", "box", "access_token"))
	for _, revokeAgain := range []bool{false, true} { // there is no token any more
		if revokeAgain {
			wants(t, h.Revoke(ctx, "owner", "box", "access_token"), keeper.ErrInvalid, "there is no access token")
		}
		leased := 0
		check(t, h.DB.QueryRow(`SELECT count(*) FROM connections WHERE lease_until IS NOT NULL`).Scan(&leased))
		equal(t, "leased", leased, 0)
	}
	err := h.Revoke(ctx, "owner", "nobody", "access_token")
	wants(t, err, keeper.ErrUnknown)
	unwanted(t, err, "there is no access token")
}

func unwanted(t *testing.T, err error, words string) {
	t.Helper()
	if strings.Contains(err.Error(), words) {
		t.Errorf("error %q says %q", err, words)
	}
}

// Revoking a refresh token removes nothing here where nothing can be revoked there.
func TestRevokeRefreshTokenOrNothing(t *testing.T) {
	ctx := context.Background()
	t.Run("no endpoint", func(t *testing.T) {
		h := newHouse(t)
		h.provider(func(p *provider.Provider) { p.RevokeURL = "" })
		h.connect()
		err := h.Revoke(ctx, "owner", "box", "refresh_token")
		wants(t, err, provider.ErrNoRevocation, "hint: ", "mintkeep forget box")
		equal(t, "state", h.state().State, keeper.StateOK)
		h.clock.pass(2 * time.Hour)
		tokens(t, h)
	})
	t.Run("no refresh token", func(t *testing.T) {
		h := newHouse(t)
		h.box.NoRefresh = true
		h.provider()
		h.connect()
		wants(t, h.Revoke(ctx, "owner", "box", "refresh_token"), keeper.ErrInvalid, "no refresh token", "mintkeep forget box")
		equal(t, "asked", h.box.Count("/revoke"), 0)
		equal(t, "good at the provider", h.box.Active(tokens(t, h)), true)
	})
	t.Run("the site is down", func(t *testing.T) {
		h := newHouse(t)
		h.provider()
		h.connect()
		h.box.Fail("/revoke", 1, 503)
		wants(t, h.Revoke(ctx, "owner", "box", "refresh_token"), keeper.ErrTemporary, "nobody gets its token any more", "mintkeep refresh", "503")
		equal(t, "state", h.state().State, keeper.StateForgetting)
	})
}

// In a database that cannot grow by a page there is no room for events after some time,
// and the tokens are kept all the same.
func TestNoRoomForEvents(t *testing.T) {
	h := strict(t)
	_, err := h.DB.Exec(`PRAGMA max_page_count = 1`) // as many as there are
	check(t, err)
	const refreshes = 120
	for range refreshes {
		h.clock.pass(2 * time.Hour)
		equal(t, "good at the provider", h.box.Active(tokens(t, h)), true)
	}
	if told := h.events("refreshed"); told == 0 || told == refreshes {
		t.Errorf("%d of %d events: it says nothing", told, refreshes)
	}
}
