package keepertest

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	neturl "net/url"
	"strings"
)

func issuer(r *http.Request) string { return "http://" + r.Host }

func (p *Provider) metadata(w http.ResponseWriter, r *http.Request) {
	base := issuer(r)
	m := map[string]any{
		"issuer": base, "authorization_endpoint": base + "/authorize", "token_endpoint": base + "/token",
		"device_authorization_endpoint": base + "/device", "revocation_endpoint": base + "/revoke",
		"introspection_endpoint":                         base + "/introspect",
		"token_endpoint_auth_methods_supported":          []string{"client_secret_basic", "client_secret_post"},
		"code_challenge_methods_supported":               []string{"S256"},
		"client_id_metadata_document_supported":          p.Documents != nil,
		"authorization_response_iss_parameter_supported": true,
	}
	if p.Registers {
		m["registration_endpoint"] = base + "/register"
	}
	write(w, http.StatusOK, m)
}

// authorize approves at once: a user who always says yes. With
// error=access_denied in the query the user says no.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	to, err := neturl.Parse(q.Get("redirect_uri"))
	known := p.known(q.Get("client_id"), q.Get("redirect_uri"))
	method := map[bool]string{false: "S256"}[p.NoPKCE]
	if err != nil || !known || !p.bound(r) || q.Get("response_type") != "code" || q.Get("code_challenge_method") != method {
		refuse(w, http.StatusBadRequest, "invalid_request")
		return
	}
	back := to.Query()
	back.Set("state", q.Get("state"))
	back.Set("iss", issuer(r))
	if q.Get("error") != "" {
		back.Set("error", q.Get("error"))
	} else {
		name := p.name("code")
		p.codes[name] = code{q.Get("redirect_uri"), q.Get("code_challenge"), q.Get("scope")}
		back.Set("code", name)
		if p.Redirect != "" {
			back.Set("scope", p.Redirect)
		}
	}
	to.RawQuery = back.Encode()
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusSeeOther)
}

// bound reports whether a request names the resource, where one must.
func (p *Provider) bound(r *http.Request) bool {
	return !p.Resource || r.URL.Path == "/revoke" || r.FormValue("resource") == issuer(r)+"/mcp"
}

// client checks the client's authentication, in one way and not in two.
func (p *Provider) client(w http.ResponseWriter, r *http.Request) bool {
	id, secret, basic := r.BasicAuth()
	inBody := r.FormValue("client_secret") != ""
	if !basic {
		id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
	}
	if basic && inBody || !p.known(id, "") || !p.bound(r) || secret != p.secretOf(id) && !(p.Public && secret == "") {
		refuse(w, http.StatusUnauthorized, "invalid_client")
		return false
	}
	return true
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	kind := r.FormValue("grant_type")
	p.counts[kind]++
	if !p.client(w, r) {
		return
	}
	switch kind {
	case "authorization_code":
		c, ok := p.codes[r.FormValue("code")]
		delete(p.codes, r.FormValue("code"))
		challenge := ""
		if verifier := r.FormValue("code_verifier"); verifier != "" {
			sum := sha256.Sum256([]byte(verifier))
			challenge = base64.RawURLEncoding.EncodeToString(sum[:])
		}
		if !ok || c.redirect != r.FormValue("redirect_uri") || c.challenge != challenge {
			refuse(w, http.StatusBadRequest, "invalid_grant")
			return
		}
		p.answer(w, &grant{scope: c.scope}, true)
	case "password":
		if r.FormValue("username") != Username || r.FormValue("password") != Password {
			refuse(w, http.StatusBadRequest, "invalid_grant")
			return
		}
		p.answer(w, &grant{scope: r.FormValue("scope")}, true)
	case "client_credentials":
		p.answer(w, &grant{scope: r.FormValue("scope")}, false)
	case "refresh_token":
		if g := p.spend(r.FormValue("refresh_token")); g != nil {
			p.answer(w, g, p.Rotate)
			return
		}
		refuse(w, http.StatusBadRequest, "invalid_grant")
	case "urn:ietf:params:oauth:grant-type:device_code":
		p.poll(w, r.FormValue("device_code"))
	default:
		refuse(w, http.StatusBadRequest, "unsupported_grant_type")
	}
}

// spend is the grant that a refresh token still stands for, or nil.
func (p *Provider) spend(token string) *grant {
	g := p.grants[token]
	if g == nil || g.dead {
		return nil
	}
	if g.current == token {
		return g
	}
	if p.AllowRetry && g.previous == token {
		g.current = token // the successor never arrived
		return g
	}
	if p.DetectReuse {
		g.dead = true
	}
	return nil
}

// answer is RFC 6749 section 5.1, as odd as the fields of the box ask for.
func (p *Provider) answer(w http.ResponseWriter, g *grant, refresh bool) {
	body := map[string]any{"access_token": p.mint(g), "token_type": "bearer"}
	switch p.ExpiresIn {
	case nil:
		body["expires_in"] = int(p.Lifetime.Seconds())
	case "":
	default:
		body["expires_in"] = p.ExpiresIn
	}
	if refresh && !p.NoRefresh {
		body["refresh_token"] = p.renew(g)
	}
	if p.Scope != "" {
		body["scope"] = p.Scope
	}
	write(w, http.StatusOK, body)
}

func (p *Provider) device(w http.ResponseWriter, r *http.Request) {
	if !p.known(r.FormValue("client_id"), "") {
		refuse(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	code, user := p.name("device"), strings.ToUpper(p.name("U"))[4:]
	p.devices[code] = &device{userCode: user, scope: r.FormValue("scope")}
	write(w, http.StatusOK, map[string]any{"device_code": code, "user_code": user, "verification_uri": issuer(r) + "/activate",
		"verification_uri_complete": issuer(r) + "/activate?user_code=" + user, "expires_in": 300, "interval": p.Interval})
}

func (p *Provider) poll(w http.ResponseWriter, code string) {
	d := p.devices[code]
	switch {
	case d == nil:
		refuse(w, http.StatusBadRequest, "invalid_grant")
	case p.SlowDown > 0:
		p.SlowDown--
		refuse(w, http.StatusBadRequest, "slow_down")
	case d.state == "":
		refuse(w, http.StatusBadRequest, "authorization_pending")
	case d.state != "approved":
		refuse(w, http.StatusBadRequest, d.state)
	default:
		delete(p.devices, code)
		p.answer(w, &grant{scope: d.scope}, true)
	}
}

// revoke is RFC 7009: an unknown token is as good as revoked.
func (p *Provider) revoke(w http.ResponseWriter, r *http.Request) {
	if !p.client(w, r) {
		return
	}
	token := r.FormValue("token")
	if g := p.grants[token]; g != nil {
		g.dead = true
	}
	if a, ok := p.access[token]; ok {
		a.revoked = true
		p.access[token] = a
	}
	w.WriteHeader(http.StatusOK)
}

func (p *Provider) introspect(w http.ResponseWriter, r *http.Request) {
	if !p.client(w, r) {
		return
	}
	token := r.FormValue("token")
	if g := p.grants[token]; g != nil && !g.dead && g.current == token {
		write(w, http.StatusOK, map[string]any{"active": true, "scope": g.scope, "client_id": ClientID})
		return
	}
	if !p.active(token) {
		write(w, http.StatusOK, map[string]any{"active": false})
		return
	}
	a := p.access[token]
	write(w, http.StatusOK, map[string]any{"active": true, "scope": a.grant.scope, "client_id": ClientID, "exp": a.expires.Unix()})
}
