package keeper_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/provider"
)

// A refresh token that the site refuses in its own form is dead at once, and over
// HTTP "connect again"; what the site cannot do for now is 503.
func TestD3RefusedInTheSitesOwnForm(t *testing.T) {
	for body, status := range map[string]int{
		`{"errors":[{"errorType":"invalid_grant","message":"Refresh token invalid"}],"success":false}`: http.StatusConflict,
		`{"status":400,"message":"Invalid refresh token"}`:                                             http.StatusConflict,
		`{"message":"Bad Request","error":400}`:                                                        http.StatusConflict,
		`{"status":"BAD_REFRESH_TOKEN","message":"missing or invalid refresh token"}`:                  http.StatusConflict,
		`{"error":{"message":"Session has expired","code":190}}`:                                       http.StatusConflict,
		`{"status":"BAD_CLIENT_ID","message":"missing or unknown client id"}`:                          http.StatusServiceUnavailable,
		`{"message":"please slow down"}`:                                                               http.StatusServiceUnavailable,
		`<html>Bad Request</html>`:                                                                     http.StatusServiceUnavailable,
	} {
		h := newHouse(t)
		h.provider()
		h.connect()
		key := h.key(keeper.APIKey{Name: "k"})
		h.clock.pass(2 * time.Hour)
		h.box.Fail("/token", 1, 400, body)
		equal(t, body, h.do(key, "GET", "keep/token?provider=box", "").Code, status)
		equal(t, body+" asked", h.box.Count("/token"), 2)
	}
}

// The polls of the device flow are understood in the site's own form as well.
func TestD3DevicePoll(t *testing.T) {
	for body, kind := range map[string]error{
		`{"status":400,"message":"authorization_pending"}`:                            nil,
		`{"error":{"message":"The user must take a pending action","code":31}}`:       nil,
		`{"message":"Polling too frequently"}`:                                        nil,
		`{"status":400,"message":"invalid device code"}`:                              keeper.ErrExpired,
		`{"errors":[{"errorType":"x","message":"The device code has been expired"}]}`: keeper.ErrExpired,
		`{"errors":[{"detail":"The user declined"}]}`:                                 keeper.ErrDenied,
		`{"reason":"Access denied!"}`:                                                 keeper.ErrDenied,
		`Access denied by the user`:                                                   keeper.ErrDenied,
	} {
		h := newHouse(t)
		h.provider()
		h.box.Fail("/token", 1, 400, body)
		_, err := h.Connect(t.Context(), keeper.Target{Provider: "box"}, keeper.GrantDevice, keeper.Ask{
			Wait: func(_ context.Context, d time.Duration) error { h.clock.pass(d); h.box.Approve(""); return nil }})
		if kind == nil {
			check(t, err)
		} else {
			wants(t, err, kind)
		}
	}
}

// The loopback host is sent as it was typed; other addresses are refused before
// the browser opens.
func TestD7Listen(t *testing.T) {
	for _, test := range []struct{ name, listen, redirect, option, want string }{
		{"D7 git-credential-oauth, issue 85", "localhost:0", "", "", "http://localhost:PORT/callback"},
		{"nothing said", "", "", "", "http://127.0.0.1:PORT/callback"},
		{"127.0.0.1", "127.0.0.1:0", "", "", "http://127.0.0.1:PORT/callback"},
		{"another of them", "127.0.0.9:0", "", "", "http://127.0.0.9:PORT/callback"},
		{"capitals", "LocalHost:0", "", "", "http://LocalHost:PORT/callback"},
		{"IPv6", "[::1]:0", "", "", "http://[::1]:PORT/callback"},
		{"another path", "", "http://localhost:FREE/oauth/back", "", "http://localhost:PORT/oauth/back"},
		{"the root", "", "http://127.0.0.1:FREE", "", "http://127.0.0.1:PORT"},
		{"the provider's", "localhost:0", "", "http://localhost/", "http://localhost/"},
		{"the flag before the option", "", "http://127.0.0.1:0/a", "https://example.com/", "http://127.0.0.1:0/a"},
		{"a tunnel", "127.0.0.1:0", "https://tunnel.example/callback", "", "https://tunnel.example/callback"},
		{"! everywhere", ":0", "", "", "-listen 127.0.0.1:PORT"},
		{"! 0.0.0.0", "0.0.0.0:0", "", "", "localhost:PORT"},
		{"! all of IPv6", "[::]:0", "", "", "localhost:PORT"},
		{"! a public address", "192.0.2.1:7777", "", "", "192.0.2.1"},
		{"! a name", "example.com:7777", "", "", "example.com"},
		{"! a name that begins so", "localhost.example.com:7777", "", "", "localhost.example.com"},
		{"! no port", "localhost", "", "", "localhost:PORT"},
		{"! nobody can paste", "", "https://example.com/back", "", "nobody can paste"},
		{"! no URL", "", "example.com/back", "", "an absolute URL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			free, err := net.Listen("tcp", "127.0.0.1:0")
			check(t, err)
			free.Close()
			_, port, _ := net.SplitHostPort(free.Addr().String())
			h := newHouse(t)
			h.provider(func(p *provider.Provider) { p.RedirectURI = test.option })
			asked, in, typing := "", io.Reader(nil), io.WriteCloser(nil)
			if test.want != "nobody can paste" {
				in, typing = io.Pipe()
			}
			_, err = h.Connect(t.Context(), keeper.Target{Provider: "box"}, keeper.GrantCode, keeper.Ask{Listen: test.listen,
				Redirect: strings.ReplaceAll(test.redirect, "FREE", port), In: in, Open: func(to string) error {
					u, err := url.Parse(to)
					check(t, err)
					asked = u.Query().Get("redirect_uri")
					if strings.Contains(test.want, "PORT") {
						go browse(t, to)
						return nil
					}
					res, err := (&http.Transport{}).RoundTrip(httptest.NewRequest("GET", to, nil)) // follows no redirect
					check(t, err)
					go io.WriteString(typing, res.Header.Get("Location")+"\n")
					return nil
				}})
			if strings.HasPrefix(test.name, "!") {
				wants(t, err, keeper.ErrInvalid, test.want)
				equal(t, "asked", asked, "")
				return
			}
			check(t, err)
			u, _ := url.Parse(asked)
			equal(t, "redirect_uri", asked, strings.ReplaceAll(test.want, "PORT", u.Port()))
		})
	}
}

// D6: Strava says what it granted in the redirect only, in both flows.
func TestD6ScopeInTheRedirect(t *testing.T) {
	h := newHouse(t)
	h.provider()
	_, err := h.Connect(t.Context(), keeper.Target{Provider: "box"}, keeper.GrantCode, keeper.Ask{Open: func(to string) error {
		res, err := (&http.Transport{}).RoundTrip(httptest.NewRequest("GET", to, nil))
		check(t, err)
		go browse(t, res.Header.Get("Location")+"&scope=read,activity:read")
		return nil
	}})
	check(t, err)
	equal(t, "scope", h.state().Scope, "activity:read read")
}
