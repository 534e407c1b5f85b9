package endpoint_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"mintkeep/endpoint/grant"
)

// TestAttackOpenRedirect: what is not known to belong together stays on a page,
// and nothing is stored or fetched.
func TestAttackOpenRedirect(t *testing.T) {
	h := newHouse(t)
	h.Authorize.Discover.Public = &http.Client{Transport: noFetch{t}}
	v := h.visitor()
	for _, tt := range []struct{ client, redirect string }{
		{"", redirectURI},
		{clientID, ""},
		{clientID, "//evil.example/"},
		{clientID, "/callback"},
		{clientID, "https:app.example/callback"},
		{clientID, "https:///app.example/callback"},
		{clientID, `https://evil.example\@app.example/`},
		{clientID, `https://app.example\.evil.example/`},
		{clientID, "https://app.example@evil.example/"},
		{clientID, "https://app.example:pw@app.example/"},
		{clientID, "https://app.example/callback#x"},
		{clientID, "https://app.example/a/../callback"},
		{clientID, "https://app.example/a/%2e%2E/callback"},
		{clientID, "https://app.example/%0d%0aSet-Cookie:x\r\nX: y"},
		{clientID, "https://app.example/ x"},
		{clientID, "https://app.example／.evil.example/"}, // letters that become others
		{clientID, "https://app.example\u200b:x/"},
		{clientID, "com.example.äpp:/cb"},
		{clientID, "https://[::1/"},
		{clientID, "javascript:alert(1)//https://app.example/"},
		{clientID, "JavaScript://app.example/%0aalert(1)"},
		{clientID, "data:text/html,x"},
		{clientID, "file:///etc/passwd"},
		{clientID, "https://app.example/" + strings.Repeat("x", 3000)},
		{"app.example", redirectURI},
		{"ftp://app.example/", "ftp://app.example/cb"},
		{"https://203.0.113.5/", "https://203.0.113.5/cb"},
		{"https://2130706433/", "https://2130706433/cb"},
		{"https://0x7f.1/", "https://0x7f.1/cb"},
		{"https://10.0.0.1/", "https://10.0.0.1/cb"},
		{"https://[2001:db8::1]/", "https://[2001:db8::1]/cb"},
		{"https://127.0.0.2/", "https://127.0.0.2/cb"},
		{"https://user@app.example/", redirectURI},
		{"https://app.example/#x", redirectURI},
		{"https://app.example/./", redirectURI},
		{"https://app.example/x/..", redirectURI},
		{h.URL, h.URL + "/callback"},
		{h.URL + "/client", h.URL + "/callback?flow=x"},
		{"http://127.0.0.1/", strings.Replace(h.URL, "/token", "//token/callback", 1)},
		{"http://127.0.0.1:9/", "http://[::1]:9/"},
		{"http://127.0.0.1:9/", "https://evil.example/"},
	} {
		v.begin(ancient("client_id", tt.client, "redirect_uri", tt.redirect)).page(t, http.StatusBadRequest, "")
	}
	v.get(h.URL+"/authorize?client_id="+clientID+"&client_id=https://evil.example/&redirect_uri="+redirectURI).page(t, 400, "more than once")
	v.get(h.URL+"/callback").page(t, 400, "not begun in this browser")
	v.get(h.URL+"/callback?state=x&code=y&flow=z&redirect_uri=https://evil.example/").page(t, 400, "not begun in this browser")
	var n int
	if err := h.Grants.DB.QueryRow(`SELECT count(*) FROM authorizations`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d flows stored, %v", n, err)
	}
	for client, redirect := range map[string]string{
		"https://app.example":           "https://APP.example:443/cb?x=y",
		"https://app.example:8443/":     "https://app.example:8443/cb",
		"http://app.example/a/b?c=d":    "http://app.example:80/",
		"http://localhost:1234/":        "http://localhost:4321/cb",
		"http://127.0.0.1/":             "http://127.0.0.1:1/",
		"http://[::1]:5/":               "http://[::1]:6/",
		"https://xn--pp-yia.example/~x": "https://xn--pp-yia.example/",
	} {
		if s := v.begin(modern("client_id", client, "redirect_uri", redirect)); !strings.HasPrefix(s.to().String(), h.auth) {
			t.Errorf("%s with %s: %s", client, redirect, s.text)
		}
	}
}

type noFetch struct{ t *testing.T }

func (n noFetch) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Trim(r.URL.Path, "/") == "" { // others may be documents, which may not allow their whole origin
		n.t.Errorf("%s was fetched", r.URL)
	}
	return nil, http.ErrNotSupported
}

// TestAttackOurCode: a code of ours is good for its client, redirect and verifier,
// once; a mistake does not spend it, for some clients send it again (C7).
func TestAttackOurCode(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	for _, path := range []string{"", "/authorize"} {
		code := v.goThrough(modern()).Query().Get("code")
		for _, change := range [][]string{
			{"client_id", "https://evil.example/"},
			{"client_id", "https://app.example/other"},
			{"client_id", "http://app.example/"},
			{"redirect_uri", "https://app.example/other"},
			{"redirect_uri", redirectURI + "/"},
			{"code_verifier", ""},
			{"code_verifier", "wrong"},
			{"code_verifier", s256(proof)},
			{"code_verifier", proof + "="},
			{"code", mangle(code)},
			{"code", strings.ToUpper(code)},
			{"code", strings.Replace(code, "mkc_", "mka_", 1)},
			{"code", "mkc_"},
		} {
			v.redeemAt(path, code, change...).want(t, http.StatusBadRequest, "invalid_grant")
		}
		v.redeemAt(path, code, "client_id", "https://App.example:443").want(t, http.StatusOK, "") // the same client, case C1
		bare := v.goThrough(ancient()).Query().Get("code")
		v.redeemAt(path, bare).want(t, http.StatusBadRequest, "invalid_grant")
		v.redeemAt(path, bare, "code_verifier", "").want(t, http.StatusOK, "")
	}
	access := v.redeemAt("", v.goThrough(modern()).Query().Get("code")).text("access_token")
	h.live(access)
	code := v.goThrough(modern()).Query().Get("code")
	mine := v.redeemAt("", code).text("access_token")
	v.redeemAt("", code).want(t, http.StatusBadRequest, "invalid_grant")
	h.dead(mine)
	h.live(access) // another sign-in of the same client
	h.dead(code)   // no bearer
	h.revoke(code).want(t, http.StatusOK, "")
	if h.events("replay") != 1 || h.events("refused") == 0 {
		t.Errorf("%d replays, %d refusals recorded", h.events("replay"), h.events("refused"))
	}
}

// TestAttackInnerCode: Selfauth's code for the front is of no use outside it.
func TestAttackInnerCode(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	to := v.signIn(v.begin(modern()).to())
	code, back := to.Query().Get("code"), h.URL+"/callback?flow="+to.Query().Get("flow")
	for _, redirect := range []string{back, redirectURI, strings.Replace(back, "/token", "//token", 1), strings.Replace(back, "/token", "/x/../tok%65n", 1)} {
		v.redeemAt("", code, "redirect_uri", redirect, "code_verifier", "").want(t, http.StatusBadRequest, "invalid_grant")
		v.redeemAt("/authorize", code, "redirect_uri", redirect, "code_verifier", "").want(t, http.StatusBadRequest, "invalid_grant")
	}
	q := v.get(to.String()).to().Query()
	if q.Get("code") == "" {
		t.Fatalf("the flow was disturbed: %v", q)
	}
	a := v.redeemAt("", h.secretCode(q.Get("code"))).want(t, http.StatusOK, "")
	v.redeemAt("", code, "redirect_uri", back, "code_verifier", "").want(t, http.StatusBadRequest, "invalid_grant")
	h.live(a.text("access_token")) // refused before the ledger: whoever saw the code cannot end the grant
}

// TestAttackBrowser: a callback counts in the browser that began the flow, for that flow.
func TestAttackBrowser(t *testing.T) {
	h := newHouse(t)
	v, mallory := h.visitor(), h.visitor()
	to := v.signIn(v.begin(modern()).to())
	mallory.get(to.String()).page(t, 400, "not begun in this browser")
	own := mallory.begin(modern()).to().Query()
	for name, value := range map[string]string{"state": own.Get("state"), "flow": "", "code": ""} {
		q := to.Query()
		q.Set(name, value)
		s := mallory.get(h.URL + "/callback?" + q.Encode())
		if s.Header.Get("Location") != "" {
			t.Errorf("with another %s to %s", name, s.to())
		}
	}
	// Mallory's flow with the code of the victim's: Selfauth signed another redirect_uri.
	q := to.Query()
	inner, _ := url.Parse(own.Get("redirect_uri"))
	q.Set("flow", inner.Query().Get("flow"))
	q.Set("state", own.Get("state"))
	if got := mallory.get(h.URL + "/callback?" + q.Encode()).to().Query(); got.Get("code") != "" || got.Get("error") != "server_error" {
		t.Errorf("another flow's code gave %v", got)
	}
	// The flow's id is in URLs; with its cookie guessed it is still not enough.
	cookies := mallory.Jar.Cookies(to)
	for _, c := range v.Jar.Cookies(to) {
		for _, value := range []string{"", "x", c.Value + "0", mangle(c.Value)} {
			c.Value = value
			mallory.Jar.SetCookies(to, append(cookies, c))
			mallory.get(to.String()).page(t, 400, "not begun in this browser")
		}
	}
	if got := v.get(to.String()).to().Query(); got.Get("code") == "" {
		t.Errorf("the victim's flow was disturbed: %v", got)
	}
}

// TestAttackIss: iss and state are the client's own and ours, whatever comes from outside (RFC 9207).
func TestAttackIss(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	to := v.signIn(v.begin(modern()).to())
	got := v.get(to.String() + "&iss=https%3A%2F%2Fevil.example%2F").to().Query()
	if len(got["iss"]) != 1 || got.Get("iss") != h.URL || len(got["state"]) != 1 || got.Get("state") != clientState {
		t.Errorf("the client gets %v", got)
	}
	to = v.goThrough(modern("redirect_uri", redirectURI+"?a=b&x=%2F"))
	if !strings.HasPrefix(to.String(), redirectURI+"?a=b&x=%2F&code=mkc_") {
		t.Errorf("the redirect_uri was changed: %s", to)
	}
	if to = v.goThrough(modern("state", "")); to.Query().Has("state") {
		t.Errorf("a state that the client did not send: %s", to)
	}
	if to = v.goThrough(modern("state", "\u202eöß%26 +")); to.Query().Get("state") != "\u202eöß%26 +" {
		t.Errorf("the state was changed: %s", to)
	}
}

// TestAttackMarkup: what strangers write is text on every page, no page can be
// framed, none runs a script or posts anywhere but here.
func TestAttackMarkup(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	const script = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`
	pages := []sight{
		v.begin(modern("client_id", "https://app.example/"+script)),
		v.begin(modern("redirect_uri", "javascript:"+script)),
		v.begin(modern("redirect_uri", "https://evil.example/?'onload=alert(1)")),
		v.get(h.URL + "/callback?state=" + url.QueryEscape(script) + "&error=" + url.QueryEscape(script)),
		v.get(h.URL + "/callback?state=%00"),
		v.see(v.PostForm(h.URL+"/consent", url.Values{"flow": {script}})),
		v.see(v.Get(h.URL + "/consent")),
		v.see(v.Head(h.URL + "/authorize")),
		v.see(v.Head(h.URL + "/callback")),
	}
	h.set(func(st *grant.Settings) { st.Endpoints = nil })
	pages = append(pages, v.begin(modern()))
	for _, s := range pages {
		s.sober(t)
		if s.StatusCode < 400 {
			t.Errorf("%d: %s", s.StatusCode, s.text)
		}
	}
}

// sober asserts what is true of every page for people.
func (s sight) sober(t testing.TB) {
	t.Helper()
	csp := s.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(csp, "default-src 'none'; style-src 'sha256-") || !strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "base-uri 'none'") ||
		s.Header.Get("X-Frame-Options") != "DENY" || s.Header.Get("X-Content-Type-Options") != "nosniff" || s.Header.Get("Cache-Control") != "no-store" ||
		s.Header.Get("Access-Control-Allow-Origin") != "" || s.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("headers %v", s.Header)
	}
	if s.Request.Method == http.MethodHead {
		return
	}
	root, err := html.Parse(strings.NewReader(s.text))
	if err != nil {
		t.Error(err)
	}
	for n := range root.Descendants() {
		if n.Data == "script" || n.Data == "img" || n.Data == "iframe" || n.Data == "link" {
			t.Errorf("a %s in %s", n.Data, s.text)
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || strings.HasPrefix(strings.ToLower(a.Val), "javascript:") {
				t.Errorf("%s=%q in %s", a.Key, a.Val, s.text)
			}
		}
	}
}

// TestAttackFlood: refused redirects of other origins are counted like refused codes.
func TestAttackFlood(t *testing.T) {
	h := newHouse(t)
	h.from("198.51.100.7:1234")
	v := h.visitor()
	for range 30 {
		v.begin(modern("redirect_uri", "https://evil.example/")).page(t, 400, "lies elsewhere")
	}
	v.begin(modern("redirect_uri", "https://evil.example/")).page(t, http.StatusTooManyRequests, "too many")
	if s := v.begin(modern()); !strings.HasPrefix(s.to().String(), h.auth) {
		t.Error("an honest app is refused too")
	}
	h.clock.pass(5 * time.Minute)
	v.begin(modern("redirect_uri", "https://evil.example/")).page(t, 400, "lies elsewhere")
}

// TestE7OpenRedirect: whatever is wrong with the request of an app that has registered
// its redirect, nobody is taken there before signing in.
func TestE7OpenRedirect(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	const evil = "https://evil.example/"
	for name, change := range map[string][]string{
		"E7 response_type":                       {"response_type", "token"},
		"E7 code_challenge_method":               {"code_challenge_method", "plain"},
		"E7 scope":                               {"scope", `"`},
		"another response_type":                  {"response_type", "code id_token"},
		"no method":                              {"code_challenge_method", ""},
		"method alone":                           {"code_challenge", ""},
		"a challenge that is none":               {"code_challenge", "x"},
		"method in lower case":                   {"code_challenge_method", "s256"},
		"an app's own scheme":                    {"redirect_uri", "evil.example:/x", "client_id", evil, "scope", `"`},
		"a scope of characters that none can be": {"scope", "\\ \" \u00e9"},
	} {
		w := modern(append([]string{"client_id", evil, "redirect_uri", evil + "go?a=b"}, change...)...)
		s := v.begin(w)
		if s.StatusCode < 400 || s.Header.Get("Location") != "" || strings.Contains(s.text, "http-equiv") {
			t.Errorf("%s: %d to %s", name, s.StatusCode, s.to())
		}
		s.sober(t)
		if strings.HasPrefix(w["redirect_uri"], evil) {
			if q := s.faultLink(t).Query(); q.Get("error") == "" || q.Get("a") != "b" || q.Get("state") != clientState {
				t.Errorf("%s: the link has %v", name, q)
			}
		}
	}
	h.set(func(st *grant.Settings) { st.RequirePKCE = true })
	v.begin(ancient("client_id", evil, "redirect_uri", evil)).faultLink(t)
}
