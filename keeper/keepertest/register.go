package keepertest

import (
	"encoding/json"
	"net/http"
	neturl "net/url"
	"slices"
	"strings"
)

// A client is one that registered by itself, or by its metadata document.
type client struct {
	secret, token string
	redirects     []string
}

// known is a client that may ask; redirect is "" where none is sent.
func (p *Provider) known(id, redirect string) bool {
	if id == ClientID {
		return true
	}
	c, ok := p.clients[id]
	if !ok && p.Documents != nil && strings.HasPrefix(id, "https://") {
		c = client{redirects: p.Documents(id)}
		p.clients[id] = c
	}
	if u, err := neturl.Parse(redirect); err == nil && u.Scheme == "http" && u.Hostname() == "127.0.0.1" { // RFC 8252 section 7.3
		u.Host = "127.0.0.1"
		if slices.Contains(c.redirects, u.String()) {
			return true
		}
	}
	return len(c.redirects) > 0 && (redirect == "" || slices.Contains(c.redirects, redirect))
}

func (p *Provider) secretOf(id string) string {
	if id == ClientID {
		return ClientSecret
	}
	return p.clients[id].secret
}

// register is RFC 7591; an OpenID provider's rules for kinds of applications hold.
func (p *Provider) register(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodDelete {
		p.unregister(w, r)
		return
	}
	var q struct {
		RedirectURIs []string `json:"redirect_uris"`
		Type         string   `json:"application_type"`
		Method       string   `json:"token_endpoint_auth_method"`
	}
	err := json.NewDecoder(r.Body).Decode(&q)
	for _, to := range q.RedirectURIs {
		if strings.HasPrefix(to, "https:") != (q.Type == "web") {
			refuse(w, http.StatusBadRequest, "invalid_redirect_uri")
			return
		}
	}
	if err != nil || !p.Registers {
		refuse(w, http.StatusForbidden, "access_denied")
		return
	}
	id := p.name("client")
	c := client{secret: p.name("registered"), token: p.name("registration"), redirects: q.RedirectURIs}
	p.clients[id] = c
	write(w, http.StatusCreated, map[string]any{"client_id": id, "client_secret": c.secret, "client_secret_expires_at": p.SecretExpires,
		"token_endpoint_auth_method": "client_secret_post", "redirect_uris": c.redirects,
		"registration_access_token": c.token, "registration_client_uri": issuer(r) + "/register?client=" + id})
}

// unregister is RFC 7592 section 2.3.
func (p *Provider) unregister(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("client")
	if c, ok := p.clients[id]; !ok || r.Header.Get("Authorization") != "Bearer "+c.token {
		refuse(w, http.StatusUnauthorized, "invalid_token")
		return
	}
	delete(p.clients, id)
	w.WriteHeader(http.StatusNoContent)
}

// apps is Mastodon's POST /api/v1/apps.
func (p *Provider) apps(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("client_name") == "" || r.FormValue("redirect_uris") == "" {
		write(w, http.StatusUnprocessableEntity, map[string]string{"error": "Validation failed: Redirect URI can't be blank"})
		return
	}
	id := p.name("client")
	c := client{secret: p.name("registered"), redirects: strings.Split(r.FormValue("redirect_uris"), "\n")}
	p.clients[id] = c
	write(w, http.StatusOK, map[string]any{"id": "1", "name": r.FormValue("client_name"), "client_id": id, "client_secret": c.secret,
		"redirect_uri": r.FormValue("redirect_uris"), "redirect_uris": c.redirects, "scopes": strings.Fields(r.FormValue("scopes"))})
}

// mcp is an MCP server: it refuses who has no token, and names its metadata.
func (p *Provider) mcp(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !p.active(token) {
		w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+issuer(r)+`/.well-known/oauth-protected-resource/mcp", scope="read"`)
		refuse(w, http.StatusUnauthorized, "invalid_token")
		return
	}
	write(w, http.StatusOK, map[string]any{"jsonrpc": "2.0", "id": 1, "result": map[string]any{}})
}

func (p *Provider) resource(w http.ResponseWriter, r *http.Request) {
	write(w, http.StatusOK, map[string]any{"resource": issuer(r) + "/mcp", "authorization_servers": []string{issuer(r)}})
}
