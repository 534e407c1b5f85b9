package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/provider"
)

// copyOf is the file of a house as it is now, to be put back.
func copyOf(t *testing.T, h *house) (putBack func()) {
	t.Helper()
	_, err := h.DB.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`)
	check(t, err)
	b, err := os.ReadFile(h.path)
	check(t, err)
	return func() {
		t.Helper()
		check(t, h.DB.Close())
		check(t, os.WriteFile(h.path, b, 0o600))
		h.DB = open(h.path).DB
		_, err := keeper.Restored(context.Background(), h.Keeper)
		check(t, err)
	}
}

// What was put back is refreshed before it is used, though its token looks good.
func TestRestoredIsRefreshed(t *testing.T) {
	h := strict(t)
	putBack := copyOf(t, h)
	before, err := h.token()
	check(t, err)
	putBack()
	after, err := h.token()
	check(t, err)
	if after.AccessToken == before.AccessToken || !after.Refreshed {
		t.Error("the token of the copy was given out unseen")
	}
	again, err := h.token()
	check(t, err)
	equal(t, "refreshed once", again.AccessToken == after.AccessToken, true)
}

// strictSite is a site that takes one refresh token, and replaces it with each use.
type strictSite struct{ good, asked int }

func (s *strictSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked++
	if r.FormValue("grant_type") == "refresh_token" {
		if r.FormValue("refresh_token") != fmt.Sprint("r", s.good) {
			http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
			return
		}
		s.good++
	}
	fmt.Fprintf(w, `{"access_token":"a%d","refresh_token":"r%d","token_type":"Bearer","expires_in":3600}`, s.good, s.good)
}

// restoredAt is a connection that was put back with the refresh tokens r1 and, before
// that, r0, and the site that gave them.
func restoredAt(t *testing.T) (h *house, site *strictSite) {
	h, site = newHouse(t), &strictSite{}
	srv := httptest.NewServer(site)
	t.Cleanup(srv.Close)
	h.provider(func(p *provider.Provider) { p.TokenURL = srv.URL })
	h.connect()
	_, err := h.Refresh(context.Background(), "owner", "box")
	check(t, err)
	copyOf(t, h)()
	site.asked = 0
	return h, site
}

// Should the site refuse the refresh token of the copy, the one before is tried, once,
// and the owner is told.
func TestRestoredTriesTheOneBefore(t *testing.T) {
	h, site := restoredAt(t)
	site.good = 0 // the site, too, was put back
	token, err := h.token()
	check(t, err)
	equal(t, "token", string(token.AccessToken), "a1")
	equal(t, "requests", site.asked, 2)
	told := 0
	check(t, h.DB.QueryRow(`SELECT count(*) FROM events WHERE event = 'recovered' AND detail LIKE 'with the refresh token before%'`).Scan(&told))
	equal(t, "told", told, 1)

	h, site = restoredAt(t)
	site.good = 7 // replaced after the copy
	for range 2 {
		if _, err := h.token(); !errors.Is(err, keeper.ErrReauthorize) {
			t.Errorf("nobody takes either: %v", err)
		}
	}
	equal(t, "requests", site.asked, 2)
}

// Without a copy that was put back, the one before is never tried.
func TestNotRestored(t *testing.T) {
	h, site := restoredAt(t)
	_, err := h.token()
	check(t, err)
	h.clock.pass(2 * time.Hour)
	site.good, site.asked = 1, 0
	if _, err := h.token(); !errors.Is(err, keeper.ErrReauthorize) {
		t.Errorf("the site refuses: %v", err)
	}
	equal(t, "requests", site.asked, 1)
}

// A site that is down has not refused: the one before is tried when it answers.
func TestRestoredWhileTheSiteIsDown(t *testing.T) {
	h := strict(t)
	copyOf(t, h)()
	h.box.Fail("/token", 1, 503)
	if _, err := h.token(); !errors.Is(err, keeper.ErrTemporary) {
		t.Errorf("the site is down: %v", err)
	}
	c, err := h.Connections(context.Background(), "")
	check(t, err)
	if !strings.HasPrefix(c[0].LastError, "put back from a copy") {
		t.Errorf("it is forgotten that it was put back: %s", c[0].LastError)
	}
	_, err = h.Refresh(context.Background(), "owner", "box")
	check(t, err)
}

// A refresh that is under way when the copy is put back keeps what it brings, and
// nobody presents its refresh token a second time.
func TestRestoredWhileRefreshing(t *testing.T) {
	h := strict(t)
	refreshingMeanwhile(t, h, func() {
		_, err := keeper.Restored(context.Background(), h.Keeper)
		check(t, err)
		_, err = h.token() // waits for it
		check(t, err)
	})
}
