package test

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"mintkeep/internal/demo"
	"mintkeep/keeper/keepertest"
)

// The front and the owner's pages in a real browser, with the real program.

const owned = "https://you.example/"

// ownedSite is an installation that trusts an authorization endpoint, running.
func ownedSite(t *testing.T, auth http.Handler) *keepSite {
	t.Helper()
	k := &keepSite{t: t, bin: released(t), dir: t.TempDir()}
	next := httptest.NewServer(auth)
	t.Cleanup(next.Close)
	k.ok("", "init", "-me", owned, next.URL+"/auth/")
	return k
}

// anApp is a client with PKCE on loopback. It shows what it was granted.
func anApp(t *testing.T, k *keepSite) *httptest.Server {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	page := func(w http.ResponseWriter, body string) {
		fmt.Fprint(w, `<!doctype html><html lang="en"><title>App</title><body>`+body)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		v := url.Values{"client_id": {srv.URL + "/"}, "redirect_uri": {srv.URL + "/cb"}, "state": {"s<1>"}, "response_type": {"code"},
			"scope": {"create update media"}, "code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"}, "me": {owned}}
		page(w, `<a href="`+html.EscapeString(k.base+"/authorize?"+v.Encode())+`">Sign in with your site</a>`)
	})
	mux.HandleFunc("/cb", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("state") != "s<1>" || q.Get("iss") != k.base {
			page(w, "wrong state or iss")
			return
		}
		if q.Get("error") != "" {
			page(w, "refused: "+q.Get("error"))
			return
		}
		res, err := http.PostForm(k.base, url.Values{"grant_type": {"authorization_code"}, "code": {q.Get("code")},
			"client_id": {srv.URL + "/"}, "redirect_uri": {srv.URL + "/cb"}, "code_verifier": {verifier}})
		if err != nil {
			page(w, html.EscapeString(err.Error()))
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		var answer struct{ Scope, Me string }
		json.Unmarshal(body, &answer)
		page(w, html.EscapeString(fmt.Sprintf("granted: %s, to %s", answer.Scope, answer.Me)))
	})
	return srv
}

// bearer is what BASE says of a token.
func (k *keepSite) bearer(token string) int {
	req, _ := http.NewRequest("GET", k.base, nil)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		k.t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

func TestOwnerInBrowser(t *testing.T) {
	for _, l := range looks() {
		t.Run(l.name, func(t *testing.T) {
			k := ownedSite(t, &demo.Selfauth{Me: owned, Password: "p", Key: "k"})
			b := newBrowser(t, l)
			k.serve()
			b.front(k)
			old := b.apps(k)
			b.make(k, old)
			b.outbound(k)
			b.otherPages(k)
		})
	}
}

// front is an app's way through the front, with one scope unticked.
func (b *browser) front(k *keepSite) {
	b.t.Helper()
	b.open(k.base)
	b.see("It runs. Now try it.", "could not be read", "Sign in once")
	b.inspect("first-visit")
	b.open(anApp(b.t, k).URL)
	b.see("Sign in with your site")
	b.press("Sign in with your site")
	b.see("Application:", "update")
	b.tick(`input[value="update"]`)
	b.password()
	b.see("granted: create media, to " + owned)
}

func (b *browser) password() {
	b.t.Helper()
	b.fill(`#password`, "p")
	b.press("Submit")
}

// apps signs in, looks at the apps, and revokes one.
func (b *browser) apps(k *keepSite) (token string) {
	b.t.Helper()
	token = k.ok("", "token", "mint", "-me", owned, "-client", "https://quill.p3k.io/", "-scope", "create update media profile")
	k.ok("", "token", "mint", "-me", owned, "-client", "https://quill.p3k.io/", "-scope", "draft")
	k.ok("", "token", "mint", "-me", owned, "-client", "https://a-reader-with-quite-a-long-name.example/app/of/the/year", "-scope", "read follow channels")
	k.sql(`INSERT INTO pages VALUES ('client', 'https://quill.p3k.io/', 'Quill', '2099-01-01 00:00:00', '2099-01-01 00:00:00'),
		('client', 'https://a-reader-with-quite-a-long-name.example/app/of/the/year', '', NULL, '2099-01-01 00:00:00')`)
	k.bearer(token)
	b.open(k.base)
	b.see("It works", "not looked at")
	b.inspect("public")
	b.press("Sign in")
	b.see("there is no other password")
	b.inspect("signin")
	b.press("Sign in as " + owned)
	b.see("Application:", "/token/owner")
	b.password()
	b.see("Quill", "drafts, publish, change")
	b.inspect("apps")
	b.press("Revoke all of this app")
	b.see("Revoke Quill?", "it has it 2 times")
	b.inspect("revoke")
	b.press("Revoke Quill")
	b.see("The app has no access any more.")
	if k.bearer(token) != http.StatusUnauthorized {
		b.t.Error("the token is still good")
	}
	b.press("Ended: 2")
	b.see("revoked just now")
	b.press("Revoke everything")
	b.see("Revoke everything?", "lose their access")
	b.press("Keep them")
	b.see("Revoke everything")
	b.inspect("revoked")
	return token
}

func (b *browser) make(k *keepSite, old string) {
	b.t.Helper()
	b.press("Make a token")
	b.see("So that you know it again")
	b.inspect("make")
	b.fill("#name", "Backup script")
	b.press("Make the token")
	b.see("Not made.", "Tick at least one")
	b.inspect("make-again")
	b.tick(`input[value="create"]`)
	b.press("Make the token")
	b.see("It is shown this once", "publish posts")
	b.inspect("made")
	token, err := b.js(`document.querySelector('#secret').innerText`)
	if err != nil || token == old || k.bearer(strings.TrimSpace(token)) != http.StatusOK {
		b.t.Errorf("the token is not good: %v", err)
	}
	b.press("Apps")
	b.see("Backup script", "Make a token")
	if left, _ := b.js(`document.documentElement.outerHTML`); strings.Contains(left, strings.TrimSpace(token)) {
		b.t.Error("it is shown again")
	}
}

// outbound connects a site, and sees it work, die and go.
func (b *browser) outbound(k *keepSite) {
	b.t.Helper()
	box := keepertest.New()
	box.Rotate = true
	srv := httptest.NewServer(box)
	b.t.Cleanup(srv.Close)
	k.ok(keepertest.ClientSecret+"\n", "provider", "add", "club", "-issuer", srv.URL, "-client-id", keepertest.ClientID, "-scope", "read write")
	b.open(k.base + "/owner/connections")
	b.see("You are not connected to another site")
	b.inspect("connections-none")
	b.fill("#name", "my-club")
	b.press("Connect")
	b.see(`club is connected as "my-club"`)
	b.inspect("connected")
	b.press("To the connections")
	b.see("my-club", "Works")
	b.inspect("connections")
	b.press("Refresh now")
	b.see("There is a new token.")
	b.press("Connect again")
	b.see("Connected")
	box.Kill()
	b.press("To the connections")
	b.see("my-club")
	b.press("Refresh now")
	b.see("This did not work")
	b.inspect("dead")
	b.press("Go back")
	b.see("Broken", "no longer accepts")
	b.inspect("connections-dead")
	b.press("Connect again")
	b.see("Connected")
	b.press("To the connections")
	b.see("my-club")
	b.press("Forget")
	b.see("Forget my-club?")
	b.inspect("forget")
	b.press("Forget my-club")
	b.see("The site confirmed")
	b.inspect("forgotten")
	b.open(k.base + "/keep/connect?ticket=x")
	b.see("Not connected")
	b.inspect("keep-refused")
}

// otherPages looks at the rest.
func (b *browser) otherPages(k *keepSite) {
	b.t.Helper()
	b.open(k.base + "/owner/programs")
	b.see("Sites that check access", "API keys")
	b.fill("#server", "blog")
	b.press("Add the site")
	b.see("Secret of blog", "shown this once")
	b.inspect("secret")
	b.press("I have it, go on")
	b.see("blog")
	b.fill("#key", "cron")
	b.press("Add the key")
	b.see("API key cron", "mkk_")
	b.press("I have it, go on")
	b.see("cron", "read")
	b.inspect("programs")
	b.press("Remove: blog")
	b.see("Remove blog?")
	b.press("Remove blog")
	b.see("cron")
	k.sql(`INSERT INTO events (at, event, client_id, detail, address) VALUES ('2026-07-01 12:00:00', 'replay', 'https://quill.p3k.io/', 'a code was presented twice; its tokens are revoked', '192.0.2.1')`)
	b.press("Log")
	b.see("showed a code for the second time", "may have stolen it")
	b.inspect("log")
	b.press("Check")
	b.see("Broken", "With a shell", "Your site")
	b.inspect("check")
	b.open(k.base + "/owner/nowhere")
	b.see("there is no such page")
	b.inspect("nothing")
	b.press("Browsers")
	b.see("You are you.example")
	b.inspect("you")
	b.press("Sign out")
	b.see("You are signed out.")
	b.inspect("signed-out")
	b.open(k.base + "/owner/log")
	b.see("there is no other password")
}

// TestConsentInBrowser: an endpoint that says only who it is leaves the question to the front.
func TestConsentInBrowser(t *testing.T) {
	for _, l := range looks() {
		t.Run(l.name, func(t *testing.T) {
			k := ownedSite(t, http.HandlerFunc(identityOnly))
			b := newBrowser(t, l)
			k.serve()
			app := anApp(t, k)
			b.open(app.URL)
			b.see("Sign in with your site")
			b.press("Sign in with your site")
			b.see("in?", "change posts", "this computer")
			b.inspect("consent")
			b.tick(`input[value="update"]`)
			b.press("Allow")
			b.see("granted: create media, to " + owned)
			b.open(app.URL)
			b.see("Sign in with your site")
			b.press("Sign in with your site")
			b.see("in?")
			b.press("Refuse")
			b.see("refused: access_denied")
			b.open(k.base + "/authorize?client_id=x")
			b.see("made a mistake")
			b.inspect("error")
		})
	}
}
