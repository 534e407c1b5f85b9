package owner

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mintkeep/internal/oauth"
	"mintkeep/internal/page"
	"mintkeep/internal/secret"
)

const signInLife = 10 * time.Minute

type signInPage struct {
	common
	Fault, Base string // why somebody was not signed in; address of the endpoint
	Notice      string
	NoEndpoint  bool        // no authorization endpoint is trusted
	Links       []page.Link // one for each person of this site
	AskAddress  bool        // any address may sign in
}

// home is GET BASE/owner: the apps, or where one signs in. BASE/owner is also the
// client_id of these pages, which authorization endpoints may read.
func (p *Pages) home(q *request) (*reply, error) {
	if q.session != nil {
		return p.apps(q)
	}
	return &reply{page: newSignInPage(p, q, map[string]string{"out": "You are signed out."}[q.form["said"]], "")}, nil
}

// newSignInPage is where one signs in; fault says why somebody was not.
func newSignInPage(p *Pages, q *request, notice, fault string) *page.Page {
	v := signInPage{common: newCommon(p, q), Notice: notice, Fault: fault, Base: p.In.URL,
		NoEndpoint: len(q.st.Endpoints) == 0, AskAddress: len(q.st.Me) == 0}
	// Links, because browsers check every redirect after a form against form-action.
	add := func(text string, params url.Values) {
		if to := returnTo(q.form["to"]); to != "" {
			params.Set("to", to)
		}
		v.Links = append(v.Links, page.Link{URL: p.url("signin") + "?" + params.Encode(), Text: text})
	}
	for _, me := range q.st.Me {
		add("Sign in as "+me, url.Values{"me": {me}})
	}
	if v.AskAddress {
		add("Sign in", url.Values{})
	}
	d := p.newPage(q, "", "Sign in", "signin.html", v)
	d.Lead = "This shows you which apps can act for your site."
	return d
}

// returnTo is the page that somebody wanted to see before signing in: one of
// these, or none.
func returnTo(word string) string {
	if rt := routeFor(word); rt.get != nil && rt.who != anybody {
		return word
	}
	return ""
}

// signIn is GET BASE/owner/signin: it sends the browser to the authorization
// endpoint. State, PKCE verifier and the page to return to are kept in a cookie.
func (p *Pages) signIn(q *request) (*reply, error) {
	state, verifier := string(secret.New("")), string(secret.New(""))
	to := p.In.Authorize.SignInURL(p.url("callback"), state, oauth.Challenge(verifier), q.form["me"])
	cookies := []*http.Cookie{p.cookie(signInCookie, state+"."+verifier+"."+returnTo(q.form["to"]), signInLife)}
	if q.form["page"] == "" {
		return &reply{to: to, cookies: cookies}, nil
	}
	d := p.newPage(q, "", "Sign in", "message.html", message{Link: page.Link{URL: to, Text: "Go on"}})
	d.Refresh = template.URL(to)
	return &reply{page: d, cookies: cookies}, nil
}

// callback is GET BASE/owner/callback: the authorization response (RFC 6749
// section 4.1.2, RFC 9207). It redeems the code and creates a session.
func (p *Pages) callback(q *request) (*reply, error) {
	again := badRequest("this sign-in was not begun in this browser, is too old or is already finished; sign in again")
	kept := strings.SplitN(p.readCookie(q.http, signInCookie), ".", 3)
	if len(kept) != 3 || !secret.Secret(kept[0]).Equal(secret.Secret(q.form["state"])) {
		return nil, again
	}
	if q.form["iss"] != p.In.URL {
		return nil, badRequest("this answer is not from here")
	}
	done := p.cookie(signInCookie, "", 0)
	if q.form["error"] != "" {
		p.In.Log.Warn("not signed in", "error", q.form["error"], "description", q.form["error_description"])
		d := newSignInPage(p, q, "", "You were not signed in: "+q.form["error_description"]+".") // from here: state has been compared
		return &reply{status: http.StatusForbidden, page: d, cookies: []*http.Cookie{done}}, nil
	}
	me, err := p.In.Authorize.SignedIn(q.ctx(), q.form["code"], p.url("callback"), kept[1])
	if fault := new(oauth.Error); errors.As(err, &fault) && fault.Status < 500 {
		return nil, again
	}
	if err != nil {
		return nil, err
	}
	cookie, err := p.createSession(q, me)
	if err != nil {
		return nil, err
	}
	return &reply{to: p.url(returnTo(kept[2])), cookies: []*http.Cookie{done, cookie}}, nil
}

// signOut is POST BASE/owner/signout.
func (p *Pages) signOut(q *request) (*reply, error) {
	if q.session != nil {
		if err := p.deleteSessions(q, `session_hash = ?`, q.session.Hash); err != nil {
			return nil, err
		}
	}
	return &reply{to: p.url("") + "?said=out", cookies: []*http.Cookie{p.cookie(sessionCookie, "", 0)}}, nil
}

type sessionsPage struct {
	common
	Current  *session // of the browser that asks
	Sessions []*session
	Others   string // how many other browsers the person has signed in with, in words; empty if none
}

// sessions is GET BASE/owner/sessions: where a person is signed in; for an
// administrator, where everybody is.
func (p *Pages) sessions(q *request) (*reply, error) {
	all, err := p.listSessions(q.ctx(), q.filterMe(), q.now)
	if err != nil {
		return nil, err
	}
	v, own := sessionsPage{common: newCommon(p, q), Current: q.session, Sessions: all}, 0
	for _, s := range all {
		if s.Me == q.session.Me {
			own++
		}
	}
	if own > 1 {
		v.Others = plural(own-1, "browser", "browsers")
	}
	d := p.newPage(q, "sessions", "Browsers", "sessions.html", v)
	d.Lead = "Where these pages are open to somebody who signed in. You are " + page.Short(q.session.Me) + "."
	if q.admin() {
		d.Lead += " You are an administrator: you see everything."
	}
	return &reply{page: d}, nil
}

// endSessions is POST BASE/owner/sessions.
func (p *Pages) endSessions(q *request) (*reply, error) {
	var err error
	if q.form["which"] == "others" {
		err = p.deleteSessions(q, `me = ? AND session_hash <> ?`, q.session.Me, q.session.Hash)
	} else {
		err = p.deleteSessions(q, `? IN ('', me) AND session_hash = ?`, q.filterMe(), q.form["which"])
	}
	if err != nil {
		return nil, err
	}
	return &reply{to: p.url("sessions")}, nil
}
