package owner

import (
	"cmp"
	"html/template"
	"net/url"
	"slices"
	"strings"

	"mintkeep/internal/page"
	"mintkeep/keeper"
	"mintkeep/keeper/provider"
)

type connectionsPage struct {
	common
	Refreshed   bool // a token was just refreshed
	Connections []connection
	Sites       []string // names of the providers that can be connected in a browser
}

type connection struct {
	keeper.Connection
	Label, StateWords string
	Tag, Means        string // kind of the state; what it means
	Broken            bool
	CanRefresh        bool
	ConnectURL        string // where it can be connected again, if that is in a browser
}

// connections is GET BASE/owner/connections: the tokens that other sites gave.
func (p *Pages) connections(q *request) (*reply, error) {
	if !p.Out.On(q.ctx()) {
		return nil, notFound()
	}
	list, err := p.Out.Connections(q.ctx(), "")
	if err != nil {
		return nil, err
	}
	sites, err := p.Out.Registry().List(q.ctx())
	if err != nil {
		return nil, err
	}
	v := connectionsPage{common: newCommon(p, q), Refreshed: q.form["done"] == "refreshed"}
	for _, s := range sites {
		if inBrowser(s) {
			v.Sites = append(v.Sites, s.Name)
		}
	}
	for _, c := range list {
		v.Connections = append(v.Connections, newConnection(p, c, v.Sites))
	}
	order := map[string]int{"bad": 0, "warn": 1, "good": 2}
	slices.SortStableFunc(v.Connections, func(a, b connection) int { return cmp.Compare(order[a.Tag], order[b.Tag]) })
	d := p.newPage(q, "connections", "Connections", "connections.html", v)
	d.Lead = "Tokens that other sites gave you. They are kept fresh here, and your scripts fetch them."
	return &reply{page: d}, nil
}

// inBrowser reports whether a site can be connected by going there.
func inBrowser(s provider.Provider) bool {
	return !s.Static && s.Login == nil && (s.AuthURL != "" || s.Issuer != "")
}

func newConnection(p *Pages, c keeper.Connection, sites []string) connection {
	v := connection{Connection: c, Label: c.Name,
		Broken:     c.State == keeper.StateDead || c.State == keeper.StateFailing,
		CanRefresh: c.Refreshable && c.State != keeper.StateDead && c.State != keeper.StateForgetting}
	v.StateWords, v.Tag, v.Means = stateWords(c)
	if c.User != keeper.DefaultUser {
		v.Label = c.User + "/" + c.Name
	}
	if c.Grant == keeper.GrantCode && slices.Contains(sites, c.Provider) {
		v.ConnectURL = connectURL(p, c.Provider, c.Name, c.User)
	}
	return v
}

func connectURL(p *Pages, provider, name, user string) string {
	return p.In.URL + "/keep/connect?" + url.Values{"provider": {provider}, "name": {name}, "user": {user}}.Encode()
}

// stateWords are the state, the kind of sign that it has, and what it means.
func stateWords(c keeper.Connection) (words, tag, means string) {
	switch c.State {
	case keeper.StateOK:
		return "Works", "good", ""
	case keeper.StateRecovered:
		return "Works again", "good", ""
	case keeper.StateFailing:
		means = c.Provider + " cannot be reached or is broken. It is tried again by itself."
		if !c.Expires.IsZero() {
			means += " The token that is here serves as long as it is good."
		}
		return "Failing", "warn", means
	case keeper.StateDead:
		return "Broken", "bad", c.Provider + " no longer accepts the connection. This happens when you change the password there or remove the app. " +
			"Your scripts get no token until you connect again."
	case keeper.StateForgetting:
		return "Being forgotten", "warn", c.Provider + " has not confirmed yet. It is asked again."
	}
	return c.State, "", ""
}

// connect is GET BASE/owner/connect. It shows a page instead of redirecting, because
// browsers check every redirect after a form against form-action.
func (p *Pages) connect(q *request) (*reply, error) {
	if !p.Out.On(q.ctx()) {
		return nil, notFound()
	}
	if page.SameSite(p.In.URL, q.http) != nil { // the cookie of a session comes along with links
		return nil, forbidden("another site sent you here; start from the page Connections")
	}
	site, err := p.Out.Registry().Get(q.ctx(), q.form["provider"])
	if err != nil {
		return nil, err
	}
	to := connectURL(p, site.Name, q.form["name"], "")
	d := p.newPage(q, "connections", "To "+site.Name, "message.html", message{Link: page.Link{URL: to, Text: "Go on to " + site.Name}})
	d.Refresh = template.URL(to)
	return &reply{page: d}, nil
}

// changeConnection is POST BASE/owner/connections.
func (p *Pages) changeConnection(q *request) (*reply, error) {
	if !p.Out.On(q.ctx()) {
		return nil, notFound()
	}
	user, name := q.form["user"], q.form["name"]
	switch q.form["do"] {
	case "refresh":
		if _, err := p.Out.Refresh(q.ctx(), user, name); err != nil {
			return nil, err
		}
		return &reply{to: p.url("connections") + "?done=refreshed"}, nil
	case "forget":
		o, err := p.Out.Forget(q.ctx(), user, name, keeper.Policy{RevokeOffline: true, RevokeOnline: true})
		if err != nil {
			return nil, err
		}
		return forgotten(p, q, name, o), nil
	}
	return nil, badRequest("it does not say what to do")
}

// forgotten says what became of the tokens at the site.
func forgotten(p *Pages, q *request, name string, o keeper.Outcome) *reply {
	title, said := "Forgotten", ""
	switch o.Result {
	case keeper.Revoked:
		said = "The site confirmed that the tokens of " + name + " are revoked."
	case keeper.NoEndpoint:
		said = "The tokens of " + name + " are gone from here. The site cannot be asked to revoke them: remove the app on its own pages."
	case keeper.KeptQueued:
		title = "Not forgotten yet"
		said = "The site did not confirm. Nobody gets the token of " + name + " any more, and the site will be asked again."
	default:
		said = name + " is gone from here. At the site, nothing was revoked."
	}
	m := message{Paragraphs: []string{said}, Link: page.Link{URL: p.url("connections"), Text: "To the connections"}}
	if o.Err != nil && o.Result == keeper.KeptQueued {
		m.Said, _, _ = strings.Cut(o.Err.Error(), "\n")
	}
	return &reply{page: p.newPage(q, "connections", title, "message.html", m)}
}
