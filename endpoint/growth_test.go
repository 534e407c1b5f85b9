package endpoint_test

import (
	"net/http"
	"testing"
	"time"
)

// TestRefreshesAreNotKeptForEver: what a program leaves that refreshes whenever it
// starts is bounded by 30 days, and a stolen token of these days is recognised.
func TestRefreshesAreNotKeptForEver(t *testing.T) {
	h := newHouse(t)
	count := func(table, where string) (n int) {
		if err := h.Grants.DB.QueryRow(`SELECT count(*) FROM ` + table + ` WHERE ` + where).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	_, other := h.login()
	access, refresh := h.login()
	stolen := ""
	for range 200 {
		h.clock.pass(6 * time.Hour)
		a := h.refresh(refresh).want(t, http.StatusOK, "")
		h.live(a.text("access_token"))
		stolen, access, refresh = refresh, a.text("access_token"), a.text("refresh_token")
	}
	for table, where := range map[string]string{"tokens": "true", "refresh_tokens": "true", "events": "event = 'refreshed'"} {
		if n := count(table, where); n < 118 || n > 128 {
			t.Errorf("%d rows in %s after 200 refreshes in 50 days", n, table)
		}
	}
	h.live(access)
	h.live(h.refresh(other).want(t, http.StatusOK, "").text("access_token")) // of another grant, however old

	// Who comes back after two months with a token whose answer was lost is let in.
	h.refresh(refresh).want(t, http.StatusOK, "")
	h.clock.pass(60 * day)
	a := h.refresh(refresh).want(t, http.StatusOK, "")
	h.live(a.text("access_token"))
	h.refresh(stolen).want(t, http.StatusBadRequest, "invalid_grant")
	if n := h.events("reuse"); n != 0 { // too old to be known
		t.Errorf("%d reuses", n)
	}
	h.clock.pass(time.Hour)
	next := h.refresh(a.text("refresh_token")).want(t, http.StatusOK, "")
	h.live(next.text("access_token"))
	h.clock.pass(time.Hour)
	h.refresh(a.text("refresh_token")).want(t, http.StatusBadRequest, "invalid_grant")
	if n := h.events("reuse"); n != 1 {
		t.Errorf("%d reuses", n)
	}
	h.dead(next.text("access_token"))
}
