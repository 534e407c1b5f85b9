package endpoint_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mintkeep/endpoint/grant"
)

// An outside is the web beyond the house: every name leads to one server.
type outside struct {
	*http.ServeMux
	fetches atomic.Int64
}

// outside gives the house a guarded client that reaches it.
func (h *house) outside() *outside {
	o := &outside{ServeMux: http.NewServeMux()}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.fetches.Add(1)
		o.ServeHTTP(w, r)
	}))
	h.t.Cleanup(server.Close)
	h.Authorize.Discover.Public = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}}}
	return o
}

func serve(contentType, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for i := 0; i < len(header); i += 2 {
			w.Header().Add(header[i], header[i+1])
		}
		io.WriteString(w, body)
	}
}

// TestListedRedirect: a redirect of another origin needs the client's own word.
func TestListedRedirect(t *testing.T) {
	h := newHouse(t)
	o := h.outside()
	const doc = `{"client_id":"http://%s/","client_name":"App","redirect_uris":["https://other.example/cb","com.example.app://cb","http://127.0.0.1/cb?x=y","rel/cb"]}`
	on := func(host string, f http.HandlerFunc) { o.HandleFunc(host+"/{$}", f) }
	on("json.example", serve("application/json", fmt.Sprintf(doc, "json.example")))
	on("cimd.example", serve("application/client-metadata+json; charset=utf-8", fmt.Sprintf(doc, "cimd.example")))
	on("stolen.example", serve("application/json", fmt.Sprintf(doc, "json.example")))
	on("nameless.example", serve("application/json", `{"redirect_uris":["https://other.example/cb"]}`))
	on("broken.example", serve("application/json", `{"redirect_uris":["https://other.example/cb"`))
	on("html.example", serve("text/html", `<a rel="redirect_uri" href="https://other.example/cb">x</a><link rel="redirect_uri" href="com.example.app://cb">`))
	on("link.example", serve("text/plain", "", "Link", `<https://x.example/>; rel=next, <https://other.example/cb>; rel="redirect_uri"`))
	on("silent.example", serve("text/html", "<p>https://other.example/cb"))
	on("gone.example", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(404)
		io.WriteString(w, `<link rel="redirect_uri" href="https://other.example/cb">`)
	})
	on("huge.example", serve("text/html", strings.Repeat("<p>filler</p>", 100_000)+`<link rel="redirect_uri" href="https://other.example/cb">`))
	on("moved.example", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/app", http.StatusMovedPermanently) })
	o.HandleFunc("moved.example/app", serve("text/html", `<link rel="redirect_uri" href="https://other.example/cb">`))
	on("open.example", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://html.example/", http.StatusFound)
	})
	on("loop.example", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/?"+r.URL.RawQuery+"x", http.StatusFound)
	})
	on("file.example", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
	})
	on("inward.example", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, h.URL, http.StatusFound) })
	const web, app = "https://other.example/cb", "com.example.app://cb"
	for _, tt := range []struct {
		host, redirect string
		ok             bool
	}{
		{"json.example", web, true}, {"json.example", app, true}, {"json.example", "http://127.0.0.1:50123/cb?x=y", true},
		{"json.example", "http://127.0.0.1:50123/cb", false}, {"json.example", "http://localhost:50123/cb?x=y", false},
		{"json.example", web + "/", false}, {"json.example", web + "?x", false}, {"json.example", "https://other.example:444/cb", false}, {"json.example", "com.example.app://evil", false},
		{"cimd.example", web, true}, {"stolen.example", web, false}, {"nameless.example", web, false}, {"broken.example", web, false},
		{"html.example", web, true}, {"html.example", app, true}, {"html.example", "https://other.example/", false},
		{"link.example", web, true}, {"silent.example", web, false}, {"gone.example", web, false}, {"huge.example", web, false},
		{"moved.example", web, true}, {"open.example", web, false}, {"loop.example", web, false}, {"file.example", web, false}, {"inward.example", web, false},
		{"unknown.example", web, false},
	} {
		v := h.visitor()
		s := v.begin(modern("client_id", "http://"+tt.host+"/", "redirect_uri", tt.redirect))
		if tt.ok != strings.HasPrefix(s.to().String(), h.auth) || !tt.ok && s.StatusCode != 400 {
			t.Errorf("%s with %s: %d to %s %s", tt.host, tt.redirect, s.StatusCode, s.to(), s.text)
		}
	}
	before := o.fetches.Load()
	h.visitor().begin(modern("client_id", "http://json.example/", "redirect_uri", "http://json.example/cb"))
	if o.fetches.Load() != before {
		t.Error("a page was fetched for a redirect of its own origin")
	}
	if before < 30 || h.selfauth.Checks.Load() != 1 { // the probe
		t.Errorf("%d fetches; the endpoint was asked %d times", before, h.selfauth.Checks.Load())
	}
}

// TestSlowPage: a page that does not come to its end is given up.
func TestSlowPage(t *testing.T) {
	h := newHouse(t)
	o := h.outside()
	o.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			io.WriteString(w, "<p>")
			w.(http.Flusher).Flush()
			time.Sleep(50 * time.Millisecond)
		}
	})
	start := time.Now()
	h.visitor().begin(modern("client_id", "http://slow.example/", "redirect_uri", "https://other.example/cb")).page(t, 400, "could not be read")
	if d := time.Since(start); d > 9*time.Second {
		t.Errorf("given up after %v", d)
	}
}

// TestClientName is what the consent page and the owner's pages call an app.
func TestClientName(t *testing.T) {
	h := newHouse(t)
	o := h.outside()
	o.HandleFunc("json.example/", serve("application/json", `{"client_id":"http://json.example/","client_name":"  The\n App "}`))
	o.HandleFunc("html.example/", serve("text/html", `<div class=h-app><a class="u-url p-name" href=/>An App</a></div>`))
	o.HandleFunc("evil.example/", serve("application/json", fmt.Sprintf(`{"client_id":"http://evil.example/","client_name":%q}`, "\u202e\"><script>alert(1)</script>"+strings.Repeat("x", 200))))
	ask := func(host string) string {
		name, _ := h.Authorize.Client(t.Context(), "http://"+host+"/")
		return name
	}
	if got := ask("json.example"); got != "The App" {
		t.Errorf("%q", got)
	}
	if got := ask("html.example"); got != "An App" {
		t.Errorf("%q", got)
	}
	if got := ask("evil.example"); len([]rune(got)) != 81 || strings.Contains(got, "\u202e") {
		t.Errorf("%q", got)
	}
	if got := ask("none.example"); got != "" {
		t.Errorf("%q", got)
	}
	if got := ask("127.0.0.1"); got != "" || o.fetches.Load() != 4 {
		t.Errorf("%q after %d fetches", got, o.fetches.Load())
	}
	h.clock.pass(4 * time.Minute)
	ask("json.example")
	ask("none.example")
	if o.fetches.Load() != 4 {
		t.Errorf("%d fetches", o.fetches.Load())
	}
	h.clock.pass(24 * time.Hour)
	h.Authorize.Discover.Public = nil // the page is gone
	if got := ask("json.example"); got != "The App" {
		t.Errorf("an old name is better than none: %q", got)
	}
	h.outside()
	k := &indiekit{me: jane}
	next := httptest.NewServer(k)
	defer next.Close()
	h.set(func(st *grant.Settings) { st.Endpoints = []string{next.URL} })
	v := h.visitor()
	page := v.consentPage(modern("client_id", "http://evil.example/", "redirect_uri", "http://evil.example/cb", "scope", `create <script>alert(1)</script> "`))
	if !strings.Contains(page.text, "&lt;script&gt;") {
		t.Error(page.text)
	}
}

const janeCard = `<div class="h-card"><a class="p-name u-url u-uid" href="/">Jane Doe</a><img class=u-photo src=/j.jpg>
	<a class=u-email href="mailto:jane@jane.example">mail</a></div>`

// TestProfile: in token answers and at userinfo, for the scopes that open it.
func TestProfile(t *testing.T) {
	h := newHouse(t)
	h.selfauth.Me = "http://jane.example"
	o := h.outside()
	card := janeCard
	o.HandleFunc("jane.example/", func(w http.ResponseWriter, r *http.Request) { serve("text/html", card)(w, r) })
	v := h.visitor()
	turn := func(scopes, path string) answer {
		t.Helper()
		return v.redeemAt(path, v.goThrough(modern("scope", scopes, "me", "http://jane.example/")).Query().Get("code")).want(t, http.StatusOK, "")
	}
	info := func(token string) answer {
		s := v.get(h.URL + "/userinfo")
		if token != "" {
			r, _ := http.NewRequest("GET", h.URL+"/userinfo", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			s = v.see(v.Do(r))
		}
		return answer{s.StatusCode, s.Header, s.text}
	}
	const all = `"profile":{"name":"Jane Doe","url":"http://jane.example/","photo":"http://jane.example/j.jpg","email":"jane@jane.example"}`
	mail := strings.Replace(all, `,"email":"jane@jane.example"`, "", 1)
	full := turn("profile email create", "")
	for _, tt := range []struct {
		a    answer
		want string
	}{
		{full, all}, {turn("profile create", ""), mail}, {turn("profile", "/authorize"), mail}, {turn("profile email", "/authorize"), all},
	} {
		if !strings.Contains(tt.a.body, tt.want) {
			t.Errorf("%s, want %s", tt.a.body, tt.want)
		}
	}
	for _, scopes := range []string{"create", "create email"} {
		if a := turn(scopes, ""); strings.Contains(a.body, "profile") {
			t.Error(a.body)
		}
	}
	token := full.text("access_token")
	if a := info(token).want(t, 200, ""); a.body != `{"me":"http://jane.example/","sub":"http://jane.example/","name":"Jane Doe","url":"http://jane.example/","photo":"http://jane.example/j.jpg","email":"jane@jane.example"}`+"\n" {
		t.Error(a.body)
	}
	if m, _ := h.verify(token).members(); m["profile"] != nil || m["name"] != nil {
		t.Errorf("verification says %v", m)
	}
	if o.fetches.Load() != 1 {
		t.Errorf("%d fetches", o.fetches.Load())
	}
	h.clock.pass(time.Hour)
	card = "moved away"
	h.Authorize.Discover.Public = nil
	if a := turn("profile create", ""); !strings.Contains(a.body, mail) {
		t.Errorf("an old profile is better than none: %s", a.body)
	}
	if a := h.refresh(full.text("refresh_token")).want(t, 200, ""); !strings.Contains(a.body, all) {
		t.Error(a.body)
	}

	a := info("").want(t, 401, "invalid_request")
	if a.header.Get("WWW-Authenticate") != "Bearer" {
		t.Error(a.header)
	}
	info("mka_x").want(t, 401, "invalid_token")
	a = info(turn("create", "").text("access_token")).want(t, 403, "insufficient_scope")
	if got := a.header.Get("WWW-Authenticate"); got != `Bearer error="insufficient_scope", scope="profile"` {
		t.Error(got)
	}
}

// TestProfileUnreachable: the token comes all the same.
func TestProfileUnreachable(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	a := v.redeemAt("", v.goThrough(modern("scope", "profile create")).Query().Get("code")).want(t, 200, "")
	if strings.Contains(a.body, `"profile":`) {
		t.Error(a.body)
	}
	h.live(a.text("access_token"))
}

// TestProfileOfTheOwner: the pages of the me setting are read by the plain client,
// all others by the guarded one; so are the places that they redirect to.
func TestProfileOfTheOwner(t *testing.T) {
	h := newHouse(t)
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, h.URL, http.StatusFound)
			return
		}
		serve("text/html", janeCard)(w, r)
	}))
	defer home.Close()
	me := home.URL + "/"
	h.Authorize.Discover.Public = &http.Client{Transport: noFetch{t}}
	if p := h.Authorize.Profile(t.Context(), &grant.Settings{Me: []string{me}}, me); p == nil || p.Name != "Jane Doe" {
		t.Errorf("%+v", p)
	}
	o := h.outside()
	if p := h.Authorize.Profile(t.Context(), &grant.Settings{Me: []string{me}}, me+"away"); p != nil || o.fetches.Load() != 1 {
		t.Errorf("%+v after %d guarded fetches", p, o.fetches.Load())
	}
	if p := h.Authorize.Profile(t.Context(), &grant.Settings{}, me+"other"); p != nil || o.fetches.Load() != 2 {
		t.Errorf("%+v after %d guarded fetches", p, o.fetches.Load())
	}
}

// TestRepresentative: which of a page's cards stands for it.
func TestRepresentative(t *testing.T) {
	h := newHouse(t)
	o := h.outside()
	page := ""
	o.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { serve("text/html", page)(w, r) })
	for i, tt := range []struct{ page, name string }{
		{janeCard, "Jane Doe"},
		{`<p class=h-card><a class="u-url p-name" href="/">One</a></p>`, "One"},
		{`<p class=h-card><a class="u-url p-name" href="https://other.example/">Other</a></p>`, ""},
		{`<p class=h-card><a class="u-url p-name" href="https://other.example/">Other</a></p><p class=h-card><a class="u-url p-name" href="/">One</a></p>`, ""},
		{`<p class=h-card><a class="u-url p-name" href="https://other.example/">Other</a></p><p class=h-card><a class="u-url p-name" rel=me href="https://social.example/x">Me</a></p>`, "Me"},
		{`<p class=h-card><a class="u-url p-name" href="https://other.example/">Other</a></p><p class=h-card><a class="u-url u-uid p-name" href="">Uid</a></p>`, "Uid"},
		{`<p>nobody`, ""},
	} {
		page = tt.page
		name := ""
		if p := h.Authorize.Profile(t.Context(), &grant.Settings{}, fmt.Sprintf("http://jane%d.example/", i)); p != nil {
			name = p.Name
		}
		if name != tt.name {
			t.Errorf("%s stands for the page %s, want %q", name, tt.page, tt.name)
		}
	}
}

// TestC3PagesPlace is kind (2) for the page of an app: what stands in its place is told,
// and does not list the redirect.
func TestC3PagesPlace(t *testing.T) {
	h := newHouse(t)
	o := h.outside()
	const link = `<link rel="redirect_uri" href="https://other.example/cb">`
	for host, c := range map[string]struct {
		status     int
		body, says string
	}{
		"filter.example":    {403, "<title>Attention Required! | Cloudflare</title>" + link, "status 403: Attention Required! | Cloudflare"},
		"security.example":  {406, "<h1>Not Acceptable!</h1>" + link, "status 406: Not Acceptable!"},
		"login.example":     {401, "Who are you?", "status 401: Who are you?"},
		"away.example":      {503, "<h1>Back&nbsp;soon</h1>" + link, "status 503: Back\u00a0soon"},
		"much.example":      {429, "", "status 429 and nothing else"},
		"broken.example":    {500, "<b>Fatal error</b>: x" + link, "status 500: Fatal error : x"},
		"challenge.example": {200, "<script>challenge()</script>One moment, please", "does not list it"},
		"parked.example":    {200, "Buy this domain", "does not list it"},
		"kept.example":      {203, link, "status 203"},
	} {
		o.HandleFunc(host+"/", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		})
		h.visitor().begin(modern("client_id", "http://"+host+"/", "redirect_uri", "https://other.example/cb")).page(t, 400, c.says)
	}
	// What only this machine sees is for the log.
	h.Authorize.Discover.Public = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		return nil, errors.New("dial 10.0.0.7: refused")
	})}
	s := h.visitor().begin(modern("client_id", "http://inside.example/", "redirect_uri", "https://other.example/cb"))
	if s.page(t, 400, "could not be read"); strings.Contains(s.text, "10.0.0.7") || !strings.Contains(h.logged(), "10.0.0.7") {
		t.Error(s.text)
	}
}
