package endpoint_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	stdhtml "html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mintkeep/endpoint"
)

// A visitor is a browser that stops at every redirect.
type visitor struct {
	*http.Client
	t testing.TB
	h *house
}

// A sight is what a visitor sees.
type sight struct {
	*http.Response
	text string
}

func (h *house) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &visitor{&http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, h.t, h}
}

func (v *visitor) see(resp *http.Response, err error) sight {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, c := range resp.Cookies() {
		v.h.plant(c.Value)
	}
	return sight{resp, string(body)}
}

func (v *visitor) get(address string) sight { v.t.Helper(); return v.see(v.Get(address)) }

// to is where the sight sends the browser, by a redirect or a page's refresh.
func (s sight) to() *url.URL {
	if u, err := s.Location(); err == nil {
		return u
	}
	if m := regexp.MustCompile(`http-equiv="refresh" content="0; url=([^"]*)"`).FindStringSubmatch(s.text); m != nil {
		u, _ := url.Parse(stdhtml.UnescapeString(m[1]))
		return u
	}
	return &url.URL{}
}

// page asserts an error page, from which nothing leads on.
func (s sight) page(t testing.TB, status int, says string) {
	t.Helper()
	if s.StatusCode != status || s.Header.Get("Location") != "" || !strings.Contains(s.Header.Get("Content-Type"), "text/html") ||
		!strings.Contains(stdhtml.UnescapeString(s.text), says) {
		t.Errorf("got %d to %q: %s\nwant a page, %d %q", s.StatusCode, s.Header.Get("Location"), s.text, status, says)
	}
}

// A wish is a client's authorization request.
type wish map[string]string

const (
	proof       = "a-verifier-of-the-client-that-is-43-characters-long"
	clientState = `st&ate="<script>'`
)

func s256(v string) string {
	sum := sha256.Sum256([]byte(v))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// modern is a request by the current specification; change replaces parameters, "" leaves one out.
func modern(change ...string) wish {
	w := wish{"response_type": "code", "client_id": clientID, "redirect_uri": redirectURI, "state": clientState, "scope": scope,
		"code_challenge": s256(proof), "code_challenge_method": "S256", "me": jane}
	return w.with(change...)
}

// ancient is one by the specification before PKCE.
func ancient(change ...string) wish {
	return modern("code_challenge", "", "code_challenge_method", "").with(change...)
}

func (w wish) with(change ...string) wish {
	for i := 0; i < len(change); i += 2 {
		if w[change[i]] = change[i+1]; change[i+1] == "" {
			delete(w, change[i])
		}
	}
	return w
}

func (v *visitor) begin(w wish) sight {
	v.t.Helper()
	q := make(url.Values)
	for name, value := range w {
		q.Set(name, value)
	}
	return v.get(v.h.URL + "/authorize?" + q.Encode())
}

var (
	csrfField = regexp.MustCompile(`name="_csrf" value="([^"]*)"`)
	scopeBox  = regexp.MustCompile(`name="scopes\[\]" value="([^"]*)"`)
)

// signIn fills in Selfauth's form, all scopes ticked but the given ones, and
// returns where Selfauth sends the browser.
func (v *visitor) signIn(at *url.URL, untick ...string) *url.URL {
	v.t.Helper()
	form := v.get(at.String())
	csrf := csrfField.FindStringSubmatch(form.text)
	if csrf == nil {
		v.t.Fatalf("no login form at %s: %s", at, form.text)
	}
	fill := url.Values{"_csrf": {stdhtml.UnescapeString(csrf[1])}, "password": {"p"}}
	for _, box := range scopeBox.FindAllStringSubmatch(form.text, -1) {
		if !slices.Contains(untick, box[1]) {
			fill.Add("scopes[]", stdhtml.UnescapeString(box[1]))
		}
	}
	to := v.see(v.PostForm(at.String(), fill)).to()
	v.h.plant(to.Query().Get("code"))
	return to
}

// goThrough takes a request all the way back to the client.
func (v *visitor) goThrough(w wish, untick ...string) *url.URL {
	v.t.Helper()
	v.h.clock.pass(time.Second)
	to := v.get(v.signIn(v.begin(w).to(), untick...).String()).to()
	v.h.plant(to.Query().Get("code"))
	return to
}

// redeemAt redeems a code of ours; change replaces parameters.
func (v *visitor) redeemAt(path, code string, change ...string) answer {
	v.t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "client_id": {clientID}, "redirect_uri": {redirectURI}, "code_verifier": {proof}}
	for i := 0; i < len(change); i += 2 {
		if form.Set(change[i], change[i+1]); change[i+1] == "" {
			form.Del(change[i])
		}
	}
	s := v.see(new(http.Client).PostForm(v.h.URL+path, form))
	a := answer{s.StatusCode, s.Header, s.text}
	v.h.plant(a.text("access_token"))
	v.h.plant(a.text("refresh_token"))
	return a
}

func (v *visitor) fails(to *url.URL, code string) {
	v.t.Helper()
	q := to.Query()
	if !strings.HasPrefix(to.String(), redirectURI+"?") || q.Get("error") != code || q.Get("code") != "" || q.Get("iss") != v.h.URL || q.Get("state") != clientState {
		v.t.Errorf("the client gets %s, want %s", to, code)
	}
}

func TestFront(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	first := v.begin(modern())
	if first.StatusCode != http.StatusFound || !strings.HasPrefix(first.to().String(), h.auth+"?") {
		t.Fatalf("%d to %s: %s", first.StatusCode, first.to(), first.text)
	}
	inner := first.to().Query()
	for name, want := range map[string]string{"client_id": clientID, "scope": scope, "me": jane, "response_type": "code", "code_challenge_method": "S256"} {
		if inner.Get(name) != want {
			t.Errorf("Selfauth gets %s=%q, want %q", name, inner.Get(name), want)
		}
	}
	if inner.Get("state") == clientState || inner.Get("code_challenge") == s256(proof) || !strings.HasPrefix(inner.Get("redirect_uri"), h.URL+"/callback?flow=") {
		t.Errorf("Selfauth gets %v", inner)
	}
	back := v.get(v.signIn(first.to(), "update").String())
	q := back.to().Query()
	if back.StatusCode != http.StatusFound || !strings.HasPrefix(back.to().String(), redirectURI+"?") || !strings.HasPrefix(q.Get("code"), "mkc_") ||
		q.Get("state") != clientState || q.Get("iss") != h.URL || q.Get("me") != "" || back.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Fatalf("%d to %s", back.StatusCode, back.to())
	}
	if left := v.Jar.Cookies(back.Request.URL); len(left) != 0 {
		t.Errorf("cookies are left: %v", left)
	}
	h.plant(q.Get("code"))
	a := v.redeemAt("", q.Get("code")).want(t, http.StatusOK, "")
	if a.text("me") != jane || a.text("scope") != "create media" || !strings.HasPrefix(a.text("access_token"), "mka_") || !strings.HasPrefix(a.text("refresh_token"), "mkr_") {
		t.Error(a.body)
	}
	h.live(a.text("access_token"))
	h.refresh(a.text("refresh_token")).want(t, http.StatusOK, "")
	if h.selfauth.Checks.Load() != 2 { // the probe and the code
		t.Errorf("Selfauth was asked %d times", h.selfauth.Checks.Load())
	}
	v.goThrough(modern())
	if h.selfauth.Checks.Load() != 3 {
		t.Errorf("Selfauth was asked %d times: its kind was forgotten", h.selfauth.Checks.Load())
	}
}

// TestFrontCookie: one for each flow, out of reach of scripts and other sites.
func TestFrontCookie(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	s := v.begin(modern())
	c := s.Cookies()
	if len(c) != 1 || !c[0].HttpOnly || c[0].SameSite != http.SameSiteLaxMode || c[0].Path != "/" || c[0].MaxAge != 600 || c[0].Secure || c[0].Domain != "" {
		t.Errorf("%+v", c)
	}
	if again := v.begin(modern()).Cookies(); again[0].Name == c[0].Name || again[0].Value == c[0].Value {
		t.Error("two flows share a cookie")
	}
	h.URL = strings.Replace(h.URL, "http:", "https:", 1)
	r, _ := http.NewRequest("GET", "http://"+h.host+"/token/authorize?client_id="+clientID+"&redirect_uri="+redirectURI, nil)
	c = v.see(h.visitor().Do(r)).Cookies()
	if len(c) != 1 || !strings.HasPrefix(c[0].Name, "__Host-mkflow_") || !c[0].Secure {
		t.Errorf("%+v", c)
	}
	h.URL = strings.Replace(h.URL, "https:", "http:", 1)
	for range 30 {
		v.begin(modern())
	}
	if n := len(v.Jar.Cookies(s.Request.URL)); n != 10 {
		t.Errorf("%d cookies in one browser", n)
	}
}

// TestFrontTabs: flows of one browser do not disturb each other.
func TestFrontTabs(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	a, b := v.begin(modern("state", "a")).to(), v.begin(modern("state", "b")).to()
	for state, at := range map[string]*url.URL{"b": b, "a": a} {
		h.clock.pass(time.Second)
		if got := v.get(v.signIn(at).String()).to().Query(); got.Get("state") != state || got.Get("code") == "" {
			t.Errorf("tab %s came back with %v", state, got)
		}
	}
}

// TestFrontRequests: what is taken, what goes back to the client, what stays on a page.
func TestFrontRequests(t *testing.T) {
	h := newHouse(t)
	for _, tt := range []struct {
		name string
		wish wish
		pkce bool   // require_pkce
		code string // "": goes on
	}{
		{"modern", modern(), false, ""},
		{"modern, PKCE required", modern(), true, ""},
		{"before PKCE", ancient(), false, ""},
		{"before PKCE, PKCE required", ancient(), true, "invalid_request"},
		{"no response_type", ancient("response_type", ""), false, ""},
		{"response_type id", ancient("response_type", "id", "scope", ""), false, ""},
		{"response_type id with scope", ancient("response_type", "id"), false, ""},
		{"response_type token", modern("response_type", "token"), false, "unsupported_response_type"},
		{"plain", modern("code_challenge_method", "plain", "code_challenge", proof), false, "invalid_request"},
		{"no method, which means plain", modern("code_challenge_method", ""), false, "invalid_request"},
		{"method alone", modern("code_challenge", ""), false, "invalid_request"},
		{"padded challenge", modern("code_challenge", s256(proof)+"="), false, "invalid_request"},
		{"hex challenge", modern("code_challenge", strings.Repeat("0f", 32)), false, "invalid_request"},
		{"scope that is none", modern("scope", `"`), false, "invalid_scope"},
		{"no scope", modern("scope", ""), false, ""},
		{"no me", modern("me", ""), false, ""},
		{"me without scheme", modern("me", "jane.example"), false, ""},
		{"me that is none", modern("me", "http://["), false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.t = t
			h.set(func(st *endpoint.Settings) { st.RequirePKCE, st.Me = tt.pkce, []string{jane} })
			v := h.visitor()
			s := v.begin(tt.wish)
			if tt.code != "" {
				v.fails(s.to(), tt.code)
				return
			}
			if form := v.get(s.to().String()); !strings.HasPrefix(s.to().String(), h.auth) || !csrfField.MatchString(form.text) {
				t.Errorf("to %s: %s%s", s.to(), s.text, form.text)
			}
		})
	}
	h.t = t
}

// TestFrontMe: Selfauth demands me, though clients may leave it out.
func TestFrontMe(t *testing.T) {
	h := newHouse(t)
	me := func(w wish) string { return h.visitor().begin(w).to().Query().Get("me") }
	if got := me(modern("me", "")); got != strings.TrimSuffix(h.auth, "auth/") {
		t.Errorf("with nothing to go by: %q", got)
	}
	h.set(func(st *endpoint.Settings) { st.Me = []string{jane, "https://other.example/"} })
	if got := me(modern("me", "")); got != jane {
		t.Errorf("without me: %q", got)
	}
	if got := me(modern("me", "HTTP://Jane.example/~x?y")); got != "HTTP://Jane.example/~x?y" {
		t.Errorf("me was changed to %q", got)
	}
	h.set(func(st *endpoint.Settings) {
		st.Endpoints = []string{h.auth, "https://auth.other.example/x", "https://third.example/?a=b"}
	})
	for me, want := range map[string]string{"https://other.example/": "https://auth.other.example/x?", "third.example": "https://third.example/?a=b&", jane: h.auth + "?", "": h.auth + "?"} {
		if got := h.visitor().begin(modern("me", me)).to().String(); !strings.HasPrefix(got, want) {
			t.Errorf("%q goes to %s", me, got)
		}
	}
}

// TestFrontDenied: what goes wrong behind the front is told to the client.
func TestFrontDenied(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	v.fails(v.goThrough(modern(), "create", "update", "media"), "access_denied")
	for told, code := range map[string]string{"access_denied": "access_denied", "temporarily_unavailable": "temporarily_unavailable", "unknown_word": "server_error", "": "server_error"} {
		inner := v.begin(modern()).to().Query()
		to := inner.Get("redirect_uri") + "&state=" + inner.Get("state") + "&error=" + told + "&error_description=<script>"
		v.fails(v.get(to).to(), code)
		v.get(to).page(t, http.StatusBadRequest, "already finished")
	}
	h.set(func(st *endpoint.Settings) { st.Me = []string{"https://other.example/"} })
	v.fails(v.goThrough(modern()), "access_denied")
	h.set(func(st *endpoint.Settings) { st.Me = nil })
	at := v.begin(modern()).to()
	h.set(func(st *endpoint.Settings) { st.Endpoints = []string{"https://new.example/"} })
	v.fails(v.get(v.signIn(at).String()).to(), "access_denied")
	h.set(func(st *endpoint.Settings) { st.Endpoints = []string{h.auth} })
	for fault, code := range map[int]string{500: "temporarily_unavailable", 400: "server_error"} {
		to := v.signIn(v.begin(modern()).to())
		h.selfauth.Fault = says(fault, "text/plain", "no")
		v.fails(v.get(to.String()).to(), code)
		h.selfauth.Fault = nil
	}
	if h.events("refused") != 2 {
		t.Errorf("%d refusals recorded", h.events("refused"))
	}
}

// TestFrontTime: a flow lives ten minutes, our code one, and a used code is known for a day.
func TestFrontTime(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	to := v.signIn(v.begin(modern()).to())
	h.clock.pass(10 * time.Minute)
	v.get(to.String()).page(t, http.StatusBadRequest, "expired")
	code := v.goThrough(modern()).Query().Get("code")
	h.clock.pass(60 * time.Second)
	v.redeemAt("", code).want(t, http.StatusBadRequest, "invalid_grant")
	code = v.goThrough(modern()).Query().Get("code")
	h.clock.pass(59 * time.Second)
	a := v.redeemAt("", code).want(t, http.StatusOK, "")
	h.clock.pass(23 * time.Hour)
	v.redeemAt("", code).want(t, http.StatusBadRequest, "invalid_grant")
	h.dead(a.text("access_token"))
	if h.events("replay") != 1 {
		t.Errorf("%d replays recorded", h.events("replay"))
	}
}

// TestFrontPending: no more than 1,000 flows wait; the oldest make room.
func TestFrontPending(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	v.begin(modern())
	_, err := h.DB.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
		INSERT INTO authorizations SELECT 'x' || i, '', '', 0, '', '', '', '', '', '', ?, 0, '' FROM n`, h.clock.now().UTC().Format(time.DateTime))
	if err != nil {
		t.Fatal(err)
	}
	to := v.signIn(v.begin(modern()).to())
	var n int
	if err := h.DB.QueryRow(`SELECT count(*) FROM authorizations`).Scan(&n); err != nil || n != 1000 {
		t.Errorf("%d pending, %v", n, err)
	}
	if q := v.get(to.String()).to().Query(); q.Get("code") == "" {
		t.Errorf("the newest flow was lost: %v", q)
	}
}

// TestFrontProfileOnly: who it is, without a token (IndieAuth section 5.3.2).
func TestFrontProfileOnly(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	code := v.goThrough(modern("scope", "")).Query().Get("code")
	v.redeemAt("", code).want(t, http.StatusBadRequest, "invalid_scope")
	a := v.redeemAt("/authorize", code).want(t, http.StatusOK, "")
	if a.body != `{"me":"`+jane+`"}`+"\n" || a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%v %s", a.header, a.body)
	}
	v.redeemAt("/authorize", code).want(t, http.StatusBadRequest, "invalid_grant")
	code = v.goThrough(ancient("response_type", "id", "scope", "")).Query().Get("code")
	v.redeemAt("/authorize", code, "grant_type", "", "code_verifier", "").want(t, http.StatusOK, "")
	code = v.goThrough(modern()).Query().Get("code") // with scopes, too
	v.redeemAt("/authorize", code, "grant_type", "password").want(t, http.StatusBadRequest, "unsupported_grant_type")
	v.redeemAt("/authorize", code).want(t, http.StatusOK, "")
	v.redeemAt("", code).want(t, http.StatusBadRequest, "invalid_grant")
}

// TestFrontDirect: both ways are open until direct=off closes one.
func TestFrontDirect(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	h.redeem(h.code()).want(t, http.StatusOK, "")
	h.set(func(st *endpoint.Settings) { st.Direct = false })
	h.redeem(h.code()).want(t, http.StatusBadRequest, "invalid_grant")
	v.redeemAt("", v.goThrough(modern()).Query().Get("code")).want(t, http.StatusOK, "")
}

// TestFrontRace: of many who redeem a code at once, one gets tokens and loses
// them again; a browser that comes back twice at once loses nothing.
func TestFrontRace(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	to := v.signIn(v.begin(modern()).to())
	var mu sync.Mutex
	var codes []string
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			code := v.get(to.String()).to().Query().Get("code")
			mu.Lock()
			defer mu.Unlock()
			if code != "" {
				codes = append(codes, h.secretCode(code))
			}
		})
	}
	all.Wait()
	if len(codes) != 1 || h.events("replay") != 0 {
		t.Fatalf("%d codes, %d replays", len(codes), h.events("replay"))
	}
	good := 0
	for range 8 {
		all.Go(func() {
			if a := v.redeemAt("", codes[0]); a.status == http.StatusOK {
				mu.Lock()
				defer mu.Unlock()
				good++
			}
		})
	}
	all.Wait()
	var alive int
	err := h.DB.QueryRow(`SELECT count(*) FROM tokens WHERE revoked IS NULL`).Scan(&alive)
	if good != 1 || alive != 0 || err != nil {
		t.Errorf("%d redeemed, %d tokens alive, %v", good, alive, err)
	}
}

func (h *house) secretCode(code string) string { h.plant(code); return code }

// TestRevokeTakesCodesBack: what was allowed a moment before everything is revoked.
func TestRevokeTakesCodesBack(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	code := v.goThrough(modern()).Query().Get("code")
	if _, err := h.RevokeClient(t.Context(), "", clientID); err != nil {
		t.Fatal(err)
	}
	v.redeemAt("", code).want(t, http.StatusBadRequest, "invalid_grant")
}

// TestSignIn is the way of the owner's pages.
func TestSignIn(t *testing.T) {
	h := newHouse(t)
	h.set(func(st *endpoint.Settings) { st.RequirePKCE, st.Me = true, []string{jane} })
	v := h.visitor()
	back := h.URL + "/owner/signin"
	signIn := func(me string) string {
		h.clock.pass(time.Second)
		to := v.get(v.signIn(v.get(h.SignInURL(back, "s", endpoint.Challenge(proof), me)).to()).String()).to()
		if !strings.HasPrefix(to.String(), back+"?") || to.Query().Get("state") != "s" || to.Query().Get("iss") != h.URL {
			t.Errorf("back to %s", to)
		}
		return h.secretCode(to.Query().Get("code"))
	}
	code := signIn("")
	if me, err := h.SignedIn(t.Context(), code, back, "wrong"); err == nil {
		t.Errorf("signed in as %s with the wrong verifier", me)
	}
	if me, err := h.SignedIn(t.Context(), code, back, proof); err != nil || me != jane {
		t.Errorf("%q, %v", me, err)
	}
	if _, err := h.SignedIn(t.Context(), code, back, proof); err == nil {
		t.Error("signed in twice with one code")
	}
	h.set(func(st *endpoint.Settings) { st.Me, st.Admins = []string{"https://other.example/"}, []string{jane} })
	if me, err := h.SignedIn(t.Context(), signIn(jane), back, proof); err != nil || me != jane {
		t.Errorf("an admin who gets no tokens: %q, %v", me, err)
	}
	v.begin(modern("redirect_uri", h.URL+"/owner/signin")).page(t, http.StatusBadRequest, "an address of this endpoint")
	v.begin(modern("client_id", h.OwnerClient())).page(t, http.StatusBadRequest, "an address of this endpoint")
}

// TestMetadata: every address in it answers, and both places have it.
func TestMetadata(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	s := v.get(h.URL + "/metadata")
	var m map[string]any
	if err := json.Unmarshal([]byte(s.text), &m); err != nil {
		t.Fatal(err)
	}
	if m["issuer"] != h.URL || !strings.HasPrefix(h.URL+"/metadata", fmt.Sprint(m["issuer"])) || m["authorization_response_iss_parameter_supported"] != true ||
		s.Header.Get("Cache-Control") != "public, max-age=300" || s.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error(s.Header, s.text)
	}
	for name, want := range map[string][]any{"response_types_supported": {"code"}, "grant_types_supported": {"authorization_code", "refresh_token"},
		"code_challenge_methods_supported": {"S256"}, "revocation_endpoint_auth_methods_supported": {"none"}} {
		if got, _ := m[name].([]any); !slices.Equal(got, want) {
			t.Errorf("%s is %v", name, m[name])
		}
	}
	for name, want := range map[string]int{"authorization_endpoint": 400, "token_endpoint": 401, "introspection_endpoint": 405, "revocation_endpoint": 405, "userinfo_endpoint": 401} {
		if got := v.get(fmt.Sprint(m[name])).StatusCode; got != want {
			t.Errorf("%s answers %d", name, got)
		}
	}
	if _, err := url.Parse(fmt.Sprint(m["service_documentation"])); err != nil {
		t.Error(err)
	}
	if known := v.get("http://" + h.host + "/.well-known/oauth-authorization-server/token"); known.text != s.text {
		t.Error(known.text)
	}
	c := v.get(h.URL + "/client")
	if err := json.Unmarshal([]byte(c.text), &m); err != nil || m["client_id"] != h.URL+"/client" || fmt.Sprint(m["redirect_uris"]) != "["+h.URL+"/callback]" {
		t.Errorf("%v %s", err, c.text)
	}
}
