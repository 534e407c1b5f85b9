package owner

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"mintkeep/endpoint"
	"mintkeep/keeper"
)

// connections is GET BASE/owner/connections: the tokens that other sites gave.
func (p *Pages) connections(q *request) (*reply, error) {
	if !p.Out.On(q.ctx()) {
		return nil, notFound()
	}
	list, err := p.Out.Connections(q.ctx(), "")
	if err != nil {
		return nil, err
	}
	sites, err := p.Out.Providers(q.ctx())
	if err != nil {
		return nil, err
	}
	content := []*node{}
	if q.form["done"] == "refreshed" {
		content = append(content, notice("There is a new token."))
	}
	content = append(content, para(text("Tokens that other sites gave you; your scripts get them from here.")))
	if len(list) == 0 {
		content = append(content, para(text("There is none yet.")))
	}
	for _, c := range list {
		content = append(content, p.connectionCard(c, sites))
	}
	return &reply{doc: p.document(q, "connections", "Connections", append(content, p.newConnection(sites)...)...)}, nil
}

// inBrowser reports whether a site can be connected by going there.
func inBrowser(s keeper.Provider) bool {
	return !s.Static && s.Login == nil && (s.AuthURL != "" || s.Issuer != "")
}

func connectURL(base, provider, name, user string) string {
	return base + "/keep/connect?" + url.Values{"provider": {provider}, "name": {name}, "user": {user}}.Encode()
}

func (p *Pages) connectionCard(c keeper.Connection, sites []keeper.Provider) *node {
	label := c.Name
	if c.User != keeper.DefaultUser {
		label = c.User + "/" + c.Name
	}
	look := "card"
	if c.State == keeper.StateDead || c.State == keeper.StateFailing {
		look = "card bad"
	}
	ends := or(when(c.Expires), "not known")
	refreshable := c.Refreshable && c.State != keeper.StateDead && c.State != keeper.StateForgetting
	if refreshable {
		ends = span(ends, text(", then a new one is fetched"))
	}
	card := el("section", class(look), el("h2", nil, text(label)),
		rows("Site", c.Provider, "State", el("span", class("state"), text(stateWords(c.State))), "What failed", c.LastError, "Tried again", when(c.RetryAfter),
			"Scope", scopeCode(c.Scope), "Ends", ends, "Connected", when(c.Created), "Last refresh", or(when(c.Refreshed), "never"), "Last use", or(when(c.LastUse), "never")))
	buttons := el("div", class("buttons"))
	again := slices.ContainsFunc(sites, func(s keeper.Provider) bool { return s.Name == c.Provider && inBrowser(s) })
	switch {
	case again && c.Grant == keeper.GrantCode:
		buttons.AppendChild(el("a", []string{"class", "button", "href", connectURL(p.In.URL, c.Provider, c.Name, c.User), "aria-label", "Connect again: " + label}, text("Connect again")))
	case c.Reconnect != "":
		card.AppendChild(para(text("To connect again, where mintkeep runs: "), code(c.Reconnect)))
	}
	which := []string{"user", c.User, "name", c.Name}
	if refreshable {
		buttons.AppendChild(p.form("connections", append(which, "do", "refresh"),
			el("button", []string{"type", "submit", "aria-label", "Refresh now: " + label}, text("Refresh now"))))
	}
	buttons.AppendChild(p.form("connections", append(which, "do", "forget"), danger("Forget", label)))
	card.AppendChild(buttons)
	return card
}

func scopeCode(scope string) *node {
	if scope == "" {
		return nil
	}
	return code(scope)
}

func stateWords(state string) string {
	switch state {
	case keeper.StateOK:
		return "works"
	case keeper.StateRecovered:
		return "works again"
	case keeper.StateFailing:
		return "failing: the site cannot be reached or is broken"
	case keeper.StateDead:
		return "dead: the site refuses; connect again"
	case keeper.StateForgetting:
		return "being forgotten: the site has not confirmed yet"
	}
	return state
}

func (p *Pages) newConnection(sites []keeper.Provider) []*node {
	var options []string
	for _, s := range sites {
		if inBrowser(s) {
			options = append(options, s.Name, s.Name)
		}
	}
	heading := el("h2", nil, text("Connect"))
	if len(options) == 0 {
		return []*node{heading, para(text("No site is registered that can be connected in a browser. Register one where mintkeep runs: "), code("mintkeep provider add"))}
	}
	return []*node{heading, el("form", []string{"method", "get", "action", p.at("connect")},
		choice("provider", "Site", options...),
		field("name", "Name, if it is not to be called as the site", "type", "text", "maxlength", "200"),
		el("p", class("buttons"), button("Connect")))}
}

// connect is GET BASE/owner/connect: a page in between, because browsers hold
// every redirect after a form against form-action.
func (p *Pages) connect(q *request) (*reply, error) {
	if !p.Out.On(q.ctx()) {
		return nil, notFound()
	}
	if keeper.Foreign(q.http) {
		return nil, &endpoint.Error{Status: http.StatusForbidden, Code: "access_denied", Description: "another site sent you here; start from the page Connections"}
	}
	site, err := p.Out.Provider(q.ctx(), q.form["provider"])
	if err != nil {
		return nil, err
	}
	to := connectURL(p.In.URL, site.Name, q.form["name"], "")
	d := p.document(q, "connections", "To "+site.Name, para(link(to, "Go on to "+site.Name)))
	d.Refresh = template.URL(to)
	return &reply{doc: d}, nil
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
		return &reply{to: p.at("connections") + "?done=refreshed"}, nil
	case "forget":
		o, err := p.Out.Forget(q.ctx(), user, name, keeper.Policy{RevokeOffline: true, RevokeOnline: true})
		if err != nil {
			return nil, err
		}
		return p.forgotten(q, name, o), nil
	}
	return nil, badRequest("it does not say what to do")
}

// forgotten says honestly what became of the tokens at the site.
func (p *Pages) forgotten(q *request, name string, o keeper.Outcome) *reply {
	title, said := "Forgotten", ""
	switch o.Result {
	case keeper.Revoked:
		said = "The site confirmed that the tokens of " + name + " are revoked."
	case keeper.NoEndpoint:
		said = "The tokens of " + name + " are gone from here. The site cannot be asked to revoke them: remove the app on its own pages."
	case keeper.KeptQueued:
		title, said = "Not forgotten yet", "The site did not confirm. Nobody gets the token of "+name+" any more, and the site will be asked again."
	default:
		said = name + " is gone from here. At the site, nothing was revoked."
	}
	content := []*node{para(text(said))}
	if o.Err != nil && o.Result == keeper.KeptQueued {
		first, _, _ := strings.Cut(o.Err.Error(), "\n")
		content = append(content, para(text("It said: "), code(first)))
	}
	return &reply{status: http.StatusOK, doc: p.document(q, "connections", title, append(content, para(link(p.at("connections"), "To the connections")))...)}
}
