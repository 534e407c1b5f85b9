package endpoint_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"mintkeep/endpoint/grant"
)

// Where the front says no: time, number, a second use.

// TestFrontDenied: what goes wrong behind the front is told to the client.
func TestFrontDenied(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	v.fails(v.goThrough(modern(), "create", "update", "media"), "access_denied")
	for told, code := range map[string]string{"access_denied": "access_denied", "temporarily_unavailable": "temporarily_unavailable", "unknown_word": "server_error", "": "server_error"} {
		inner := v.begin(modern()).to().Query()
		to := inner.Get("redirect_uri") + "&state=" + inner.Get("state") + "&error=" + told + "&error_description=<script>"
		v.fails(v.get(to).to(), code)
		v.get(to).page(t, http.StatusBadRequest, "already finished")
	}
	h.set(func(st *grant.Settings) { st.Me = []string{"https://other.example/"} })
	v.fails(v.goThrough(modern()), "access_denied")
	h.set(func(st *grant.Settings) { st.Me = nil })
	at := v.begin(modern()).to()
	h.set(func(st *grant.Settings) { st.Endpoints = []string{"https://new.example/"} })
	v.fails(v.get(v.signIn(at).String()).to(), "access_denied")
	h.set(func(st *grant.Settings) { st.Endpoints = []string{h.auth} })
	for fault, code := range map[int]string{500: "temporarily_unavailable", 400: "server_error"} {
		to := v.signIn(v.begin(modern()).to())
		h.selfauth.Fault = says(fault, "text/plain", "no")
		v.fails(v.get(to.String()).to(), code)
		h.selfauth.Fault = nil
	}
	if h.events("refused") != 2 {
		t.Errorf("%d refusals recorded", h.events("refused"))
	}
}

// TestFrontTime: a flow lives ten minutes, our code one, and a used code is known for a day.
func TestFrontTime(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	to := v.signIn(v.begin(modern()).to())
	h.clock.pass(10 * time.Minute)
	v.get(to.String()).page(t, http.StatusBadRequest, "expired")
	code := v.goThrough(modern()).Query().Get("code")
	h.clock.pass(60 * time.Second)
	v.redeemAt("", code).want(t, http.StatusBadRequest, "invalid_grant")
	code = v.goThrough(modern()).Query().Get("code")
	h.clock.pass(59 * time.Second)
	a := v.redeemAt("", code).want(t, http.StatusOK, "")
	h.clock.pass(23 * time.Hour)
	v.redeemAt("", code).want(t, http.StatusBadRequest, "invalid_grant")
	h.dead(a.text("access_token"))
	if h.events("replay") != 1 {
		t.Errorf("%d replays recorded", h.events("replay"))
	}
}

// TestE6Pending: a flood of authorization requests costs others nothing.
func TestE6Pending(t *testing.T) {
	pending := func(h *house, condition string) (n int) {
		if err := h.Grants.DB.QueryRow(`SELECT count(*) FROM authorizations WHERE ` + condition).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	address := func(i int) string { return fmt.Sprintf("198.51.%d.%d:1", 100+i/200, 1+i%200) }
	for name, c := range map[string]struct {
		from    func(i int) string // the address of the i-th request
		n, left int
	}{
		"E6 1,001 from one address":        {func(int) string { return "203.0.113.7:1" }, 1001, 50},
		"51 from one address":              {func(int) string { return "203.0.113.7:1" }, 51, 50},
		"50 from one address":              {func(int) string { return "203.0.113.7:1" }, 50, 50},
		"of one network":                   {func(i int) string { return fmt.Sprintf("[2001:db8:1:2::%x]:1", i) }, 120, 50},
		"of two networks":                  {func(i int) string { return fmt.Sprintf("[2001:db8:1:%x::1]:1", i%2) }, 120, 100},
		"from 25 addresses":                {func(i int) string { return address(i % 25) }, 1300, 999},
		"from 200 addresses, one has most": {func(i int) string { return address(max(0, i%240-40)) }, 1300, 999},
		"from nobody knows where":          {func(int) string { return "@" }, 520, 500},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.from("203.0.113.200:1")
			v := h.visitor()
			to := v.signIn(v.begin(modern()).to())
			for i := range c.n {
				h.from(c.from(i))
				if h.visitor().begin(modern()).StatusCode != http.StatusFound {
					t.Fatal("not begun")
				}
			}
			last := h.visitor()
			newest := last.begin(modern()).to()
			h.clock.pass(time.Second)
			if n := pending(h, `address <> '203.0.113.200'`); n < c.left-1 || n > c.left {
				t.Errorf("%d are left, want %d", n, c.left)
			}
			if pending(h, "true") > 1000 {
				t.Errorf("%d are pending", pending(h, "true"))
			}
			h.from("203.0.113.200:9")
			if q := v.get(to.String()).to().Query(); q.Get("code") == "" {
				t.Errorf("the owner's was lost: %v", q)
			}
			if q := last.get(last.signIn(newest).String()).to().Query(); q.Get("code") == "" {
				t.Errorf("the newest was lost: %v", q)
			}
		})
	}
}

// TestFrontProfileOnly: who it is, without a token (IndieAuth section 5.3.2).
func TestFrontProfileOnly(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	code := v.goThrough(modern("scope", "")).Query().Get("code")
	v.redeemAt("", code).want(t, http.StatusBadRequest, "invalid_scope")
	a := v.redeemAt("/authorize", code).want(t, http.StatusOK, "")
	if a.body != `{"me":"`+jane+`"}`+"\n" || a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%v %s", a.header, a.body)
	}
	v.redeemAt("/authorize", code).want(t, http.StatusBadRequest, "invalid_grant")
	code = v.goThrough(ancient("response_type", "id", "scope", "")).Query().Get("code")
	v.redeemAt("/authorize", code, "grant_type", "", "code_verifier", "").want(t, http.StatusOK, "")
	code = v.goThrough(modern()).Query().Get("code") // with scopes, too
	v.redeemAt("/authorize", code, "grant_type", "password").want(t, http.StatusBadRequest, "unsupported_grant_type")
	v.redeemAt("/authorize", code).want(t, http.StatusOK, "")
	v.redeemAt("", code).want(t, http.StatusBadRequest, "invalid_grant")
}

// TestFrontDirect: both ways are open until direct=off closes one.
func TestFrontDirect(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	h.redeem(h.code()).want(t, http.StatusOK, "")
	h.set(func(st *grant.Settings) { st.Direct = false })
	h.redeem(h.code()).want(t, http.StatusBadRequest, "invalid_grant")
	v.redeemAt("", v.goThrough(modern()).Query().Get("code")).want(t, http.StatusOK, "")
}

// TestFrontRace: of many who redeem a code at once, one gets tokens and loses
// them again; a browser that comes back twice at once loses nothing.
func TestFrontRace(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	to := v.signIn(v.begin(modern()).to())
	var mu sync.Mutex
	var codes []string
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			code := v.get(to.String()).to().Query().Get("code")
			mu.Lock()
			defer mu.Unlock()
			if code != "" {
				codes = append(codes, h.secretCode(code))
			}
		})
	}
	all.Wait()
	if len(codes) != 1 || h.events("replay") != 0 {
		t.Fatalf("%d codes, %d replays", len(codes), h.events("replay"))
	}
	good := 0
	for range 8 {
		all.Go(func() {
			if a := v.redeemAt("", codes[0]); a.status == http.StatusOK {
				mu.Lock()
				defer mu.Unlock()
				good++
			}
		})
	}
	all.Wait()
	var alive int
	err := h.Grants.DB.QueryRow(`SELECT count(*) FROM tokens WHERE revoked IS NULL`).Scan(&alive)
	if good != 1 || alive != 0 || err != nil {
		t.Errorf("%d redeemed, %d tokens alive, %v", good, alive, err)
	}
}

func (h *house) secretCode(code string) string { h.plant(code); return code }

// TestRevokeTakesCodesBack: what was allowed a moment before everything is revoked.
func TestRevokeTakesCodesBack(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	code := v.goThrough(modern()).Query().Get("code")
	if _, err := h.Grants.RevokeClient(t.Context(), "", clientID); err != nil {
		t.Fatal(err)
	}
	v.redeemAt("", code).want(t, http.StatusBadRequest, "invalid_grant")
}
