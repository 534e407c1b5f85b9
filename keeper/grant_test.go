package keeper_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/keepertest"
	"mintkeep/keeper/provider"
)

func jsonLogin(base string) *provider.Login {
	p, err := provider.FromPreset("ergani", "x", "")
	if err != nil {
		panic(err)
	}
	l := *p.Login
	l.Base = base + "/json"
	return &l
}

// browse follows the redirects of a browser that approves everything.
func browse(t *testing.T, address string) (*http.Response, string) {
	t.Helper()
	res, err := http.Get(address)
	check(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	check(t, err)
	return res, string(body)
}

func TestCodeFromTerminal(t *testing.T) {
	h := newHouse(t)
	h.box.Scope = "write read"
	h.provider()
	var out bytes.Buffer
	c, err := h.Connect(context.Background(), keeper.Target{Provider: "box", Name: "mine", User: "ada"}, "", keeper.Ask{Out: &out, Open: func(u string) error {
		go func() {
			for _, forged := range []string{"?code=x&state=wrong", "?code=x"} {
				res, _ := browse(t, callbackOf(u)+forged)
				equal(t, "forged", res.StatusCode, 404)
			}
			res, _ := browse(t, u)
			equal(t, "page", res.StatusCode, 200)
		}()
		return nil
	}})
	check(t, err)
	equal(t, "connection", c.User+"/"+c.Name+" "+c.Grant+" "+c.Scope, "ada/mine code read write")
	for _, want := range []string{h.url + "/authorize?", "code_challenge_method=S256", "state="} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the terminal lacks %q: %s", want, out.String())
		}
	}
}

func callbackOf(authURL string) string {
	_, rest, _ := strings.Cut(authURL, "redirect_uri=")
	rest, _, _ = strings.Cut(rest, "&")
	return strings.NewReplacer("%3A", ":", "%2F", "/").Replace(rest)
}

func TestCodePasted(t *testing.T) {
	h := newHouse(t)
	h.provider()
	in, typing := io.Pipe()
	_, err := h.Connect(context.Background(), keeper.Target{Provider: "box"}, keeper.GrantCode, keeper.Ask{In: in, Open: func(u string) error {
		go func() {
			client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			res, err := client.Get(u) // the browser on another machine cannot reach 127.0.0.1 here
			if err != nil {
				t.Error(err)
				return
			}
			_ = res.Body.Close()
			_, _ = io.WriteString(typing, "what?\n"+res.Header.Get("Location")+"\n")
		}()
		return nil
	}})
	check(t, err)
}

func TestCodeDenied(t *testing.T) {
	h := newHouse(t)
	h.provider()
	_, err := h.Connect(context.Background(), keeper.Target{Provider: "box"}, keeper.GrantCode, keeper.Ask{Open: func(u string) error {
		go browse(t, u+"&error=access_denied")
		return nil
	}})
	wants(t, err, keeper.ErrDenied, "access_denied")
	_, err = h.Connection(context.Background(), "owner", "box")
	wants(t, err, keeper.ErrUnknown)
}

func TestDevice(t *testing.T) {
	for _, test := range []struct {
		name   string
		decide func(h *house, poll int)
		kind   error
		says   string
	}{
		{"success", func(h *house, poll int) {
			if poll == 2 {
				h.box.Approve("")
			}
		}, nil, "Authorized."},
		{"slow_down", func(h *house, poll int) {
			if poll == 1 {
				h.box.Set(func(p *keepertest.Provider) { p.SlowDown = 2 })
			}
			h.box.Approve("")
		}, nil, "polling every 11s"},
		{"denied", func(h *house, poll int) { h.box.Deny("") }, keeper.ErrDenied, "Authorization was denied."},
		{"expired there", func(h *house, poll int) { h.box.Expire("") }, keeper.ErrExpired, "The code has expired."},
		{"expired here", func(h *house, poll int) {}, keeper.ErrExpired, "The code has expired."},
		{"provider away", func(h *house, poll int) {
			if poll == 1 {
				h.box.Fail("/token", 1, 502)
				h.box.Approve("")
			}
		}, nil, "trying again in 2s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHouse(t)
			h.provider()
			var out bytes.Buffer
			poll := 0
			_, err := h.Connect(context.Background(), keeper.Target{Provider: "box"}, keeper.GrantDevice, keeper.Ask{Out: &out,
				Wait: func(_ context.Context, d time.Duration) error {
					poll++
					h.clock.pass(d)
					test.decide(h, poll)
					return nil
				}})
			if test.kind == nil {
				check(t, err)
			} else {
				wants(t, err, test.kind)
			}
			for _, want := range []string{"visit:          " + h.url + "/activate\n", "enter the code: U-000002", "or simply open: " + h.url + "/activate?user_code=",
				"Time left: 5:00 minutes.", test.says} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("the terminal lacks %q:\n%s", want, out.String())
				}
			}
		})
	}
}

func TestPasswordNotKept(t *testing.T) {
	h := newHouse(t)
	h.provider()
	h.connect()
	var kept bool
	check(t, h.DB.QueryRow(`SELECT password IS NOT NULL FROM connections`).Scan(&kept))
	equal(t, "password kept", kept, false)
	_, err := h.Connect(context.Background(), keeper.Target{Provider: "box", Name: "b"}, keeper.GrantPassword, ask("wrong"))
	if err == nil || !strings.Contains(err.Error(), "invalid_grant") {
		t.Error(err)
	}
}

func TestClientCredentials(t *testing.T) {
	h := newHouse(t)
	h.provider(func(p *provider.Provider) { p.AuthURL, p.DeviceURL, p.AuthStyle = "", "", provider.AuthBody })
	_, err := h.Connect(context.Background(), keeper.Target{Provider: "box"}, "", keeper.Ask{})
	check(t, err)
	h.clock.pass(2 * time.Hour)
	token, err := h.token()
	check(t, err)
	equal(t, "good", h.box.Active(string(token.AccessToken)), true)
	equal(t, "asked", h.box.Count("client_credentials"), 2)
}

func TestStatic(t *testing.T) {
	h := newHouse(t)
	for _, grant := range []string{"", keeper.GrantAPIKey, keeper.GrantJWT} {
		c, err := h.Connect(context.Background(), keeper.Target{Provider: "openai"}, grant, ask("sk-123\n"))
		check(t, err)
		token, err := h.Token(context.Background(), "owner", "openai", time.Hour)
		check(t, err)
		equal(t, "key", string(token.AccessToken), "sk-123")
		equal(t, "refreshable", c.Refreshable, false)
	}
	_, err := h.Connect(context.Background(), keeper.Target{Provider: "openai"}, "magic", ask("x"))
	wants(t, err, keeper.ErrInvalid)
	_, err = h.Connect(context.Background(), keeper.Target{Provider: "openai"}, "", ask(" "))
	wants(t, err, keeper.ErrInvalid)
}

func TestJSONLogin(t *testing.T) {
	h := newHouse(t)
	ctx := context.Background()
	check(t, h.Registry().Add(ctx, provider.Provider{Name: "box", Options: provider.Options{Login: jsonLogin(h.url)}}))
	c, err := h.Connect(ctx, keeper.Target{Provider: "box"}, "", ask(keepertest.Password))
	check(t, err)
	equal(t, "expires", c.Expires, h.clock.now().Add(time.Hour).UTC())
	equal(t, "refresh expires", c.RefreshExpires, h.clock.now().Add(24*time.Hour).UTC())
	h.clock.pass(2 * time.Hour)
	_, err = h.token()
	check(t, err)
	equal(t, "refreshed", h.box.Count("login_refresh"), 1)
	h.clock.pass(48 * time.Hour) // the refresh token is dead by its date
	_, err = h.token()
	check(t, err)
	equal(t, "refreshed", h.box.Count("login_refresh"), 1)
	equal(t, "logged in", h.box.Count("login"), 2)
	h.box.Kill() // and now although its date has not come
	h.clock.pass(2 * time.Hour)
	token, err := h.token()
	check(t, err)
	equal(t, "logged in", h.box.Count("login"), 3)
	equal(t, "good", h.box.Active(string(token.AccessToken)), true)
	h.box.Kill()
	h.box.Fail("/json/Authentication", 9, 401)
	h.clock.pass(2 * time.Hour)
	_, err = h.token()
	wants(t, err, keeper.ErrReauthorize)
	_, err = h.token()
	wants(t, err, keeper.ErrReauthorize)
	equal(t, "a wrong password is tried once", h.box.Count("/json/Authentication"), 4)
	h.box.Fail("/json/Authentication", 0, 0)
	_, err = h.Connect(ctx, keeper.Target{Provider: "box"}, "", ask(keepertest.Password))
	check(t, err)
	o, err := h.Forget(ctx, "owner", "box", keeper.Policy{RevokeOnline: true})
	check(t, err)
	equal(t, "result", o.Result, keeper.Revoked)
	equal(t, "logged out", h.box.Count("logout"), 1)
	_, err = h.Connect(ctx, keeper.Target{Provider: "box"}, "", ask("wrong"))
	if err == nil || strings.Contains(err.Error(), "wrong ") {
		t.Error(err)
	}
}

// A login that knows no refresh token is logged out too, if not at once.
func TestJSONLoginWithoutRefreshTokenIsQueued(t *testing.T) {
	h := newHouse(t)
	ctx := context.Background()
	l := jsonLogin(h.url)
	l.Refresh, l.RefreshPath, l.RefreshExpiry = "", "", ""
	check(t, h.Registry().Add(ctx, provider.Provider{Name: "box", Options: provider.Options{Login: l}}))
	_, err := h.Connect(ctx, keeper.Target{Provider: "box"}, "", ask(keepertest.Password))
	check(t, err)
	access := tokens(t, h)
	h.box.Fail("/json/Authentication/Logout", 1, 503)
	o, err := h.Forget(ctx, "owner", "box", keeper.Policy{RevokeOnline: true, EvenIfRevokeFails: true})
	check(t, err)
	equal(t, "result", o.Result, keeper.Queued)
	h.clock.pass(time.Minute)
	done, err := h.RefreshDue(ctx, 0)
	check(t, err)
	equal(t, "retried", len(done), 1)
	equal(t, "result", done[0].Result, keeper.Revoked)
	equal(t, "good", h.box.Active(access), false)
}

// Mastodon shows the code where it cannot redirect (urn:ietf:wg:oauth:2.0:oob): it is pasted.
func TestCodeShown(t *testing.T) {
	h := newHouse(t)
	h.provider()
	in, typed := io.Pipe()
	ask := keeper.Ask{Out: io.Discard, In: in, Redirect: "urn:ietf:wg:oauth:2.0:oob", Open: func(u string) error {
		res, err := http.DefaultTransport.RoundTrip(httptest.NewRequest("GET", u, nil))
		check(t, err)
		res.Body.Close()
		back, err := url.Parse(res.Header.Get("Location"))
		check(t, err)
		go func() { _, _ = io.WriteString(typed, "https://wrong.example/\n"+back.Query().Get("code")+"\n") }()
		return nil
	}}
	c, err := h.Connect(t.Context(), keeper.Target{Provider: "box"}, "code", ask)
	check(t, err)
	equal(t, "connection", c.State, keeper.StateOK)
}
