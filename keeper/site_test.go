package keeper_test

import (
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/keepertest"
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
	for answer, kind := range map[string]error{
		`400 `:                                  nil, // Trakt, to the end of its line
		`404 `:                                  keeper.ErrExpired,
		`409 `:                                  keeper.ErrExpired,
		`410 `:                                  keeper.ErrExpired,
		`418 `:                                  keeper.ErrDenied,
		`429 `:                                  nil,
		`202 `:                                  nil,
		`200 {"authorized":false}`:              nil,
		`200 {"status":"waiting"}`:              nil,
		`200 {"status":"denied"}`:               keeper.ErrDenied,
		`200 {"result":"x","status":"EXPIRED"}`: keeper.ErrExpired,
		`428 {"message":"not ready"}`:           nil,
		`403 {"message":"The request was cancelled"}`:                                 keeper.ErrDenied,
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
		status, err := strconv.Atoi(answer[:3])
		if err != nil {
			status, answer = 400, "400 "+answer
		}
		h.box.Fail("/token", 1, status, answer[4:])
		_, err = h.Connect(t.Context(), keeper.Target{Provider: "box"}, keeper.GrantDevice, keeper.Ask{
			Wait: func(_ context.Context, d time.Duration) error { h.clock.pass(d); h.box.Approve(""); return nil }})
		if kind == nil {
			check(t, err)
		} else {
			wants(t, err, kind)
		}
	}
	h := newHouse(t)
	h.provider()
	h.box.Fail("/token", 1, 200, `{"data":{"access_token":"a"}}`)
	_, err := h.Connect(t.Context(), keeper.Target{Provider: "box"}, keeper.GrantDevice, keeper.Ask{
		Wait: func(_ context.Context, d time.Duration) error { h.clock.pass(d); return nil }})
	if err == nil || !strings.Contains(err.Error(), "token_path") {
		t.Errorf("a token that lies deeper: %v", err)
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

// What the owner should know at once about a new connection.
func TestWhatTheOwnerShouldKnow(t *testing.T) {
	for _, test := range []struct {
		name, scope, answer string
		change              func(*provider.Provider)
		want                []string // none: nothing is said
	}{
		{"all is well", "", `"refresh_token":"r","expires_in":3600`, nil, nil},
		{"no refresh token", "", `"expires_in":3600`, nil, []string{"No refresh token came", "2026-11-20 12:00:00 UTC", "-scope 'offline_access read write'"}},
		{"no refresh token, another way to say its end", "a", `".expires":"Fri, 20 Nov 2026 12:00:00 GMT"`, nil, []string{"-scope 'a offline_access'"}},
		{"it was asked for as a scope", "offline_access x", `"expires_in":3600`, nil, []string{"it was asked for"}},
		{"it was asked for as a parameter (Google)", "", `"expires_in":3600`,
			func(p *provider.Provider) { p.AuthParams = map[string]string{"access_type": "offline"} }, []string{"it was asked for"}},
		{"it never ends (GitHub)", "", `"token_type":"bearer"`, nil, nil},
		{"less than was asked for", "a b c", `"refresh_token":"r","expires_in":3600,"scope":"c,a"`, nil, []string{"it lacks: b\n"}},
		{"more than was asked for", "a", `"refresh_token":"r","expires_in":3600,"scope":["a","b"]`, nil, nil},
		{"an end that nears (D10)", "", `"refresh_token":"r","expires_in":3600,"refresh_token_expires_in":604799`, nil, []string{"ends at 2026-11-27 10:59:59 UTC"}},
		{"an empty refresh token", "", `"refresh_token":"","expires_in":3600`, nil, []string{"No refresh token came"}},
		{"a refresh token that is null", "", `"refresh_token":null,"expires_in":3600`, nil, []string{"No refresh token came"}},
		{"its end in the refresh token itself", "", `"refresh_token":"e30.eyJleHAiOjE3OTUxNzk2MDB9.x","expires_in":600`, nil, []string{"ends at 2026-11-20 13:00:00 UTC"}},
		{"its end as a date", "", `"refresh_token":"r","expires_in":600,"refreshTokenExpiresAt":"2026-11-22T00:00:00Z"`, nil, []string{"ends at 2026-11-22 00:00:00 UTC"}},
		{"one of two scopes, in an array", "a b", `"refresh_token":"r","expires_in":600,"scopes":["a"]`, nil, []string{"it lacks: b"}},
		{"offline access is no scope that is told", "a offline_access", `"refresh_token":"r","expires_in":600,"scope":"a"`, nil, nil},
		{"two things", "a b", `"expires_in":600,"scope":"a"`, nil, []string{"No refresh token came", "it lacks: b"}},
		{"an end far away", "", `"refresh_token":"r","expires_in":3600,"refresh_token_expires_in":7776000`, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHouse(t)
			if test.change == nil {
				test.change = func(*provider.Provider) {}
			}
			h.provider(test.change)
			h.box.Fail("/token", 1, 200, `{"access_token":"a",`+test.answer+`}`)
			said := &strings.Builder{}
			a := ask(keepertest.Password)
			a.Out = said
			c, err := h.Connect(t.Context(), keeper.Target{Provider: "box", Scope: test.scope}, keeper.GrantPassword, a)
			check(t, err)
			equal(t, "said", strings.TrimSpace(said.String()), c.Warning)
			if test.want == nil {
				equal(t, "said", said.String(), "")
			}
			for _, want := range test.want {
				if !strings.Contains(said.String(), want) {
					t.Errorf("%q lacks %q", said, want)
				}
			}
		})
	}
}

// Connecting again without a refresh token keeps the old one; a dead one is not kept.
func TestConnectAgainWithoutRefreshToken(t *testing.T) {
	h := newHouse(t)
	h.provider()
	h.connect()
	h.box.Set(func(p *keepertest.Provider) { p.NoRefresh = true })
	c := h.connect()
	equal(t, "refreshable", c.Refreshable, true)
	equal(t, "said", c.Warning, "No new refresh token came; the one from before is kept.")
	h.clock.pass(2 * time.Hour)
	_, err := h.token()
	check(t, err)
	equal(t, "refreshes", h.box.Count("refresh_token"), 1)
	h.box.Kill()
	h.clock.pass(2 * time.Hour)
	_, err = h.token()
	wants(t, err, keeper.ErrReauthorize)
	c = h.connect()
	equal(t, "refreshable", c.Refreshable, false)
}

// D10: when the refresh token ends is kept, shown, and told once in its last week.
func TestD10EndOfTheRefreshToken(t *testing.T) {
	h := newHouse(t)
	h.provider()
	h.box.Fail("/token", 1, 200, `{"access_token":"a","refresh_token":"r","expires_in":3600,"refresh_token_expires_in":2592000}`)
	equal(t, "end", h.connect().RefreshExpires, h.clock.now().UTC().AddDate(0, 0, 30))
	for _, days := range []int{10, 10, 4, 1, 1} {
		h.clock.pass(time.Duration(days) * 24 * time.Hour)
		h.box.Fail("/token", 1, 200, `{"access_token":"a","expires_in":3600}`)
		_, err := h.token()
		check(t, err)
	}
	equal(t, "told", h.events("ends soon"), 1)
	equal(t, "warning", h.state().Warning, "")
	h.box.Fail("/token", 1, 200, `{"access_token":"a","expires_in":864000}`)
	_, err := h.Refresh(t.Context(), "owner", "box")
	check(t, err)
	equal(t, "warning", h.state().Warning, "it ends at 2026-12-26 11:00:00 UTC: no refresh token reaches further")
}

// A site that wants something else than was configured: what to change is said.
func TestWhatToChange(t *testing.T) {
	for _, test := range []struct{ name, body, style, want string }{
		{"dex and a secret in the header", `{"error":"invalid_client"}`, "header", "provider set box -auth-style body"},
		{"a secret in the body", `{"error":"unauthorized_client"}`, "body", "-auth-style header"},
		{"its own form", `{"status":"BAD_CLIENT_ID","message":"missing or unknown client id"}`, "body", "-auth-style header"},
		{"LinkedIn", `{"error":"invalid_request","error_description":"code_verifier is not supported"}`, "", `-options '{"pkce":false}'`},
		{"PKCE in capitals", `{"message":"PKCE not allowed"}`, "", `-options '{"pkce":false}'`},
		{"Azure B2C", `{"error":"invalid_request","error_description":"AADB2C90057: missing scope"}`, "", `scope_on_refresh`},
		{"Auth0", `{"error":"access_denied","error_description":"Service not enabled within domain: audience"}`, "", "token_params"},
		{"redirect", `{"error":"invalid_request","error_description":"redirect_uri mismatch"}`, "", "-listen localhost:PORT"},
		{"JSON", `{"error":"unsupported","message":"Content-Type must be application/json"}`, "", `-options '{"json_body":true}'`},
		{"scope", `{"error":"invalid_scope"}`, "", "-scope"},
		{"301 moved", "https://new.example/token?token=a", "", "a redirect to https://new.example/token"},
		{"307 moved, the address", "/oauth2/token", "", "provider set box -token-url URL"},
		{"404 no such page", "<html><title>Not Found</title>", "body", "-token-url URL"},
		{"405 no such method", "", "", "-token-url URL"},
		{"415 no form", "", "", `-options '{"json_body":true}'`},
		{"401 nothing said", "", "header", "-auth-style body"},
		{"401 its own form", `{"message":"Unauthorized","error":401}`, "body", "-auth-style header"},
		{"404 its own form, the token", `{"message":"Refresh token not found"}`, "", ""},
		{"404 no such resource", `{"message":"The requested resource was not found"}`, "", "-token-url URL"},
		{"405 of a resource", `{"message":"the resource takes no content type for this method"}`, "", "-token-url URL"},
		{"a dead token", `{"error":"invalid_grant","error_description":"The JSON web token of this resource has expired"}`, "", ""},
		{"a verifier", `{"error":"invalid_grant","error_description":"code_verifier is missing"}`, "", `-options '{"pkce":false}'`},
		{"nothing of that", `{"error":"server_error"}`, "", ""},
		{"a filter", `<html><title>invalid scope</title>`, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHouse(t)
			h.provider(func(p *provider.Provider) { p.AuthStyle = test.style })
			if status, _ := strconv.Atoi(strings.Fields(test.name)[0]); status/100 == 3 {
				moved := httptest.NewServer(http.RedirectHandler(test.body, status))
				t.Cleanup(moved.Close)
				_, err := h.DB.Exec(`UPDATE providers SET token_url = ?`, moved.URL)
				check(t, err)
			} else {
				h.box.Fail("/token", 1, cmp.Or(status, 400), test.body)
			}
			_, err := h.Connect(t.Context(), keeper.Target{Provider: "box"}, keeper.GrantPassword, ask(keepertest.Password))
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\nhint: ") != (test.want != "") {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}
