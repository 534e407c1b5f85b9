package owner

import (
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"mintkeep/internal/oauth"
	"mintkeep/internal/page"
)

type makePage struct {
	common
	Fault, Name, Client, Other string
	People                     []string // whose token it may be, where there is a choice
	Scopes                     []scope
	Ends                       []end
}

// An end is when a token ends.
type end struct {
	Days, Words string
	Chosen      bool
}

// makeForm is GET BASE/owner/make.
func (p *Pages) makeForm(q *request) (*reply, error) {
	return &reply{page: newMakePage(p, q, "")}, nil
}

// newMakePage is the form, filled in as it was sent; fault says why nothing was made.
func newMakePage(p *Pages, q *request, fault string) *page.Page {
	v := makePage{common: newCommon(p, q), Fault: fault, Name: q.form["name"], Client: q.form["client"], Other: q.form["other"]}
	if q.admin() && len(q.st.Me) > 1 {
		v.People = q.st.Me
	}
	ticked := strings.Fields(q.form["scope"])
	for _, word := range oauth.KnownScopes() {
		v.Scopes = append(v.Scopes, scope{word, oauth.ScopeWords(word), slices.Contains(ticked, word)})
	}
	for days, words := range lives() {
		v.Ends = append(v.Ends, end{days, words, days == q.form["ends"]})
	}
	slices.SortFunc(v.Ends, func(a, b end) int { return len(a.Days) - len(b.Days) })
	d := p.newPage(q, "", "Make a token", "make.html", v)
	d.Lead, d.Column = "For a script or program that cannot sign in by itself.", true
	return d
}

// lives are how long a token may last at most, in days, and the words for it.
func lives() map[string]string {
	return map[string]string{"": "when it has not been used for long, as the tokens of apps", "30": "in 30 days", "365": "in a year"}
}

// makeToken is POST BASE/owner/make.
func (p *Pages) makeToken(q *request) (*reply, error) {
	me, client, name, scope := q.session.Me, q.form["client"], q.form["name"], strings.TrimSpace(q.form["scope"]+" "+q.form["other"])
	if asked := q.form["me"]; asked != "" && q.admin() {
		me = asked
	}
	switch {
	case client != "":
		name = "" // an app elsewhere says itself how it is called, and everybody sees it
	case name != "":
		client = me + slug(name)
	}
	days, fault := q.form["ends"], ""
	_, wrong := oauth.ParseClientID(client)
	switch {
	case client == "":
		fault = "Give it a name."
	case utf8.RuneCountInString(name) > 100:
		fault = "A name has at most 100 characters."
	case wrong != nil:
		fault = "The program needs an address that begins with https://; this is none: " + wrong.Error() + "."
	case len(client) > 255:
		fault = "An address has at most 255 characters."
	case scope == "":
		fault = "Tick at least one thing that it may do."
	case slices.ContainsFunc(strings.Fields(scope), func(w string) bool { return !oauth.IsScopeToken(w) }):
		fault = "A scope is a word of plain letters, digits and signs, without \" and \\."
	case lives()[days] == "":
		fault = "Choose when it ends."
	case !q.st.Issues(me):
		fault = "This site issues no tokens for " + me + "."
	}
	if fault != "" {
		return &reply{status: http.StatusBadRequest, page: newMakePage(p, q, fault)}, nil
	}
	life, err := time.ParseDuration("0" + days + "h")
	if err != nil {
		return nil, err
	}
	secret, err := p.In.Grants.MintNamed(q.ctx(), me, client, scope, name, 24*life)
	if err != nil {
		return nil, err
	}
	v := secretPage{Secret: string(secret), Token: &newToken{client, me, scopesOf(scope)}}
	return secretReply(p, q, "", "Your new token", v), nil
}

// slug is the last part of the address of a program that has a name only.
func slug(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	if len(words) == 0 {
		return "script"
	}
	return strings.Join(words, "-")
}

// A secretPage shows a secret, once: it is in the answer to the form and nowhere else.
type secretPage struct {
	Secret, Back           string
	Token                  *newToken // if it is an access token
	ServerUses, ScriptUses string    // address where it is used, if it is a server's or a script's
}

type newToken struct {
	Client, Me string
	Scopes     []scope
}

func secretReply(p *Pages, q *request, word, title string, v secretPage) *reply {
	v.Back = p.url(word)
	d := p.newPage(q, word, title, "secret.html", v)
	d.Lead, d.Column = "Whoever has it can do what it may do, so treat it like a password.", true
	return &reply{page: d}
}
