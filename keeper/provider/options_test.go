package provider_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper/provider"
)

// Every part of a request can be set for a site: the options as a person writes
// them, and what the requests then have. `authorize`, `code`, `refresh` and
// `device` are the requests, ! in front is what they must not have.
func TestOptions(t *testing.T) {
	for _, test := range []struct {
		name, style, options string
		want                 []string
	}{
		{"nothing", "body", `{}`, []string{"authorize code_challenge_method=S256", "code code_verifier=the-verifier", "! refresh scope",
			"code client_secret=s+/é", "authorize scope=b c", "authorize prompt=now"}},
		{"D4 LinkedIn (executor #2087)", "body", `{"pkce":false}`, []string{"! authorize code_challenge", "! authorize code_challenge_method",
			"! code code_verifier", "code code=the-code"}},
		{"pkce said", "body", `{"pkce":true}`, []string{"authorize code_challenge_method=S256", "code code_verifier=the-verifier"}},
		{"D8 audience (oauth2-client #90)", "body", `{"token_params":{"audience":"https://api.example/"}}`, []string{
			"code audience=https://api.example/", "refresh audience=https://api.example/", "device audience=https://api.example/", "! authorize audience"}},
		{"D8 Azure B2C", "body", `{"scope_on_refresh":true}`, []string{"refresh scope=b c"}},
		{"scope with commas", "body", `{"scope_on_refresh":true,"separator":","}`, []string{"refresh scope=b,c", "authorize scope=b,c", "device scope=b,c"}},
		{"client_key (TikTok)", "body", `{"auth_params":{"client_key":"{client_id}"},"token_params":{"client_key":"{client_id}"}}`, []string{
			"authorize client_key=i d", "code client_key=i d", "refresh client_key=i d"}},
		{"left out", "body", `{"auth_params":{"response_type":""},"token_params":{"redirect_uri":""}}`, []string{"! authorize response_type", "! code redirect_uri"}},
		{"another value", "body", `{"auth_params":{"prompt":"login","access_type":"offline"}}`, []string{"authorize prompt=login", "authorize access_type=offline"}},
		{"JSON", "body", `{"json_body":true,"token_params":{"action":"x"}}`, []string{"code content-type=application/json", "refresh action=x", "code code=the-code"}},
		{"headers", "body", `{"headers":{"Site-Version":"3"}}`, []string{"code site-version=3", "device site-version=3"}},
		{"Accept", "body", `{"headers":{"Accept":"application/vnd.site.v3+json"}}`, []string{"code accept=application/vnd.site.v3+json",
			"device accept=application/vnd.site.v3+json"}},
		{"no Accept", "body", `{}`, []string{"code accept=application/json", "refresh accept=application/json"}},
		{"header", "header", `{}`, []string{"code basic=i+d:s%2B%2F%C3%A9", "! code client_secret", "! refresh client_id", "device basic=i+d:s%2B%2F%C3%A9"}},
		{"header-raw", "header-raw", `{}`, []string{"code basic=i d:s+/é", "refresh basic=i d:s+/é", "! code client_secret"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := map[string]string{}
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				form, _ := url.ParseQuery(string(body))
				members := map[string]string{}
				_ = json.Unmarshal(body, &members)
				what := strings.TrimPrefix(r.URL.Path, "/")
				if grant := form.Get("grant_type") + members["grant_type"]; what == "token" {
					what = map[string]string{"authorization_code": "code", "refresh_token": "refresh"}[grant]
				}
				for name := range form {
					got[what+" "+name] = form.Get(name)
				}
				for name, value := range members {
					got[what+" "+name] = value
				}
				for name := range r.Header {
					got[what+" "+strings.ToLower(name)] = r.Header.Get(name)
				}
				if id, secret, ok := r.BasicAuth(); ok {
					got[what+" basic"] = id + ":" + secret
				}
				_, _ = io.WriteString(w, `{"access_token":"a","device_code":"d","user_code":"u","verification_uri":"https://site.example/"}`)
			}))
			t.Cleanup(s.Close)
			p := provider.Provider{Name: "site", AuthURL: s.URL + "/authorize?prompt=now", TokenURL: s.URL + "/token", DeviceURL: s.URL + "/device",
				ClientID: "i d", ClientSecret: "s+/é", AuthStyle: test.style, Scope: "b c"}
			if err := json.Unmarshal([]byte(test.options), &p.Options); err != nil {
				t.Fatal(err)
			}
			c := provider.Client{}
			_, err1 := c.ExchangeCode(t.Context(), p, "the-code", "https://back.example/", "the-verifier")
			_, err2 := c.Refresh(t.Context(), p, "", "r")
			_, err3 := c.StartDevice(t.Context(), p, "b c")
			u, err4 := url.Parse(p.AuthorizationURL("st", "https://back.example/", "b c", "the-verifier"))
			if err := fmt.Sprint(p.Check(), err1, err2, err3, err4); err != strings.TrimSpace(strings.Repeat("<nil> ", 5)) {
				t.Fatal(err)
			}
			for name := range u.Query() {
				got["authorize "+name] = u.Query().Get(name)
			}
			for _, want := range test.want {
				if name, not := strings.CutPrefix(want, "! "); not {
					if v, there := got[name]; there {
						t.Errorf("%s is %q", name, v)
					}
				} else if name, value, _ := strings.Cut(want, "="); got[name] != value {
					t.Errorf("%s is %q, want %q", name, got[name], value)
				}
			}
		})
	}
}

// Where in an answer the token lies.
func TestTokenPath(t *testing.T) {
	for _, test := range []struct{ name, path, body, want string }{
		{"D5 Slack (scribejava #1023)", "authed_user",
			`{"ok":true,"access_token":"bot","scope":"b","authed_user":{"id":"U1","scope":"u1,u2","access_token":"user","refresh_token":"r","expires_in":60}}`, "user r u1 u2 1m0s"},
		{"D5 Slack, no user token", "authed_user", `{"ok":true,"access_token":"bot","scope":"b","authed_user":{"id":"U1"}}`, "bot  b 0s"},
		{"D5 Slack, refreshed", "authed_user", `{"ok":true,"access_token":"user","refresh_token":"r","token_type":"user","expires_in":60}`, "user r  1m0s"},
		{"D5 TikTok", "data", `{"message":"success","data":{"access_token":"a","refresh_token":"r","expires_in":60,"error_code":0}}`, "a r  1m0s"},
		{"D5 Lark", "data", `{"code":0,"msg":"success","data":{"access_token":"a","expire":60}}`, "a   1m0s"},
		{"D5 Withings", "body", `{"status":0,"body":{"userid":"1","access_token":"a","refresh_token":"r","scope":"user.info,user.metrics","expires_in":60}}`,
			"a r user.info user.metrics 1m0s"},
		{"two deep", "result.token", `{"result":{"token":{"accessToken":"a","expiresIn":"60s"}}}`, "a   1m0s"},
		{"spelled otherwise", "authedUser", `{"authed_user":{"access_token":"a"}}`, "a   0s"},
		{"its end outside", "data", `{"data":{"access_token":"a"},"expires_in":60}`, "a   1m0s"},
		{"another's refresh token is not taken", "data", `{"data":{"access_token":"a"},"access_token":"b","refresh_token":"r"}`, "a   0s"},
		{"a path through no object", "data.x", `{"data":"x","access_token":"a"}`, "a   0s"},
		{"! told where it lies", "", `{"result":{"token":{"access_token":"a"}}}`, `-options '{"token_path":"result.token"}'`},
		{"! a refusal in the object", "data", `{"data":{"description":"code expired","error_code":7}}`, "code expired"},
	} {
		t.Run(test.name, func(t *testing.T) {
			url, c := site(t, 200, "application/json", test.body)
			got, err := c.ExchangeCode(t.Context(), provider.Provider{TokenURL: url, Options: provider.Options{TokenPath: test.path}}, "c", "r", "v")
			said := fmt.Sprint(err)
			if err == nil {
				said = fmt.Sprintf("%s %s %s %s", string(got.AccessToken), string(got.RefreshToken), got.Scope, leftOf(got.Expires))
			}
			if said != test.want && (err == nil || !strings.Contains(said, test.want)) {
				t.Errorf("%s, want %s", said, test.want)
			}
		})
	}
}

// The device's code lies there as well.
func TestTokenPathOfDevice(t *testing.T) {
	url, c := site(t, 200, "application/json", `{"code":0,"data":{"device_code":"d","user_code":"u","verification_url":"https://site.example/","expires_in":60}}`)
	d, err := c.StartDevice(t.Context(), provider.Provider{DeviceURL: url, Options: provider.Options{TokenPath: "data"}}, "")
	if err != nil || d.Code != "d" || d.UserCode != "u" || leftOf(d.Expires) != time.Minute {
		t.Errorf("%+v, %v", d, err)
	}
}

// The scope that was granted, however it is told.
func TestGrantedScope(t *testing.T) {
	for _, test := range []struct{ name, answer, redirect, want string }{
		{"D6 array (dart tools #370)", `"scope":["b","a"]`, "", "a b"},
		{"D6 commas (better-auth #9758)", `"scope":"b,a"`, "", "a b"},
		{"D6 only in the redirect (Strava)", `"token_type":"Bearer"`, "read,activity:read", "activity:read read"},
		{"spaces", `"scope":"b a"`, "c", "a b"},
		{"both", `"scope":" b,  a, "`, "", "a b"},
		{"scopes", `"scopes":["b","a"]`, "", "a b"},
		{"scopes as text", `"scopes":"b a b"`, "", "a b"},
		{"an empty array", `"scope":[]`, "c", "c"},
		{"in capitals", `"Scope":"a"`, "", "a"},
		{"no text", `"scope":null`, "a b", "a b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			u, c := site(t, 200, "application/json", `{"access_token":"a",`+test.answer+`}`)
			code, redirected, err := provider.Provider{}.ParseCallback(url.Values{"code": {"x"}, "scope": {test.redirect}})
			if err != nil || code != "x" {
				t.Fatal(code, err)
			}
			got, err := c.ExchangeCode(t.Context(), provider.Provider{TokenURL: u}, code, "r", "v")
			if err != nil {
				t.Fatal(err)
			}
			if got.Scope == "" {
				got.Scope = redirected
			}
			if got.Scope != test.want {
				t.Errorf("%q, want %q", got.Scope, test.want)
			}
		})
	}
}

// What a browser brings back instead of a code, in whatever form.
func TestD3CallbackRefused(t *testing.T) {
	for query, want := range map[string]string{
		"error=access_denied&error_description=The+user+said+no":                     "access_denied (The user said no)",
		"error=user_cancelled_login&error_description=The+user+cancelled":            "user_cancelled_login",
		"error_code=1349045&error_message=This+app+is+not+available":                 "This app is not available",
		"error=access_denied&error_reason=user_denied&error_description=Permissions": "access_denied (Permissions: user_denied)",
		"error=invalid_request&error_description=redirect_uri+does+not+match":        "redirect_uri does not match",
		"error=access_denied&code=secret-code":                                       "access_denied",
		"errors=redirect_uri_mismatch":                                               "redirect_uri_mismatch",
		"message=Client+is+disabled&code=":                                           "Client is disabled",
		"state=x":                                                                    "no code",
		"error=server_error&error_description=%1b%5b2J":                              "server_error",
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = (provider.Provider{}).ParseCallback(q); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret-code") ||
			strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %v, want %q", query, err, want)
		}
	}
}

// A JSON login whose refresh token is sent as bearer, and whose token lies deeper.
func TestRefreshBearer(t *testing.T) {
	var bearer, body string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bearer, body = r.Header.Get("Authorization"), string(b)
		_, _ = io.WriteString(w, `{"data":{"token":"a","refresh":"r2"},"ttl":"1 hour"}`)
	}))
	t.Cleanup(s.Close)
	p := provider.Provider{Options: provider.Options{RefreshBearer: true, TokenPath: "data",
		Login: &provider.Login{Base: s.URL, RefreshPath: "renew", Access: "token", Refresh: "refresh"}}}
	got, err := provider.Client{}.Refresh(t.Context(), p, "old", "the-refresh")
	if err != nil || bearer != "Bearer the-refresh" || body != "" || got.AccessToken != "a" || got.RefreshToken != "r2" || got.Expires.IsZero() {
		t.Errorf("%q, %q, %+v, %v", bearer, body, got, err)
	}
}
