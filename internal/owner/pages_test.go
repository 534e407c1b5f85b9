package owner_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/owner"
	"mintkeep/keeper"
)

func TestSignIn(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	v.get("").shows(t, 200, "Sign in", "Sign in as "+jane, "Sign in as "+joe)
	v.get("/log").leads(t, h.In.Authorize.OwnerClient()+"?to=log")
	back := v.toCallback(jane, "log")
	v.get(back.String()).leads(t, h.In.Authorize.OwnerClient()+"/log")
	v.get("/log").shows(t, 200, "signed in")
	v.get("").shows(t, 200, "No app has access")
	v.get(back.String()).shows(t, 400, "already finished")
	you := v.get("/sessions")
	you.shows(t, 200, "You are jane.example", "administrator", "Firefox on Linux", "this one")
	for address, status := range map[string]int{h.In.URL: 200, h.In.URL + "/authorize": 400} { // sign out is everywhere
		v.see("GET", address, nil, "Accept", "text/html").shows(t, status, "Sign out")
		h.visitor().see("GET", address, nil, "Accept", "text/html").shows(t, status).hides(t, "Sign out")
	}
	v.post("/signout").leads(t, h.In.Authorize.OwnerClient()+"?said=out")
	v.get("?said=out").shows(t, 200, "You are signed out.")
}

// Selfauth and others may look at our client_id and ask for anything.
func TestClientPage(t *testing.T) {
	h := newHouse(t)
	for _, accept := range []string{"", "application/json", "text/html", "*/*", "image/png"} {
		s := h.visitor().see("GET", "", nil, "Accept", accept)
		if s.StatusCode != 200 || s.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(s.text, `class="h-app"`) {
			t.Errorf("Accept %q: %d %s", accept, s.StatusCode, s.Header.Get("Content-Type"))
		}
	}
}

func TestApps(t *testing.T) {
	h := newHouse(t)
	h.mint(jane, app, "create update odd")
	h.mint(jane, app, "read")
	h.mint(joe, app, "profile")
	other := h.mint(joe, "https://other.example/x", "media")
	h.exec(`INSERT INTO pages VALUES ('client', ?, 'The App', ?, ?)`, app, "2026-07-01 12:00:00", "2099-01-01 00:00:00")
	v := h.signedIn(jane)
	s := v.get("")
	s.shows(t, 200, "The App", app, "publish posts create", "do what it calls odd", "other.example/x", "made by hand", "never used", "2 apps and scripts have access")
	t.Run("own only", func(t *testing.T) {
		s := h.signedIn(joe).get("")
		s.shows(t, 200, "The App", "see your name")
		s.hides(t, "publish posts", "Log", "Check", "Connections")
	})
	t.Run("one", func(t *testing.T) {
		v.get("/revoke?client="+app).shows(t, 200, "Revoke The App?", "3 times", "Keep it")
		var id string
		if err := h.In.Grants.DB.QueryRow(`SELECT token_id FROM tokens WHERE auth_scope = 'read'`).Scan(&id); err != nil {
			t.Fatal(err)
		}
		if got := value(t, v.get("/revoke?id="+id).shows(t, 200, "Revoke The App?"), "id"); got != id {
			t.Errorf("the page confirms %s, not %s", got, id)
		}
		v.post("/revoke", "id", id).leads(t, h.In.Authorize.OwnerClient()+"?done=one")
		if h.count(`SELECT count(*) FROM tokens WHERE token_id = ? AND revoked IS NOT NULL`, id) != 1 {
			t.Error("not revoked")
		}
		v.get("?done=one").shows(t, 200, "The access is revoked", "Ended: 1", "revoked just now")
	})
	t.Run("an app", func(t *testing.T) {
		v.post("/revoke", "client", app).leads(t, h.In.Authorize.OwnerClient()+"?done=app")
		if h.count(`SELECT count(*) FROM tokens WHERE revoked IS NULL AND auth_client_id = ?`, app) != 0 {
			t.Error("not revoked")
		}
	})
	t.Run("everything", func(t *testing.T) {
		v.get("/revoke?all=yes").shows(t, 200, "Revoke everything?", "of everybody")
		v.post("/revoke", "all", "yes").leads(t, h.In.Authorize.OwnerClient()+"?done=all")
		if h.count(`SELECT count(*) FROM tokens WHERE revoked IS NULL`) != 0 {
			t.Error("not revoked")
		}
		v.get("?done=all").shows(t, 200, "No app has access").hides(t, string(other))
	})
	v.post("/revoke").shows(t, 400, "does not say what")
	v.post("/revoke", "id", "ffff").shows(t, 404, "no such token")
}

// An app whose access token has run out may still have a refresh token: it
// must be seen, and the end of the grant must be its end.
func TestRenewable(t *testing.T) {
	h := newHouse(t)
	h.mint(jane, app, "create")
	h.exec(`INSERT INTO refresh_tokens (refresh_hash, grant_id, token_id, created) SELECT 'x', grant_id, token_id, created FROM tokens`)
	h.pass(100 * 24 * time.Hour)
	v := h.signedIn(jane)
	v.get("").shows(t, 200, "One app or script has access", "1 Jul 2027")
	v.post("/revoke", "client", app)
	v.get("").shows(t, 200, "No app has access")
	h.mint(jane, app, "create")
	h.pass(100 * 24 * time.Hour)
	h.signedIn(jane).get("").shows(t, 200, "No app has access", "ended without use")
}

func TestMake(t *testing.T) {
	h := newHouse(t)
	v := h.signedIn(jane)
	v.get("/make").shows(t, 200, "publish posts", "Whose site")
	v.post("/make", "client", "x", "scope", "create").shows(t, 400, "needs an address")
	v.post("/make", "scope", "create").shows(t, 400, "Give it a name")
	h.signedIn(joe).post("/make", "name", "Not its name", "client", app, "scope", "create").shows(t, 200, "mka_")
	if n := h.count(`SELECT count(*) FROM pages WHERE said = 'Not its name'`); n != 0 {
		t.Error("somebody gave another's app a name")
	}
	v.post("/revoke", "client", app)
	v.post("/make", "name", "x", "scope", "create", "ends", "1").shows(t, 400, "Choose when it ends")
	v.post("/make", "name", "Photo uploader", "scope", "media", "ends", "30").shows(t, 200, "mka_", jane+"photo-uploader")
	v.get("").shows(t, 200, "Photo uploader", "made by hand", "in 30 days", "used or not")
	h.pass(20 * 24 * time.Hour)
	v.get("").shows(t, 200, "in 10 days")
	h.pass(10 * 24 * time.Hour)
	v.get("").shows(t, 200, "No app has access", "Ended: 2", "photo-uploaderfrom 30 days agoended just now")
	v.post("/make", "client", app).shows(t, 400, "Tick at least one")
	s := v.post("/make", "client", app+"script", "scope", "create", "scope", "media", "other", "odd", "me", joe)
	s.shows(t, 200, "mka_", "It is shown this once", "Acts for"+joe)
	if h.count(`SELECT count(*) FROM tokens WHERE auth_scope = 'create media odd' AND auth_me = ?`, joe) != 1 {
		t.Error("not made as asked")
	}
	v.get("").hides(t, "mka_")
	h.signedIn(joe).post("/make", "client", app, "scope", "create", "me", jane).shows(t, 200, "Acts for"+joe) // his own, whatever he asks
}

func TestConnections(t *testing.T) {
	h := newHouse(t)
	v := h.signedIn(jane)
	v.get("/connections").shows(t, 404)
	v.get("").hides(t, "Connections", "API keys")
	h.keeping()
	v.get("/connections").shows(t, 200, "not connected to another site", "club")
	v.get("/connect?provider=nowhere").shows(t, 404, "no provider")
	s := v.get("/connect?provider=club&name=mine")
	s.shows(t, 200, "Go on to club")
	to := h.In.URL + "/keep/connect?name=mine&provider=club&user="
	if !strings.Contains(s.text, `content="0; url=`+html.EscapeString(to)) {
		t.Error(s.text)
	}
	s = v.get(to)
	s = v.get(s.Header.Get("Location")) // the provider approves at once
	v.get(s.Header.Get("Location")).shows(t, 200, "Connected", "To the connections")
	v.get("/connections").shows(t, 200, "mine", "Works", "Connect again", "Refresh now")
	v.post("/connections", "do", "refresh", "user", keeper.DefaultUser, "name", "mine").leads(t, h.In.Authorize.OwnerClient()+"/connections?done=refreshed")
	if h.provider.Count("refresh_token") != 1 {
		t.Error("not refreshed")
	}
	h.provider.Kill()
	v.post("/connections", "do", "refresh", "user", keeper.DefaultUser, "name", "mine").shows(t, 409, "dead")
	v.get("/connections").shows(t, 200, "Broken", "no longer accepts", "It answered", "invalid_grant")
	v.get("/forget?user=owner&name=mine").shows(t, 200, "Forget mine?", "club is asked to revoke it")
	v.get("/forget?user=owner&name=other").shows(t, 404)
	h.provider.Fail("/revoke", 1, 503)
	v.post("/connections", "do", "forget", "user", keeper.DefaultUser, "name", "mine").shows(t, 200, "Not forgotten yet")
	v.post("/connections", "do", "forget", "user", keeper.DefaultUser, "name", "mine").shows(t, 200, "confirmed")
	v.get("/connections").shows(t, 200, "not connected to another site")
	v.post("/connections", "do", "forget", "user", "x", "name", "y").shows(t, 404)
	v.post("/connections").shows(t, 400)
}

func TestPrograms(t *testing.T) {
	h := newHouse(t)
	v := h.signedIn(jane)
	v.get("/programs").hides(t, "API key")
	v.post("/programs", "do", "add key", "name", "k").shows(t, 404)
	s := v.post("/programs", "do", "add server", "name", "blog")
	s.shows(t, 200, "mks_", "shown this once")
	v.post("/programs", "do", "add server", "name", "blog").shows(t, 400, "already")
	v.get("/programs").shows(t, 200, "blog").hides(t, "mks_")
	v.post("/programs", "do", "remove server", "name", "blog").leads(t, h.In.Authorize.OwnerClient()+"/programs")
	v.post("/programs", "do", "remove server", "name", "blog").shows(t, 404)
	h.keeping()
	v.post("/programs", "do", "add key", "name", "cron", "user", "owner", "provider", "club", "write", "yes").shows(t, 200, "mkk_")
	v.post("/programs", "do", "add key", "name", "cron").shows(t, 409, "already there")
	v.get("/programs").shows(t, 200, "cron", "reads, stores, refreshes and deletes").hides(t, "mkk_")
	v.get("/remove?key=cron").shows(t, 200, "Remove cron?", "an API key")
	v.get("/remove?server=blog").shows(t, 200, "Remove blog?", "a site that checks")
	v.post("/programs", "do", "remove key", "name", "cron").leads(t, h.In.Authorize.OwnerClient()+"/programs")
	v.post("/programs", "do", "remove key", "name", "cron").shows(t, 404)
}

func TestLogAndCheck(t *testing.T) {
	h := newHouse(t)
	v := h.signedIn(jane)
	for range 60 {
		h.exec(`INSERT INTO events (at, event) VALUES ('2026-07-01 12:00:00', 'issued')`)
	}
	h.exec(`INSERT INTO events (at, event, client_id) VALUES ('2026-07-01 12:00:00', 'replay', ?)`, app)
	h.exec(`INSERT INTO events (at, event, detail) VALUES ('2026-07-01 12:00:00', 'failed', 'it answered with status 404')`) // as grant.Settle does
	s := v.get("/log")
	s.shows(t, 200, "showed a code for the second time", "used twice", "Older", "Wednesday, 1 July 2026")
	if !strings.Contains(s.text, `<li class="bad alarm">`) {
		t.Error("a replay does not stand out")
	}
	v.get("/log?before=12").shows(t, 200, "signed in")
	v.get("/log?only=warnings").shows(t, 200, "used twice", "has to be mended", "status 404").hides(t, "signed in here", "got access")
	h.findings = []owner.Finding{{Group: "your site", Level: "ok", What: "url is fine"}}
	v.get("/check").shows(t, 200, "Url is fine", "as it should be", "One check passed")
	h.findings = append(h.findings, owner.Finding{Level: "fail", What: "no space", Do: "delete something"})
	v.get("/check").shows(t, 200, "One thing is broken", "Delete something", "Your site")
}

func TestSessions(t *testing.T) {
	h := newHouse(t)
	a, b, c := h.signedIn(jane), h.signedIn(jane), h.signedIn(joe)
	if n := h.count(`SELECT count(*) FROM sessions`); n != 3 {
		t.Fatalf("%d sessions", n)
	}
	a.get("/sessions").shows(t, 200, "joe.example", "Sign out everywhere else")
	c.get("/sessions").shows(t, 200).hides(t, "jane.example ·")
	a.post("/sessions", "which", "others").leads(t, h.In.Authorize.OwnerClient()+"/sessions")
	b.get("/sessions").leads(t, h.In.Authorize.OwnerClient()+"?to=sessions")
	c.get("/sessions").shows(t, 200)
	a.post("/sessions", "which", value(t, a.get("/sessions"), "which"))
	c.get("/sessions").leads(t, h.In.Authorize.OwnerClient()+"?to=sessions")
}

// value is the value of the first input of a name.
func value(t *testing.T, s sight, name string) string {
	t.Helper()
	for n := range s.root.Descendants() {
		v, found := "", false
		for _, a := range n.Attr {
			v, found = pick(a, v, found, name)
		}
		if n.Data == "input" && found {
			return v
		}
	}
	t.Fatalf("no input %q in %s", name, s.words())
	return ""
}

func pick(a html.Attribute, v string, found bool, name string) (string, bool) {
	switch {
	case a.Key == "value":
		return a.Val, found
	case a.Key == "name" && a.Val == name:
		return v, true
	}
	return v, found
}

func TestSettingsApplyAtOnce(t *testing.T) {
	h := newHouse(t)
	v, w := h.signedIn(jane), h.signedIn(joe)
	h.set(func(st *grant.Settings) { st.Admins, st.Me = []string{joe}, []string{joe} })
	v.get("/sessions").leads(t, h.In.Authorize.OwnerClient()+"?to=sessions")
	w.get("/log").shows(t, 200)
	if h.Admin(&http.Request{Header: http.Header{}}) {
		t.Error("nobody is an administrator")
	}
}

func TestParsing(t *testing.T) {
	h := newHouse(t)
	v := h.signedIn(jane)
	v.post("/revoke", "id", "a", "id", "b").shows(t, 400, "more than once")
	v.post("/revoke", "id", strings.Repeat("x", 70<<10)).shows(t, 413)
	v.post("/revoke", "id", "a\x00b").shows(t, 400, "characters")
	v.post("/revoke", "id", "\xff").shows(t, 400, "characters")
	v.get("?x=%zz").shows(t, 400)
	v.see("PUT", "/revoke", nil).shows(t, 405)
	s := v.see("GET", "/signout", nil)
	if s.StatusCode != 405 || s.Header.Get("Allow") != "POST" {
		t.Errorf("%d %q", s.StatusCode, s.Header.Get("Allow"))
	}
	if s := v.see("HEAD", "/log", nil); s.StatusCode != 200 || s.text != "" {
		t.Errorf("HEAD: %d %q", s.StatusCode, s.text)
	}
	h.exec(`DROP TABLE events`)
	v.get("/log").shows(t, 500, "error log").hides(t, "events")
	if !strings.Contains(h.log.String(), "no such table") {
		t.Error("the cause is not in the log")
	}
}
