package keeper_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/provider"
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
	h.provider(func(p *provider.Provider) { p.RevokeURL = site.URL })
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
	h.admin = true
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

// A provider may quote what it was sent, in an answer or by breaking HTTP itself:
// no secret of that is kept, logged or handed on, however it is spelled.
func TestSecretsEchoed(t *testing.T) {
	const secret = "client+secret/of=box"
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request, body string){
		"a redirect to nowhere": func(w http.ResponseWriter, _ *http.Request, body string) {
			w.Header().Set("Location", "http://x/%zz?"+body)
			w.WriteHeader(http.StatusFound)
		},
		"a status line of it": func(w http.ResponseWriter, _ *http.Request, body string) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				io.WriteString(conn, "HTTP/1.1 "+body+"\r\n\r\n")
				conn.Close()
			}
		},
		"the header": func(w http.ResponseWriter, r *http.Request, _ string) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, `{"error":"x","error_description":"got `+r.Header.Get("Authorization")+`"}`)
		},
		"the form": func(w http.ResponseWriter, _ *http.Request, body string) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"error":"x","error_description":"got `+body+`\u009b2J\u202e"}`)
		},
	} {
		for _, style := range []string{provider.AuthHeader, provider.AuthBody} {
			t.Run(name+", "+style, func(t *testing.T) {
				h := newHouse(t)
				h.provider()
				h.connect()
				site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body, _ := io.ReadAll(r.Body)
					answer(w, r, string(body))
				}))
				t.Cleanup(site.Close)
				check(t, h.Registry().Set(t.Context(), "box", func(p *provider.Provider) error {
					p.TokenURL, p.ClientSecret, p.AuthStyle = site.URL, secret, style
					return nil
				}))
				_, err := h.Refresh(t.Context(), "owner", "box")
				wants(t, err, keeper.ErrTemporary)
				said := err.Error() + h.state().LastError
				for _, hidden := range []string{secret, url.QueryEscape(secret), "-refresh-", "Basic Ym", "\u009b", "\u202e"} {
					if strings.Contains(said, hidden) {
						t.Errorf("%q is in %q", hidden, said)
					}
				}
			})
		}
	}
}

// What cannot be sent in a header is no token: a line break would begin another header.
func TestTokenWithLineBreak(t *testing.T) {
	h := newHouse(t)
	h.provider()
	h.connect()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"access_token":"tok\r\nX-Evil: 1","token_type":"Bearer"}`)
	}))
	t.Cleanup(site.Close)
	check(t, h.Registry().Set(t.Context(), "box", func(p *provider.Provider) error { p.TokenURL = site.URL; return nil }))
	_, err := h.Refresh(t.Context(), "owner", "box")
	wants(t, err, keeper.ErrTemporary, "no header can carry")
}

// What has expired and cannot be refreshed is dead, and told before a script meets it.
func TestExpiredForGood(t *testing.T) {
	h := newHouse(t)
	key := h.key(keeper.APIKey{Name: "agent", Write: true})
	w := h.do(key, "POST", "v2/users/owner/tokens", `{"integration_key":"k","provider":"openai","token_type":"jwt","token_data":{"jwt":"x"},"expires_at":"`+
		h.clock.now().UTC().Add(time.Minute).Format(time.RFC3339)+`"}`)
	equal(t, "stored: "+w.Body.String(), w.Code, http.StatusCreated)
	troubled := func() int {
		list, err := h.Connections(t.Context(), "")
		check(t, err)
		return len(keeper.Troubled(list))
	}
	equal(t, "troubled", troubled(), 0)
	h.clock.pass(2 * time.Minute)
	equal(t, "troubled, when it has expired", troubled(), 1)
}

// What a provider says for a person to read does not steer the terminal, and only
// web addresses are opened.
func TestDeviceOfStranger(t *testing.T) {
	h := newHouse(t)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"device_code":"d","user_code":"A\u001b[2JB","verification_uri":"https://site.example/","verification_uri_complete":"-x /etc/passwd","expires_in":1}`)
	}))
	t.Cleanup(site.Close)
	h.provider(func(p *provider.Provider) { p.DeviceURL = site.URL })
	var said strings.Builder
	_, err := h.Connect(t.Context(), keeper.Target{Provider: "box"}, keeper.GrantDevice,
		keeper.Ask{Out: &said, Open: func(to string) error { t.Errorf("opened %q", to); return nil }})
	wants(t, err, keeper.ErrExpired)
	if strings.Contains(said.String(), "\x1b") || strings.Contains(said.String(), "passwd") {
		t.Errorf("%q", said.String())
	}
}
