package provider_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper/provider"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// site answers every request alike, with its own URL instead of BASE.
func site(t testing.TB, status int, label, body string) (string, provider.Client) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch label {
		case "none":
			w.Header()["Content-Type"] = nil
		case "bearer":
			w.Header().Set("WWW-Authenticate", `Bearer realm="x", error="invalid_token", error_description="The refresh token expired"`)
		default:
			w.Header().Set("Content-Type", label)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, strings.ReplaceAll(body, "BASE", "http://"+r.Host))
	}))
	t.Cleanup(s.Close)
	return s.URL, provider.Client{Now: func() time.Time { return noon }}
}

// lives are ends of tokens, told in other ways than expires_in in seconds.
var lives = []struct {
	name, body string
	left       time.Duration // of the access token
	refresh    time.Duration // of the refresh token
}{
	{"D1 expires_at, Unix (ruby-oauth/oauth2 #405)", `{"access_token":"a","expires_at":1795179600}`, time.Hour, 0},
	{"D1 expires_at, text", `{"access_token":"a","expires_at":"1795179600"}`, time.Hour, 0},
	{"D1 expires_at, milliseconds", `{"access_token":"a","expires_at":1795179600000}`, time.Hour, 0},
	{"D1 expires_at, RFC 3339", `{"access_token":"a","expires_at":"2026-11-20T15:00:00+02:00"}`, time.Hour, 0},
	{"D1 expires, seconds (Facebook)", `access_token=a&expires=5183999`, 5183999 * time.Second, 0},
	{"D1 expires, Unix", `{"access_token":"a","expires":1795179600}`, time.Hour, 0},
	{"D1 expires, HTTP date", `{"access_token":"a","expires":"Fri, 20 Nov 2026 13:00:00 GMT"}`, time.Hour, 0},
	{"D1 expires_on (Azure)", `{"access_token":"a","expires_on":"1795179600","ext_expires_in":0}`, time.Hour, 0},
	{"D1 expires_on as App Service prints it", `{"access_token":"a","expires_on":"11/20/2026 1:00:00 PM +00:00"}`, time.Hour, 0},
	{"D1 expiresIn", `{"accessToken":"a","expiresIn":3600}`, time.Hour, 0},
	{"D1 .expires (ASP.NET)", `{"access_token":"a",".issued":"Fri, 20 Nov 2026 12:00:00 GMT",".expires":"Fri, 20 Nov 2026 13:00:00 GMT"}`, time.Hour, 0},
	{"D1 3600s", `{"access_token":"a","expires_in":"3600s"}`, time.Hour, 0},
	{"D1 in a form", `access_token=a&expires_at=2026-11-20T13%3A00%3A00Z`, time.Hour, 0},
	{"D2 ZohoClient #11", `{"access_token":"a","expires_in":3600000,"expires_in_sec":3600}`, time.Hour, 0},
	{"D10 google-api-nodejs-client #2886", `{"access_token":"a","expires_in":3599,"refresh_token":"r","refresh_token_expires_in":604799}`,
		3599 * time.Second, 604799 * time.Second},
	{"milliseconds, and an end", `{"access_token":"a","expires_in":3600000,"expires_at":"2026-11-20T13:00:00Z"}`, time.Hour, 0},
	{"expires_in_ms", `{"access_token":"a","expires_in_ms":3600000}`, time.Hour, 0},
	{"expires_at_ms", `{"access_token":"a","expires_at_ms":1795179600000}`, time.Hour, 0},
	{"expiry_date (google-auth-library)", `{"access_token":"a","expiry_date":1795179600000}`, time.Hour, 0},
	{"expireTime (Google IAM)", `{"accessToken":"a","expireTime":"2026-11-20T13:00:00Z"}`, time.Hour, 0},
	{"expiration (AWS)", `{"access_token":"a","Expiration":"2026-11-20T13:00:00.123Z"}`, time.Hour + 123*time.Millisecond, 0},
	{"expire (Lark)", `{"access_token":"a","expire":7200}`, 2 * time.Hour, 0},
	{"access_token_expires_in, a clock time (TikTok Shop)",
		`{"access_token":"a","access_token_expire_in":1795179600,"refresh_token_expire_in":1795266000}`, time.Hour, 25 * time.Hour},
	{"x_refresh_token_expires_in (QuickBooks)", `{"access_token":"a","expires_in":3600,"x_refresh_token_expires_in":8726400}`,
		time.Hour, 8726400 * time.Second},
	{"node-oauth2-server", `{"accessToken":"a","accessTokenExpiresAt":"2026-11-20T13:00:00.000Z","refreshTokenExpiresAt":"2026-11-21T12:00:00.000Z"}`,
		time.Hour, 24 * time.Hour},
	{"refresh_expires_in 0 (Keycloak, offline)", `{"access_token":"a","expires_in":300,"refresh_expires_in":0}`, 5 * time.Minute, 0},
	{"a date of Microsoft's JSON", `{"access_token":"a","expires":"/Date(1795179600000)/"}`, time.Hour, 0},
	{"a date of JavaScript", `{"access_token":"a","expires":"Fri Nov 20 2026 13:00:00 GMT+0000 (Coordinated Universal Time)"}`, time.Hour, 0},
	{"a date of SQL", `{"access_token":"a","expires_at":"2026-11-20 13:00:00"}`, time.Hour, 0},
	{"a date with zone", `{"access_token":"a","expires_at":"2026-11-20 15:00:00 +0200"}`, time.Hour, 0},
	{"ISO 8601", `{"access_token":"a","expires_in":"PT1H30M"}`, 90 * time.Minute, 0},
	{"words", `{"access_token":"a","ttl":"60 minutes"}`, time.Hour, 0},
	{"valid_until", `{"access_token":"a","valid_until":"2026-11-20T13:00:00.000+0000"}`, time.Hour, 0},
	{"lifetime in minutes", `{"access_token":"a","lifetime_minutes":"60"}`, time.Hour, 0},
	{"an end in a zone further west beside seconds", `{"access_token":"a","expires_in":3600,"expires_at":"2026-11-20 08:00:00"}`, time.Hour, 0},
	{"nanoseconds", `{"access_token":"a","expires_at":1795179600000000000}`, time.Hour, 0},
	{"exponent", `{"access_token":"a","expires_in":3.6e3}`, time.Hour, 0},
	{"time_to_live", `{"access_token":"a","time_to_live":3600}`, time.Hour, 0},
	{"max_age", `{"access_token":"a","maxAge":"3600"}`, time.Hour, 0},
	{"not_after", `{"access_token":"a","notAfter":"2026-11-20T13:00Z"}`, time.Hour, 0},
	{"valid_to", `{"access_token":"a","valid_to":"2026/11/20 13:00:00"}`, time.Hour, 0},
	{"expires_ts", `{"access_token":"a","expires_ts":1795179600}`, time.Hour, 0},
	{"expires_at_epoch_ms", `{"access_token":"a","expires_at_epoch_ms":"1795179600000"}`, time.Hour, 0},
	{"oauth_expires_in (Yahoo)", `{"access_token":"a","oauth_expires_in":"3600"}`, time.Hour, 0},
	{"validity_period (WSO2)", `{"access_token":"a","validity_period":"3600"}`, time.Hour, 0},
	{"a clock", `{"access_token":"a","expires_in":"01:00:00"}`, time.Hour, 0},
	{"a date of PHP's JSON", `{"access_token":"a","expires_at":{"date":"2026-11-20 13:00:00.000000","timezone_type":3,"timezone":"UTC"}}`, time.Hour, 0},
	{"a time of Firestore", `{"access_token":"a","expires_at":{"_seconds":1795179600,"_nanoseconds":0}}`, time.Hour, 0},
	{"a date without separators", `{"access_token":"a","expires_at":"20261120130000"}`, time.Hour, 0},
	{"a cookie's date", `{"access_token":"a","expires":"Fri, 20-Nov-2026 13:00:00 GMT"}`, time.Hour, 0},
	{"a date of Java", `{"access_token":"a","expiration":"Fri Nov 20 13:00:00 GMT 2026"}`, time.Hour, 0},
	{"a date of Gson", `{"access_token":"a","expiration":"Nov 20, 2026 1:00:00 PM"}`, time.Hour, 0},
	{"a date of java.time", `{"access_token":"a","expiration":"2026-11-20T14:00:00+01:00[Europe/Paris]"}`, time.Hour, 0},
	{"Twitter's date", `{"access_token":"a","expires_at":"Fri Nov 20 13:00:00 +0000 2026"}`, time.Hour, 0},
	{"Microsoft's with zone", `{"access_token":"a","expires":"/Date(1795179600000+0000)/"}`, time.Hour, 0},
	{"words with and", `{"access_token":"a","expires_in":"1 hour and 30 minutes"}`, 90 * time.Minute, 0},
	{"milliseconds, and a JWT (D2)", `{"access_token":"e30.eyJleHAiOjE3OTUxNzk2MDB9.x","expires_in":3600000}`, time.Hour, 0},
	{"a JWT alone", `{"access_token":"e30.eyJleHAiOjE3OTUxNzk2MDB9.x","refresh_token":"e30.eyJleHAiOjE3OTUxODMyMDB9.x"}`, time.Hour, 2 * time.Hour},
	{"nothing said", `{"access_token":"a","expires_in":null,"id_token_expires_in":60,"issued_at":"1795176000"}`, 0, 0},
	{"never", `{"access_token":"a","expires_in":0,"expires":"never"}`, 0, 0},
}

func TestLives(t *testing.T) {
	for _, test := range lives {
		t.Run(test.name, func(t *testing.T) {
			url, c := site(t, 200, "application/json", test.body)
			first, err := c.ExchangeCode(t.Context(), provider.Provider{TokenURL: url}, "c", "r", "v")
			if err != nil {
				t.Fatal(err)
			}
			later, err := c.Refresh(t.Context(), provider.Provider{TokenURL: url}, "", "r")
			if err != nil {
				t.Fatal(err)
			}
			login := &provider.Login{Base: url, Access: "access_token", Refresh: "refresh_token", RefreshPath: "r", SendRefresh: "r"}
			third, err := c.LogIn(t.Context(), provider.Provider{Options: provider.Options{Login: login}}, "u", "p")
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range []provider.TokenResponse{first, later, third} {
				if left := leftOf(got.Expires); left != test.left {
					t.Errorf("%s left, want %s", left, test.left)
				}
				if left := leftOf(got.RefreshExpires); left != test.refresh {
					t.Errorf("refresh token: %s left, want %s", left, test.refresh)
				}
			}
		})
	}
}

func leftOf(end time.Time) time.Duration {
	if end.IsZero() {
		return 0
	}
	return end.Sub(noon)
}

// labelled are right answers under a wrong label.
var labelled = []struct{ name, label, body string }{
	{"D9 byte order mark (DollhouseMCP #2520)", "application/json", "\ufeff{\"access_token\":\"a\",\"scope\":\"x\"}"},
	{"D9 form as text/html (golang/oauth2 #542)", "text/html; charset=utf-8", "access_token=a&scope=x&token_type=bearer"},
	{"D9 form without label", "none", "access_token=a&scope=x"},
	{"form as JSON", "application/json", "access_token=a&scope=x"},
	{"form as text/plain", "text/plain", "access_token=a&expires=3600&scope=x\n"},
	{"form as octets", "application/octet-stream", "scope=x&access_token=a"},
	{"form with byte order mark", "application/x-www-form-urlencoded", "\ufeffaccess_token=a&scope=x"},
	{"JSON as text/html", "text/html", ` {"access_token":"a","scope":"x"}`},
	{"JSON as JavaScript", "text/javascript", "\r\n{\"access_token\":\"a\",\"scope\":\"x\"}\r\n"},
	{"JSON as a form", "application/x-www-form-urlencoded", `{"access_token":"a","scope":"x"}`},
	{"JSON without label", "none", `{"access_token":"a","scope":"x"}`},
	{"JSON with a label of its own", "application/vnd.site.v2+json", `{"access_token":"a","scope":"x"}`},
	{"JSON behind a prefix against scripts", "application/json", ")]}',\n{\"access_token\":\"a\",\"scope\":\"x\"}"},
	{"form with a blank", "text/plain", "access_token=a&scope=x x&token_type=bearer"},
	{"JSON with a broken label", ";;;", `{"access_token":"a","scope":"x"}`},
}

func TestLabels(t *testing.T) {
	for _, test := range labelled {
		t.Run(test.name, func(t *testing.T) {
			url, c := site(t, 200, test.label, strings.NewReplacer(`"access_token":"a"`, `"access_token":"a","device_code":"d","user_code":"u",
				"verification_uri":"https://site.example/"`, `access_token=a`, `access_token=a&device_code=d&user_code=u&verification_uri=https://site.example/`).Replace(test.body))
			p := provider.Provider{TokenURL: url, DeviceURL: url, IntrospectURL: url, Options: provider.Options{Login: &provider.Login{Base: url, Access: "access_token"}}}
			third, err3 := c.LogIn(t.Context(), p, "u", "p")
			device, err4 := c.StartDevice(t.Context(), p, "")
			active, err5 := c.Introspect(t.Context(), p, "a", "access_token")
			p.Login = nil
			first, err1 := c.ExchangeCode(t.Context(), p, "c", "https://back.example/", "v")
			later, err2 := c.Refresh(t.Context(), p, "", "r")
			if err := errors.Join(err1, err2, err3, err4, err5); err != nil || first.Scope != "x" || later != first || third.AccessToken != "a" ||
				device.UserCode != "u" || active["access_token"] != "a" {
				t.Errorf("%+v, %+v, %+v, %+v, %v, %v", first, later, third, device, active, err)
			}
		})
	}
	for _, body := range []string{"<html><a href='?access_token=a'>", "access denied = yes", "", "null", "[]", `"access_token=a"`} {
		url, c := site(t, 200, "text/html", body)
		if got, err := c.Refresh(t.Context(), provider.Provider{TokenURL: url}, "", "r"); err == nil {
			t.Errorf("%q gives %+v", body, got)
		}
	}
}

// Metadata is taken under any label and behind one redirect on the same host; what
// carries a secret follows none.
func TestMetadataLabels(t *testing.T) {
	const metadata = `{"issuer":"BASE","token_endpoint":"BASE/token","token_endpoint_auth_methods_supported":"client_secret_post"}`
	for _, test := range []struct{ name, label, mark, redirect string }{
		{"as text", "text/plain", "", ""},
		{"as a web page", "text/html", "", ""},
		{"as octets", "application/octet-stream", "", ""},
		{"no label", "none", "", ""},
		{"byte order mark", "application/json", "\ufeff", ""},
		{"line breaks", "application/json; charset=iso-8859-1", "\r\n\r\n", ""},
		{"one redirect", "application/json", "", "/metadata"},
		{"one redirect, absolute", "application/json", "", "BASE/metadata"},
		{"! two redirects", "application/json", "", "/again"},
		{"! another host", "application/json", "", "OTHER/metadata"},
		{"! another scheme", "application/json", "", "ftp://127.0.0.1/metadata"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var token int
			other, _ := site(t, 200, "application/json", metadata)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fill := strings.NewReplacer("BASE", "http://"+r.Host, "OTHER", other)
				switch {
				case r.URL.Path == "/again":
					http.Redirect(w, r, "/metadata", http.StatusFound)
				case r.URL.Path == "/token" || r.URL.Path == "/elsewhere":
					token++
					http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
				case test.redirect != "" && r.URL.Path != "/metadata":
					w.Header().Set("Location", fill.Replace(test.redirect))
					w.WriteHeader(http.StatusMovedPermanently)
				default:
					w.Header().Set("Content-Type", test.label)
					if test.label == "none" {
						w.Header()["Content-Type"] = nil
					}
					_, _ = io.WriteString(w, test.mark+fill.Replace(metadata))
				}
			}))
			t.Cleanup(s.Close)
			p, err := provider.Client{}.Discover(t.Context(), s.URL)
			if (err == nil) == strings.HasPrefix(test.name, "!") {
				t.Fatalf("%+v, %v", p, err)
			}
			if err == nil && p.AuthStyle != provider.AuthBody {
				t.Errorf("a list written as a text: %q", p.AuthStyle)
			}
			p.TokenURL = s.URL + "/token"
			if _, err := (provider.Client{}).Refresh(t.Context(), p, "", "r"); err == nil || token != 1 {
				t.Errorf("the refresh token was sent %d times, %v", token, err)
			}
		})
	}
}
