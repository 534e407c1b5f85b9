package endpoint_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"mintkeep/endpoint/grant"
)

// An introspector is a resource server that introspects: a row of I1 to I6 with
// one of its ways to authorize itself.
type introspector struct {
	row     string
	request string
	accepts func(answer) error
	denied  bool // it has nothing that authorizes it, so it gets 401
	self    bool // it shows the introspected token; introspect_self=off denies it
}

// TestIntrospect replays what they send, under standard settings, for a live
// token and for all kinds of dead ones; those that show the token itself also
// under introspect_self=off.
func TestIntrospect(t *testing.T) {
	h := newHouse(t)
	tokens := h.tokens()
	secret := h.server(t, "rs.example:8080/a b") // has to be encoded in Basic
	raw := h.server(t, "media+server")           // means another name if it is decoded
	fill := map[string]string{"name": "rs.example:8080/a b", "secret": secret, "raw_secret": raw}
	for _, v := range introspectors() {
		t.Run(v.row, func(t *testing.T) {
			h.t = t
			for name, token := range tokens {
				fill["token"] = token
				a := h.send(v.request, fill)
				err := v.accepts(a)
				switch {
				case v.denied:
					v.shut(t, a)
				case name == "good" && err != nil:
					t.Errorf("the good token: %v in %s", err, a.body)
				case name != "good" && (a.status != http.StatusOK || strings.TrimSpace(a.body) != `{"active":false}`):
					t.Errorf("%s: got %d %s", name, a.status, a.body)
				case name != "good" && !refused(err):
					t.Errorf("%s: %v", name, err)
				}
			}
		})
		t.Run("introspect_self=off/"+v.row, func(t *testing.T) {
			h.t = t
			h.set(func(st *grant.Settings) { st.IntrospectSelf = false })
			defer h.set(func(st *grant.Settings) { st.IntrospectSelf = true })
			fill["token"] = tokens["good"]
			a := h.send(v.request, fill)
			if v.self || v.denied {
				v.shut(t, a)
			} else if err := v.accepts(a); err != nil {
				t.Errorf("the good token: %v in %s", err, a.body)
			}
		})
	}
	h.t = t
	t.Run("I4 mod_auth_openidc by GET", func(t *testing.T) {
		t.Log("exempt: its mode with ?token= in a GET is not offered, since tokens in URLs end up in logs; its default is POST")
		h.t = t
		a := h.send(`
			GET /token/introspect?token={{token}} HTTP/1.1
			Host: {{host}}
			Authorization: Bearer {{token}}`, map[string]string{"token": tokens["good"]})
		if a.want(t, http.StatusMethodNotAllowed, "invalid_request"); a.header.Get("Allow") != "POST, OPTIONS" {
			t.Errorf("Allow: %s", a.header.Get("Allow"))
		}
	})
	h.t = t
}

// TestServerLastUse: each of several servers has a last use of its own, whoever
// asked for a token first.
func TestServerLastUse(t *testing.T) {
	h := newHouse(t)
	access, _ := h.login()
	for _, name := range []string{"first", "second"} {
		h.send(`
			POST /token/introspect HTTP/1.1
			Host: {{host}}
			Authorization: Bearer {{secret}}
			Content-Type: application/x-www-form-urlencoded
			Content-Length: {{length}}

			token={{token}}`, map[string]string{"secret": h.server(t, name), "token": access}).want(t, http.StatusOK, "")
	}
	all, err := h.Grants.Servers(t.Context())
	if err != nil || len(all) != 2 || all[0].LastUse.IsZero() || all[1].LastUse.IsZero() {
		t.Errorf("%+v, %v", all, err)
	}
}

// server adds a resource server.
func (h *house) server(t *testing.T, name string) string {
	t.Helper()
	secret, err := h.Grants.AddServer(t.Context(), grant.ResourceServer{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return h.plant(string(secret))
}

// shut asserts that the resource server is sent away, and that its own rule
// makes nothing else of it.
func (v introspector) shut(t *testing.T, a answer) {
	t.Helper()
	a.want(t, http.StatusUnauthorized, "invalid_client")
	if !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("WWW-Authenticate: %s", a.header.Get("WWW-Authenticate"))
	}
	if err := v.accepts(a); !refused(err) {
		t.Errorf("sent away, it goes on with %v", err)
	}
}

// active is a JSON boolean, for the strict ones (I3, I6).
func active(m map[string]any) error {
	switch m["active"] {
	case true:
		return nil
	case false, nil:
		return refuse("not active")
	}
	return refuse("active is %v", m["active"])
}

// modOauth2 is liboauth2: 2xx, no error, active exactly true, then a claim that
// names the user, as a string.
func modOauth2(claim string) func(answer) error {
	return func(a answer) error {
		return first(status2xx(a), ifJSON(func(m map[string]any) error {
			if m["error"] != nil {
				return refuse("error")
			}
			return first(active(m), missing(m, claim))
		})(a))
	}
}

// modAuthOpenIDC bounds its cache by exp, which must be a number.
func modAuthOpenIDC(a answer) error {
	return first(status2xx(a), ifJSON(func(m map[string]any) error {
		if err := active(m); err != nil {
			return err
		}
		if _, there := m["exp"]; there && !integer(m, "exp") {
			return refuse("exp is %v", m["exp"])
		}
		return missing(m, "sub")
	})(a))
}

// oauth4webapi wants the Content-Type of JSON and a boolean.
func oauth4webapi(a answer) error {
	if media, _, _ := strings.Cut(a.header.Get("Content-Type"), ";"); media != "application/json" {
		return refuse("Content-Type %s", media)
	}
	return first(status200(a), ifJSON(active)(a))
}

func introspectors() []introspector {
	const form = `
			POST /token/introspect HTTP/1.1
			Host: {{host}}
			Accept: */*
			Content-Type: application/x-www-form-urlencoded
			Content-Length: {{length}}
			`
	const formJSON = `
			POST /token/introspect HTTP/1.1
			Host: {{host}}
			Accept: application/json
			Content-Type: application/x-www-form-urlencoded
			Content-Length: {{length}}
			`
	return []introspector{
		{row: "I1 Indiekit", self: true, request: `
			POST /token/introspect?token={{form token}} HTTP/1.1
			Host: {{host}}
			Accept: application/json
			Authorization: Bearer {{token}}
			Content-Length: 0`, accepts: func(a answer) error {
			m, err := decodeJSON(a.body) // also when it failed: it shows the error
			if err != nil {
				return err
			}
			if a.status/100 != 2 {
				return first(missing(m, "error", "error_description"), refuse("%v", m["error_description"]))
			}
			if v, there := m["active"]; !there || v == false || v == "" || v == nil {
				return refuse("not active")
			}
			u, err := url.Parse(str(m, "me"))
			if err != nil || u.Host != "jane.example" || strings.Trim(u.Path, "/") != "" {
				return refuse("me is %v", m["me"])
			}
			return missing(m, "scope")
		}},
		// The same request at the token URL, as Indiekit sends it where nobody told it of another.
		{row: "I1 Indiekit at the token URL", self: true, request: `
			POST /token?token={{form token}} HTTP/1.1
			Host: {{host}}
			Accept: application/json
			Authorization: Bearer {{token}}
			Content-Length: 0`, accepts: modOauth2("me")},
		// Its pages are reached only with metadata (issue Front); what they send is answered all the same.
		{row: "I2 jackdbd/micropub", self: true, request: formJSON + `Authorization: Bearer {{token}}

			token={{form token}}&token_type_hint=access_token`, accepts: func(a answer) error {
			return first(status2xx(a), ifJSON(func(m map[string]any) error { return first(active(m), missing(m, "me", "scope", "jti")) })(a))
		}},
		{row: "I3 mod_oauth2, no authentication", denied: true, request: form + `

			token={{form token}}&token_type_hint=access_token`, accepts: modOauth2("sub")},
		{row: "I3 mod_oauth2, client_secret_basic", request: form + `Authorization: Basic {{base64 {{form name}}:{{secret}}}}

			token={{form token}}&token_type_hint=access_token`, accepts: modOauth2("sub")},
		{row: "I3 mod_oauth2, client_secret_post", request: form + `

			token={{form token}}&token_type_hint=access_token&client_id={{form name}}&client_secret={{form secret}}`, accepts: modOauth2("me")},
		{row: "I3 mod_oauth2, basic", request: form + `Authorization: Basic {{base64 media+server:{{raw_secret}}}}

			token={{form token}}&token_type_hint=access_token&realm=static`, accepts: modOauth2("sub")},
		{row: "I4 mod_auth_openidc, client_secret_basic", request: form + `Authorization: Basic {{base64 {{form name}}:{{secret}}}}

			token={{form token}}`, accepts: modAuthOpenIDC},
		{row: "I4 mod_auth_openidc, client_secret_post", request: form + `

			token={{form token}}&client_id={{form name}}&client_secret={{form secret}}`, accepts: modAuthOpenIDC},
		{row: "I4 mod_auth_openidc, none", denied: true, request: form + `

			token={{form token}}&client_id={{form name}}`, accepts: modAuthOpenIDC},
		{row: "I4 mod_auth_openidc, static bearer", request: form + `Authorization: Bearer {{secret}}

			token={{form token}}`, accepts: modAuthOpenIDC},
		{row: "I4 mod_auth_openidc, empty bearer setting", self: true, request: form + `Authorization: Bearer {{token}}

			token={{form token}}`, accepts: modAuthOpenIDC},
		{row: "I5 schmarty, shared secret", request: form + `Authorization: Bearer {{secret}}

			token={{form token}}`, accepts: modOauth2("me")},
		{row: "I6 oauth4webapi, none", denied: true, request: formJSON + `

			token={{form token}}&client_id={{form name}}`, accepts: oauth4webapi},
		// It encodes more than it must: even the dot.
		{row: "I6 oauth4webapi, client_secret_basic", request: formJSON + `Authorization: Basic {{base64 rs%2Eexample%3A8080%2Fa+b:{{secret}}}}

			token={{form token}}`, accepts: oauth4webapi},
		{row: "I6 oauth4webapi, client_secret_post", request: formJSON + `

			client_id={{form name}}&client_secret={{form secret}}&token={{form token}}`, accepts: oauth4webapi},
	}
}

// TestI5WithoutSecret: where none is set, that server verifies by GET.
func TestI5WithoutSecret(t *testing.T) {
	h := newHouse(t)
	token, _ := h.login()
	if err := modOauth2("me")(h.verify(token)); err == nil {
		t.Error("a verification has active, which it should not")
	}
	h.live(token)
}
