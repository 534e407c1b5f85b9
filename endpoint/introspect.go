package endpoint

import (
	"net/http"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/oauth"
	"mintkeep/internal/secret"
)

// introspect is POST BASE/introspect (RFC 7662). It answers JSON whatever Accept
// says, with real booleans and integers (R17).
func (h *Handler) introspect(q *request) (*oauth.Reply, error) {
	token := secret.Secret(q.param("token"))
	if token == "" {
		return nil, oauth.InvalidRequest("the parameter token is missing")
	}
	server, err := h.introspector(q, token)
	if err != nil {
		return nil, err
	}
	at, _ := oauth.ParseResource(server.Resource) // if it cannot be one, no token is for it
	t, err := h.Grants.Verify(q.ctx(), q.Request, token, server.Name, at)
	if grant.IsTokenError(err) {
		return oauth.NewReply(map[string]bool{"active": false}, false)
	}
	if err != nil {
		return nil, err
	}
	return oauth.NewReply(struct {
		Active    bool   `json:"active"`
		Me        string `json:"me"`
		Sub       string `json:"sub"`
		ClientID  string `json:"client_id"`
		Scope     string `json:"scope"`
		TokenType string `json:"token_type"`
		IssuedAt  int64  `json:"iat"`
		ID        string `json:"jti"`
		Issuer    string `json:"iss,omitempty"`
		Audience  string `json:"aud,omitempty"`
		Exp       int64  `json:"exp,omitempty"`
	}{true, t.Me, t.Me, t.ClientID, t.Scope, "Bearer", t.Created.Unix(), t.ID, h.URL, server.Resource, expiry(t, q.Settings)}, false)
}

// introspector returns who asks: a resource server by name and secret (Basic or
// body) or by its secret as bearer, who learns of tokens for its own resource; or, if
// the owner allows that, whoever holds the token itself (R16), who has no name and
// asks for the resource that the request names.
func (h *Handler) introspector(q *request, token secret.Secret) (*grant.ResourceServer, error) {
	for _, c := range q.credentials() {
		server, err := h.Grants.AuthenticateServer(q.ctx(), q.Now, c.name, c.secret)
		if server != nil || err != nil {
			return server, err
		}
	}
	if q.Settings.IntrospectSelf && q.bearer != "" && q.bearer.Equal(token) {
		return h.selfServer(q)
	}
	e := &oauth.Error{Status: http.StatusUnauthorized, Code: "invalid_client",
		Description: "introspection needs a resource server's name and secret, made with `mintkeep server add NAME`",
		Header:      map[string]string{"WWW-Authenticate": `Basic realm="introspection"`}}
	if hint := h.headerHint(q); hint != "" && q.param("client_secret") == "" {
		e.Description = hint
	}
	return nil, e
}

// selfServer stands for the resource that the request names, as it is registered.
func (h *Handler) selfServer(q *request) (*grant.ResourceServer, error) {
	self := &grant.ResourceServer{Resource: q.param("resource")}
	at, err := oauth.ParseResource(self.Resource)
	if err != nil {
		return self, nil // none is named, or what no token is for
	}
	self.Resource = string(at)
	found, err := h.Grants.ServerAt(q.ctx(), at)
	if found != nil {
		self.Resource = found.Resource
	}
	return self, err
}

type credential struct {
	name   string // empty: any server
	secret secret.Secret
}

func (q *request) credentials() []credential {
	var all []credential
	if q.basic != nil {
		all = append(all, credential{q.basic.User, q.basic.Password}, credential{q.basic.RawUser, q.basic.RawPassword})
	}
	if id, password := q.param("client_id"), q.param("client_secret"); id != "" && password != "" {
		all = append(all, credential{id, secret.Secret(password)})
	}
	if q.bearer != "" {
		all = append(all, credential{"", q.bearer})
	}
	return all
}
