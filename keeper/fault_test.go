package keeper_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/provider"
)

// What the database cannot take is 503, never "no such token". A valid token is
// handed out all the same, due or not: that the access is not recorded is logged.
func TestFullAndReadOnlyDatabase(t *testing.T) {
	h := newHouse(t)
	h.provider()
	h.connect()
	key := h.key(keeper.APIKey{Name: "k", Write: true})
	for _, pragma := range []string{"query_only = 1", "max_page_count = 1"} {
		_, err := h.DB.Exec("PRAGMA " + pragma)
		check(t, err)
		for _, route := range []string{"keep/token?provider=box", "keep/token?provider=box&min_ttl=9999", "v2/users/owner/tokens/box"} {
			w := h.do(key, "GET", route, "")
			equal(t, pragma+" "+route, w.Code, 200)
		}
		if pragma != "query_only = 1" { // what fits into the pages that are there is written
			break
		}
		equal(t, "reads recorded", h.events("read"), 0)
		equal(t, "logged", strings.Count(h.log.String(), "a read is not recorded"), 3)
		equal(t, "logged", strings.Count(h.log.String(), "given out as it is"), 1)
		_, err = h.token() // the command line needs no write
		check(t, err)
		h.clock.pass(2 * time.Hour)
		w := h.do(key, "GET", "keep/token?provider=box", "")
		equal(t, "status", w.Code, 503)
		w = h.do(key, "DELETE", "v2/users/owner/tokens/box", "")
		equal(t, "status", w.Code, 503)
		equal(t, "nobody was asked", h.box.Count("refresh_token"), 0)
		_, err = h.DB.Exec(`PRAGMA query_only = 0`)
		check(t, err)
	}
	w := h.do(key, "GET", "keep/token?provider=box", "")
	equal(t, "status", w.Code, 200)
}

// A request whose client has gone away still saves what the provider gave.
func TestClientGone(t *testing.T) {
	h := newHouse(t)
	h.box.Rotate, h.box.DetectReuse, h.box.Delay = true, true, 200*time.Millisecond
	h.provider()
	h.connect()
	h.clock.pass(2 * time.Hour)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	_, _ = h.Token(ctx, "owner", "box", 0)
	equal(t, "asked", h.box.Count("refresh_token"), 1)
	token, err := h.token()
	check(t, err)
	equal(t, "asked", h.box.Count("refresh_token"), 1)
	equal(t, "good", h.box.Active(string(token.AccessToken)), true)
}

func TestSecretCleared(t *testing.T) {
	h := newHouse(t)
	h.provider()
	check(t, h.Registry().Set(context.Background(), "box", func(p *provider.Provider) error { p.HasSecret = false; return nil }))
	p, err := h.Registry().Get(context.Background(), "box")
	check(t, err)
	equal(t, "has secret", p.HasSecret, false)
}

// Forgetting waits for a refresh that another process has begun, so that the
// token which that brings is revoked too. The connection is gone, and stays gone.
func TestForgetWhileRefreshing(t *testing.T) {
	h := newHouse(t)
	h.box.Delay = 0
	h.provider()
	h.connect()
	h.box.Delay = 300 * time.Millisecond
	h.clock.pass(2 * time.Hour)
	k := open(h.path)
	defer k.DB.Close()
	k.Now = h.clock.now
	done := make(chan keeper.Token)
	go func() { token, _ := k.Token(context.Background(), "owner", "box", 0); done <- token }()
	time.Sleep(150 * time.Millisecond)
	o, err := h.Forget(context.Background(), "owner", "box", keeper.Policy{RevokeOnline: true})
	check(t, err)
	equal(t, "result", o.Result, keeper.Revoked)
	equal(t, "refreshes", h.box.Count("refresh_token"), 1)
	equal(t, "alive at the provider", h.box.Active(string((<-done).AccessToken)) || h.box.Active("box-access-000003-secret"), false)
	_, err = h.Connection(context.Background(), "owner", "box")
	wants(t, err, keeper.ErrUnknown)
}

// Whatever is posted, the answer is a status and a JSON object, never a panic or a 500.
func FuzzStore(f *testing.F) {
	f.Add(storeGoogle)
	f.Add(`{"integration_key":"k","provider":"openai","token_type":"api_key","token_data":{"api_key":"x"},"expires_at":"1e300"}`)
	f.Add(`{"integration_key":"k","provider":"openai","token_type":"oauth2","token_data":{"access_token":{"a":1},"refresh_token":"x","expires_in":1e300}}`)
	f.Add(`{"token_data":null}`)
	h := newHouse(f)
	key := h.key(keeper.APIKey{Name: "k", Write: true})
	f.Fuzz(func(t *testing.T, body string) {
		h.t = t
		w := h.do(key, "POST", "v2/users/u/tokens", body)
		if w.Code != 201 && w.Code != 400 && w.Code != 413 {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	})
}

func BenchmarkGetTokenFresh(b *testing.B) {
	h := newHouse(b)
	h.provider()
	h.connect()
	key := h.key(keeper.APIKey{Name: "k"})
	serve := h.handler()
	for b.Loop() {
		r := httptest.NewRequest("GET", "/auth/token.cgi/keep/token?provider=box", nil)
		r.Header.Set("Authorization", "Bearer "+string(key))
		w := httptest.NewRecorder()
		serve.ServeHTTP(w, r)
		if w.Code != 200 {
			b.Fatal(fmt.Sprint(w.Code, w.Body))
		}
	}
}
