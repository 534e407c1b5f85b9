package endpoint_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"mintkeep/endpoint/grant"
)

// kitHouse is a house before an indiekit or its like.
func kitHouse(t *testing.T, k http.Handler) *house {
	h := newHouse(t)
	next := httptest.NewServer(k)
	t.Cleanup(next.Close)
	h.auth = next.URL + "/auth"
	h.set(func(st *grant.Settings) { st.Endpoints = []string{h.auth} })
	return h
}

// consentPage goes to the consent page.
func (v *visitor) consentPage(w wish) sight {
	v.t.Helper()
	v.h.clock.pass(time.Second)
	back := v.get(v.begin(w).to().String()).to()
	v.h.plant(back.Query().Get("code"))
	s := v.get(back.String())
	if s.StatusCode != http.StatusOK || !strings.Contains(s.text, "/consent") {
		v.t.Fatalf("no consent page at %s: %d %s", back, s.StatusCode, s.text)
	}
	s.sober(v.t)
	return s
}

// fill reads the form of a page as it would be sent.
func (s sight) fill(t testing.TB) (action string, form url.Values) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(s.text))
	if err != nil {
		t.Fatal(err)
	}
	form = make(url.Values)
	for n := range root.Descendants() {
		get := func(name string) string {
			for _, a := range n.Attr {
				if a.Key == name {
					return a.Val
				}
			}
			return ""
		}
		switch n.Data {
		case "form":
			action = get("action")
		case "input":
			form.Add(get("name"), get("value"))
		}
	}
	form.Set("answer", "allow")
	return action, form
}

func (v *visitor) answer(s sight, change func(url.Values)) sight {
	v.t.Helper()
	action, form := s.fill(v.t)
	if change != nil {
		change(form)
	}
	return v.see(v.PostForm(action, form))
}

func TestConsent(t *testing.T) {
	k := &indiekit{me: "https://jane.example"}
	h := kitHouse(t, k)
	v := h.visitor()
	page := v.consentPage(modern())
	seen := k.seen[0]
	if seen.Get("client_id") != h.URL+"/client" || seen.Get("redirect_uri") != h.URL+"/callback" || seen.Has("scope") || seen.Get("me") != jane {
		t.Errorf("the endpoint gets %v", seen)
	}
	for _, want := range []string{clientID, "<strong>app.example</strong>/callback", jane, "publish posts", "upload files"} {
		if !strings.Contains(page.text, want) {
			t.Errorf("no %q in %s", want, page.text)
		}
	}
	if !strings.Contains(page.Header.Get("Content-Security-Policy"), "form-action 'self'") || page.Header.Get("Referrer-Policy") != "same-origin" {
		t.Error(page.Header)
	}
	if again := v.get(page.Request.URL.String()); again.text != page.text {
		t.Errorf("reloaded: %s", again.text)
	}
	done := v.answer(page, func(f url.Values) { f["scope"] = []string{"media", "create", "admin"} })
	done.sober(t)
	q := done.to().Query()
	if done.StatusCode != http.StatusOK || !strings.HasPrefix(done.to().String(), redirectURI+"?") || q.Get("iss") != h.URL || q.Get("state") != clientState {
		t.Fatalf("%d to %s: %s", done.StatusCode, done.to(), done.text)
	}
	if left := v.Jar.Cookies(page.Request.URL); len(left) != 0 {
		t.Errorf("cookies are left: %v", left)
	}
	a := v.redeemAt("", h.secretCode(q.Get("code"))).want(t, http.StatusOK, "")
	if a.text("scope") != "create media" || a.text("me") != jane {
		t.Error(a.body)
	}
	h.live(a.text("access_token"))
	v.answer(page, nil).page(t, 400, "already finished")
	v.get(page.Request.URL.String()).page(t, 400, "already finished")
}

// TestFrontBehind takes an app through the front of programs that say who it is and no
// more, as they were met in the laboratory, to a token.
func TestFrontBehind(t *testing.T) {
	wp := &wordpress{indiekit: indiekit{me: "https://jane.example/"}}
	for name, k := range map[string]http.Handler{
		"L1 WordPress 6.1 with indieauth 4.4":  wp,
		"L3 an Indiekit that was just started": &indiekit{me: "https://jane.example/", cold: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := kitHouse(t, k)
			v := h.visitor()
			for range 2 {
				code := v.answer(v.consentPage(modern()), nil).to().Query().Get("code")
				a := v.redeemAt("", h.secretCode(code)).want(t, http.StatusOK, "")
				if a.text("me") != jane || a.text("scope") != scope {
					t.Error(a.body)
				}
				h.live(a.text("access_token"))
			}
		})
	}
	if wp.reads != 1 || !strings.HasPrefix(wp.name, "Token endpoint of ") {
		t.Errorf("WordPress read the client's page %d times and calls it %q", wp.reads, wp.name)
	}
}

func TestConsentRefused(t *testing.T) {
	h := kitHouse(t, &indiekit{me: jane})
	v := h.visitor()
	for _, change := range []func(url.Values){
		func(f url.Values) { f.Set("answer", "deny") },
		func(f url.Values) { f.Del("answer") },
		func(f url.Values) { f.Del("scope") },
		func(f url.Values) { f["scope"] = []string{"admin", "creat"} },
	} {
		v.fails(v.answer(v.consentPage(modern()), change).to(), "access_denied")
	}
	var open int
	if err := h.Grants.DB.QueryRow(`SELECT (SELECT count(*) FROM grants WHERE ended IS NULL) + (SELECT count(*) FROM codes)`).Scan(&open); err != nil || open != 0 {
		t.Errorf("%d grants or codes are left, %v", open, err)
	}
	// Who it is, is asked as well; there is nothing to tick.
	to := v.answer(v.consentPage(modern("scope", "")), nil).to()
	v.redeemAt("/authorize", h.secretCode(to.Query().Get("code"))).want(t, http.StatusOK, "")
}

// TestAttackConsent: no other site, browser or flow answers for the owner.
func TestAttackConsent(t *testing.T) {
	h := kitHouse(t, &indiekit{me: jane})
	v, mallory := h.visitor(), h.visitor()
	page := v.consentPage(modern())
	action, form := page.fill(t)
	cross := func(header ...string) sight {
		r, _ := http.NewRequest(http.MethodPost, action, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return v.see(v.Do(r))
	}
	cross("Sec-Fetch-Site", "cross-site").page(t, http.StatusForbidden, "another site")
	cross("Sec-Fetch-Site", "same-site").page(t, http.StatusForbidden, "another site")
	cross("Origin", "https://evil.example").page(t, http.StatusForbidden, "another site")
	cross("Origin", "null").page(t, http.StatusForbidden, "another site")
	cross("Content-Type", "text/plain").page(t, http.StatusUnsupportedMediaType, "form-urlencoded")
	mallory.answer(page, nil).page(t, 400, "not begun in this browser")
	other := mallory.consentPage(modern())
	mallory.answer(other, func(f url.Values) { f.Set("flow", form.Get("flow")) }).page(t, 400, "not begun in this browser")
	v.see(v.Get(action+"?"+form.Encode())).page(t, http.StatusMethodNotAllowed, "POST")
	v.see(v.PostForm(action+"?"+form.Encode(), nil)).page(t, 400, "not begun in this browser")
	// Before the endpoint has said who it is, there is nothing to allow.
	early := v.begin(modern()).to().Query().Get("state")
	id, _, _ := strings.Cut(early, ".")
	v.see(v.PostForm(action, url.Values{"flow": {id}, "answer": {"allow"}, "scope": {"create"}})).page(t, 400, "not begun")
	if s := cross("Sec-Fetch-Site", "same-origin", "Origin", "null"); s.to().Query().Get("code") == "" {
		t.Errorf("the owner's own answer: %s", s.text)
	}
	h.clock.pass(10 * time.Minute)
	mallory.answer(other, nil).page(t, 400, "expired")
}

// TestAttackIdentityCode: an inner code fits the flow that it was made in.
func TestAttackIdentityCode(t *testing.T) {
	h := kitHouse(t, &indiekit{me: jane})
	v, mallory := h.visitor(), h.visitor()
	code := v.get(v.begin(modern()).to().String()).to().Query().Get("code")
	own := mallory.get(mallory.begin(modern()).to().String()).to().Query()
	own.Set("code", code)
	mallory.fails(mallory.get(h.URL+"/callback?"+own.Encode()).to(), "server_error")
	// One that was redeemed in its flow ends what it gave when it comes again in another.
	page := v.consentPage(modern())
	used := page.Request.URL.Query().Get("code")
	a := v.redeemAt("", h.secretCode(v.answer(page, nil).to().Query().Get("code"))).want(t, http.StatusOK, "")
	own = mallory.get(mallory.begin(modern()).to().String()).to().Query()
	own.Set("code", used)
	mallory.fails(mallory.get(h.URL+"/callback?"+own.Encode()).to(), "server_error")
	h.dead(a.text("access_token"))
	if h.events("replay") != 1 {
		t.Errorf("%d replays recorded", h.events("replay"))
	}
	mallory.redeemAt("", code, "redirect_uri", h.URL+"/callback", "client_id", h.URL+"/client").want(t, 400, "invalid_grant")
}

// TestKinds: which endpoint asks for the scopes itself (kinds.go).
func TestKinds(t *testing.T) {
	t.Run("no scope although asked, other codes than Selfauth's", func(t *testing.T) {
		k := &indiekit{me: jane, html: true, loose: true}
		h := kitHouse(t, k)
		v := h.visitor()
		page := v.consentPage(modern())
		if k.seen[0].Get("client_id") != clientID || k.seen[0].Get("scope") != scope {
			t.Errorf("the first time it gets %v", k.seen[0])
		}
		if v.answer(page, nil).to().Query().Get("code") == "" {
			t.Error("no code")
		}
		v.consentPage(modern())
		if k.seen[1].Get("client_id") != h.URL+"/client" {
			t.Errorf("the second time it gets %v", k.seen[1])
		}
	})
	t.Run("scope once, then none, is a refusal", func(t *testing.T) {
		k := &indiekit{me: jane, html: true, loose: true, scope: true}
		h := kitHouse(t, k)
		v := h.visitor()
		turn := func() *url.URL {
			h.clock.pass(time.Second)
			return v.get(v.get(v.begin(modern()).to().String()).to().String()).to()
		}
		if turn().Query().Get("code") == "" {
			t.Error("no code")
		}
		k.scope = false
		v.fails(turn(), "access_denied")
		h.clock.pass(29 * 24 * time.Hour)
		v.fails(turn(), "access_denied")
		h.clock.pass(2 * 24 * time.Hour)
		v.consentPage(modern())
	})
	t.Run("an unreachable endpoint is tried all the same", func(t *testing.T) {
		h := newHouse(t)
		h.selfauth.Fault = says(http.StatusBadGateway, "text/html", "")
		v := h.visitor()
		s := v.begin(modern())
		h.selfauth.Fault = nil
		if q := v.get(v.signIn(s.to()).String()).to().Query(); q.Get("code") == "" {
			t.Errorf("came back with %v", q)
		}
	})
	t.Run("what was probed is asked again after a day", func(t *testing.T) {
		h := newHouse(t)
		v := h.visitor()
		v.begin(modern())
		v.begin(modern())
		if n := h.selfauth.Checks.Load(); n != 1 {
			t.Errorf("%d probes", n)
		}
		h.clock.pass(24 * time.Hour)
		h.selfauth.Fault = says(http.StatusBadRequest, "application/json", `{"error":"invalid_grant"}`)
		if id := v.begin(modern()).to().Query().Get("client_id"); id != h.URL+"/client" {
			t.Errorf("the endpoint gets client_id=%s", id)
		}
	})
	t.Run("E11: a failed probe is remembered for ten minutes, by every process", func(t *testing.T) {
		h := newHouse(t)
		h.selfauth.Fault = func(w http.ResponseWriter, _ *http.Request) bool {
			panic(http.ErrAbortHandler) // it hangs up
		}
		v := h.visitor()
		v.begin(modern())
		h.Handler = h.serverOn(openFile(t, h.file, "")) // as another CGI process
		h.setURL("http://" + h.host + "/token")
		v.begin(modern())
		if n := h.selfauth.Checks.Load(); n != 1 {
			t.Errorf("%d probes", n)
		}
		h.clock.pass(10 * time.Minute)
		v.begin(modern())
		if n := h.selfauth.Checks.Load(); n != 2 {
			t.Errorf("%d probes after ten minutes", n)
		}
	})
	t.Run("L3: a probe that fails leaves the last known kind", func(t *testing.T) {
		k := &indiekit{me: jane, cold: true}
		h := kitHouse(t, k)
		v := h.visitor()
		for _, fault := range []http.HandlerFunc{
			nil, // it is cold, which is a JSON error at 500
			func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "no more than this", http.StatusServiceUnavailable)
			},
			func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "<h1>Are you a robot?</h1>", http.StatusForbidden)
			},
			func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<h1>Back soon</h1>") },
			func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) },
			func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		} {
			k.probed = fault
			page := v.consentPage(modern())
			v.redeemAt("", h.secretCode(v.answer(page, nil).to().Query().Get("code"))).want(t, http.StatusOK, "")
			h.clock.pass(24 * time.Hour)
		}
	})
	t.Run("the owner's pages ask for no consent", func(t *testing.T) {
		h := kitHouse(t, &indiekit{me: jane})
		v := h.visitor()
		to := v.get(v.get(v.get(h.Authorize.SignInURL(h.URL+"/owner/in", "s", s256(proof), "")).to().String()).to().String()).to()
		if me, err := h.Authorize.SignedIn(t.Context(), to.Query().Get("code"), h.URL+"/owner/in", proof); err != nil || me != jane {
			t.Errorf("%q, %v from %s", me, err, to)
		}
	})
}
