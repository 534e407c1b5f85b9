package owner

import (
	"crypto/subtle"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mintkeep/endpoint"
	"mintkeep/internal/page"
)

const signInLife = 10 * time.Minute

// home is BASE/owner: the apps, or where to sign in. It is also what our
// client_id leads to.
func (p *Pages) home(q *request) (*reply, error) {
	if q.session != nil {
		return p.apps(q)
	}
	to := returnTo(q.form["to"])
	content := []*node{
		para(text("See which apps have a key to your site, and take keys back. You sign in with your own site, as in any app; there is no other password.")),
	}
	switch q.form["said"] {
	case "out":
		content = append([]*node{notice("You are signed out.")}, content...)
	case "declined":
		content = append([]*node{notice("You were not signed in.")}, content...)
	}
	if len(q.st.Endpoints) == 0 {
		content = append(content, para(text("No authorization endpoint is trusted yet, so nobody can.")))
		return &reply{doc: p.document(q, "", "Sign in", content...)}, nil
	}
	return &reply{doc: p.document(q, "", "Sign in", append(content, p.signInWays(q, to)...)...)}, nil
}

// signInWays has a link for each person of this site. A link, because browsers
// hold every redirect after a form against form-action.
func (p *Pages) signInWays(q *request, to string) []*node {
	way := func(words string, v url.Values) *node {
		if to != "" {
			v.Set("to", to)
		}
		return para(el("a", []string{"class", "button", "href", p.at("signin") + "?" + v.Encode()}, text(words)))
	}
	if len(q.st.Me) == 1 {
		return []*node{way("Sign in as "+q.st.Me[0], url.Values{"me": q.st.Me})}
	}
	var ways []*node
	for _, me := range q.st.Me {
		ways = append(ways, way("Sign in as "+me, url.Values{"me": {me}}))
	}
	if len(ways) > 0 {
		return ways
	}
	return []*node{way("Sign in", url.Values{}),
		more("With another address of yours", el("form", []string{"method", "get", "action", p.at("signin")},
			el("input", []string{"type", "hidden", "name", "page", "value", "yes"}),
			field("me", "Your site", "type", "text", "inputmode", "url", "placeholder", "https://you.example/", "required", ""),
			el("p", class("buttons"), button("Go on"))))}
}

// returnTo is the page that somebody wanted to see before signing in: one of
// ours, or none.
func returnTo(word string) string {
	if rt := routeFor(word); rt.get != nil && rt.who != anybody {
		return word
	}
	return ""
}

// signIn is GET BASE/owner/signin: the way to the trusted endpoint by the front.
// State, verifier and where to go afterwards wait in a cookie.
func (p *Pages) signIn(q *request) (*reply, error) {
	state, verifier := randomText(), randomText()
	to := p.In.SignInURL(p.at("callback"), state, endpoint.Challenge(verifier), q.form["me"])
	cookie := p.cookie(signInCookie, state+"."+verifier+"."+returnTo(q.form["to"]), signInLife)
	if q.form["page"] == "" {
		return &reply{to: to, cookies: []*http.Cookie{cookie}}, nil
	}
	d := p.document(q, "", "Sign in", para(link(to, "Go on")))
	d.Refresh = template.URL(to)
	return &reply{doc: d, cookies: []*http.Cookie{cookie}}, nil
}

// callback is GET BASE/owner/callback: what the front says (RFC 6749 section
// 4.1.2, RFC 9207).
func (p *Pages) callback(q *request) (*reply, error) {
	again := badRequest("this sign-in was not begun in this browser, is too old or is already finished; sign in again")
	c, err := q.http.Cookie(page.CookieName(p.In.URL, signInCookie))
	if err != nil {
		return nil, again
	}
	kept := strings.SplitN(c.Value, ".", 3)
	if len(kept) != 3 || subtle.ConstantTimeCompare([]byte(kept[0]), []byte(q.form["state"])) != 1 {
		return nil, again
	}
	if q.form["iss"] != p.In.URL {
		return nil, badRequest("this answer is not from here")
	}
	done := p.cookie(signInCookie, "", 0)
	if q.form["error"] != "" {
		p.In.Log.Warn("not signed in", "error", q.form["error"], "description", q.form["error_description"])
		return &reply{to: p.at("") + "?said=declined", cookies: []*http.Cookie{done}}, nil
	}
	me, err := p.In.SignedIn(q.ctx(), q.form["code"], p.at("callback"), kept[1])
	if fault := new(endpoint.Error); errors.As(err, &fault) && fault.Status < 500 {
		return nil, again
	}
	if err != nil {
		return nil, err
	}
	cookie, err := p.begin(q, me)
	if err != nil {
		return nil, err
	}
	return &reply{to: p.at(returnTo(kept[2])), cookies: []*http.Cookie{done, cookie}}, nil
}

// signOut is POST BASE/owner/signout.
func (p *Pages) signOut(q *request) (*reply, error) {
	if q.session != nil {
		if err := p.end(q, `session_hash = ?`, q.session.hash); err != nil {
			return nil, err
		}
	}
	return &reply{to: p.at("") + "?said=out", cookies: []*http.Cookie{p.cookie(sessionCookie, "", 0)}}, nil
}

// sessions lists where a person is signed in; for an administrator, everybody.
func (p *Pages) sessions(q *request) (*reply, error) {
	found, err := p.In.DB.QueryContext(q.ctx(), `SELECT `+sessionColumns+` FROM sessions
		WHERE ? IN ('', me) AND expires > ? AND last_use > ? ORDER BY last_use DESC`, q.whose(), stamp(q.now), stamp(q.now.Add(-sessionIdle)))
	if err != nil {
		return nil, err
	}
	defer found.Close()
	list := el("div", nil)
	n := 0
	for found.Next() {
		s, err := scanSession(found.Scan)
		if err != nil {
			return nil, err
		}
		list.AppendChild(p.sessionCard(q, s))
		if s.me == q.session.me {
			n++
		}
	}
	if err := found.Err(); err != nil {
		return nil, err
	}
	sees := "You see the apps that you gave keys."
	if q.admin() {
		sees = "You are an administrator: you see everything."
	}
	content := []*node{
		para(text("You are signed in as "), el("strong", nil, text(q.session.me)), text(". "+sees)),
		p.form("signout", nil, el("p", class("buttons"), button("Sign out"))),
		el("h2", nil, text("Browsers that are signed in")), list,
	}
	if n > 1 {
		content = append(content, p.form("sessions", []string{"which", "others"},
			el("p", class("buttons"), danger("Sign out everywhere else", many(n-1, "browser", "browsers")))))
	}
	return &reply{doc: p.document(q, "sessions", "You", content...)}, nil
}

func (p *Pages) sessionCard(q *request, s *session) *node {
	name, whose := browser(s.agent), ""
	if q.admin() {
		whose = s.me
	}
	card := el("div", class("card"), el("h3", nil, text(name)),
		rows("Whose", whose, "Since", when(s.created), "Last use", when(s.lastUse), "Ends", when(s.ends())))
	if s.hash == q.session.hash {
		card.AppendChild(para(text("This is the one that you are using.")))
		return card
	}
	card.AppendChild(p.form("sessions", []string{"which", s.hash}, el("p", class("buttons"), danger("Sign out", name))))
	return card
}

// endSessions is POST BASE/owner/sessions.
func (p *Pages) endSessions(q *request) (*reply, error) {
	var err error
	if q.form["which"] == "others" {
		err = p.end(q, `me = ? AND session_hash <> ?`, q.session.me, q.session.hash)
	} else {
		err = p.end(q, `? IN ('', me) AND session_hash = ?`, q.whose(), q.form["which"])
	}
	if err != nil {
		return nil, err
	}
	return &reply{to: p.at("sessions")}, nil
}
