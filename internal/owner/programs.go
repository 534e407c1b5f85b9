package owner

import (
	"net/http"
	"unicode/utf8"

	"mintkeep/endpoint"
	"mintkeep/keeper"
)

// programs is GET BASE/owner/programs: who may ask what tokens are worth, and
// who may have the tokens that are kept.
func (p *Pages) programs(q *request) (*reply, error) {
	servers, err := p.In.Servers(q.ctx())
	if err != nil {
		return nil, err
	}
	content := []*node{
		el("h2", nil, text("Resource servers")),
		para(text("Programs of your site, such as its Micropub endpoint, that may ask whose a token is and what it may do. Those that show the token itself need no name here.")),
	}
	for _, s := range servers {
		content = append(content, el("div", class("card"), el("h3", nil, text(s.Name)),
			rows("Since", when(s.Created), "Last use", or(when(s.LastUse), "never")),
			p.form("programs", []string{"do", "remove server", "name", s.Name}, el("p", class("buttons"), danger("Remove", s.Name)))))
	}
	content = append(content, p.form("programs", []string{"do", "add server"},
		el("div", class("field"), el("label", []string{"for", "server"}, text("Name of a new one")),
			el("input", []string{"id", "server", "name", "name", "type", "text", "required", "", "maxlength", "100", "autocomplete", "off"})),
		el("p", class("buttons"), button("Add server"))))
	if p.Out.On(q.ctx()) {
		keys, err := p.keys(q)
		if err != nil {
			return nil, err
		}
		content = append(content, keys...)
	}
	return &reply{doc: p.document(q, "programs", "Programs", content...)}, nil
}

func (p *Pages) keys(q *request) ([]*node, error) {
	keys, err := p.Out.APIKeys(q.ctx())
	if err != nil {
		return nil, err
	}
	sites, err := p.Out.Providers(q.ctx())
	if err != nil {
		return nil, err
	}
	content := []*node{el("h2", nil, text("API keys")),
		para(text("For scripts that fetch the tokens of your "), link(p.at("connections"), "connections"), text(" over HTTP."))}
	for _, k := range keys {
		may := "read"
		if k.Write {
			may = "read, store, refresh and delete"
		}
		content = append(content, el("div", class("card"), el("h3", nil, text(k.Name)),
			rows("It may", may, "User", orText(k.User, "everybody"), "Site", orText(k.Provider, "all"), "Since", when(k.Created), "Last use", or(when(k.LastUse), "never")),
			p.form("programs", []string{"do", "remove key", "name", k.Name}, el("p", class("buttons"), danger("Remove", k.Name)))))
	}
	options := []string{"", "all"}
	for _, s := range sites {
		options = append(options, s.Name, s.Name)
	}
	return append(content, p.form("programs", []string{"do", "add key"},
		el("div", class("field"), el("label", []string{"for", "key"}, text("Name of a new one")),
			el("input", []string{"id", "key", "name", "name", "type", "text", "required", "", "maxlength", "100", "autocomplete", "off"})),
		choice("provider", "Site", options...),
		field("user", "Only for the user (empty: everybody’s)", "type", "text", "maxlength", "200", "value", keeper.DefaultUser),
		el("div", class("box"), el("input", []string{"type", "checkbox", "name", "write", "value", "yes", "id", "write"}),
			el("label", []string{"for", "write"}, text("may also store, refresh and delete"))),
		el("p", class("buttons"), button("Add key")))), nil
}

func orText(s, words string) string {
	if s == "" {
		return words
	}
	return s
}

// changePrograms is POST BASE/owner/programs.
func (p *Pages) changePrograms(q *request) (*reply, error) {
	name, ctx := q.form["name"], q.ctx()
	do := q.form["do"]
	if (do == "add key" || do == "remove key") && !p.Out.On(q.ctx()) {
		return nil, notFound()
	}
	switch do {
	case "add server":
		if name == "" || utf8.RuneCountInString(name) > 100 {
			return nil, badRequest("a name has 1 to 100 characters")
		}
		if p.hasServer(q, name) {
			return nil, badRequest("there is one of this name already; remove it first to give it a new secret")
		}
		secret, err := p.In.AddServer(ctx, name)
		if err != nil {
			return nil, err
		}
		return p.secret(q, "programs", "Secret of "+name, string(secret),
			para(text("The server sends it with its name to "), code(p.In.URL+"/introspect"), text(", or alone as a bearer."))), nil
	case "add key":
		secret, err := p.Out.AddAPIKey(ctx, keeper.APIKey{Name: name, User: q.form["user"], Provider: q.form["provider"], Write: q.form["write"] == "yes"})
		if err != nil {
			return nil, err
		}
		return p.secret(q, "programs", "API key "+name, string(secret),
			para(text("Send it as "), code("Authorization: Bearer …"), text(" to "), code(p.In.URL+"/keep/token?name=…"))), nil
	case "remove server":
		if !p.hasServer(q, name) {
			return nil, &endpoint.Error{Status: http.StatusNotFound, Description: "there is no server of this name"}
		}
		return p.backTo("programs", p.In.RemoveServer(ctx, name))
	case "remove key":
		return p.backTo("programs", p.Out.RemoveAPIKey(ctx, name))
	}
	return nil, badRequest("it does not say what to do")
}

func (p *Pages) backTo(word string, err error) (*reply, error) {
	if err != nil {
		return nil, err
	}
	return &reply{to: p.at(word)}, nil
}

func (p *Pages) hasServer(q *request, name string) bool {
	servers, err := p.In.Servers(q.ctx())
	if err != nil {
		return false // what follows fails with the cause
	}
	for _, s := range servers {
		if s.Name == name {
			return true
		}
	}
	return false
}
