package endpoint_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"mintkeep/endpoint/grant"
)

const mcp = "https://mcp.example/"

// document is a client metadata document at docs.example, which each test changes.
func document(path, more string) string {
	return fmt.Sprintf(`{"client_id":"http://docs.example%s","client_name":"Claude Code","client_uri":"http://docs.example/about"%s}`, path, more)
}

// TestDocuments: a client metadata document is read strictly (interface.md 5): what
// it lists is all that is allowed, also of its own origin.
func TestDocuments(t *testing.T) {
	h := newHouse(t)
	if _, err := h.Grants.AddServer(t.Context(), grant.ResourceServer{Name: "mcp", Resource: mcp}); err != nil {
		t.Fatal(err)
	}
	o := h.outside()
	const lists = `,"redirect_uris":["http://docs.example/cb","http://localhost/callback","http://127.0.0.1:8123/cb","com.example.app://cb"]`
	on := func(path, more string) {
		o.HandleFunc("docs.example"+path, serve("application/json", document(path, more)))
	}
	on("/ok.json", lists)
	on("/none.json", lists+`,"token_endpoint_auth_method":"none"`)
	on("/secret.json", lists+`,"token_endpoint_auth_method":"client_secret_post"`)
	on("/jwt.json", lists+`,"token_endpoint_auth_method":"private_key_jwt"`)
	on("/shared.json", lists+`,"client_secret":"x"`)
	on("/bare.json", "")
	on("/large.json", lists+`,"x":"`+strings.Repeat("x", 64<<10)+`"`)
	o.HandleFunc("docs.example/other.json", serve("application/json", document("/ok.json", lists)))
	o.HandleFunc("docs.example/case.json", serve("application/json", strings.Replace(document("/case.json", lists), "docs", "DOCS", 1)))
	o.HandleFunc("docs.example/broken.json", serve("application/json", document("/broken.json", lists)[1:]))
	o.HandleFunc("docs.example/link.json", serve("application/json", document("/link.json", lists), "Link", `<http://docs.example/evil>; rel="redirect_uri"`))
	o.HandleFunc("docs.example/gone.json", func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) })
	o.HandleFunc("docs.example/moved.json", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/to.json", http.StatusFound) })
	o.HandleFunc("docs.example/to.json", serve("application/json", document("/moved.json", lists)))
	o.HandleFunc("docs.example/app", serve("text/html", "<p class=h-app>An app"))
	const own = "http://docs.example/cb"
	for _, tt := range []struct {
		path, redirect string
		ok             bool
	}{
		{"/ok.json", own, true}, {"/none.json", own, true}, {"/ok.json", "com.example.app://cb", true},
		{"/ok.json", "http://localhost:50123/callback", true}, {"/ok.json", "http://localhost/callback", true},
		{"/ok.json", "http://127.0.0.1:8123/cb", true}, {"/ok.json", "http://127.0.0.1:8124/cb", false},
		{"/ok.json", "http://127.0.0.1:50123/callback", false}, {"/ok.json", "http://localhost:50123/callback/", false},
		{"/ok.json", "http://docs.example/evil", false}, {"/ok.json", own + "?x", false}, {"/ok.json", own + "/", false},
		{"/ok.json", "http://docs.example:80/cb", false}, {"/link.json", "http://docs.example/evil", false},
		{"/secret.json", own, false}, {"/jwt.json", own, false}, {"/shared.json", own, false},
		{"/other.json", own, false}, {"/case.json", own, false}, {"/broken.json", own, false}, {"/large.json", own, false},
		{"/moved.json", own, false}, {"/bare.json", own, true}, {"/bare.json", "http://localhost/callback", false},
		{"/app", own, true}, {"/app", "http://localhost/callback", false},
	} {
		for _, resource := range []string{mcp, ""} {
			s := h.visitor().begin(modern("client_id", "http://docs.example"+tt.path, "redirect_uri", tt.redirect, "resource", resource))
			if tt.ok != strings.HasPrefix(s.to().String(), h.auth) || !tt.ok && s.StatusCode != 400 {
				t.Errorf("%s with %s: %d to %s %s", tt.path, tt.redirect, s.StatusCode, s.to(), s.text)
			}
		}
	}
	gone := modern("client_id", "http://docs.example/gone.json", "redirect_uri", own)
	if s := h.visitor().begin(gone); s.StatusCode != http.StatusFound {
		t.Errorf("a page that does not answer: %d %s", s.StatusCode, s.text)
	}
	h.visitor().begin(gone.with("resource", mcp)).page(t, 400, "could not be read")
}

// TestConsentForResource: the page says who, from where, to where and for what; the
// scopes are those asked for, whatever they mean.
func TestConsentForResource(t *testing.T) {
	h := newHouse(t)
	if _, err := h.Grants.AddServer(t.Context(), grant.ResourceServer{Name: "mcp", Resource: "https://MCP.example", Scope: "notes"}); err != nil {
		t.Fatal(err)
	}
	h.outside().HandleFunc("docs.example/c.json", serve("application/json", document("/c.json", `,"redirect_uris":["http://localhost/callback"]`)))
	for scope, want := range map[string][]string{"": {`value="notes"`}, " offline_access zebra:read": {`value="offline_access"`, `value="zebra:read"`, "stay signed in"}} {
		v := h.visitor()
		asked := v.begin(modern("client_id", "http://docs.example/c.json", "redirect_uri", "http://localhost:3118/callback", "scope", scope,
			"resource", "https://MCP.example:443", "prompt", "consent")).to()
		if q := asked.Query(); q.Get("scope") != "" || q.Get("response_type") != "id" {
			t.Errorf("Selfauth is asked for more than who it is: %s", asked)
		}
		page := html.UnescapeString(v.get(v.signIn(asked).String()).text)
		for _, want := range append(want, "Let Claude Code in?", "<strong>docs.example</strong>", "<strong>localhost:3118</strong>", "http://docs.example/about",
			"<strong>https://mcp.example/</strong>", "program on this computer", jane) {
			if !strings.Contains(page, want) {
				t.Errorf("scope %q: no %q in %s", scope, want, page)
			}
		}
		h.clock.pass(1e9)
	}
}

// TestConsentReadsAddressesAsPrograms: a spelling takes no warning away, and none gives
// the look of another site (case C1).
func TestConsentReadsAddressesAsPrograms(t *testing.T) {
	h := newHouse(t)
	resource := h.URL + "/mcp"
	h.outside().HandleFunc("docs.example/idn.json", serve("application/json", document("/idn.json", `,"redirect_uris":["https://\u0430pp.example/"]`)))
	for _, tt := range [][3]string{
		{"http://localhost.:8080/", "http://LOCALHOST.:8080/callback", "program on this computer"},
		{"http://docs.example/idn.json", "https://\u0430pp.example/", "<strong>xn--pp-6kc.example</strong>/"},
	} {
		v := h.visitor()
		asked := v.begin(modern("client_id", tt[0], "redirect_uri", tt[1], "resource", resource)).to()
		if page := html.UnescapeString(v.get(v.signIn(asked).String()).text); !strings.Contains(page, tt[2]) {
			t.Errorf("%s: no %q in %s", tt[1], tt[2], page)
		}
		h.clock.pass(1e9)
	}
}

// TestResourceBeforeIdentity: an upstream that says only who it is, with everything
// unticked: the token opens the resource and has no scope; refused, there is none.
func TestResourceBeforeIdentity(t *testing.T) {
	h := kitHouse(t, &indiekit{me: jane, scope: true})
	if _, err := h.Grants.AddServer(t.Context(), grant.ResourceServer{Name: "mcp", Resource: mcp, Scope: "notes"}); err != nil {
		t.Fatal(err)
	}
	v := h.visitor()
	asked := modern("resource", mcp, "scope", "notes create")
	q := v.answer(v.consentPage(asked), func(f url.Values) { f.Del("scope"); f.Set("resource", "https://jane.example/") }).to().Query()
	a := v.redeemAt("", h.plant(q.Get("code")), "resource", mcp).want(t, http.StatusOK, "")
	if strings.Contains(a.body, `"scope"`) {
		t.Error(a.body)
	}
	h.dead(a.text("access_token"))
	at := func(resource string) answer {
		return h.send("GET /token?resource={{form resource}} HTTP/1.1\nHost: {{host}}\nAuthorization: Bearer {{token}}",
			map[string]string{"resource": resource, "token": a.text("access_token")})
	}
	at(mcp).want(t, http.StatusOK, "")
	at("https://jane.example/").want(t, http.StatusUnauthorized, "invalid_token")
	v.fails(v.answer(v.consentPage(asked), func(f url.Values) { f.Set("answer", "deny") }).to(), "access_denied")
	v.fails(v.answer(v.consentPage(modern()), func(f url.Values) { f.Del("scope") }).to(), "access_denied") // the site itself: as before
}
