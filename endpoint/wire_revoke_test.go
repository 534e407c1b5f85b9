package endpoint_test

import (
	"net/http"
	"strings"
	"testing"
)

// revokers are the rows of the table of clients that revoke (wire.md 1d). All
// that read the answer want 200.
func revokers() []struct{ row, request string } {
	revoke := strings.Replace(post, "/token ", "/token/revoke ", 1)
	return []struct{ row, request string }{
		{"Quill", post + `

			action=revoke&token={{form token}}`},
		{"indiebookclub, revocation endpoint", revoke + `

			token={{form token}}`},
		{"indiebookclub, token endpoint", post + `

			action=revoke&token={{form token}}`},
		{"Indigenous, IndiePass for Android", post + `Accept: application/json
			Authorization: Bearer {{token}}

			action=revoke&token={{form token}}&`},
		{"Indigenous for iOS, the token a bare key", post + `

			action=revoke&{{token}}`},
		{"IndieWebKit", post + `Accept: application/json

			action=revoke&token={{form token}}`},
		{"wordpress-indieauth external tokens", post + `Accept: application/json

			action=revoke&token={{form token}}`},
		{"jackdbd/micropub", revoke + `Accept: application/json
			Authorization: Bearer {{token}}

			token={{form token}}&token_type_hint=access_token&revocation_reason=logout`},
		{"oauth4webapi", revoke + `Accept: */*

			token={{form token}}&client_id={{form client_id}}`},
	}
}

// TestRevoke replays them under standard settings: with a live token, an already
// revoked one, an unknown one, a mangled one and a refresh token.
func TestRevoke(t *testing.T) {
	h := newHouse(t)
	unknown, _ := newHouse(t).login()
	for _, v := range revokers() {
		t.Run(v.row, func(t *testing.T) {
			h.t = t
			if strings.HasPrefix(v.row, "jackdbd") {
				t.Log("it gets here only with metadata (issue Front); what it sends is answered all the same")
			}
			send := func(token string) {
				t.Helper()
				v2 := values("")
				v2["token"] = token
				h.send(v.request, v2).want(t, http.StatusOK, "")
			}
			access, refresh := h.login()
			other, _ := h.login()
			send(mangle(access))
			send(unknown)
			h.live(access)
			send(access)
			h.dead(access)
			h.refresh(refresh).want(t, http.StatusBadRequest, "invalid_grant")
			send(access)
			h.live(other)

			access, refresh = h.login()
			send(refresh)
			h.dead(access)
			h.refresh(refresh).want(t, http.StatusBadRequest, "invalid_grant")
			if n := h.events("revoked"); n%2 != 0 {
				t.Errorf("%d events, want two of this row", n)
			}
		})
	}
	h.t = t
	if n := h.events("revoked"); n != 2*len(revokers()) {
		t.Errorf("%d events revoked", n)
	}
	t.Run("indielib", func(t *testing.T) { t.Log("exempt: it names a revocation endpoint and never calls it") })
}

// refreshers are the rows of the table of clients that refresh (wire.md 1e).
func refreshers() []struct {
	row, request string
	accepts      func(answer) error
} {
	return []struct {
		row, request string
		accepts      func(answer) error
	}{
		{"micropub-mcp", post + `Accept: application/json

			grant_type=refresh_token&refresh_token={{form token}}&client_id={{form client_id}}`, hasJSON("access_token")},
		{"jackdbd/micropub", post + `Accept: application/json
			Authorization: Bearer {{access}}

			client_id={{form client_id}}&code_verifier={{verifier}}&grant_type=refresh_token&me={{form me}}&redirect_uri={{form redirect_uri}}
			&refresh_token={{form token}}&scope={{form scope}}&state=s`, if2xx(hasJSON("access_token", "me", "scope", "refresh_token"))},
		{"wordpress-indieauth, no client_id", post + `Accept: application/json

			grant_type=refresh_token&refresh_token={{form token}}`, ifOK(hasJSON("access_token"))},
		{"wordpress-indieauth, with resource", post + `Accept: application/json

			grant_type=refresh_token&refresh_token={{form token}}&resource=https%3A%2F%2Frs.example%2F`, ifOK(hasJSON("access_token"))},
		{"golang.org/x/oauth2, client_id in Basic alone", post + `Authorization: Basic {{base64 https%3A%2F%2Fapp.example%2F:}}
			User-Agent: Go-http-client/1.1

			grant_type=refresh_token&refresh_token={{form token}}`, goOAuth2},
		// It keeps the old refresh token if it gets none, and lower-cases token_type.
		{"oauth4webapi", post + `Accept: application/json

			refresh_token={{form token}}&grant_type=refresh_token&client_id={{form client_id}}`, ifOK(both(typeJSON, hasJSON("access_token", "token_type")))},
	}
}

// TestRefresh replays them under standard settings, twice in a row as from one
// app, and with a token that is mangled, unknown and another client's.
func TestRefresh(t *testing.T) {
	h := newHouse(t)
	_, unknown := newHouse(t).login()
	foreign := h.foreign(t)
	for _, v := range refreshers() {
		t.Run(v.row, func(t *testing.T) {
			h.t = t
			if strings.HasPrefix(v.row, "jackdbd") {
				t.Log("it gets here only with metadata (issue Front); what it sends is answered all the same")
			}
			access, refresh := h.login()
			fill := values("")
			fill["access"], fill["scope"], fill["me"], fill["verifier"] = access, scope, janeTyped, strings.Repeat("v", 43)
			send := func(token string) answer {
				fill["token"] = token
				a := h.send(v.request, fill)
				h.plant(a.text("access_token"))
				h.plant(a.text("refresh_token"))
				return a
			}
			for range 2 {
				a := send(refresh).want(t, http.StatusOK, "")
				if err := v.accepts(a); err != nil {
					t.Errorf("%v in %s", err, a.body)
				}
				if a.text("refresh_token") == refresh || a.text("refresh_token") == "" || a.text("access_token") == access || a.text("scope") != scope || a.text("me") != jane {
					t.Error(a.body)
				}
				h.live(a.text("access_token"))
				access, refresh = a.text("access_token"), a.text("refresh_token")
			}
			for _, token := range []string{mangle(refresh), unknown, access} {
				a := send(token).want(t, http.StatusBadRequest, "invalid_grant")
				if err := v.accepts(a); !refused(err) {
					t.Errorf("%v in %s", err, a.body)
				}
			}
			if strings.Contains(v.request, "client_id") || strings.Contains(v.request, "Basic") {
				send(foreign).want(t, http.StatusBadRequest, "invalid_grant")
			}
		})
	}
	h.t = t
	t.Run("everyone else", func(t *testing.T) { t.Log("exempt: they never refresh (R33)") })
}

// foreign is a refresh token of another client.
func (h *house) foreign(t *testing.T) string {
	v := values("")
	v["client_id"] = "https://other.example/"
	v["code"] = h.plant(h.selfauth.Code(v["client_id"], redirectURI, scope))
	a := h.send(redeemText, v).want(t, http.StatusOK, "")
	h.plant(a.text("access_token"))
	return h.plant(a.text("refresh_token"))
}
