package owner

import (
	"net/http"
	"slices"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/oauth"
	"mintkeep/keeper"
)

type sitesAndKeysPage struct {
	common
	Servers     []grant.ResourceServer
	HasKeys     bool // the keeper is in use
	Keys        []keeper.APIKey
	Sites       []string // names of the providers
	DefaultUser string
}

// programs is GET BASE/owner/programs: the resource servers, which may introspect,
// and the API keys, with which scripts fetch the tokens that are kept.
func (p *Pages) programs(q *request) (*reply, error) {
	v := sitesAndKeysPage{common: newCommon(p, q), HasKeys: p.Out.On(q.ctx()), DefaultUser: keeper.DefaultUser}
	var err error
	if v.Servers, err = p.In.Grants.Servers(q.ctx()); err != nil {
		return nil, err
	}
	if v.HasKeys {
		if v.Keys, err = p.Out.APIKeys().List(q.ctx()); err != nil {
			return nil, err
		}
		sites, err := p.Out.Registry().List(q.ctx())
		if err != nil {
			return nil, err
		}
		for _, s := range sites {
			v.Sites = append(v.Sites, s.Name)
		}
	}
	d := p.newPage(q, "programs", "Sites and keys", "sites-and-keys.html", v)
	d.Lead = "Programs that talk to mintkeep by themselves, without you."
	return &reply{page: d}, nil
}

// changePrograms is POST BASE/owner/programs.
func (p *Pages) changePrograms(q *request) (*reply, error) {
	name, do := q.form["name"], q.form["do"]
	if (do == "add key" || do == "remove key") && !p.Out.On(q.ctx()) {
		return nil, notFound()
	}
	var err error
	switch do {
	case "add server":
		return p.addServer(q, name)
	case "add key":
		return p.addKey(q, name)
	case "remove server":
		err = removeServer(p, q, name)
	case "remove key":
		err = p.Out.APIKeys().Remove(q.ctx(), name)
	default:
		err = badRequest("it does not say what to do")
	}
	if err != nil {
		return nil, err
	}
	return &reply{to: p.url("programs")}, nil
}

func (p *Pages) addServer(q *request, name string) (*reply, error) {
	v := grant.ResourceServer{Name: name, Resource: q.form["resource"], Scope: q.form["scope"]}
	if err := v.Validate(); err != nil {
		return nil, badRequest(err.Error())
	}
	if hasServer(p, q, name) {
		return nil, badRequest("there is one of this name already; remove it first to give it a new secret")
	}
	secret, err := p.In.Grants.AddServer(q.ctx(), v)
	if err != nil {
		return nil, err
	}
	shown := secretPage{Secret: string(secret), ServerUses: p.In.URL + "/introspect"}
	return secretReply(p, q, "programs", "Secret of "+name, shown), nil
}

func removeServer(p *Pages, q *request, name string) error {
	if !hasServer(p, q, name) {
		return &oauth.Error{Status: http.StatusNotFound, Description: "there is no server of this name"}
	}
	return p.In.Grants.RemoveServer(q.ctx(), name)
}

// hasServer is false if the database cannot be read; what follows fails with the cause.
func hasServer(p *Pages, q *request, name string) bool {
	servers, _ := p.In.Grants.Servers(q.ctx())
	return slices.ContainsFunc(servers, func(s grant.ResourceServer) bool { return s.Name == name })
}

func (p *Pages) addKey(q *request, name string) (*reply, error) {
	key := keeper.APIKey{Name: name, User: q.form["user"], Provider: q.form["provider"], Write: q.form["write"] == "yes"}
	secret, err := p.Out.APIKeys().Add(q.ctx(), key)
	if err != nil {
		return nil, err
	}
	v := secretPage{Secret: string(secret), ScriptUses: p.In.URL + "/keep/token?name=…"}
	return secretReply(p, q, "programs", "API key "+name, v), nil
}
