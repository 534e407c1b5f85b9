package owner

import (
	"net/url"
	"slices"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/page"
	"mintkeep/keeper"
)

// A confirmation asks once more before what cannot be undone.
type confirmation struct {
	Name, Deed, About, Keep string // Deed is on the button and, with a question mark, above
	What                    []string
	Post, Back              string // addresses of what does it, and of the way out
	Fields                  [][2]string
}

// confirmPage makes the page; word is that of the page that it belongs to, to that of
// the form. Each field is a name and a value.
func confirmPage(p *Pages, q *request, word, to string, v confirmation) *reply {
	v.Post, v.Back = p.url(to), p.url(word)
	if v.Keep == "" {
		v.Keep = "Keep it"
	}
	d := p.newPage(q, word, v.Deed+"?", "confirm.html", v)
	d.Heading, d.Column = "", true
	return &reply{page: d}
}

// askRevoke is GET BASE/owner/revoke.
func (p *Pages) askRevoke(q *request) (*reply, error) {
	all, err := p.In.Grants.Authorizations(q.ctx(), q.st, q.filterMe())
	if err != nil {
		return nil, err
	}
	id, client, everything := q.form["id"], q.form["client"], q.form["all"] == "yes"
	all = slices.DeleteFunc(all, func(a *grant.Authorization) bool {
		return !a.Active() || !everything && a.ID != id && (id != "" || a.ClientID != client)
	})
	if len(all) == 0 {
		return nil, grant.ErrNoToken
	}
	if everything {
		v := confirmation{Name: "!", Deed: "Revoke everything", Keep: "Keep them", Fields: [][2]string{{"all", "yes"}}, What: []string{
			"All apps and scripts lose their access at once.", "What they have published stays.", "You have to sign in to each again."}}
		if q.admin() && len(q.st.Me) != 1 {
			v.About = "of everybody"
		}
		return confirmPage(p, q, "", "revoke", v), nil
	}
	a := all[0]
	name := namesOf(p, q, []*app{{ClientID: a.ClientID}})[a.ClientID]
	if name == "" {
		name = page.Short(a.ClientID)
	}
	v := confirmation{Name: name, Deed: "Revoke " + name, About: page.Short(a.ClientID), Fields: [][2]string{{"client", client}}}
	v.What = []string{"Its access ends at once.", "What it has published stays on your site.", "You can let it in again: sign in there as before."}
	if id != "" {
		v.Fields = [][2]string{{"id", id}}
	}
	if a.MintedManually {
		v.What[2] = "It cannot be undone: you would make a new token."
	}
	if len(all) > 1 {
		v.What[0] = "All its access ends at once; it has it " + plural(len(all), "time", "times") + "."
	}
	return confirmPage(p, q, "", "revoke", v), nil
}

// askForget is GET BASE/owner/forget.
func (p *Pages) askForget(q *request) (*reply, error) {
	if !p.Out.On(q.ctx()) {
		return nil, notFound()
	}
	user, name := q.form["user"], q.form["name"]
	list, err := p.Out.Connections(q.ctx(), user)
	i := slices.IndexFunc(list, func(c keeper.Connection) bool { return c.User == user && c.Name == name })
	if err != nil || i < 0 {
		return nil, cmpErr(err)
	}
	return confirmPage(p, q, "connections", "connections", confirmation{Name: name, Deed: "Forget " + name, About: list[i].Provider,
		What: []string{"Your scripts get no token of it any more.", list[i].Provider + " is asked to revoke it.",
			"You can connect it again."},
		Fields: [][2]string{{"do", "forget"}, {"user", user}, {"name", name}}}), nil
}

// cmpErr is what went wrong, or that there is nothing of this name.
func cmpErr(err error) error {
	if err != nil {
		return err
	}
	return notFound()
}

// askRemove is GET BASE/owner/remove.
func (p *Pages) askRemove(q *request) (*reply, error) {
	v := confirmation{Name: q.form["server"], About: "a site that checks access",
		Fields: [][2]string{{"do", "remove server"}, {"name", q.form["server"]}},
		What:   []string{"It can no longer ask whose a token is, so apps may not get in there.", "If you add it again it gets a new secret."}}
	if key := q.form["key"]; key != "" {
		v = confirmation{Name: key, About: "an API key", Fields: [][2]string{{"do", "remove key"}, {"name", key}},
			What: []string{"Scripts that use it get no tokens any more.", "It cannot be undone: you would make a new key."}}
	}
	v.Deed = "Remove " + v.Name
	return confirmPage(p, q, "programs", "programs", v), nil
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
	return &reply{to: p.url("") + "?" + url.Values{"done": {done}}.Encode()}, nil
}
