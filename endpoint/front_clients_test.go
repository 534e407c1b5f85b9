package endpoint_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestFrontClients takes every client of the tables through the front, those
// without PKCE as they are: C4, C8 v1, C9, C10, C14, C16 to C21, C25.
func TestFrontClients(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	for _, c := range clients() {
		for _, responseType := range []string{"code", ""} {
			t.Run(c.row+" "+responseType, func(t *testing.T) {
				h.t, v.t = t, t
				w := ancient("response_type", responseType)
				if strings.Contains(c.request, "code_verifier") {
					w = modern()
				}
				values := values("")
				values["me"], values["verifier"] = janeTyped, proof
				if c.scope != "" {
					w["scope"] = c.scope
				}
				if c.redirect != "" {
					w["redirect_uri"], values["redirect_uri"] = c.redirect, c.redirect
				}
				w["me"] = janeTyped
				back := v.goThrough(w).Query()
				if back.Get("state") != clientState || w["code_challenge"] == "" && back.Get("me") != jane {
					t.Errorf("it comes back with %v", back)
				}
				values["code"] = back.Get("code")
				a := h.send(c.request, values).want(t, http.StatusOK, "")
				if err := c.accepts(a); err != nil {
					t.Errorf("%v in %s", err, a.body)
				}
				h.live(h.plant(a.text("access_token")))
			})
		}
	}
	h.t = t
}

// A rulebook is what a strict client demands of metadata, and of the redirect.
type rulebook struct {
	metadata func(m map[string]string, at string) string // what it complains of
	redirect func(m map[string]string, q url.Values) string
}

// indieauth-client-php from 1.1.6 on (C1): Client::isIssuerValid, validateStateMatch
// and validateIssuerMatch.
func phpRules() rulebook {
	return rulebook{
		metadata: func(m map[string]string, at string) string {
			u, err := url.Parse(m["issuer"])
			switch {
			case m["issuer"] == "" || err != nil:
				return "invalid_issuer"
			case u.Scheme != "https" && u.Hostname() != "127.0.0.1": // the test's allowance
				return "invalid_issuer: scheme"
			case u.RawQuery != "" || u.Fragment != "":
				return "invalid_issuer: query or fragment"
			case !strings.HasPrefix(at, m["issuer"]):
				return "invalid_issuer: the metadata lies elsewhere"
			}
			return ""
		},
		redirect: func(m map[string]string, q url.Values) string {
			switch {
			case q.Get("iss") == "":
				return "missing_iss"
			case q.Get("iss") != m["issuer"]:
				return "invalid_iss"
			}
			return ""
		},
	}
}

// jackdbd/micropub: metadata is required, with what it will call.
func jackdbdRules() rulebook {
	return rulebook{
		metadata: func(m map[string]string, _ string) string {
			for _, name := range []string{"issuer", "authorization_endpoint", "token_endpoint", "introspection_endpoint", "revocation_endpoint", "userinfo_endpoint"} {
				if u, err := url.Parse(m[name]); err != nil || u.Host == "" {
					return "no " + name
				}
			}
			return ""
		},
		redirect: phpRules().redirect,
	}
}

func TestFrontStrictClients(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	var raw map[string]any
	if err := json.Unmarshal([]byte(v.get(h.URL+"/metadata").text), &raw); err != nil {
		t.Fatal(err)
	}
	m := make(map[string]string)
	for name, value := range raw {
		m[name], _ = value.(string)
	}
	mutated := func(name, value string) map[string]string {
		other := map[string]string{name: value}
		for n, v := range m {
			if n != name {
				other[n] = v
			}
		}
		return other
	}
	for name, rules := range map[string]rulebook{"indieauth-client-php": phpRules(), "jackdbd/micropub": jackdbdRules()} {
		t.Run(name, func(t *testing.T) {
			if fault := rules.metadata(m, h.URL+"/metadata"); fault != "" {
				t.Errorf("it says %s of %v", fault, m)
			}
			for _, w := range []wish{modern(), modern("scope", ""), modern("response_type", "token"), modern("code_challenge", "x")} {
				s := v.begin(w)
				to := s.to()
				if s.StatusCode == http.StatusBadRequest {
					to = s.faultLink(t)
				} else if strings.HasPrefix(to.String(), h.auth) {
					h.clock.pass(time.Second)
					to = v.get(v.signIn(to).String()).to()
				}
				if fault := rules.redirect(m, to.Query()); fault != "" {
					t.Errorf("it says %s of %s", fault, to)
				}
				if fault := rules.redirect(mutated("issuer", h.URL+"/"), to.Query()); fault != "invalid_iss" {
					t.Errorf("the rule finds %q in another issuer", fault)
				}
			}
			if rules.metadata(mutated("issuer", ""), h.URL) == "" {
				t.Error("the rule finds nothing amiss without issuer")
			}
		})
	}
}

// TestFrontJackdbd: its refresh carries half of everything, and wants jti first.
func TestFrontJackdbd(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	a := v.redeemAt("", v.goThrough(modern()).Query().Get("code")).want(t, http.StatusOK, "")
	access, refresh := a.text("access_token"), a.text("refresh_token")
	h.send(strings.Replace(post, "/token ", "/token/introspect ", 1)+"Authorization: Bearer {{t}}\n\ntoken={{t}}", map[string]string{"t": access}).want(t, http.StatusOK, "")
	a = h.send(post+"Authorization: Bearer {{t}}\n\ngrant_type=refresh_token&refresh_token={{r}}&client_id={{form client_id}}&me={{form me}}&redirect_uri={{form redirect_uri}}&scope={{form scope}}&state=s&code_verifier=v",
		map[string]string{"t": access, "r": refresh, "client_id": clientID, "me": jane, "redirect_uri": redirectURI, "scope": scope}).want(t, http.StatusOK, "")
	access = h.plant(a.text("access_token"))
	h.plant(a.text("refresh_token"))
	h.send(strings.Replace(post, "/token ", "/token/revoke ", 1)+"Authorization: Bearer {{t}}\n\ntoken={{t}}&token_type_hint=access_token&revocation_reason=logout",
		map[string]string{"t": access}).want(t, http.StatusOK, "")
	h.dead(access)
}
