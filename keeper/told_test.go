package keeper_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/keepertest"
	"mintkeep/keeper/provider"
)

// A site that revokes no access tokens: one cannot be revoked alone and is kept; where
// the refresh token was, it ends by itself; where there is no other, that is told.
func TestAccessTokensAreNotRevokedThere(t *testing.T) {
	ctx := context.Background()
	const says = `{"error":"unsupported_token_type"}`
	site := func(t *testing.T, refresh bool) *house {
		h := newHouse(t)
		h.box.NoRefresh = !refresh
		h.provider()
		h.connect()
		return h
	}
	t.Run("alone", func(t *testing.T) {
		h := site(t, true)
		before := tokens(t, h)
		h.box.Fail("/revoke", 1, 400, says)
		wants(t, h.Revoke(ctx, "owner", "box", "access_token"), provider.ErrNoRevocation, "access token")
		equal(t, "kept", tokens(t, h), before)
		equal(t, "told as revoked", h.events("revoked"), 0)
	})
	t.Run("after the refresh token", func(t *testing.T) {
		h := site(t, true)
		answers := 0
		h.Client = answering(func(path string) (int, string) {
			if path == "/revoke" {
				if answers++; answers == 2 {
					return 400, says
				}
			}
			return 0, ""
		})
		o, err := h.Forget(ctx, "owner", "box", keeper.Policy{RevokeOnline: true})
		check(t, err)
		equal(t, "result", o.Result, keeper.Revoked)
		equal(t, "asked", answers, 2)
	})
	t.Run("the only one", func(t *testing.T) {
		h := site(t, false)
		h.box.Fail("/revoke", 1, 400, says)
		o, err := h.Forget(ctx, "owner", "box", keeper.Policy{RevokeOnline: true})
		check(t, err)
		equal(t, "result", o.Result, keeper.NoEndpoint)
	})
}

// What was asked for offline is revoked as that, although the site names less.
func TestForgetOfflineAsRequested(t *testing.T) {
	h := newHouse(t)
	h.box.Scope = "read"
	h.provider(func(p *provider.Provider) { p.Scope = "read offline_access" })
	equal(t, "granted", h.connect().Scope, "read")
	o, err := h.Forget(context.Background(), "owner", "box", keeper.Policy{RevokeOnline: true})
	check(t, err)
	equal(t, "result", o.Result, keeper.NotRevoked)
}

// A revocation that failed is a trouble that a check names.
func TestForgettingIsTrouble(t *testing.T) {
	h := newHouse(t)
	h.provider()
	h.connect()
	h.box.Fail("/revoke", 1, 503)
	_, err := h.Forget(context.Background(), "owner", "box", keeper.Policy{RevokeOnline: true})
	check(t, err)
	all, err := h.Connections(context.Background(), "")
	check(t, err)
	equal(t, "troubled", len(keeper.Troubled(all)), 1)
}

// answering is a client for which some paths answer otherwise; status 0 asks the site.
func answering(what func(path string) (status int, body string)) *http.Client {
	return &http.Client{Transport: trip(func(r *http.Request) (*http.Response, error) {
		status, body := what(r.URL.Path)
		if status == 0 {
			return http.DefaultTransport.RoundTrip(r)
		}
		return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	})}
}

type trip func(*http.Request) (*http.Response, error)

func (t trip) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// An issuer whose metadata promises to say who it is has to, whenever it is asked for
// its metadata: when it is added, set, or first used after an import.
func TestRequireIssIsTakenOver(t *testing.T) {
	h := newHouse(t)
	h.provider(func(p *provider.Provider) { p.AuthURL, p.TokenURL = "", "" })
	_, err := h.Browser().Start(context.Background(), keeper.Target{Provider: "box"})
	check(t, err)
	p, err := h.Registry().Get(context.Background(), "box")
	check(t, err)
	equal(t, "require_iss", p.RequireIss, true)
}

// Google grants the scopes of OpenID Connect under the names of its own, others with the
// address of their API in front: what was asked for is there.
func TestGrantedUnderAnotherName(t *testing.T) {
	for _, test := range []struct{ asked, granted, lacks string }{
		{"email openid", "https://www.googleapis.com/auth/userinfo.email openid", ""},
		{"email profile", "https://www.googleapis.com/auth/userinfo.email", "profile"},
		{"User.Read", "https://graph.microsoft.com/User.Read", ""},
		{"read", "https://api.example/spread", "read"},
		{"mail", "email", "mail"},
	} {
		h := newHouse(t)
		h.box.Scope = test.granted
		h.provider(func(p *provider.Provider) { p.Scope = test.asked })
		said := h.connect().Warning
		want := "The site did not grant all that was asked for; it lacks: " + test.lacks
		if test.lacks == "" {
			want = ""
		}
		equal(t, test.asked+" as "+test.granted, said, want)
	}
}

// The command in a hint is for the connection of the user whom it is about.
func TestHintNamesTheUser(t *testing.T) {
	h := newHouse(t)
	h.provider()
	h.provider(func(p *provider.Provider) { p.Name = "other" })
	to := keeper.Target{Provider: "box", Name: "mine", User: "bob"}
	_, err := h.Connect(t.Context(), to, keeper.GrantPassword, ask(keepertest.Password))
	check(t, err)
	to.Provider = "other"
	_, err = h.Connect(t.Context(), to, keeper.GrantPassword, ask(keepertest.Password))
	wants(t, err, keeper.ErrExists, "mintkeep forget mine -user bob")
}

// TestDeviceTimeLeft: who waits for a person is told the time left each minute.
func TestDeviceTimeLeft(t *testing.T) {
	h := newHouse(t)
	h.provider()
	var out bytes.Buffer
	_, err := h.Connect(context.Background(), keeper.Target{Provider: "box"}, keeper.GrantDevice, keeper.Ask{Out: &out,
		Wait: func(_ context.Context, d time.Duration) error {
			h.clock.pass(d)
			return nil
		}})
	wants(t, err, keeper.ErrExpired)
	said := []string{}
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "Waiting") {
			said = append(said, strings.TrimSpace(line))
		}
	}
	equal(t, "said", strings.Join(said, "|"), "Waiting ... 4:00 minutes left.|Waiting ... 3:00 minutes left.|"+
		"Waiting ... 2:00 minutes left.|Waiting ... 1:00 minutes left.")
}
