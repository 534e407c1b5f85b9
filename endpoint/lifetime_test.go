package endpoint_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"mintkeep/endpoint/grant"
)

const day = 24 * time.Hour

// TestIdleLifetime: verification and introspection renew, to the second.
func TestIdleLifetime(t *testing.T) {
	h := newHouse(t)
	token, _ := h.login()
	for range 3 {
		h.clock.pass(90*day - time.Second)
		h.live(token)
	}
	h.clock.pass(90*day - time.Second)
	h.send(post+"Authorization: Bearer {{token}}\n\ntoken={{token}}", map[string]string{"token": token}).want(t, http.StatusOK, "")
	h.clock.pass(90*day - time.Second)
	h.live(token)
	h.clock.pass(90 * day)
	h.dead(token)
	h.dead(token) // a refused one renews nothing
}

// TestMaxLifetime counts from the making, whatever the use.
func TestMaxLifetime(t *testing.T) {
	h := newHouse(t)
	h.set(func(st *grant.Settings) { st.MaxLifetime = 10 * day })
	a := h.redeem(h.code())
	if a.text("expires_in") != fmt.Sprint(10*24*60*60) {
		t.Error(a.body)
	}
	for range 9 {
		h.clock.pass(day)
		h.live(a.text("access_token"))
	}
	h.clock.pass(day - time.Second)
	h.live(a.text("access_token"))
	h.clock.pass(time.Second)
	h.dead(a.text("access_token"))
	b := h.refresh(a.text("refresh_token")).want(t, http.StatusOK, "")
	h.live(b.text("access_token"))
}

// TestRefreshLifetime counts from the last use of the family.
func TestRefreshLifetime(t *testing.T) {
	h := newHouse(t)
	_, token := h.login()
	for range 2 {
		h.clock.pass(365*day - time.Second)
		token = h.refresh(token).want(t, http.StatusOK, "").text("refresh_token")
	}
	h.clock.pass(365 * day)
	h.refresh(token).want(t, http.StatusBadRequest, "invalid_grant")
	h.set(func(st *grant.Settings) { st.RefreshLifetime = 0 })
	h.clock.pass(3650 * day)
	h.refresh(token).want(t, http.StatusOK, "")
}

// TestR33Announced: what expires is announced; what does not has no refresh token.
func TestR33Announced(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct {
		idle, most time.Duration
		want       string
	}{
		{90 * day, 0, "7776000"}, {0, 0, ""}, {0, time.Hour, "3600"}, {time.Hour, 90 * time.Second, "90"}, {90 * time.Second, time.Hour, "90"},
	} {
		h.set(func(st *grant.Settings) { st.IdleLifetime, st.MaxLifetime = c.idle, c.most })
		a := h.redeem(h.code()).want(t, http.StatusOK, "")
		if a.text("expires_in") != c.want || (a.text("refresh_token") != "") != (c.want != "") {
			t.Errorf("%+v: %s", c, a.body)
		}
		m, _ := h.verify(a.text("access_token")).members()
		exp := fmt.Sprint(m["exp"])
		if c.want == "" && m["exp"] != nil {
			t.Errorf("%+v: exp %s", c, exp)
		}
		if c.want != "" {
			seconds := c.idle
			if seconds == 0 || c.most > 0 && c.most < seconds {
				seconds = c.most
			}
			if exp != fmt.Sprint(h.clock.now().Add(seconds).Unix()) {
				t.Errorf("%+v: exp %s", c, exp)
			}
		}
	}
}

// TestSettingsAtOnce: they hold for tokens made before.
func TestSettingsAtOnce(t *testing.T) {
	h := newHouse(t)
	token, refresh := h.login()
	h.clock.pass(2 * time.Hour)
	h.set(func(st *grant.Settings) { st.IdleLifetime = time.Hour })
	h.dead(token)
	h.set(func(st *grant.Settings) { st.IdleLifetime = 0 })
	h.live(token)
	h.set(func(st *grant.Settings) { st.MaxLifetime = time.Hour })
	h.dead(token)
	h.set(func(st *grant.Settings) { st.MaxLifetime = 0; st.RefreshLifetime = time.Hour })
	h.refresh(refresh).want(t, http.StatusBadRequest, "invalid_grant")
	h.set(func(st *grant.Settings) { st.RefreshLifetime = 0; st.Me = []string{"https://joan.example/"} })
	h.refresh(refresh).want(t, http.StatusBadRequest, "invalid_grant")
	h.set(func(st *grant.Settings) { st.Me = nil })
	a := h.refresh(refresh).want(t, http.StatusOK, "")
	if _, there := mustMembers(t, a)["expires_in"]; there {
		t.Error("expires_in, though nothing expires now:", a.body)
	}
}

func mustMembers(t *testing.T, a answer) map[string]any {
	t.Helper()
	m, err := a.members()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestLastUse is written at most every hour, or tenth of the idle lifetime.
func TestLastUse(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct{ idle, every time.Duration }{{90 * day, time.Hour}, {0, time.Hour}, {time.Hour, 6 * time.Minute}} {
		h.set(func(st *grant.Settings) { st.IdleLifetime = c.idle })
		token, _ := h.login()
		lastUse := func() time.Time {
			tokens, err := h.Grants.Tokens(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return tokens[0].LastUse
		}
		if !lastUse().IsZero() {
			t.Error("used before it was used")
		}
		h.live(token)
		first := lastUse()
		h.clock.pass(c.every - time.Second)
		h.live(token)
		if !lastUse().Equal(first) {
			t.Errorf("%+v: written too soon", c)
		}
		h.clock.pass(time.Second)
		h.live(token)
		if !lastUse().Equal(h.clock.now()) {
			t.Errorf("%+v: %v, not written after %v", c, lastUse(), c.every)
		}
	}
}
