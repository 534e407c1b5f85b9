package keeper_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper"
)

// Google ends the access token with the refresh token, and answers 400
// invalid_token for one that is gone, where RFC 7009 section 2.2 has 200.
func TestForgetWhatIsGone(t *testing.T) {
	h := newHouse(t)
	asked := 0
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if asked++; asked > 1 {
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"error":"invalid_token","error_description":"Token expired or revoked"}`)
		}
	}))
	t.Cleanup(site.Close)
	h.provider(func(p *keeper.Provider) { p.RevokeURL = site.URL })
	h.connect()
	o, err := h.Forget(t.Context(), "owner", "box", keeper.Policy{RevokeOffline: true, RevokeOnline: true})
	if err != nil || o.Result != keeper.Revoked || asked != 2 {
		t.Errorf("%s after %d questions, %v, %v", o.Result, asked, o.Err, err)
	}
}

// Numbers that are ids come back as they were.
func TestStoredNumbers(t *testing.T) {
	h := newHouse(t)
	key := h.key(keeper.APIKey{Name: "agent", Write: true})
	w := h.do(key, "POST", "v2/users/u/tokens", `{"integration_key":"slack","provider":"slack","token_type":"oauth2","token_data":
		{"access_token":"a-token","refresh_token":"r-token","client_id":123456789,"client_secret":"x","account_id":9007199254740993,"expires_in":3600}}`)
	if w.Code >= 300 {
		t.Fatal(w.Code, w.Body)
	}
	var id string
	check(t, h.DB.QueryRow(`SELECT client_id FROM connections`).Scan(&id))
	if got := h.do(key, "GET", "v2/users/u/tokens/slack", "").Body.String(); id != "123456789" || !strings.Contains(got, "9007199254740993") {
		t.Errorf("client_id %s, %s", id, got)
	}
	if w := h.do(key, "POST", "v2/users/u/tokens", `{"integration_key":"k","provider":"p","token_type":"jwt","token_data":{"jwt":"x"}} {}`); w.Code != http.StatusBadRequest {
		t.Errorf("two values: %d", w.Code)
	}
}

// A lease taken while the clock was a year ahead keeps nobody waiting.
func TestLeaseOfAWrongClock(t *testing.T) {
	h := newHouse(t)
	h.provider()
	h.connect()
	_, err := h.DB.Exec(`UPDATE connections SET lease_until = ?`, h.clock.now().UTC().Add(365*24*time.Hour).Format(time.DateTime))
	check(t, err)
	h.clock.pass(48 * time.Hour)
	if _, err := h.token(); err != nil {
		t.Error(err)
	}
}

// Two connections on their way in one browser do not disturb each other.
func TestTwoConnectionsInOneBrowser(t *testing.T) {
	h := newHouse(t)
	h.provider()
	_, browser := h.site()
	h.Admin = func(*http.Request) bool { return true }
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	step := func(u string) (to, body string) {
		res, err := browser.Get(u)
		check(t, err)
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		check(t, err)
		return res.Header.Get("Location"), string(b)
	}
	var back []string
	for _, name := range []string{"a", "b"} {
		to, _ := step(h.URL + "/keep/connect?provider=box&name=" + name)
		to, _ = step(to)
		back = append(back, to)
	}
	for _, to := range back {
		if _, body := step(to); !strings.Contains(body, "Connected") {
			t.Error(body)
		}
	}
}
