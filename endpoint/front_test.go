package endpoint_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/oauth"
)

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
	_, flow, _ := strings.Cut(inner.Get("redirect_uri"), "?flow=") // F14: short, because Selfauth shows it on a telephone
	if !regexp.MustCompile(`^[0-9A-Za-z]{22}$`).MatchString(flow) {
		t.Errorf("F14: the flow is called %q", flow)
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
	h.setURL(strings.Replace(h.URL, "http:", "https:", 1))
	r, _ := http.NewRequest("GET", "http://"+h.host+"/token/authorize?client_id="+clientID+"&redirect_uri="+redirectURI, nil)
	c = v.see(h.visitor().Do(r)).Cookies()
	if len(c) != 1 || !strings.HasPrefix(c[0].Name, "__Host-mkflow_") || !c[0].Secure {
		t.Errorf("%+v", c)
	}
	h.setURL(strings.Replace(h.URL, "https:", "http:", 1))
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
			h.set(func(st *grant.Settings) { st.RequirePKCE, st.Me = tt.pkce, []string{jane} })
			v := h.visitor()
			s := v.begin(tt.wish)
			if tt.code != "" {
				v.fails(s.faultLink(t), tt.code)
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
	h.set(func(st *grant.Settings) { st.Me = []string{jane, "https://other.example/"} })
	if got := me(modern("me", "")); got != jane {
		t.Errorf("without me: %q", got)
	}
	if got := me(modern("me", "HTTP://Jane.example/~x?y")); got != "HTTP://Jane.example/~x?y" {
		t.Errorf("me was changed to %q", got)
	}
	h.set(func(st *grant.Settings) {
		st.Endpoints = []string{h.auth, "https://auth.other.example/x", "https://third.example/?a=b"}
	})
	for me, want := range map[string]string{"https://other.example/": "https://auth.other.example/x?", "third.example": "https://third.example/?a=b&", jane: h.auth + "?", "": h.auth + "?"} {
		if got := h.visitor().begin(modern("me", me)).to().String(); !strings.HasPrefix(got, want) {
			t.Errorf("%q goes to %s", me, got)
		}
	}
}

// TestSignIn is the way of the owner's pages.
func TestSignIn(t *testing.T) {
	h := newHouse(t)
	h.set(func(st *grant.Settings) { st.RequirePKCE, st.Me = true, []string{jane} })
	v := h.visitor()
	back := h.URL + "/owner/signin"
	signIn := func(me string) string {
		h.clock.pass(time.Second)
		to := v.get(v.signIn(v.get(h.Authorize.SignInURL(back, "s", oauth.Challenge(proof), me)).to()).String()).to()
		if !strings.HasPrefix(to.String(), back+"?") || to.Query().Get("state") != "s" || to.Query().Get("iss") != h.URL {
			t.Errorf("back to %s", to)
		}
		return h.secretCode(to.Query().Get("code"))
	}
	code := signIn("")
	if me, err := h.Authorize.SignedIn(t.Context(), code, back, "wrong"); err == nil {
		t.Errorf("signed in as %s with the wrong verifier", me)
	}
	if me, err := h.Authorize.SignedIn(t.Context(), code, back, proof); err != nil || me != jane {
		t.Errorf("%q, %v", me, err)
	}
	if _, err := h.Authorize.SignedIn(t.Context(), code, back, proof); err == nil {
		t.Error("signed in twice with one code")
	}
	h.set(func(st *grant.Settings) { st.Me, st.Admins = []string{"https://other.example/"}, []string{jane} })
	if me, err := h.Authorize.SignedIn(t.Context(), signIn(jane), back, proof); err != nil || me != jane {
		t.Errorf("an admin who gets no tokens: %q, %v", me, err)
	}
	v.begin(modern("redirect_uri", h.URL+"/owner/signin")).page(t, http.StatusBadRequest, "an address of this endpoint")
	v.begin(modern("client_id", h.Authorize.OwnerClient())).page(t, http.StatusBadRequest, "an address of this endpoint")
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
	if m["service_documentation"] != nil || m["client_id_metadata_document_supported"] != true { // L2
		t.Error(s.text)
	}
	if known := v.get("http://" + h.host + "/.well-known/oauth-authorization-server/token"); known.text != s.text {
		t.Error(known.text)
	}
	// L1: HTML, unless JSON is asked for by name; client.json is always the document.
	page := v.get(h.URL + "/client")
	for _, want := range []string{"<title>Token endpoint of ", `class="u-url p-name" href="` + h.URL + `/client"`, `rel="redirect_uri" href="` + h.URL + `/keep/callback"`} {
		if !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") || !strings.Contains(page.text, want) {
			t.Errorf("no %s in %s", want, page.text)
		}
	}
	r, _ := http.NewRequest("GET", h.URL+"/client", nil)
	r.Header.Set("Accept", "application/json")
	if asked := v.see(v.Do(r)); !strings.Contains(asked.text, `"client_id":"`+h.URL+`/client"`) {
		t.Error(asked.text)
	}
	c := v.get(h.URL + "/client.json")
	if err := json.Unmarshal([]byte(c.text), &m); err != nil || m["client_id"] != h.URL+"/client.json" ||
		fmt.Sprint(m["redirect_uris"]) != "["+h.URL+"/callback "+h.URL+"/keep/callback]" {
		t.Errorf("%v %s", err, c.text)
	}
}
