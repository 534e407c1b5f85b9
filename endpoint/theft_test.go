package endpoint_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"mintkeep/endpoint/grant"
)

// TestE4StolenRefreshToken: an old refresh token gives nothing once anything that it
// gave was used, whoever presents it.
func TestE4StolenRefreshToken(t *testing.T) {
	introspected := func(h *house, token string) {
		h.send(post+"Authorization: Bearer {{token}}\n\ntoken={{token}}", map[string]string{"token": token}).want(h.t, http.StatusOK, "")
	}
	nothing := func(*house, answer) {}
	verified := func(h *house, next answer) { h.live(next.text("access_token")) }
	for _, c := range []struct {
		name  string
		use   func(h *house, next answer) // what the client does with the reply
		after time.Duration
		theft bool // the family ends
	}{
		{"E4 the successor's access token is in use", verified, 31 * time.Second, true},
		{"a day later", verified, 24 * time.Hour, true},
		{"introspected by itself", func(h *house, next answer) { introspected(h, next.text("access_token")) }, time.Minute, true},
		{"read the profile", func(h *house, next answer) { // refused for its scope, and used all the same
			h.send("GET /token/userinfo HTTP/1.1\nHost: x\nAuthorization: Bearer {{t}}", map[string]string{"t": next.text("access_token")}).want(h.t, 403, "insufficient_scope")
		}, time.Minute, true},
		{"its refresh token was used", func(h *house, next answer) { h.refresh(next.text("refresh_token")) }, time.Minute, true},
		{"its refresh token was used at once", func(h *house, next answer) { h.refresh(next.text("refresh_token")) }, 0, true},
		{"both", func(h *house, next answer) { verified(h, next); h.refresh(next.text("refresh_token")) }, time.Minute, true},
		{"two tabs: used, but within 30 seconds", verified, 10 * time.Second, false},
		{"nothing arrived", nothing, 31 * time.Second, false},
		{"nothing arrived, within 30 seconds", nothing, 30 * time.Second, false},
		{"the clock was ahead and is right", verified, -5 * time.Hour, true},
		{"the clock was ahead, nothing arrived", nothing, -5 * time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			_, old := h.login()
			next := h.refresh(old).want(t, http.StatusOK, "")
			c.use(h, next)
			h.clock.pass(c.after)
			if !c.theft {
				h.live(h.refresh(old).want(t, http.StatusOK, "").text("access_token"))
				return
			}
			h.refresh(old).want(t, http.StatusBadRequest, "invalid_grant")
			h.dead(next.text("access_token"))
			h.refresh(next.text("refresh_token")).want(t, http.StatusBadRequest, "invalid_grant")
			if h.events("reuse") != 1 {
				t.Errorf("%d events", h.events("reuse"))
			}
		})
	}
}

// TestE4FirstUseNotWritten: where the disk did not take the first use, the next use
// after the thief's refresh ends the family.
func TestE4FirstUseNotWritten(t *testing.T) {
	h := newHouse(t)
	_, old := h.login()
	next := h.refresh(old).want(t, http.StatusOK, "")
	if _, err := h.Grants.DB.Exec(`CREATE TRIGGER full BEFORE UPDATE OF last_use ON tokens BEGIN SELECT RAISE(FAIL, 'full'); END`); err != nil {
		t.Fatal(err)
	}
	h.live(next.text("access_token"))
	if _, err := h.Grants.DB.Exec(`DROP TRIGGER full`); err != nil {
		t.Fatal(err)
	}
	h.clock.pass(31 * time.Second)
	thief := h.refresh(old).want(t, http.StatusOK, "")
	h.live(thief.text("access_token"))
	for range 2 { // the owner goes on with what they have
		h.dead(next.text("access_token"))
		h.dead(thief.text("access_token"))
	}
	h.refresh(thief.text("refresh_token")).want(t, http.StatusBadRequest, "invalid_grant")
	if h.events("reuse") != 1 {
		t.Errorf("%d events", h.events("reuse"))
	}
}

// TestE9ClockAhead: what was revoked while the clock was ahead is dead when it is right again.
func TestE9ClockAhead(t *testing.T) {
	const ahead = 5 * time.Hour
	all := func(h *house, _, _ string) {
		if _, err := h.Grants.RevokeAll(h.t.Context(), ""); err != nil {
			h.t.Error(err)
		}
	}
	for name, revoke := range map[string]func(h *house, access, refresh string){
		"E9 by the access token": func(h *house, access, _ string) { h.revoke(access) },
		"by the refresh token":   func(h *house, _, refresh string) { h.revoke(refresh) },
		"everything":             all,
		"by its app":             func(h *house, _, _ string) { h.Grants.RevokeClient(h.t.Context(), "", clientID) },
		"by its person":          func(h *house, _, _ string) { h.Grants.RevokeAll(h.t.Context(), jane) },
		"a refresh token used twice": func(h *house, _, refresh string) {
			h.refresh(h.refresh(refresh).text("refresh_token"))
			h.refresh(refresh)
		},
		"action=revoke": func(h *house, access, _ string) {
			h.send(post+"\n\naction=revoke&token={{t}}", map[string]string{"t": access})
		},
		"by its ID": func(h *house, _, _ string) {
			tokens, err := h.Grants.Tokens(h.t.Context())
			if err == nil {
				err = h.Grants.RevokeID(h.t.Context(), "", tokens[0].ID)
			}
			if err != nil {
				h.t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			access, refresh := h.login()
			h.clock.pass(ahead)
			revoke(h, access, refresh)
			h.clock.pass(-ahead)
			h.dead(access)
			h.refresh(refresh).want(t, http.StatusBadRequest, "invalid_grant")
			st := standard()
			if list, err := h.Grants.Authorizations(t.Context(), &st, ""); err != nil || len(list) != 1 || list[0].Status != "revoked" {
				t.Errorf("the owner sees %+v, %v", list, err)
			}
		})
	}
	t.Run("a token of php-mintoken's", func(t *testing.T) {
		for _, moved := range []bool{false, true} {
			for _, revoke := range []func(h *house, access, refresh string){all, func(h *house, access, _ string) { h.revoke(access) }} {
				h := newHouse(t)
				h.withOldToken(t, h.ago(day), "")
				if moved {
					h.live(oldToken)
				}
				h.clock.pass(ahead)
				revoke(h, oldToken, "")
				h.clock.pass(-ahead)
				h.dead(oldToken)
				h.revoke(oldToken).want(t, http.StatusOK, "")
				if n := h.events("revoked"); n != 1 {
					t.Errorf("%d events", n)
				}
			}
		}
	})
	t.Run("an answer that was lost", func(t *testing.T) {
		h := newHouse(t)
		_, refresh := h.login()
		lost := h.refresh(refresh)
		h.clock.pass(ahead)
		next := h.refresh(refresh).want(t, http.StatusOK, "")
		h.clock.pass(-ahead)
		h.live(next.text("access_token"))
		h.dead(lost.text("access_token"))
	})
	t.Run("not the grant of another", func(t *testing.T) {
		h := newHouse(t)
		other, _ := h.login()
		access, _ := h.login()
		h.revoke(access)
		h.live(other)
		h.set(func(st *grant.Settings) { st.IdleLifetime = 0 })
		if a := h.verify(access); !strings.Contains(a.text("error_description"), "revoked") {
			t.Errorf("it says %s", a.body)
		}
	})
}
