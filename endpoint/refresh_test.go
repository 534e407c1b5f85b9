package endpoint_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"mintkeep/endpoint"
)

// Refreshing as interface.md has it, with a clock moved by hand. Standard
// settings where nothing else is said.

// TestRotation: both tokens are new, and the replaced access token has 30 seconds.
func TestRotation(t *testing.T) {
	h := newHouse(t)
	access, refresh := h.login()
	a := h.refresh(refresh).want(t, http.StatusOK, "")
	if a.text("access_token") == access || a.text("refresh_token") == refresh || a.text("token_type") != "Bearer" || a.text("expires_in") != "7776000" {
		t.Error(a.body)
	}
	h.clock.pass(29 * time.Second)
	h.live(access)
	h.clock.pass(time.Second)
	h.dead(access)
	h.live(a.text("access_token"))
	if h.events("refreshed") != 1 {
		t.Error("no event")
	}
}

// TestOtherKind: a token in the place of the other is told as that.
func TestOtherKind(t *testing.T) {
	h := newHouse(t)
	access, refresh := h.login()
	for said, a := range map[string]answer{
		"this is no access token":  h.verify(refresh).want(t, http.StatusUnauthorized, "invalid_token"),
		"this is an access token;": h.refresh(access).want(t, http.StatusBadRequest, "invalid_grant"),
	} {
		if !strings.HasPrefix(a.text("error_description"), said) {
			t.Errorf("%s: want %q", a.body, said)
		}
	}
	h.live(access)
}

// TestGrace: within 30 seconds a rotated token gives the same two strings again,
// in JSON and in form alike, and nothing else changes.
func TestGrace(t *testing.T) {
	h := newHouse(t)
	_, refresh := h.login()
	a := h.refresh(refresh).want(t, http.StatusOK, "")
	for _, after := range []time.Duration{0, time.Second, 28 * time.Second, time.Second} {
		h.clock.pass(after)
		if b := h.refresh(refresh).want(t, http.StatusOK, ""); b.body != a.body {
			t.Errorf("%s\n%s", a.body, b.body)
		}
	}
	form := h.send(post+"Accept: application/x-www-form-urlencoded\n\ngrant_type=refresh_token&refresh_token={{token}}", map[string]string{"token": refresh}).want(t, http.StatusOK, "")
	for _, name := range []string{"access_token", "refresh_token", "scope", "me", "expires_in"} {
		if form.text(name) != a.text(name) {
			t.Errorf("%s differs: %s", name, form.body)
		}
	}
	if h.events("refreshed") != 1 {
		t.Error("an event for the same answer")
	}
	h.live(a.text("access_token"))
	h.refresh(a.text("refresh_token")).want(t, http.StatusOK, "")
}

// TestLostReply: after the 30 seconds, an unused successor is replaced, as often
// as it takes.
func TestLostReply(t *testing.T) {
	h := newHouse(t)
	_, refresh := h.login()
	lost := h.refresh(refresh).want(t, http.StatusOK, "")
	for range 3 {
		h.clock.pass(31 * time.Second)
		next := h.refresh(refresh).want(t, http.StatusOK, "")
		if next.text("refresh_token") == lost.text("refresh_token") || next.text("access_token") == lost.text("access_token") {
			t.Error("the same answer after 31 seconds")
		}
		lost = next
	}
	last := h.refresh(lost.text("refresh_token")).want(t, http.StatusOK, "")
	h.live(last.text("access_token"))
	if h.events("reuse") != 0 {
		t.Error("a lost reply was taken for a theft")
	}
}

// TestKilledSuccessor: who presents the successor that was taken back stole it,
// or was stolen from.
func TestKilledSuccessor(t *testing.T) {
	h := newHouse(t)
	_, refresh := h.login()
	lost := h.refresh(refresh)
	h.clock.pass(31 * time.Second)
	next := h.refresh(refresh).want(t, http.StatusOK, "")
	h.refresh(lost.text("refresh_token")).want(t, http.StatusBadRequest, "invalid_grant")
	h.dead(next.text("access_token"))
	h.refresh(next.text("refresh_token")).want(t, http.StatusBadRequest, "invalid_grant")
	if h.events("reuse") != 1 {
		t.Errorf("%d events reuse", h.events("reuse"))
	}
}

// TestReuse: a token whose successor was used ends the family, also within the
// 30 seconds, and nothing of other logins.
func TestReuse(t *testing.T) {
	for _, after := range []time.Duration{0, time.Minute, 40 * 24 * time.Hour} {
		h := newHouse(t)
		other, _ := h.login()
		_, first := h.login()
		second := h.refresh(first)
		third := h.refresh(second.text("refresh_token")).want(t, http.StatusOK, "")
		h.clock.pass(after)
		h.refresh(first).want(t, http.StatusBadRequest, "invalid_grant")
		for _, a := range []answer{second, third} {
			h.dead(a.text("access_token"))
			h.refresh(a.text("refresh_token")).want(t, http.StatusBadRequest, "invalid_grant")
		}
		if h.events("reuse") != 1 {
			t.Errorf("%d events reuse", h.events("reuse"))
		}
		h.live(other)
	}
}

// TestScopeNarrows the access token alone; the family keeps its scope.
func TestScopeNarrows(t *testing.T) {
	h := newHouse(t)
	_, refresh := h.login()
	for _, c := range []struct{ asked, given string }{
		{"&scope=create", "create"}, {"&scope=", scope}, {"&scope=media+create+media", "media create"}, {"", scope}, {"&scope=+", scope},
	} {
		a := h.refresh(refresh, c.asked).want(t, http.StatusOK, "")
		if a.text("scope") != c.given || h.verify(a.text("access_token")).text("scope") != c.given {
			t.Errorf("%q gave %s", c.asked, a.body)
		}
		refresh = a.text("refresh_token")
	}
	for _, asked := range []string{"&scope=delete", "&scope=create+delete", "&scope=Create", "&scope=%22"} {
		h.refresh(refresh, asked).want(t, http.StatusBadRequest, "invalid_scope")
	}
	h.refresh(refresh).want(t, http.StatusOK, "")
}

// TestWideScopeAfterLostReply: a refusal changes nothing, also not where the
// successor would have been replaced.
func TestWideScopeAfterLostReply(t *testing.T) {
	h := newHouse(t)
	_, refresh := h.login()
	lost := h.refresh(refresh)
	h.clock.pass(31 * time.Second)
	h.refresh(refresh, "&scope=delete").want(t, http.StatusBadRequest, "invalid_scope")
	h.live(lost.text("access_token"))
	h.refresh(lost.text("refresh_token")).want(t, http.StatusOK, "")
}

// TestRefreshClient: a client_id that is given must match; the slash of a bare
// host does not count.
func TestRefreshClient(t *testing.T) {
	h := newHouse(t)
	_, refresh := h.login()
	for _, wrong := range []string{"https%3A%2F%2Fother.example%2F", "https%3A%2F%2Fapp.example%2Fx", "x"} {
		h.refresh(refresh, "&client_id="+wrong).want(t, http.StatusBadRequest, "invalid_grant")
	}
	for _, right := range []string{"", "&client_id=", "&client_id=https%3A%2F%2Fapp.example%2F", "&client_id=https%3A%2F%2Fapp.example"} {
		refresh = h.refresh(refresh, right).want(t, http.StatusOK, "").text("refresh_token")
	}
}

// TestRefreshRace: of many that refresh at once, all get the same two strings.
func TestRefreshRace(t *testing.T) {
	h := newHouse(t)
	_, refresh := h.login()
	servers := []*endpoint.Handler{h.Handler, h.serverOn(openFile(t, h.file, "_busy_timeout=8000"))}
	bodies := make([]string, 10)
	var wg sync.WaitGroup
	for i := range bodies {
		wg.Go(func() {
			bodies[i] = direct(servers[i%2], "POST", "grant_type=refresh_token&refresh_token="+refresh).want(t, http.StatusOK, "").body
		})
	}
	wg.Wait()
	for _, b := range bodies {
		if b != bodies[0] {
			t.Errorf("%s\n%s", bodies[0], b)
		}
	}
}

// TestSealedReply: the answer lies in the database for 30 seconds at most, and
// until the successor's first use.
func TestSealedReply(t *testing.T) {
	h := newHouse(t)
	sealed := func() (n int) {
		if err := h.Grants.DB.QueryRow(`SELECT count(*) FROM refresh_tokens WHERE reply IS NOT NULL`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	_, refresh := h.login()
	a := h.refresh(refresh)
	if sealed() != 1 {
		t.Error("no answer is kept")
	}
	b := h.refresh(a.text("refresh_token"))
	if sealed() != 1 {
		t.Error("the answer is kept after its successor's first use")
	}
	h.clock.pass(31 * time.Second)
	h.login()
	if sealed() != 0 {
		t.Error("the answer is kept after 30 seconds")
	}
	h.refresh(b.text("refresh_token"))
	h.revoke(b.text("refresh_token"))
	if sealed() != 0 {
		t.Error("the answer is kept after the end of its grant")
	}
}

// TestOneGrantOneEnd: any token of a grant ends all of it, each way there is.
func TestOneGrantOneEnd(t *testing.T) {
	h := newHouse(t)
	for _, name := range []string{"access", "refresh", "old access", "old refresh"} {
		old := map[string]string{}
		old["old access"], old["old refresh"] = h.login()
		a := h.refresh(old["old refresh"])
		old["access"], old["refresh"] = a.text("access_token"), a.text("refresh_token")
		h.revoke(old[name]).want(t, http.StatusOK, "")
		h.dead(old["access"])
		h.dead(old["old access"])
		h.refresh(old["refresh"]).want(t, http.StatusBadRequest, "invalid_grant")
		h.refresh(old["old refresh"]).want(t, http.StatusBadRequest, "invalid_grant")
	}
}
