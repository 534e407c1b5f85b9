package endpoint_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/demo"
)

// What trusted endpoints answer, and what becomes of it.

// TestR23Answers: only 200 with a usable me is a yes; what an endpoint rejects in its own
// form is the client's fault; what lasts until the owner mends it is told as that, and
// what passes by itself as passing (cases C2, C3, C4, F5).
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
		{"401", 401, "text/html", page, 500, "server_error"},
		{"403", 403, "text/html", page, 500, "server_error"},
		{"406", 406, "text/html", page, 500, "server_error"},
		{"410", 410, "", "", 400, "invalid_grant"},
		{"429", 429, "", "", 503, "temporarily_unavailable"},

		{"404", 404, "text/html", page, 500, "server_error"},
		{"405", 405, "text/html", page, 500, "server_error"},
		{"500", 500, "application/json", yes, 503, "temporarily_unavailable"},
		{"502", 502, "", "", 503, "temporarily_unavailable"},
		{"503", 503, "application/json", `{"error":"temporarily_unavailable"}`, 503, "temporarily_unavailable"},
		{"201", 201, "application/json", yes, 400, "invalid_grant"},
		{"202", 202, "application/json", yes, 400, "invalid_grant"},
		{"203 from a proxy", 203, "application/json", yes, 400, "invalid_grant"},
		{"204", 204, "", "", 400, "invalid_grant"},
		{"302", 302, "application/json", yes, 500, "server_error"},
		{"304", 304, "", "", 500, "server_error"},
		{"a login page", 200, "text/html; charset=UTF-8", page, 500, "server_error"},
		{"a page of JSON", 200, "text/html", `{"error":"x"}`, 400, "invalid_grant"},
		{"nothing", 200, "", "", 500, "server_error"},
		{"PHP's warning before JSON", 200, "application/json", "<br />Warning" + yes, 500, "server_error"},
		{"half of it", 200, "application/json", yes[:30], 500, "server_error"},
		{"JSON twice", 200, "application/json", yes + yes, 500, "server_error"},
		{"a list", 200, "application/json", "[" + yes + "]", 500, "server_error"},
		{"no me", 200, "application/json", `{"scope":"create"}`, 500, "server_error"},
		{"a no with 200", 200, "application/json", `{"error":"invalid_grant"}`, 400, "invalid_grant"},
		{"me a number", 200, "application/json", `{"me":7,"scope":"create"}`, 500, "server_error"},
		{"me a name", 200, "application/json", `{"me":"jane","scope":"create"}`, 500, "server_error"},
		{"me a mail address", 200, "application/json", `{"me":"mailto:jane@jane.example","scope":"create"}`, 500, "server_error"},
		{"me with a password", 200, "application/json", `{"me":"https://jane:x@jane.example/","scope":"create"}`, 500, "server_error"},
		{"me with a fragment", 200, "application/json", `{"me":"https://jane.example/#x","scope":"create"}`, 500, "server_error"},

		{"C2 a byte order mark", 200, "application/json", "\xef\xbb\xbf" + yes, 200, ""},
		{"C2 a byte order mark before a form", 200, "application/x-www-form-urlencoded", "\xef\xbb\xbfme=https%3A%2F%2Fjane.example%2F&scope=create", 200, ""},
		{"C2 a byte order mark before a no", 400, "application/json", "\xef\xbb\xbf" + `{"error":"invalid_grant"}`, 400, "invalid_grant"},
		{"C2 a notice before a form", 200, "application/x-www-form-urlencoded", "<br />Notice: x&" + "scope=create", 500, "server_error"},
		{"C3 415", 415, "text/html", page, 500, "server_error"},
		{"C3 a filter's page with 400", 400, "text/html", "<h1>Request blocked</h1>", 500, "server_error"},
		{"C3 a challenge with 503", 503, "text/html", "<title>Just a moment</title>", 503, "temporarily_unavailable"},
		{"C3 429 in JSON", 429, "application/json", `{"error":"slow_down"}`, 503, "temporarily_unavailable"},
		{"C3 403 in JSON", 403, "application/json", `{"error":"access_denied"}`, 400, "invalid_grant"},
		{"C4 200 with an error", 200, "application/json", `{"error":"invalid_grant","error_description":"too old"}`, 400, "invalid_grant"},
		{"F5 301", 301, "text/html", page, 500, "server_error"},
		{"F5 405 in plain text", 405, "text/plain", "no", 500, "server_error"},
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
		h.redeem(h.code()).want(t, http.StatusInternalServerError, "server_error")
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
	h.set(func(st *grant.Settings) { st.Endpoints = nil })
	h.redeem(h.code()).want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	h.set(func(st *grant.Settings) { st.Endpoints = []string{"http://127.0.0.1:1/"} })
	h.redeem(h.code()).want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
}

// TestSeveralEndpoints: any yes wins; those that confirmed codes of this shape
// are asked first; without a yes, one fault is enough for 503.
func TestSeveralEndpoints(t *testing.T) {
	h := newHouse(t)
	other := &demo.Selfauth{Me: "https://jane.example/", Key: "another", Now: h.clock.now}
	next := httptest.NewServer(other)
	defer next.Close()
	h.set(func(st *grant.Settings) { st.Endpoints = append(st.Endpoints, next.URL+"/") })
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
	h.redeem("another-shape").want(t, http.StatusInternalServerError, "server_error")
	h.redeem(h.code()).want(t, http.StatusOK, "")

	// An endpoint that is trusted no more is not asked, whatever it once confirmed.
	asked()
	h.set(func(st *grant.Settings) { st.Endpoints = st.Endpoints[:1] })
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
				s.Authorize.Upstreams = &http.Client{Transport: roundTrip(endpointOfName)}
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

func (b hangingBody) Close() error { return nil }

// TestDirectOff: codes of the authorization endpoint are not even asked about.
func TestDirectOff(t *testing.T) {
	h := newHouse(t)
	h.set(func(st *grant.Settings) { st.Direct = false })
	h.redeem(h.code()).want(t, http.StatusBadRequest, "invalid_grant")
	h.set(func(st *grant.Settings) { st.Direct = true })
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
	h.set(func(st *grant.Settings) { st.Me = []string{"https://joan.example/"} })
	h.redeem(h.code()).want(t, http.StatusBadRequest, "invalid_grant")
	h.set(func(st *grant.Settings) { st.Me = append(st.Me, jane) })
	h.redeem(h.code()).want(t, http.StatusOK, "")
}

// TestC1Older: what was stored when URLs were spelt less strictly is of the same person.
func TestC1Older(t *testing.T) {
	h := newHouse(t)
	h.selfauth.Me = "https://jane.example/~jane"
	access, refresh := h.login()
	if _, err := h.Grants.DB.Exec(`UPDATE grants SET me = 'https://jane.example:443/%7Ejane'; UPDATE tokens SET auth_me = 'https://jane.example:443/%7Ejane'`); err != nil {
		t.Fatal(err)
	}
	h.set(func(st *grant.Settings) { st.Me = []string{"https://jane.example/~jane"} })
	h.live(access)
	h.refresh(refresh).want(t, http.StatusOK, "")
}

// TestC4Reason: the endpoint's own reason reaches the app, and what stood in a
// verification's place is said (cases C3, C4).
func TestC4Reason(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct {
		status    int
		kind      string
		body      string
		code      int
		name, say string
	}{
		{400, "application/json", `{"error":"invalid_grant","error_description":"The code was \"used\" already"}`, 400, "invalid_grant", "invalid_grant The code was used already"},
		{200, "application/json", `{"error":"expired"}`, 400, "invalid_grant", "rejects this code: expired"},
		{403, "text/html", "<title>Blocked</title><style>p{}</style><p>by the filter", 500, "server_error", "status 403: Blocked by the filter"},
		{200, "application/json", "<br />\nWarning: x in y.php" + `{"me":"https://jane.example/"}`, 500, "server_error", "status 200: Warning: x in y.php"},
		{404, "text/html", "", 500, "server_error", "status 404 and nothing else"},
	} {
		h.selfauth.Fault = says(c.status, c.kind, c.body)
		a := h.redeem(h.code()).want(t, c.code, c.name)
		if !strings.Contains(a.text("error_description"), c.say) {
			t.Errorf("%s, want %s", a.body, c.say)
		}
	}
}

// TestC3SomebodyElse is kind (2): somebody else answers in the endpoint's place. The
// status says whether it passes; the app is told what stood there, the log too, and
// the caller is not counted.
func TestC3SomebodyElse(t *testing.T) {
	const yes = `{"me":"https://jane.example/","scope":"create"}`
	const pass, last = http.StatusServiceUnavailable, http.StatusInternalServerError
	h := newHouse(t)
	for _, c := range []struct {
		status       int
		kind, body   string
		want         int
		says         string
		more         http.Header
		codeInAnswer bool
	}{
		{status: 403, kind: "text/html", body: "<title>Attention Required! | Cloudflare</title>", want: last, says: "status 403: Attention Required! | Cloudflare"},
		{status: 403, kind: "application/json", body: `{"message":"Access denied by Imunify360"}`, want: last, says: "Access denied by Imunify360"},
		{status: 406, kind: "text/html", body: "<h1>Not Acceptable!</h1><p>generated by Mod_Security.", want: last, says: "generated by Mod_Security"},
		{status: 415, kind: "text/plain", body: "no", want: last, says: "status 415: no"},
		{status: 401, kind: "text/html", body: "401 Authorization Required", want: last, says: "401 Authorization Required"},
		{status: 200, kind: "text/html", body: "<html><script>challenge()</script><body>One moment, please&hellip;", want: last, says: "One moment, please%E2%80%A6"},
		{status: 200, kind: "text/html", body: "<title>Account Suspended</title>", want: last, says: "Account Suspended"},
		{status: 200, kind: "text/html", body: "<style>a{}</style><p>Buy this domain.", want: last, says: "200: Buy this domain."},
		{status: 200, kind: "application/json", body: "<br />\n<b>Deprecated</b>:  strlen() in x.php on line 3<br />\n" + yes, want: last, says: "Deprecated : strlen() in x.php"},
		{status: 200, kind: "application/json", body: yes + "\n<b>Warning</b>: x", want: last, says: "after top-level value"},
		{status: 200, kind: "application/json", body: "\xff\xfe{\x00", want: last, says: "status 200"},
		{status: 200, kind: "application/json", body: "\ufeff\ufeff \n" + yes, want: http.StatusOK},
		{status: 200, kind: "text/html; charset=UTF-8", body: yes, want: http.StatusOK},
		{status: 200, kind: "text/html", body: "", want: last, says: "status 200 and nothing else"},
		{status: 200, kind: "application/x-www-form-urlencoded", body: "error=nobody", want: last, says: "no me"},
		{status: 301, want: last, says: "status 301, which leads to https://jane.example/auth/ and nothing", more: http.Header{"Location": {"https://jane.example/auth/?key=x"}}},
		{status: 302, kind: "text/html", body: "Found", want: last, says: "which leads to /wp-login.php: Found", more: http.Header{"Location": {"/wp-login.php?redirect_to=x"}}},
		{status: 503, kind: "text/html", body: "<title>Maintenance</title>Briefly unavailable for scheduled maintenance.", want: pass, says: "status 503: Maintenance Briefly"},
		{status: 521, kind: "text/html", body: "Web server is down", want: pass, says: "status 521: Web server is down"},
		{status: 500, kind: "application/json", body: `{"error":"invalid_grant"}`, want: pass, says: "status 500"},
		{status: 429, kind: "text/html", body: "Slow down", want: pass, says: "status 429: Slow down"},
		{status: 408, want: pass, says: "status 408"},
		{status: 404, kind: "text/html", body: "Not found. You sent: ", want: last, says: "You sent: %E2%80%A6", codeInAnswer: true},
	} {
		code := h.code()
		h.selfauth.Fault = func(w http.ResponseWriter, r *http.Request) bool {
			for name := range c.more {
				w.Header().Set(name, c.more.Get(name))
			}
			if c.codeInAnswer {
				return says(c.status, c.kind, c.body+code)(w, r)
			}
			return says(c.status, c.kind, c.body)(w, r)
		}
		before := len(h.logged())
		a := h.redeem(code)
		if a.status != c.want || !strings.Contains(a.text("error_description"), c.says) {
			t.Errorf("%d %q became %d %s\nwant %d %s", c.status, c.body, a.status, a.body, c.want, c.says)
		}
		if c.want != http.StatusOK && !strings.Contains(h.logged()[before:], "status "+strconv.Itoa(c.status)) {
			t.Errorf("%d %q: the log says %s", c.status, c.body, h.logged()[before:])
		}
	}
	if n := h.events("refused"); n != 0 {
		t.Errorf("%d of them are counted against the caller", n)
	}
}
