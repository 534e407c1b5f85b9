package endpoint_test

import (
	"net/http"
	"strings"
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

// TestLimitAddresses: IPv6 is counted by its /64, a proxy's address not at all.
func TestLimitAddresses(t *testing.T) {
	h := newHouse(t)
	for _, address := range []string{"[2001:db8:1:2::1]:1", "[2001:db8:1:2:ffff::9]:2", "[2001:db8:1:2:3:4:5:6]:3"} {
		h.from(address)
		for range 10 {
			h.redeem("guess").want(t, http.StatusBadRequest, "invalid_grant")
		}
	}
	h.redeem("guess").want(t, http.StatusTooManyRequests, "temporarily_unavailable")
	h.from("[2001:db8:1:3::1]:1")
	h.redeem("guess").want(t, http.StatusBadRequest, "invalid_grant")
	count := func() (n int) {
		if err := h.Grants.DB.QueryRow(`SELECT count(*) FROM refusals`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := count()
	for _, address := range []string{"127.0.0.1:1", "[::1]:1", "10.1.2.3:1", "172.16.0.1:1", "192.168.1.1:1", "[fd00::1]:1", "[fe80::1%eth0]:1", "100.64.0.1:1",
		"[::ffff:192.168.0.1]:1", "@", "", "unix"} {
		h.from(address)
		h.redeem("guess").want(t, http.StatusBadRequest, "invalid_grant")
	}
	if count() != before {
		t.Error("a private address was counted")
	}
	for _, address := range []string{"[::ffff:203.0.113.9]:1", "203.0.113.9:2", "203.0.113.9"} {
		h.from(address)
		h.redeem("guess").want(t, http.StatusBadRequest, "invalid_grant")
	}
	var n int
	if err := h.Grants.DB.QueryRow(`SELECT count(*) FROM refusals WHERE address = '203.0.113.9'`).Scan(&n); err != nil || n != 3 {
		t.Errorf("%d %v: spellings of one address", n, err)
	}
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
