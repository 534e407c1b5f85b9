package owner

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/oauth"
	"mintkeep/internal/page"
)

// maxEnded is how many ended keys are listed; the newest suffice.
const maxEnded = 50

type appsPage struct {
	Owner     string // address of the owner's pages
	Notice    string // what was just done
	Apps      []*app
	Everybody bool // the keys are not only the person's own
	Ended     []key
	EndedKeys string // how many there are, in words
}

// An app is a client_id with the keys that it was given.
type app struct {
	ClientID, Name string
	Keys           []key
}

// A key is one grant; a zero time is never.
type key struct {
	ID, ClientID, Me     string
	Scopes               []scope
	Server               string // who asked for it last
	Resource             oauth.Resource
	Since, LastUse, Ends time.Time
	ByHand               bool
	How                  string // how it ended, if it has
}

// A scope is a scope with words for it, and a box that can be ticked.
type scope struct {
	Scope, Words string
	Ticked       bool
}

func scopesOf(list string) []scope {
	var all []scope
	for word := range strings.FieldsSeq(list) {
		all = append(all, scope{Scope: word, Words: oauth.ScopeWords(word)})
	}
	return all
}

// nobodyIsAdmin says why there are fewer pages than there could be (case F10).
func nobodyIsAdmin(me string) string {
	return "Nobody is the administrator here, so connections, sites and keys, log and settings are hidden. To have them, add the line “admin: " + me +
		"” to the configuration file; in a shell: mintkeep setting admin " + me
}

// apps is the first page: which apps have a key, and what they may do with it.
func (p *Pages) apps(q *request) (*reply, error) {
	all, err := p.In.Grants.Authorizations(q.ctx(), q.st, q.filterMe())
	if err != nil {
		return nil, err
	}
	v := appsPage{Owner: p.url(""), Everybody: q.admin() && len(q.st.Me) != 1}
	v.Notice = map[string]string{
		"one": "The key is revoked.", "app": "All keys of the app are revoked.", "all": "Every key is revoked.",
	}[q.form["done"]]
	if v.Notice == "" && len(q.st.Admins) == 0 {
		v.Notice = nobodyIsAdmin(q.session.Me)
	}
	ended := 0
	for _, a := range all {
		if a.Active() {
			v.add(newKey(a, q.st))
			continue
		}
		if ended++; ended <= maxEnded {
			v.Ended = append(v.Ended, newKey(a, q.st))
		}
	}
	v.EndedKeys = plural(ended, "key", "keys")
	var ids []string
	for _, a := range v.Apps {
		ids = append(ids, a.ClientID)
	}
	names := p.In.Authorize.ClientNames(q.ctx(), ids)
	for _, a := range v.Apps {
		if a.Name = names[a.ClientID]; a.Name == "" {
			a.Name = shortAddress(a.ClientID)
		}
	}
	return &reply{page: p.newPage(q, "", "Apps", "apps.html", v)}, nil
}

func (v *appsPage) add(k key) {
	i := slices.IndexFunc(v.Apps, func(a *app) bool { return a.ClientID == k.ClientID })
	if i < 0 {
		i, v.Apps = len(v.Apps), append(v.Apps, &app{ClientID: k.ClientID})
	}
	v.Apps[i].Keys = append(v.Apps[i].Keys, k)
}

func newKey(a *grant.Authorization, st *grant.Settings) key {
	k := key{ID: a.ID, ClientID: a.ClientID, Me: a.Me, Scopes: scopesOf(a.Scope), Server: a.Server, Resource: a.Resource,
		Since: a.Since, LastUse: a.LastUse, Ends: a.ExpiresAt(st), ByHand: a.MintedManually, How: "ended without use"}
	if a.Status == "revoked" {
		k.How, k.Ends = "revoked", a.Revoked
	}
	return k
}

// shortAddress is how an app without a name is called.
func shortAddress(clientID string) string {
	if u, err := url.Parse(clientID); err == nil && u.Host != "" {
		return strings.TrimSuffix(u.Host+u.Path, "/")
	}
	return clientID
}

// revoke is POST BASE/owner/revoke: one key, those of an app, or all; only the
// person's own unless an administrator asks.
func (p *Pages) revoke(q *request) (*reply, error) {
	done, err := "", error(nil)
	switch {
	case q.form["id"] != "":
		done, err = "one", p.In.Grants.RevokeID(q.ctx(), q.filterMe(), q.form["id"])
	case q.form["client"] != "":
		done = "app"
		_, err = p.In.Grants.RevokeClient(q.ctx(), q.filterMe(), q.form["client"])
	case q.form["all"] == "yes":
		done = "all"
		_, err = p.In.Grants.RevokeAll(q.ctx(), q.filterMe())
	default:
		err = badRequest("it does not say what to revoke")
	}
	if err != nil {
		return nil, err
	}
	return &reply{to: p.url("") + "?done=" + done}, nil
}

type makePage struct {
	Owner, Fault, Client, Other string
	People                      []string // whose token it may be, where there is a choice
	Scopes                      []scope
}

// makeForm is GET BASE/owner/make.
func (p *Pages) makeForm(q *request) (*reply, error) {
	return &reply{page: p.makePage(q, "")}, nil
}

// makePage is the form, filled in as it was sent; fault says why nothing was made.
func (p *Pages) makePage(q *request, fault string) *page.Page {
	v := makePage{Owner: p.url(""), Fault: fault, Client: q.form["client"], Other: q.form["other"]}
	if q.admin() && len(q.st.Me) > 1 {
		v.People = q.st.Me
	}
	ticked := strings.Fields(q.form["scope"])
	for _, word := range oauth.KnownScopes() {
		v.Scopes = append(v.Scopes, scope{word, oauth.ScopeWords(word), slices.Contains(ticked, word)})
	}
	return p.newPage(q, "make", "Make a token", "make.html", v)
}

// makeToken is POST BASE/owner/make.
func (p *Pages) makeToken(q *request) (*reply, error) {
	me, client, scope := q.session.Me, q.form["client"], strings.TrimSpace(q.form["scope"]+" "+q.form["other"])
	if asked := q.form["me"]; asked != "" && q.admin() {
		me = asked
	}
	fault := ""
	switch {
	case !isAddress(client):
		fault = "the program needs an address that begins with https:// and has at most 255 characters"
	case scope == "":
		fault = "tick at least one thing that it may do"
	case !q.st.Issues(me):
		fault = "this site issues no tokens for " + me
	}
	if fault != "" {
		return &reply{status: http.StatusBadRequest, page: p.makePage(q, fault)}, nil
	}
	secret, err := p.In.Grants.Mint(q.ctx(), me, client, scope)
	if err != nil {
		return nil, err
	}
	v := secretPage{Title: "Your new token", Secret: string(secret), Token: &newToken{client, me, scopesOf(scope)}}
	return p.secretReply(q, "", v), nil
}

func isAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= 255 && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// A secretPage shows a secret, once: it is in the answer to the form and nowhere else.
type secretPage struct {
	Title, Secret, Back    string
	Token                  *newToken // if it is an access token
	ServerUses, ScriptUses string    // address where it is used, if it is a server's or a script's
}

type newToken struct {
	Client, Me string
	Scopes     []scope
}

func (p *Pages) secretReply(q *request, word string, v secretPage) *reply {
	v.Back = p.url(word)
	return &reply{page: p.newPage(q, word, v.Title, "secret.html", v)}
}
