package endpoint_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mintkeep/endpoint"
	"mintkeep/endpoint/endpointtest"
)

// What trusted endpoints answer, and what becomes of it.

// TestR23Answers: only 200 with a usable me is a yes; a clear no is the
// client's fault, everything else is not.
func TestR23Answers(t *testing.T) {
	const yes = `{"me":"https://jane.example/","scope":"create"}`
	const page = `<!doctype html><title>Login</title>`
	h := newHouse(t)
	for _, c := range []struct {
		name        string
		status      int
		contentType string
		body        string
		want        int
		code        string
	}{
		{"JSON", 200, "application/json", yes, 200, ""},
		{"JSON with charset", 200, "application/json; charset=UTF-8", yes, 200, ""},
		{"JSON of another kind", 200, "application/ld+json", yes, 200, ""},
		{"JSON without a type", 200, "", yes, 200, ""},
		{"JSON called text", 200, "text/plain", " \n" + yes, 200, ""},
		{"JSON with more in it", 200, "application/json", `{"me":"https://jane.example/","scope":"create","profile":{"name":"Jane"},"expires_in":3600}`, 200, ""},
		{"scope as a list", 200, "application/json", `{"me":"https://jane.example/","scope":["create","update"]}`, 200, ""},
		{"form", 200, "application/x-www-form-urlencoded", "me=https%3A%2F%2Fjane.example%2F&scope=create", 200, ""},
		{"form called text", 200, "text/plain; charset=utf-8", "me=https%3A%2F%2Fjane.example%2F&scope=create", 200, ""},
		{"64 KiB", 200, "application/json", yes + strings.Repeat(" ", 64<<10-len(yes)), 200, ""},

		{"Selfauth's no", 400, "text/html; charset=UTF-8", "<h1>Error: Verification Failed</h1>", 400, "invalid_grant"},
		{"old Selfauth's no", 200, "text/html; charset=UTF-8", "<h1>Error: Verification Failed</h1>", 400, "invalid_grant"},
		{"JSON no", 400, "application/json", `{"error":"invalid_grant"}`, 400, "invalid_grant"},
		{"a no that looks like a yes", 400, "application/json", yes, 400, "invalid_grant"},
		{"401", 401, "text/html", page, 400, "invalid_grant"},
		{"403", 403, "text/html", page, 400, "invalid_grant"},
		{"406", 406, "text/html", page, 400, "invalid_grant"},
		{"410", 410, "", "", 400, "invalid_grant"},
		{"429", 429, "", "", 400, "invalid_grant"},

		{"404", 404, "text/html", page, 503, "temporarily_unavailable"},
		{"405", 405, "text/html", page, 503, "temporarily_unavailable"},
		{"500", 500, "application/json", yes, 503, "temporarily_unavailable"},
		{"502", 502, "", "", 503, "temporarily_unavailable"},
		{"503", 503, "application/json", `{"error":"temporarily_unavailable"}`, 503, "temporarily_unavailable"},
		{"201", 201, "application/json", yes, 400, "invalid_grant"},
		{"202", 202, "application/json", yes, 400, "invalid_grant"},
		{"203 from a proxy", 203, "application/json", yes, 400, "invalid_grant"},
		{"204", 204, "", "", 400, "invalid_grant"},
		{"302", 302, "application/json", yes, 503, "temporarily_unavailable"},
		{"304", 304, "", "", 503, "temporarily_unavailable"},
		{"a login page", 200, "text/html; charset=UTF-8", page, 503, "temporarily_unavailable"},
		{"a page of JSON", 200, "text/html", `{"error":"x"}`, 503, "temporarily_unavailable"},
		{"nothing", 200, "", "", 503, "temporarily_unavailable"},
		{"PHP's warning before JSON", 200, "application/json", "<br />Warning" + yes, 503, "temporarily_unavailable"},
		{"half of it", 200, "application/json", yes[:30], 503, "temporarily_unavailable"},
		{"JSON twice", 200, "application/json", yes + yes, 503, "temporarily_unavailable"},
		{"a list", 200, "application/json", "[" + yes + "]", 503, "temporarily_unavailable"},
		{"no me", 200, "application/json", `{"scope":"create"}`, 503, "temporarily_unavailable"},
		{"a no with 200", 200, "application/json", `{"error":"invalid_grant"}`, 503, "temporarily_unavailable"},
		{"me a number", 200, "application/json", `{"me":7,"scope":"create"}`, 503, "temporarily_unavailable"},
		{"me a name", 200, "application/json", `{"me":"jane","scope":"create"}`, 503, "temporarily_unavailable"},
		{"me a mail address", 200, "application/json", `{"me":"mailto:jane@jane.example","scope":"create"}`, 503, "temporarily_unavailable"},
		{"me with a password", 200, "application/json", `{"me":"https://jane:x@jane.example/","scope":"create"}`, 503, "temporarily_unavailable"},
		{"me with a fragment", 200, "application/json", `{"me":"https://jane.example/#x","scope":"create"}`, 503, "temporarily_unavailable"},
		{"more than 64 KiB", 200, "application/json", yes + strings.Repeat(" ", 64<<10-len(yes)+1), 503, "temporarily_unavailable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.t = t
			h.selfauth.Fault = says(c.status, c.contentType, c.body)
			a := h.redeem(h.code()).want(t, c.want, c.code)
			if c.want == http.StatusServiceUnavailable && a.header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
	h.t = t
}

// TestNotFollowed: a redirect is a fault, wherever it leads.
func TestNotFollowed(t *testing.T) {
	h := newHouse(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		before := h.selfauth.Checks.Load()
		h.selfauth.Fault = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/moved" {
				return says(200, "application/json", `{"me":"https://jane.example/","scope":"create"}`)(w, r)
			}
			http.Redirect(w, r, "/moved", status)
			return true
		}
		h.redeem(h.code()).want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
		if h.selfauth.Checks.Load() != before+1 {
			t.Errorf("%d was followed", status)
		}
	}
}

// TestUnreachable endpoints are our caller's misfortune, not its fault.
func TestUnreachable(t *testing.T) {
	h := newHouse(t)
	h.selfauth.Fault = func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
	h.redeem(h.code()).want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	h.set(func(st *endpoint.Settings) { st.Endpoints = nil })
	h.redeem(h.code()).want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	h.set(func(st *endpoint.Settings) { st.Endpoints = []string{"http://127.0.0.1:1/"} })
	h.redeem(h.code()).want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
}

// TestSeveralEndpoints: any yes wins; those that confirmed codes of this shape
// are asked first; without a yes, one fault is enough for 503.
func TestSeveralEndpoints(t *testing.T) {
	h := newHouse(t)
	other := &endpointtest.Selfauth{Me: "https://jane.example/", Key: "another", Now: h.clock.now}
	next := httptest.NewServer(other)
	defer next.Close()
	h.set(func(st *endpoint.Settings) { st.Endpoints = append(st.Endpoints, next.URL+"/") })
	asked := func() (int64, int64) { return h.selfauth.Checks.Swap(0), other.Checks.Swap(0) }
	check := func(what string, first, second int64) {
		t.Helper()
		if a, b := asked(); a != first || b != second {
			t.Errorf("%s: asked %d and %d times, want %d and %d", what, a, b, first, second)
		}
	}
	code := func() string { h.clock.pass(time.Second); return other.Code(clientID, redirectURI, scope) }
	h.redeem(code()).want(t, http.StatusOK, "")
	check("the second one's code", 1, 1)
	h.redeem(code()).want(t, http.StatusOK, "")
	check("the second one's next code", 0, 1)
	h.redeem(h.code()).want(t, http.StatusOK, "")
	check("the first one's code of the same shape", 1, 1)
	h.redeem(h.code()).want(t, http.StatusOK, "")
	check("the first one's next code", 1, 0)
	h.redeem("another-shape").want(t, http.StatusBadRequest, "invalid_grant")
	check("nobody's code", 1, 1)

	h.selfauth.Fault = says(500, "", "")
	h.redeem(code()).want(t, http.StatusOK, "")
	h.redeem("another-shape").want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	h.selfauth.Fault, other.Fault = nil, says(302, "", "")
	h.redeem("another-shape").want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	h.redeem(h.code()).want(t, http.StatusOK, "")

	// An endpoint that is trusted no more is not asked, whatever it once confirmed.
	asked()
	h.set(func(st *endpoint.Settings) { st.Endpoints = st.Endpoints[:1] })
	h.redeem(code()).want(t, http.StatusBadRequest, "invalid_grant")
	check("the removed one's code", 1, 0)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestTimeouts: the trusted endpoints have 8 seconds together, each its share.
func TestTimeouts(t *testing.T) {
	schema, err := os.ReadFile(filepath.Join("..", "schema.sql"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name      string
		endpoints []string // hang or yes or no
		want      int
		after     time.Duration
	}{
		{"one hangs", []string{"https://hang/"}, 503, 8 * time.Second},
		{"three hang", []string{"https://hang/1", "https://hang/2", "https://hang/3"}, 503, 8 * time.Second},
		{"one hangs, one says yes", []string{"https://hang/", "https://yes/"}, 200, 4 * time.Second},
		{"one says yes, one would hang", []string{"https://yes/", "https://hang/"}, 200, 0},
		{"one says no, one hangs", []string{"https://no/", "https://hang/"}, 503, 8 * time.Second},
		{"one hangs, one says no", []string{"https://hang/", "https://no/"}, 503, 4 * time.Second},
		{"the body hangs", []string{"https://halfway/"}, 503, 8 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "tokens.db")
			synctest.Test(t, func(t *testing.T) {
				h := &house{t: t, clock: &clock{t: time.Now()}, settings: standard(c.endpoints...)}
				db := openFile(t, file, "_busy_timeout=8000")
				if _, err := db.Exec(string(schema)); err != nil {
					t.Fatal(err)
				}
				s := h.serverOn(db)
				s.Client = &http.Client{Transport: roundTrip(endpointOfName)}
				start := time.Now()
				a := direct(s, "POST", "grant_type=authorization_code&code=x&client_id=https%3A%2F%2Fapp.example%2F&redirect_uri=x")
				if a.status != c.want || time.Since(start) != c.after {
					t.Errorf("%d after %v: %s", a.status, time.Since(start), a.body)
				}
			})
		})
	}
}

// endpointOfName answers as its host says.
func endpointOfName(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Host {
	case "yes":
		w.WriteString(`{"me":"https://jane.example/","scope":"create"}`)
	case "no":
		w.WriteHeader(http.StatusBadRequest)
	case "halfway":
		resp := w.Result()
		resp.Body = hangingBody{r.Context()}
		return resp, nil
	default:
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return w.Result(), nil
}

type hangingBody struct{ ctx context.Context }

func (b hangingBody) Read([]byte) (int, error) { <-b.ctx.Done(); return 0, b.ctx.Err() }
func (b hangingBody) Close() error             { return nil }

// TestDirectOff: codes of the authorization endpoint are not even asked about.
func TestDirectOff(t *testing.T) {
	h := newHouse(t)
	h.set(func(st *endpoint.Settings) { st.Direct = false })
	h.redeem(h.code()).want(t, http.StatusBadRequest, "invalid_grant")
	h.set(func(st *endpoint.Settings) { st.Direct = true })
	v := values(h.code())
	for _, below := range []string{"", "/", "/callback", "/callback?x=1"} {
		v["redirect_uri"] = h.URL + below
		h.send(redeemText, v).want(t, http.StatusBadRequest, "invalid_grant")
	}
	h.redeem("mkc_x").want(t, http.StatusBadRequest, "invalid_grant")
	if h.selfauth.Checks.Load() != 0 {
		t.Error("the authorization endpoint was asked")
	}
}

// TestMe: rows of me say who gets tokens; without any, a foreign one is warned of.
func TestMe(t *testing.T) {
	h := newHouse(t)
	h.redeem(h.code()).want(t, http.StatusOK, "")
	if log := h.logged(); !strings.Contains(log, "another host") {
		t.Error("no warning:", log)
	}
	h.set(func(st *endpoint.Settings) { st.Me = []string{"https://joan.example/"} })
	h.redeem(h.code()).want(t, http.StatusBadRequest, "invalid_grant")
	h.set(func(st *endpoint.Settings) { st.Me = append(st.Me, jane) })
	h.redeem(h.code()).want(t, http.StatusOK, "")
}

func (h *house) logged() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.String()
}

// TestFaultsOfOurs are never called an invalid token or a bad grant.
func TestFaultsOfOurs(t *testing.T) {
	h := newHouse(t)
	access, refresh := h.login()
	good := h.ParseSettings
	h.ParseSettings = func(string) (*endpoint.Settings, error) {
		return nil, errors.New("two rows of idle_lifetime: 1d, 2d")
	}
	for _, a := range []answer{h.verify(access), h.redeem(h.code()), h.refresh(refresh)} {
		if a.want(t, http.StatusInternalServerError, "server_error"); strings.Contains(a.body, "idle_lifetime") {
			t.Error("the cause is told to strangers:", a.body)
		}
	}
	if !strings.Contains(h.logged(), "idle_lifetime") {
		t.Error("the cause is not in the log")
	}
	h.ParseSettings = good
	h.live(access)
}

// TestReadOnly: a disk that cannot be written fails no verification, and
// everything else with 503.
func TestReadOnly(t *testing.T) {
	h := newHouse(t)
	access, refresh := h.login()
	s := h.serverOn(openFile(t, h.file, "mode=ro&_busy_timeout=100"))
	direct(s, "GET", "", "Authorization", "Bearer "+access).want(t, http.StatusOK, "")
	direct(s, "GET", "", "Authorization", "Bearer "+mangle(access)).want(t, http.StatusUnauthorized, "invalid_token")
	direct(s, "POST", "token="+access, "Authorization", "Bearer "+access).want(t, http.StatusOK, "")
	code := h.code()
	for _, body := range []string{h.wireBody(code), "grant_type=refresh_token&refresh_token=" + refresh, "action=revoke&token=" + access, "action=revoke&token=" + refresh} {
		direct(s, "POST", body).want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	}
	h.live(access)
	h.redeem(code).want(t, http.StatusOK, "")
	h.refresh(refresh).want(t, http.StatusOK, "")
}

// TestBusy: while another process writes, verifications go on, and do not wait long.
func TestBusy(t *testing.T) {
	h := newHouse(t)
	access, _ := h.login()
	s := h.serverOn(openFile(t, h.file, "_busy_timeout=200"))
	tx, err := h.DB.Begin()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	direct(s, "GET", "", "Authorization", "Bearer "+access).want(t, http.StatusOK, "")
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("a verification took %v", d)
	}
	code := h.code()
	direct(s, "POST", h.wireBody(code)).want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	direct(s, "POST", "action=revoke&token="+access).want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	h.live(access)
	h.redeem(code).want(t, http.StatusOK, "")
}

// TestPatience: the short patience of a verification is not left behind for
// those who write on the same connection.
func TestPatience(t *testing.T) {
	h := newHouse(t)
	access, _ := h.login()
	db := openFile(t, h.file, "_busy_timeout=8000")
	db.SetMaxOpenConns(1)
	s := h.serverOn(db)
	direct(s, "GET", "", "Authorization", "Bearer "+access).want(t, http.StatusOK, "")
	tx, err := h.DB.Begin()
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(500*time.Millisecond, func() { tx.Rollback() })
	direct(s, "POST", h.wireBody(h.code())).want(t, http.StatusOK, "")
}

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
		if err := h.DB.QueryRow(`SELECT count(*) FROM refusals`).Scan(&n); err != nil {
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
	if err := h.DB.QueryRow(`SELECT count(*) FROM refusals WHERE address = '203.0.113.9'`).Scan(&n); err != nil || n != 3 {
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
	if err := h.DB.QueryRow(`SELECT count(*) FROM refusals`).Scan(&n); err != nil || n != 0 {
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
