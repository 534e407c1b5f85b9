package test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mintkeep/internal/demo"
	"mintkeep/internal/oauth"
	"mintkeep/internal/page"
	secrets "mintkeep/internal/secret"
	"mintkeep/test/tools"
	"mintkeep/test/wire"
)

// everyRoute is every address below BASE, and some that there are not.
var everyRoute = strings.Fields(`. introspect revoke metadata userinfo authorize callback consent client client.json check
	owner owner/signin owner/callback owner/signout owner/revoke owner/make owner/sessions owner/connections owner/connect owner/forget
	owner/remove owner/programs owner/settings owner/download owner/log owner/check owner/nothing
	keep/token keep/connect keep/callback keep/nothing api/token.php v2/users/u/tokens v2/users/u/tokens/box v2/users/u/tokens/box/refresh nothing`)

// A holder is who has secrets of a site, and the values of its cookies by their kind.
type holder struct{ secrets, cookies map[string]string }

// madeUp is somebody who has secrets of the same form that no site has given.
func (h holder) madeUp() holder {
	change := func(given map[string]string) map[string]string {
		made := make(map[string]string)
		for name, value := range given {
			parts := strings.Split(value, ".") // a cookie may have several
			for i, part := range parts {
				if n := len(secrets.New("")); len(part) >= n {
					parts[i] = string(secrets.New(part[:len(part)-n]))
				} else if len(part) == len(secrets.NewID()) {
					parts[i] = string(secrets.NewID())
				}
			}
			made[name] = strings.Join(parts, ".")
		}
		return made
	}
	return holder{change(h.secrets), change(h.cookies)}
}

// jar is the Cookie header with the holder's cookies under the names that a site gives them.
func (h holder) jar(host string) (header [2]string) {
	base := "https://" + host + "/token"
	header[0] = "Cookie"
	for kind, value := range h.cookies {
		name := page.CookieName(base, kind)
		if kind == "mkflow" {
			name += fmt.Sprintf("_%x", sha256.Sum256([]byte(base+" "+h.secrets["flow"])))[:25]
		}
		header[1] += name + "=" + value + "; "
	}
	return header
}

// ways are the requests that present one of the holder's secrets to a site.
func (h holder) ways(host, name, method, target string) map[string]*wire.Request {
	form := url.Values{"client_id": {"https://app.example/"}, "redirect_uri": {appRedirect}, "code_verifier": {isolationVerifier},
		"iss": {"https://" + host + "/token"}, "provider": {"box"}, "grant_type": {"authorization_code"}, "answer": {"allow"}}
	for field := range strings.FieldsSeq("token code refresh_token client_secret ticket") {
		form.Set(field, h.secrets[name])
	}
	form.Set("flow", h.secrets["flow"])
	form.Set("state", h.secrets["state"])
	request := func(header ...[2]string) *wire.Request {
		r := &wire.Request{Method: method, Target: target, Header: append(header, [2]string{"Origin", "https://" + host}, [2]string{"Accept", "text/html"})}
		if method == "GET" {
			r.Target += "?" + form.Encode()
			return r
		}
		r.Header = append(r.Header, [2]string{"Content-Type", "application/x-www-form-urlencoded"})
		r.Body = form.Encode()
		return r
	}
	value := h.secrets[name]
	all := map[string]*wire.Request{"form": request(), "cookies": request(h.jar(host)), "key": request([2]string{"X-API-Key", value}),
		"bearer": request([2]string{"Authorization", "Bearer " + value}),
		"basic":  request([2]string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("rs:"+value))})}
	form.Set("grant_type", "refresh_token")
	all["refresh"] = request()
	return all
}

// remember keeps what an authorization request to Selfauth says of the one under way.
func (h holder) remember(q url.Values) {
	h.secrets["state"] = q.Get("state")
	if back, err := url.Parse(q.Get("redirect_uri")); err == nil {
		h.secrets["flow"] = back.Query().Get("flow")
	}
}

const isolationVerifier = "a-verifier-which-is-long-enough-to-be-accepted-by-all"

// secretsOf makes a site in use, and returns who has one of each kind of its secrets.
func (f *fleet) secretsOf(host string) holder {
	f.t.Helper()
	base := "https://" + host + "/token"
	auth := &demo.Selfauth{Me: "https://" + host, Key: host}
	server := httptest.NewServer(auth)
	f.t.Cleanup(server.Close)
	access := f.site(host, server.URL+"/auth/")
	f.run(host, "key", "new")
	f.run(host, "provider", "add", "box", "-auth-url", "https://box.example/a", "-token-url", "https://box.example/t", "-client-id", "x", "-public")
	_, ticket, _ := strings.Cut(f.run(host, "connect", "box", "-web"), "ticket=")
	h := holder{map[string]string{"access": access, "server": f.run(host, "server", "add", "rs"), "ticket": strings.TrimSuffix(ticket, "&user=owner"),
		"key": f.run(host, "apikey", "add", "scripts", "-write")}, make(map[string]string)}
	if f.process == nil {
		f.start("serve")
	}
	visit := func(address string) url.Values { // where it leads to
		a := f.ask(host, &wire.Request{Method: "GET", Target: strings.TrimPrefix(address, "https://"+host), Header: [][2]string{h.jar(host), {"Accept", "text/html"}}})
		for _, c := range (&http.Response{Header: a.Header}).Cookies() {
			h.cookies[regexp.MustCompile(`mk[a-z]+`).FindString(c.Name)] = c.Value
		}
		to, err := url.Parse(a.Header.Get("Location"))
		if err != nil || a.Status != http.StatusFound && a.Status != http.StatusSeeOther {
			f.t.Fatalf("%s answers %d %s", address, a.Status, a.Body)
		}
		q := to.Query()
		q.Set("to", to.String())
		return q
	}
	signIn := func(authorize string) url.Values { // through Selfauth, to the app
		q := visit(authorize)
		h.remember(q)
		code := auth.Code(q.Get("client_id"), q.Get("redirect_uri"), "create")
		return visit(oauth.WithQuery(q.Get("redirect_uri"), url.Values{"state": {q.Get("state")}, "code": {code}}))
	}
	sign := base + "/owner/signin?me=https://" + host + "/"
	visit(signIn(visit(sign).Get("to")).Get("to"))
	session := h.cookies["mksession"]
	authorize := base + "/authorize?" + url.Values{"response_type": {"code"}, "client_id": {"https://app.example/"}, "redirect_uri": {appRedirect},
		"state": {"s"}, "scope": {"create"}, "code_challenge_method": {"S256"}, "code_challenge": {oauth.Challenge(isolationVerifier)}}.Encode()
	h.secrets["code"] = signIn(authorize).Get("code")
	form := redemption(auth.Code("https://app.example/", appRedirect, "update"), "https://app.example/")
	form.Target = "/token"
	h.secrets["refresh"] = pairOf(f.ask(host, form)).refresh
	visit(sign)
	h.remember(visit(authorize)) // one under way
	h.cookies["mksession"] = session
	return h
}

// outcome is what a request leads to, without what is chance.
func (f *fleet) outcome(host string, r *wire.Request, by holder, n int) string {
	r.Header = append(r.Header, [2]string{"X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255)})
	a := f.ask(host, r)
	chance := regexp.MustCompile(`(flow%3D|code_challenge=|[?&]state=)[\w.%-]+`)
	text := chance.ReplaceAllString(fmt.Sprint(a.Status, " ", a.Header.Get("Location"), "\n", a.Body), "$1")
	for _, m := range []map[string]string{by.secrets, by.cookies} {
		for _, value := range m {
			text = strings.ReplaceAll(text, value, "SECRET")
		}
	}
	return text
}

// contents is what a site has: all but what strangers leave behind.
func (f *fleet) contents(host string) (all string) {
	db := openDatabase(f.t, f.file(host, "tokens.db"))
	defer db.Close()
	for table := range strings.FieldsSeq(`tokens grants refresh_tokens codes sessions settings resource_servers providers connections api_keys flows`) {
		all += fmt.Sprintln(table, value[int](f.t, db, `SELECT count(*) FROM `+table))
	}
	return all + fmt.Sprintln(value[string](f.t, db, `SELECT json_group_array(coalesce(ended, '')) FROM grants`))
}

// A site answers every secret of another, at every address and in every way, as it
// answers one that nobody was given, and keeps what it has.
func TestSitesIsolated(t *testing.T) {
	tools.Long(t)
	f := newFleet(t)
	stolen := f.secretsOf("a.example")
	f.secretsOf("b.example")
	for _, at := range []string{"", "b.example"} { // one process for all, and one of its own
		if at != "" {
			f.stop()
			f.startOne(at)
		}
		before, made, n := f.contents("a.example")+f.contents("b.example"), stolen.madeUp(), 0
		for name := range stolen.secrets {
			for _, route := range everyRoute {
				for _, method := range []string{"GET", "POST", "DELETE"} {
					target := strings.TrimSuffix("/token/"+route, "/.")
					forged := made.ways("b.example", name, method, target)
					for way, r := range stolen.ways("b.example", name, method, target) {
						n += 2
						got, want := f.outcome("b.example", r, stolen, n), f.outcome("b.example", forged[way], made, n+1)
						if got != want {
							t.Errorf("%s of another site at %s %s, as %s:\n%s\none that was made up:\n%s", name, method, target, way, got, want)
						}
					}
				}
			}
		}
		t.Logf("%d requests", n)
		if now := f.contents("a.example") + f.contents("b.example"); now != before {
			t.Errorf("a site has changed:\n%s\nbefore:\n%s", now, before)
		}
	}
	f.stillGood("a.example", stolen)
}

// stillGood expects that every secret is good where it is from.
func (f *fleet) stillGood(host string, h holder) {
	f.stop()
	f.start("serve")
	used := make(map[string]bool)
	for _, try := range []struct{ name, method, target, way, want string }{
		{"access", "GET", "/token", "bearer", `200 \n.*create`},
		{"key", "GET", "/token/v2/users/u/tokens", "key", `200 `},
		{"server", "POST", "/token/introspect", "basic", `200 \n\{"active":false`},
		{"flow", "GET", "/token/callback", "cookies", `^302 https://app.example/`},
		{"state", "GET", "/token/callback", "cookies", `^400 `}, // used by the line before
		{"refresh", "POST", "/token", "refresh", `200 \n.*access_token`},
		{"code", "POST", "/token", "form", `200 \n.*access_token`},
		{"ticket", "GET", "/token/keep/connect", "form", `^303 https://box.example/a`},
		{"session", "GET", "/token/owner/settings", "cookies", `^200 `},
	} {
		used[try.name] = true
		got := f.outcome(host, h.ways(host, try.name, try.method, try.target)[try.way], h, 0)
		if !regexp.MustCompile(try.want).MatchString(got) {
			f.t.Errorf("%s is not good at its own site: %s", try.name, got)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(h.secrets)) {
		if !used[name] {
			f.t.Errorf("%s was not tried at its own site", name)
		}
	}
}
