package owner_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper"
)

// What somebody could try against the owner's pages.

// posts are all addresses that change something, with a form that would.
func posts() map[string]url.Values {
	return map[string]url.Values{
		"/signout":     {},
		"/revoke":      {"all": {"yes"}},
		"/make":        {"client": {app}, "scope": {"create"}},
		"/sessions":    {"which": {"others"}},
		"/connections": {"do": {"forget"}, "user": {"owner"}, "name": {"club"}},
		"/programs":    {"do": {"add server"}, "name": {"evil"}},
		"/settings":    {"do": {"save"}, "idle_lifetime": {"1s"}},
		"/download":    {},
	}
}

func TestForgedPosts(t *testing.T) {
	h := newHouse(t)
	h.keeping()
	h.mint(jane, app, "create")
	v := h.signedIn(jane)
	h.signedIn(jane)
	before := h.count(`SELECT count(*) FROM events`)
	here := strings.TrimSuffix(h.In.URL, "/token")
	for address, form := range posts() {
		for _, header := range [][]string{
			{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"},
			{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
			{"Sec-Fetch-Site", "cross-site", "Referer", here},
		} {
			v.see("POST", address, form, header...).shows(t, 403, "another site")
		}
		v.see("POST", address, form, "Content-Type", "text/plain", "Sec-Fetch-Site", "same-origin").shows(t, 415)
		v.get(address + "?" + form.Encode()) // a GET changes nothing
	}
	if n := h.count(`SELECT count(*) FROM events`); n != before {
		t.Errorf("%d things happened", n-before)
	}
	s := v.see("GET", h.In.URL+"/keep/connect?provider=club", nil, "Sec-Fetch-Site", "cross-site")
	s.shows(t, 403, "Another site sent you here")
	v.see("GET", h.In.URL+"/keep/connect?provider=club", nil, "Sec-Fetch-Site", "same-site").shows(t, 403)
	v.see("GET", h.In.URL+"/owner/connect?provider=club&name=bank", nil, "Sec-Fetch-Site", "cross-site").shows(t, 403, "another site sent you here")
}

// Every page forbids frames and scripts, and is not kept.
func TestHeaders(t *testing.T) {
	h := newHouse(t)
	h.keeping()
	v := h.signedIn(jane)
	pages := []string{"", "/make", "/connections", "/programs", "/log", "/check", "/sessions", "/settings", "/revoke?all=yes", "/forget?user=owner&name=x", "/remove?server=x", "/nowhere", "/callback", "/connect?provider=club", "/signin?page=yes", h.In.URL + "/keep/callback"}
	sights := []sight{h.visitor().get(""), v.post("/make", "client", app, "scope", "create"), v.post("/programs", "do", "add server", "name", "x"), v.post("/revoke")}
	for _, p := range pages {
		sights = append(sights, v.get(p))
	}
	for _, s := range sights {
		csp := s.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action '"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy %q", s.Request.URL, csp)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "script-src") {
			t.Errorf("%s: policy %q", s.Request.URL, csp)
		}
		for name, want := range map[string]string{"X-Frame-Options": "DENY", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
			"Access-Control-Allow-Origin": "", "Content-Type": "text/html; charset=utf-8"} {
			if got := s.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q", s.Request.URL, name, got)
			}
		}
		valid(t, s)
	}
}

const script = `"'><script>alert(1)</script><img src=x onerror=alert(1)>`

func TestStoredScript(t *testing.T) {
	h := newHouse(t)
	h.keeping()
	h.mint(jane, app, "create "+`<script>x</script>`)
	h.exec(`UPDATE grants SET client_id = ?`, app+script)
	h.exec(`UPDATE tokens SET auth_client_id = ?`, app+script)
	h.exec(`INSERT INTO pages VALUES ('client', ?, ?, '2099-01-01 00:00:00', '2099-01-01 00:00:00')`, app+script, script)
	h.exec(`UPDATE tokens SET last_server = ?, auth_me = ?`, script, jane+script)
	h.exec(`INSERT INTO events (at, event, me, client_id, detail) VALUES ('2026-07-01 12:00:00', ?1, ?1, ?1, ?1), ('2026-07-01 12:00:00', 'replay', ?1, ?1, ?1)`, script)
	h.exec(`INSERT INTO resource_servers (name, secret_hash, created) VALUES (?, 'x', '2026-07-01 12:00:00')`, script)
	if _, err := h.Out.APIKeys().Add(t.Context(), keeper.APIKey{Name: strings.ReplaceAll(script, "/", "")}); err != nil {
		t.Fatal(err)
	}
	v := h.signedIn(jane)
	v.get(v.get(v.get(h.In.URL+"/keep/connect?provider=club&name="+url.QueryEscape(strings.ReplaceAll(script, "/", ""))).Header.Get("Location")).Header.Get("Location")).shows(t, 200, "Connected")
	h.exec(`UPDATE connections SET last_error = ?1, scope = ?1`, script)
	h.exec(`UPDATE sessions SET user_agent = ?1`, script)
	for _, page := range []string{"", "/connections", "/programs", "/log", "/sessions"} {
		s := v.get(page)
		s.shows(t, 200)
		s.hides(t, "<script", "<img")
		valid(t, s)
	}
	v.get("").shows(t, 200, "onerror=alert(1)")
}

func TestReflectedScript(t *testing.T) {
	h := newHouse(t)
	h.keeping()
	v := h.signedIn(jane)
	q := url.QueryEscape(script)
	sights := []sight{
		v.get("?done=" + q), v.get("?to=" + q), v.get("?said=" + q), v.get("/" + q), v.get("/log?before=" + q), v.get("/connect?provider=" + q), v.get("/connect?provider=club&name=" + q),
		v.get("/callback?state=" + q + "&error=" + q + "&iss=" + q), v.get("/connections?done=" + q), v.get("/signin?page=yes&me=" + q + "&to=" + q),
		h.visitor().get("?to=" + q + "&said=" + q),
		v.post("/make", "client", script, "scope", "create", "other", script), v.post("/make", "client", app, "scope", script), v.post("/make", "client", app, "scope", "create", "me", script),
		v.post("/programs", "do", "add server", "name", script), v.post("/programs", "do", script), v.post("/revoke", "id", script),
		v.post("/connections", "do", "refresh", "user", script, "name", script),
	}
	for _, s := range sights {
		s.hides(t, "<script", "<img")
		valid(t, s)
	}
}

// Nobody can give a browser a session of their choice.
func TestFixation(t *testing.T) {
	h := newHouse(t)
	thief := h.signedIn(joe)
	base, _ := url.Parse(h.In.URL)
	theirs := thief.Jar.Cookies(base)
	v := h.visitor()
	v.Jar.SetCookies(base, theirs)
	back := v.toCallback(jane, "")
	v.get(back.String())
	now := v.Jar.Cookies(base)
	if len(theirs) != 1 || len(now) != 1 || now[0].Name != theirs[0].Name || now[0].Value == theirs[0].Value {
		t.Fatalf("the cookie was %v and is %v", theirs, now)
	}
	thief.get("/sessions").leads(t, h.In.Authorize.OwnerClient()+"?to=sessions") // it ended when its browser signed in anew
	made := h.visitor()
	made.Jar.SetCookies(base, []*http.Cookie{{Name: now[0].Name, Value: strings.Repeat("A", 43)}})
	made.get("/sessions").leads(t, h.In.Authorize.OwnerClient()+"?to=sessions")
	made.get(made.toCallback(jane, "").String())
	if got := made.Jar.Cookies(base); got[0].Value == strings.Repeat("A", 43) {
		t.Error("an id that was chosen outside became a session")
	}
	if n := h.count(`SELECT count(*) FROM sessions WHERE session_hash IN (?, ?)`, now[0].Value, theirs[0].Value); n != 0 {
		t.Error("the database holds ids")
	}
}

// A sign-in that began in another browser, or not at all, does not end in this one.
func TestForeignCallback(t *testing.T) {
	h := newHouse(t)
	thief, v := h.visitor(), h.visitor()
	back := thief.toCallback(joe, "")
	v.get(back.String()).shows(t, 400, "not begun in this browser")
	v.get("/signin")
	v.get(back.String()).shows(t, 400, "not begun in this browser")
	for _, change := range []func(url.Values){
		func(q url.Values) { q.Set("iss", "https://evil.example/token") },
		func(q url.Values) { q.Del("iss") },
		func(q url.Values) { q.Set("state", "x") },
		func(q url.Values) { q.Set("code", q.Get("code")[:20]) },
	} {
		q := back.Query()
		change(q)
		s := thief.get("/callback?" + q.Encode())
		s.shows(t, 400)
		if len(s.Cookies()) != 0 {
			t.Error("it gave cookies")
		}
	}
	thief.get(back.String()).leads(t, h.In.Authorize.OwnerClient())
	if n := h.count(`SELECT count(*) FROM sessions`); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

func TestSessionEnds(t *testing.T) {
	h := newHouse(t)
	gone := h.In.Authorize.OwnerClient() + "?to=log"
	keep := func(v *visitor) *visitor { // the same cookie, whatever the server says
		w := h.visitor()
		base, _ := url.Parse(h.In.URL)
		w.Jar.SetCookies(base, v.Jar.Cookies(base))
		return w
	}
	t.Run("signed out", func(t *testing.T) {
		v := h.signedIn(jane)
		copied := keep(v)
		v.post("/signout")
		copied.get("/log").leads(t, gone)
		copied.post("/revoke", "all", "yes").shows(t, 403, "not signed in")
	})
	t.Run("idle", func(t *testing.T) {
		v := keep(h.signedIn(jane))
		h.pass(29 * 24 * time.Hour)
		v.get("/log").shows(t, 200)
		h.pass(29 * 24 * time.Hour)
		v.get("/log").shows(t, 200)
		h.pass(30 * 24 * time.Hour)
		v.get("/log").leads(t, gone)
	})
	t.Run("old", func(t *testing.T) {
		v := keep(h.signedIn(jane))
		for range 4 {
			h.pass(20 * 24 * time.Hour)
			v.get("/log").shows(t, 200)
		}
		h.pass(10 * 24 * time.Hour)
		v.get("/log").leads(t, gone)
	})
}

func TestNotAnAdministrator(t *testing.T) {
	h := newHouse(t)
	h.keeping()
	h.mint(jane, app, "create")
	jane1, v := h.signedIn(jane), h.signedIn(joe)
	var id string
	if err := h.In.Grants.DB.QueryRow(`SELECT token_id FROM tokens`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	before := h.count(`SELECT count(*) FROM events`)
	for _, page := range []string{"/connections", "/connect?provider=club", "/programs", "/log", "/check"} {
		v.get(page).shows(t, 404)
	}
	for _, do := range []string{"add server", "remove server", "add key", "remove key"} {
		v.post("/programs", "do", do, "name", "x").shows(t, 404)
	}
	v.post("/connections", "do", "forget", "user", "owner", "name", "club").shows(t, 404)
	v.get(h.In.URL+"/keep/connect?provider=club").shows(t, 403, "Sign in as the owner")
	v.get("").shows(t, 200, "No app has access").hides(t, app)
	v.post("/revoke", "id", id).shows(t, 404)
	v.post("/revoke", "id", id[:4]).shows(t, 404)
	if n := h.count(`SELECT count(*) FROM events`); n != before {
		t.Errorf("%d things happened", n-before)
	}
	v.post("/revoke", "client", app)
	v.post("/revoke", "all", "yes")
	v.post("/sessions", "which", value(t, jane1.get("/sessions"), "which")) // Joe's own, as Jane sees it
	var hash string
	if err := h.In.Grants.DB.QueryRow(`SELECT session_hash FROM sessions WHERE me = ?`, jane).Scan(&hash); err != nil {
		t.Fatal(err)
	}
	h.signedIn(joe).post("/sessions", "which", hash)
	jane1.get("").shows(t, 200, "One app or script has access")
	if h.count(`SELECT count(*) FROM tokens WHERE revoked IS NULL`) != 1 {
		t.Error("Joe revoked Jane's token")
	}
}

// Signing in leads to one of these pages and nowhere else.
func TestOpenRedirect(t *testing.T) {
	h := newHouse(t)
	for _, to := range []string{"https://evil.example/", "//evil.example", "/\\evil.example", "../..", "signout", "signin", "log/../x", "log?x", "%2F%2Fevil.example", "@evil.example"} {
		v := h.visitor()
		v.get(v.toCallback(jane, to).String()).leads(t, h.In.Authorize.OwnerClient())
		h.visitor().get("?to="+url.QueryEscape(to)).hides(t, "evil")
	}
}

// On https the cookies are bound to the host, and Chromium's rules for __Host- hold.
func TestCookies(t *testing.T) {
	h := newHouseAt(t, httptest.NewServer)
	for base, prefix := range map[string]string{h.In.URL: "", "https://you.example/auth/token.cgi": "__Host-"} {
		h.In.URL = base
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("GET", base+"/owner/signin?me="+url.QueryEscape(jane), nil))
		c := rec.Result().Cookies()[0]
		if !strings.HasPrefix(c.Name, prefix+"mksignin_") || c.Secure != (prefix != "") || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("at %s: %v", base, c)
		}
	}
}
