package owner

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"mintkeep/endpoint"
)

// An app is what was granted to one client_id.
type app struct {
	clientID string
	name     string
	living   []*endpoint.Access
}

// apps is the first page: which apps have a key, and what they may do with it.
func (p *Pages) apps(q *request) (*reply, error) {
	all, err := p.In.Accesses(q.ctx(), q.st, q.whose())
	if err != nil {
		return nil, err
	}
	apps, ended := byApp(all)
	var ids []string
	for _, a := range apps {
		ids = append(ids, a.clientID)
	}
	names := p.In.ClientNames(q.ctx(), ids)
	content := appsNotices(q.form["done"])
	switch len(apps) {
	case 0:
		content = append(content, para(text("No app has a key to your site. When you sign in to one with your site and allow it something, it appears here.")))
	case 1:
		content = append(content, para(text("This app has a key to your site.")))
	default:
		content = append(content, para(text("These "+many(len(apps), "app", "apps")+" have a key to your site.")))
	}
	for i, a := range apps {
		a.name = names[a.clientID]
		content = append(content, p.appCard(q, i, a))
	}
	content = append(content, el("h2", nil, text("A key for a script")),
		para(text("A program of your own needs no sign-in: make it a token by hand.")),
		el("p", class("buttons"), el("a", []string{"class", "button", "href", p.at("make")}, text("Make a token"))))
	if len(apps) > 0 {
		content = append(content, p.revokeAll(q))
	}
	if len(ended) > 0 {
		content = append(content, el("h2", nil, text("Over")), p.ended(q, ended))
	}
	return &reply{doc: p.document(q, "", "Apps", content...)}, nil
}

func appsNotices(done string) []*node {
	switch done {
	case "one":
		return []*node{notice("The key is revoked.")}
	case "app":
		return []*node{notice("All keys of the app are revoked.")}
	case "all":
		return []*node{notice("Every key is revoked.")}
	}
	return nil
}

func byApp(all []*endpoint.Access) (apps []*app, ended []*endpoint.Access) {
	for _, a := range all {
		if !a.Living() {
			ended = append(ended, a)
			continue
		}
		i := slices.IndexFunc(apps, func(b *app) bool { return b.clientID == a.ClientID })
		if i < 0 {
			i, apps = len(apps), append(apps, &app{clientID: a.ClientID})
		}
		apps[i].living = append(apps[i].living, a)
	}
	return apps, ended
}

func (p *Pages) appCard(q *request, i int, a *app) *node {
	id := fmt.Sprintf("app%d", i)
	heading := a.name
	if heading == "" {
		heading = shortAddress(a.clientID)
	}
	card := el("section", []string{"class", "card", "aria-labelledby", id},
		el("h2", []string{"id", id}, text(heading)), para(code(a.clientID)))
	for _, access := range a.living {
		card.AppendChild(p.accessPart(q, heading, access))
	}
	if len(a.living) > 1 {
		card.AppendChild(el("div", class("part"), p.form("revoke", []string{"client", a.clientID},
			el("p", class("buttons"), danger("Revoke all of this app", heading)))))
	}
	return card
}

// shortAddress is how an app without a name is called.
func shortAddress(clientID string) string {
	if u, err := url.Parse(clientID); err == nil && u.Host != "" {
		return strings.TrimSuffix(u.Host+u.Path, "/")
	}
	return clientID
}

func (p *Pages) accessPart(q *request, heading string, a *endpoint.Access) *node {
	me := ""
	if q.admin() && len(q.st.Me) != 1 {
		me = a.Me
	}
	used := or(when(a.LastUse), "never")
	if a.Server != "" {
		used = span(used, text(", asked for by "+a.Server))
	}
	since := when(a.Since)
	if a.ByHand {
		since = span(since, text(", made by hand"))
	}
	ends := or(when(a.Ends(q.st)), "never")
	if !a.Ends(q.st).IsZero() {
		ends = span(ends, text(", if it is not used"))
	}
	return el("div", class("part"),
		rows("It may", scopes(a.Scope), "For", me, "Since", since, "Last use", used, "Ends", ends),
		p.form("revoke", []string{"id", a.ID}, el("p", class("buttons"), danger("Revoke", heading+", since "+stamp(a.Since)))))
}

// scopes says in words what they let an app do, with the words of the wire behind.
func scopes(scope string) *node {
	said := el("ul", class("plain"))
	for word := range strings.FieldsSeq(scope) {
		said.AppendChild(el("li", nil, text(endpoint.ScopeWords(word)+" "), code(word)))
	}
	return said
}

func (p *Pages) revokeAll(q *request) *node {
	whose := "All apps lose their keys to your site at once, and you have to sign in to each again."
	if q.admin() && len(q.st.Me) != 1 {
		whose = "All apps of everybody lose their keys at once."
	}
	return el("div", nil, el("h2", nil, text("Something is wrong?")),
		more("Revoke everything", para(text(whose)),
			p.form("revoke", []string{"all", "yes"}, el("p", class("buttons"), danger("Revoke everything", "all apps")))))
}

// ended lists what is over; the newest suffice.
func (p *Pages) ended(q *request, ended []*endpoint.Access) *node {
	list := el("ul", class("log"))
	for _, a := range ended[:min(len(ended), 50)] {
		how, at := "ended without use", a.Ends(q.st)
		if a.Status == "revoked" {
			how, at = "revoked", a.Revoked
		}
		list.AppendChild(el("li", nil, para(code(a.ClientID)),
			para(text("From "), when(a.Since), text("; "+how+" "), or(when(at), "some time ago"), text("."))))
	}
	return more(many(len(ended), "key", "keys")+" no longer good", list)
}

// revoke is POST BASE/owner/revoke: one, those of an app, or all; of the person's
// own unless an administrator asks.
func (p *Pages) revoke(q *request) (*reply, error) {
	done, err := "", error(nil)
	switch {
	case q.form["id"] != "":
		done, err = "one", p.In.RevokeID(q.ctx(), q.whose(), q.form["id"])
	case q.form["client"] != "":
		done = "app"
		_, err = p.In.RevokeClient(q.ctx(), q.whose(), q.form["client"])
	case q.form["all"] == "yes":
		done = "all"
		_, err = p.In.RevokeAll(q.ctx(), q.whose())
	default:
		err = badRequest("it does not say what to revoke")
	}
	if err != nil {
		return nil, err
	}
	return &reply{to: p.at("") + "?done=" + done}, nil
}

// makeForm is GET BASE/owner/make.
func (p *Pages) makeForm(q *request) (*reply, error) {
	return &reply{doc: p.document(q, "make", "Make a token", p.makeFields(q, "")...)}, nil
}

func (p *Pages) makeFields(q *request, fault string) []*node {
	var content []*node
	if fault != "" {
		content = append(content, el("p", []string{"class", "bad", "role", "alert"}, el("strong", nil, text("Not made: ")), text(fault)))
	}
	boxes := el("fieldset", nil, el("legend", nil, text("It may")))
	ticked := strings.Fields(q.form["scope"])
	for i, word := range endpoint.KnownScopes() {
		id := fmt.Sprintf("scope%d", i)
		box := el("input", []string{"type", "checkbox", "name", "scope", "value", word, "id", id})
		if slices.Contains(ticked, word) {
			box = el("input", []string{"type", "checkbox", "name", "scope", "value", word, "id", id, "checked", ""})
		}
		boxes.AppendChild(el("div", class("box"), box, el("label", []string{"for", id}, text(endpoint.ScopeWords(word)+" "), code(word))))
	}
	boxes.AppendChild(field("other", "Other scopes, with spaces between", "type", "text", "value", q.form["other"]))
	form := p.form("make", nil,
		field("client", "Which program is it for? Its address, or one that you make up", "type", "text", "inputmode", "url", "required", "", "maxlength", "255",
			"placeholder", "https://you.example/backup-script", "value", q.form["client"]))
	if who := p.whom(q); who != nil {
		form.AppendChild(who)
	}
	form.AppendChild(boxes)
	form.AppendChild(el("p", class("buttons"), button("Make the token")))
	return append(content, para(text("For a script of yours. Whoever has the token can do what you tick, until you revoke it or it is not used for long.")), form)
}

// whom asks an administrator whose token it is to be, where there is a choice.
func (p *Pages) whom(q *request) *node {
	if !q.admin() || len(q.st.Me) < 2 {
		return nil
	}
	var options []string
	for _, me := range q.st.Me {
		options = append(options, me, me)
	}
	return choice("me", "Whose site does it act for?", options...)
}

// makeToken is POST BASE/owner/make.
func (p *Pages) makeToken(q *request) (*reply, error) {
	me, client, scope := q.session.me, q.form["client"], strings.TrimSpace(q.form["scope"]+" "+q.form["other"])
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
		return &reply{status: http.StatusBadRequest, doc: p.document(q, "make", "Make a token", p.makeFields(q, fault)...)}, nil
	}
	secret, err := p.In.Mint(q.ctx(), me, client, scope)
	if err != nil {
		return nil, err
	}
	return p.secret(q, "", "Your new token", string(secret),
		rows("For", code(client), "It may", scopes(scope), "Acts for", me)), nil
}

func isAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= 255 && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
