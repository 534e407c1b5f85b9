package endpoint_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Requests that are too many, too large or of the wrong kind.

// TestLimit: past 30 refusals in 5 minutes from one public address, 429.
func TestLimit(t *testing.T) {
	h := newHouse(t)
	h.from("203.0.113.7:1234")
	for range 30 {
		h.redeem("guess").want(t, http.StatusBadRequest, "invalid_grant")
	}
	asked := h.selfauth.Checks.Load()
	a := h.redeem("guess").want(t, http.StatusTooManyRequests, "temporarily_unavailable")
	if a.header.Get("Retry-After") == "" || h.selfauth.Checks.Load() != asked {
		t.Errorf("%+v", a)
	}
	h.from("203.0.113.8:1234")
	access, refresh := h.login()
	h.from("203.0.113.7:99")
	h.live(access) // nothing else is limited
	refresh = h.refresh(refresh).want(t, http.StatusOK, "").text("refresh_token")
	h.revoke(refresh).want(t, http.StatusOK, "")
	h.clock.pass(5*time.Minute - 2*time.Second) // login let one second pass
	h.redeem("guess").want(t, http.StatusTooManyRequests, "temporarily_unavailable")
	h.clock.pass(time.Second)
	h.redeem(h.code()).want(t, http.StatusOK, "")
}

// TestLimitOfWrongClock: what was refused while the clock was ahead counts no more
// once it is right.
func TestLimitOfWrongClock(t *testing.T) {
	h := newHouse(t)
	h.from("203.0.113.7:1234")
	h.clock.pass(24 * time.Hour)
	for range 30 {
		h.redeem("guess").want(t, http.StatusBadRequest, "invalid_grant")
	}
	h.redeem("guess").want(t, http.StatusTooManyRequests, "temporarily_unavailable")
	h.clock.pass(-24 * time.Hour)
	h.redeem("guess").want(t, http.StatusBadRequest, "invalid_grant")
}

// TestLimitAddresses: a public address counts, of IPv6 its /64; behind a proxy what the
// proxy says; else all together.
func TestLimitAddresses(t *testing.T) {
	counted := func(h *house) (address string) {
		if err := h.Grants.DB.QueryRow(`SELECT group_concat(DISTINCT address) FROM refusals`).Scan(&address); err != nil {
			t.Fatal(err)
		}
		return address
	}
	for _, c := range []struct{ peer, forwarded, want string }{
		{"203.0.113.9:2", "", "203.0.113.9"},
		{"203.0.113.9", "", "203.0.113.9"},
		{"[::ffff:203.0.113.9]:1", "", "203.0.113.9"},
		{"[2001:db8:1:2:ffff::9]:2", "", "2001:db8:1:2::/64"},
		{"[2001:db8:1:2::1]:1", "198.51.100.7", "2001:db8:1:2::/64"}, // no proxy: anybody can write that
		{"203.0.113.9:2", "198.51.100.7", "203.0.113.9"},
		{"127.0.0.1:1", "198.51.100.7", "198.51.100.7"},
		{"@", "198.51.100.7", "198.51.100.7"},
		{"", "198.51.100.7", "198.51.100.7"},
		{"10.1.2.3:1", "192.0.2.66, 198.51.100.7", "198.51.100.7"},
		{"[::1]:1", "192.0.2.66,198.51.100.7 ", "198.51.100.7"},
		{"[fd00::1]:1", "192.0.2.66\nX-Forwarded-For: 198.51.100.7", "198.51.100.7"},
		{"unix", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"},
		{"127.0.0.1:1", "198.51.100.7:4711", "198.51.100.7"},
		{"127.0.0.1:1", "[2001:db8:1:2:3::4]:4711", "2001:db8:1:2::/64"},
		{"127.0.0.1:1", "198.51.100.7, 10.0.0.1", ""}, // a proxy behind a proxy
		{"127.0.0.1:1", "198.51.100.7, unknown", ""},
		{"127.0.0.1:1", "198.51.100.7,", ""},
		{"172.16.0.1:1", "", ""}, {"192.168.1.1:1", "", ""}, {"[fe80::1%eth0]:1", "", ""}, {"100.64.0.1:1", "", ""},
		{"[::ffff:192.168.0.1]:1", "", ""}, {"@", "", ""}, {"", "", ""},
	} {
		h := newHouse(t)
		h.from(c.peer)
		text := redeemText
		if c.forwarded != "" {
			text = strings.Replace(redeemText, "Accept:", "X-Forwarded-For: "+c.forwarded+"\n\tAccept:", 1)
		}
		h.send(text, values("guess")).want(t, http.StatusBadRequest, "invalid_grant")
		if got := counted(h); got != c.want {
			t.Errorf("%q with %q is counted as %q, want %q", c.peer, c.forwarded, got, c.want)
		}
	}
	h := newHouse(t)
	h.from("@")
	for range 300 {
		h.redeem("guess").want(t, http.StatusBadRequest, "invalid_grant")
	}
	h.redeem("guess").want(t, http.StatusTooManyRequests, "temporarily_unavailable")
}

// TestE12AtOnce: of many refused redemptions at once, no more than the limit are asked about.
func TestE12AtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		peers  []string
		n      int
		passed int64
	}{
		"E12 400 of one address":   {[]string{"203.0.113.7:1"}, 400, 30},
		"31 of one address":        {[]string{"203.0.113.7:1"}, 31, 30},
		"of one network":           {[]string{"[2001:db8:1:2::1]:1", "[2001:db8:1:2::2]:1"}, 100, 30},
		"of two addresses":         {[]string{"203.0.113.7:1", "203.0.113.8:1"}, 100, 60},
		"from nobody knows where":  {[]string{"@"}, 400, 300},
		"from several such places": {[]string{"@", "127.0.0.1:5", "10.0.0.1:5"}, 400, 300},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			var wg sync.WaitGroup
			slots := make(chan struct{}, 64)
			for i := range c.n {
				wg.Go(func() {
					slots <- struct{}{}
					defer func() { <-slots }()
					r := httptest.NewRequest("POST", "/token", strings.NewReader(strings.Replace(h.wireBody("x"), "code=x", fmt.Sprint("code=x", i), 1)))
					r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
					r.RemoteAddr = c.peers[i%len(c.peers)]
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					if w.Code != 400 && w.Code != 429 {
						t.Errorf("%d %s", w.Code, w.Body)
					}
				})
			}
			wg.Wait()
			if n := h.selfauth.Checks.Load(); n != c.passed {
				t.Errorf("%d were asked about, want %d", n, c.passed)
			}
		})
	}
}

// TestE13Shared: past the limit, one new code passes every ten seconds for an address
// that many people share, and good ones cost nothing.
func TestE13Shared(t *testing.T) {
	h := newHouse(t)
	h.from("203.0.113.7:1")
	for i := range 30 {
		h.redeem(fmt.Sprintf("aa:%064x:x", i)).want(t, http.StatusBadRequest, "invalid_grant")
	}
	good := h.code() // a second later
	if a := h.redeem(good).want(t, http.StatusTooManyRequests, "temporarily_unavailable"); a.header.Get("Retry-After") != "10" {
		t.Errorf("%v", a.header)
	}
	h.clock.pass(9 * time.Second)
	for name, seen := range map[string]string{
		"a MAC that was refused":           fmt.Sprintf("aa:%064x:x", 3),
		"another time":                     fmt.Sprintf("bb:%064x:x", 3),
		"another tail":                     fmt.Sprintf("aa:%064x:xyz", 3),
		"in capitals":                      strings.ToUpper(fmt.Sprintf("aa:%064x:x", 12)),
		"a MAC that was refused, as first": fmt.Sprintf("aa:%064x:x", 0),
	} {
		if a := h.redeem(seen).want(t, http.StatusTooManyRequests, "temporarily_unavailable"); a.header.Get("Retry-After") != "300" {
			t.Errorf("%s: %v", name, a.header)
		}
	}
	h.redeem(good).want(t, http.StatusOK, "")
	h.redeem(h.code()).want(t, http.StatusOK, "") // the good one was given back
	h.redeem("new 1").want(t, http.StatusBadRequest, "invalid_grant")
	h.redeem(h.code()).want(t, http.StatusTooManyRequests, "temporarily_unavailable")
	h.clock.pass(10 * time.Second)
	h.redeem("new 1").want(t, http.StatusTooManyRequests, "temporarily_unavailable")
	h.redeem("new 2").want(t, http.StatusBadRequest, "invalid_grant")
	h.from("203.0.113.8:1")
	h.redeem(h.code()).want(t, http.StatusOK, "")
}

// TestLimitCounts only what an endpoint refused: not its faults, not a missing
// scope, not what needed no endpoint.
func TestLimitCounts(t *testing.T) {
	h := newHouse(t)
	h.from("203.0.113.7:1")
	h.selfauth.Fault = says(500, "", "")
	h.redeem("x").want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	h.selfauth.Fault = nil
	h.redeem(h.selfauth.Code(clientID, redirectURI, "")).want(t, http.StatusBadRequest, "invalid_scope")
	h.redeem("mkc_x").want(t, http.StatusBadRequest, "invalid_grant")
	code := h.code()
	h.redeem(code).want(t, http.StatusOK, "")
	h.redeem(code).want(t, http.StatusBadRequest, "invalid_grant")
	var n int
	if err := h.Grants.DB.QueryRow(`SELECT count(*) FROM refusals`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d were counted, %v", n, err)
	}
}

// TestSizeAndKind: 413, 415, 405, and parameters given more than once.
func TestSizeAndKind(t *testing.T) {
	h := newHouse(t)
	token, _ := h.login()
	send := func(contentType, body string) answer {
		return h.send("POST /token HTTP/1.1\nHost: x\nContent-Type: "+contentType+"\nContent-Length: {{length}}\n\n"+body, nil)
	}
	const form = "application/x-www-form-urlencoded"
	limit := "action=revoke&token=x&x="
	send(form, limit+strings.Repeat("x", 64<<10-len(limit))).want(t, http.StatusOK, "")
	send(form, limit+strings.Repeat("x", 64<<10-len(limit)+1)).want(t, http.StatusRequestEntityTooLarge, "invalid_request")
	for _, contentType := range []string{"application/json", "multipart/form-data; boundary=x", "text/plain", "nonsense", "application/x-www-form-urlencoded-not"} {
		send(contentType, "action=revoke&token="+token).want(t, http.StatusUnsupportedMediaType, "invalid_request")
	}
	h.live(token)
	for path, allow := range map[string]string{"/token": "GET, HEAD, POST, OPTIONS", "/token/introspect": "POST, OPTIONS", "/token/revoke": "POST, OPTIONS"} {
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE"} {
			if path == "/token" && (method == "GET" || method == "HEAD") {
				continue
			}
			a := h.sendRaw(method + " " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
			if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != allow {
				t.Errorf("%s %s: %+v", method, path, a)
			}
		}
	}
	for _, twice := range []string{"grant_type=authorization_code&grant_type=authorization_code", "code=a&code=b", "client_id=a&client%5Fid=b", "redirect_uri=a&redirect_uri=a",
		"code_verifier=a&code_verifier=b", "token=a&token=b", "refresh_token=a&refresh_token=b", "scope=a&scope=b", "action=revoke&action=revoke", "client_secret=a&client_secret=b"} {
		a := send(form, twice).want(t, http.StatusBadRequest, "invalid_request")
		if !strings.Contains(a.text("error_description"), "more than once") {
			t.Error(twice, a.body)
		}
	}
	for _, fine := range []string{"me=a&me=b", "resource=a&resource=b", "state=a&state=a", "x=1&x=2", "token_type_hint=a&token_type_hint=b"} {
		send(form, "action=revoke&token=x&"+fine).want(t, http.StatusOK, "")
	}
	for _, odd := range []string{"code=%00", "client_id=a%0d%0aX:1", "redirect_uri=%ff", "code_verifier=%7f", "refresh_token=%1b"} {
		send(form, "grant_type=authorization_code&"+odd).want(t, http.StatusBadRequest, "invalid_request")
	}
	if h.events("refused") != 0 {
		t.Error("the endpoint was asked")
	}
}
