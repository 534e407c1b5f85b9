package endpoint_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"mintkeep/endpoint/grant"
)

// A verifier is a resource server that verifies by GET: a row of G1 to G30, the
// request that it sends and the rule by which it lets a request of an app in.
type verifier struct {
	row     string
	request string
	accepts func(answer) error // nil: comes in; refusal: 401 or 403; else the resource server fell over

	// under is the default_format with which it works; empty: with both. What
	// it does under the other is in otherwise.
	under     string
	otherwise string // shut: nobody comes in; open: everybody comes in
}

// TestVerify replays what the resource servers send, under both values of the
// setting default_format, else standard settings. A row that names no format
// and parses only one works under one of them (R2 case 4).
func TestVerify(t *testing.T) {
	for _, format := range []string{"json", "form"} {
		h := newHouse(t)
		tokens := h.tokens()
		h.set(func(st *grant.Settings) { st.DefaultForm = format == "form" })
		for _, v := range verifiers() {
			t.Run("default_format="+format+"/"+v.row, func(t *testing.T) {
				h.t = t
				v.replay(t, h, tokens, format)
			})
		}
		h.t = t
	}
}

// tokens are one that is good, and one for each way of not being.
func (h *house) tokens() map[string]string {
	expired, _ := h.login()
	h.clock.pass(91 * 24 * time.Hour)
	revoked, _ := h.login()
	h.revoke(revoked)
	unknown, _ := newHouse(h.t).login()
	good, refresh := h.login()
	return map[string]string{"good": good, "expired": expired, "revoked": revoked, "refresh": refresh,
		"mangled": mangle(good), "cut": good[:20], "unknown": unknown}
}

func (v verifier) replay(t *testing.T, h *house, tokens map[string]string, format string) {
	works := v.under == "" || v.under == format
	err := v.accepts(h.send(v.request, map[string]string{"token": tokens["good"]}))
	if works && err != nil {
		t.Errorf("the good token: %v", err)
	}
	if !works && v.otherwise == "shut" && err == nil {
		t.Error("the good token comes in; the note on this row is wrong")
	}
	for name, token := range tokens {
		if name == "good" {
			continue
		}
		a := h.send(v.request, map[string]string{"token": token})
		a.want(t, http.StatusUnauthorized, "invalid_token")
		if got := a.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, `Bearer error="invalid_token"`) {
			t.Errorf("WWW-Authenticate: %s", got)
		}
		v.shuts(t, name, a, works)
	}
	var bare []string
	for line := range strings.Lines(v.request) {
		if !strings.Contains(line, "Authorization:") {
			bare = append(bare, line)
		}
	}
	a := h.send(strings.Join(bare, ""), nil).want(t, http.StatusUnauthorized, "invalid_request")
	if got := a.header.Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("WWW-Authenticate without a token: %s", got)
	}
	v.shuts(t, "without a token", a, works)
}

func (v verifier) shuts(t *testing.T, what string, a answer, works bool) {
	t.Helper()
	err := v.accepts(a)
	switch {
	case works && err == nil:
		t.Errorf("%s: comes in with %s", what, a.body)
	case works && !refused(err):
		t.Errorf("%s: falls over: %v", what, err)
	case !works && v.otherwise == "open" && err != nil:
		t.Errorf("%s: %v; the note on this row is wrong", what, err)
	}
}

// status200 and status2xx refuse by the status.
func status200(a answer) error {
	if a.status != http.StatusOK {
		return refuse("status %d", a.status)
	}
	return nil
}

func status2xx(a answer) error {
	if a.status/100 != 2 {
		return refuse("status %d", a.status)
	}
	return nil
}

const acceptJSON = `
	GET /token HTTP/1.1
	Host: {{host}}
	Accept: application/json
	Authorization: Bearer {{token}}`

const formOnGET = `
	GET /token HTTP/1.1
	Host: {{host}}
	Accept: */*
	Content-Type: application/x-www-form-urlencoded
	Authorization: Bearer {{token}}`

// ifJSON decodes and then judges; a body that cannot be decoded is a plain no.
func ifJSON(judge func(map[string]any) error) func(answer) error {
	return func(a answer) error {
		m, err := decodeJSON(a.body)
		if err != nil {
			return refuse("%v", err)
		}
		return judge(m)
	}
}

// ifOK looks at the status first: it must be 200.
func ifOK(next func(answer) error) func(answer) error {
	return func(a answer) error { return first(status200(a), next(a)) }
}

// ifForm parses a form whatever was sent, blind to the status.
func ifForm(parse func(string) map[string]any, judge func(map[string]any) error) func(answer) error {
	return func(a answer) error { return judge(parse(a.body)) }
}

func verifiers() []verifier {
	return append(jsonVerifiers(), formVerifiers()...)
}

// jsonVerifiers ask for JSON, or parse nothing else.
func jsonVerifiers() []verifier {
	return []verifier{
		{row: "G1 Aperture", request: acceptJSON, accepts: ifOK(func(a answer) error {
			m := jsonElseForm(a.body)
			if _, ok := m["scope"].(string); !ok {
				return refuse("scope is %v", m["scope"])
			}
			return slashless(m)
		})},
		{row: "G2 ekster", request: acceptJSON, accepts: func(a answer) error {
			var token struct {
				Me, Scope string
				ClientID  string `json:"client_id"`
				IssuedAt  int64  `json:"issued_at"`
				Nonce     int64
			}
			if !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
				return refuse("Content-Type %s", a.header.Get("Content-Type"))
			}
			if err := json.Unmarshal([]byte(a.body), &token); err != nil {
				return err
			}
			return first(status2xx(a), exactly(map[string]any{"me": token.Me}))
		}},
		{row: "G3 tally-ho", under: "json", otherwise: "shut", request: `
			GET /token HTTP/1.1
			Host: {{host}}
			User-Agent: Go-http-client/1.1
			Authorization: Bearer {{token}}
			Accept-Encoding: gzip`, accepts: func(a answer) error {
			var token struct{ Me, Scope string }
			if err := json.Unmarshal([]byte(a.body), &token); err != nil {
				return refuse("%v", err)
			}
			return first(exactly(map[string]any{"me": token.Me}), mayPost(map[string]any{"scope": token.Scope}))
		}},
		{row: "G4 inari-micropub", request: acceptJSON, accepts: ifOK(ifJSON(func(m map[string]any) error { return missing(m, "me", "scope") }))},
		{row: "G5 micropub-rs", request: acceptJSON, accepts: ifJSON(func(m map[string]any) error {
			if !integer(m, "issued_at") || !integer(m, "nonce") {
				return refuse("issued_at and nonce are %v and %v", m["issued_at"], m["nonce"])
			}
			return first(missing(m, "me", "client_id", "scope"), exactly(m))
		})},
		{row: "G6 js-indieauth-middleware", request: acceptJSON, accepts: func(a answer) error {
			return first(status2xx(a), ifJSON(func(m map[string]any) error { return first(exactly(m), missing(m, "scope")) })(a))
		}},
		{row: "G7 benjifs/micropub", request: acceptJSON, accepts: ifJSON(func(m map[string]any) error { return first(exactly(m), missing(m, "scope"), mayPost(m)) })},
		{row: "G8 micropub-media-endpoint", request: acceptJSON, accepts: ifJSON(exactly)},
		{row: "G9 qubyte/micropub-server", request: acceptJSON, accepts: func(a answer) error {
			return first(status2xx(a), ifJSON(func(m map[string]any) error { return first(exactly(m), mayPost(m)) })(a))
		}},
		{row: "G10 astro-micropub", request: acceptJSON, accepts: func(a answer) error {
			return first(status2xx(a), ifJSON(func(m map[string]any) error {
				if n, there := m["exp"].(json.Number); there {
					if at, err := n.Int64(); err != nil || at < 1e9 {
						return refuse("exp is %v", n)
					}
				}
				return missing(m, "me", "scope")
			})(a))
		}},
		{row: "G11 lamb", request: acceptJSON, accepts: ifOK(ifJSON(func(m map[string]any) error { return first(slashless(m), missing(m, "scope")) }))},
		{row: "G12 datashaman/micropub", request: acceptJSON, accepts: func(a answer) error { return first(status2xx(a), ifJSON(exactly)(a)) }},
		{row: "G13 gorka/micropub", request: acceptJSON, accepts: func(a answer) error {
			m, err := decodeJSON(a.body) // before the status: a body that is no JSON is a 500
			return first(err, status200(a), exactly(m))
		}},
		{row: "G14 my-micropub", request: acceptJSON, accepts: ifOK(ifJSON(func(m map[string]any) error {
			if words := strings.Fields(str(m, "scope")); len(words) == 0 {
				return refuse("scope is %v", m["scope"])
			}
			return exactly(m) // scheme://host/
		}))},
		{row: "G22 wordpress-micropub 1.4", request: acceptJSON, accepts: ifOK(ifJSON(func(m map[string]any) error { return first(slashless(m), mayPost(m)) }))},
		{row: "G23 wordpress-indieauth external token", request: `
			GET /token HTTP/1.1
			Host: {{host}}
			Accept: application/json
			Authorization: Bearer: {{token}}`, accepts: func(a answer) error {
			return first(status2xx(a), ifJSON(func(map[string]any) error { return nil })(a))
		}},
		{row: "G24 Drupal indieweb", request: acceptJSON, accepts: func(a answer) error {
			return first(status2xx(a), ifJSON(func(m map[string]any) error { return first(slashless(m), missing(m, "scope")) })(a))
		}},
		{row: "G25 Grav-MicroPub", request: acceptJSON, accepts: ifJSON(slashless)},
		{row: "G25 Grav-MicroPub media", request: acceptJSON, accepts: ifJSON(func(m map[string]any) error {
			if s := str(m, "scope"); !strings.Contains(s, "create") && !strings.Contains(s, "media") {
				return refuse("scope is %v", m["scope"])
			}
			return nil
		})},
		{row: "G26 skpy/micropub", request: acceptJSON, accepts: skpy},
		{row: "G27 nanopub", request: acceptJSON, accepts: func(a answer) error {
			return first(skpy(a), mayPost(depth2(a.body)))
		}},
		{row: "G29 indieweb-utils", under: "json", otherwise: "shut", request: pythonRequests, accepts: ifOK(ifJSON(func(m map[string]any) error { return missing(m, "me") }))},
		{row: "G29 capjamesg/micropub", under: "json", otherwise: "shut", request: pythonRequests, accepts: func(a answer) error {
			_, err := decodeJSON(a.body) // success or not, the body is parsed
			return first(err, status200(a))
		}},
		{row: "G30 indieauth-helper", request: `
			GET /token HTTP/1.1
			Host: {{host}}
			Accept: application/json, text/plain, */*
			Authorization: Bearer {{token}}`, accepts: status200},
	}
}

const pythonRequests = `
	GET /token HTTP/1.1
	Host: {{host}}
	User-Agent: python-requests/2.32.3
	Accept-Encoding: gzip, deflate
	Accept: */*
	Connection: keep-alive
	Authorization: Bearer {{token}}`

// skpy is PHP with json_decode of depth 2, else parse_str, blind to the status.
func skpy(a answer) error {
	if a.body == "" {
		return errors.New("502 unable to connect to token service")
	}
	m := depth2(a.body)
	if m == nil {
		m = parseStr(a.body)
	}
	if _, there := m["error"]; there {
		return refuse("error")
	}
	if !strings.Contains(str(m, "scope"), "create") {
		return refuse("scope is %v", m["scope"])
	}
	return exactly(m)
}

// formVerifiers parse form-encoding only.
func formVerifiers() []verifier {
	indieauthCom := func(m map[string]any) error { return first(slashless(m), mayPost(m)) }
	return []verifier{
		{row: "G15 micropub-express", request: formOnGET, accepts: ifForm(parseStr, indieauthCom)},
		{row: "G16 grav-plugin-micropub", request: formOnGET, accepts: ifForm(parseStr, func(m map[string]any) error {
			return indieauthCom(map[string]any{"me": strings.ToLower(str(m, "me")), "scope": m["scope"]})
		})},
		{row: "G17 adactio's gist", request: formOnGET, accepts: ifForm(parseStr, indieauthCom)},
		{row: "G18 kirby-micropub", under: "form", otherwise: "shut", request: `
			GET /token HTTP/1.1
			Host: {{host}}
			Accept: */*
			Authorization: Bearer {{token}}`, accepts: ifForm(parseStr, func(m map[string]any) error {
			if str(m, "error") != "" && str(m, "error_description") != "" {
				return refuse("%v", m["error_description"])
			}
			return first(hostOnly(m), missing(m, "scope"))
		})},
		{row: "G19 Flask-IndieAuth", under: "form", otherwise: "shut", request: `
			GET /token HTTP/1.1
			Accept-Encoding: identity
			Host: {{host}}
			User-Agent: Python-urllib/3.12
			Authorization: Bearer {{token}}
			Connection: close`, accepts: func(a answer) error {
			m := parseQS(a.body)
			return first(status200(a), missing(m, "me", "client_id", "scope"), hostOnly(m), mayPost(m))
		}},
		// Under json it lets everybody in: it looks for the key `error` in a form.
		{row: "G20 django-micropub", under: "form", otherwise: "open", request: `
			GET /token HTTP/1.1
			Host: {{host}}
			User-Agent: python-requests/2.22.0
			Accept-Encoding: gzip, deflate
			Accept: */*
			Connection: keep-alive
			Content-Type: application/json
			Authorization: Bearer {{token}}`, accepts: ifForm(parseQS, func(m map[string]any) error {
			if _, there := m["error"]; there {
				return refuse("error")
			}
			return nil
		})},
		// Version 0.5 says form on the GET; the table knows no more than WordPress' own headers.
		{row: "G21 wordpress-micropub 0.5", request: formOnGET, accepts: ifOK(ifForm(parseStr, indieauthCom))},
		{row: "G21 wordpress-micropub 1.3", under: "form", otherwise: "shut", request: `
			GET /token HTTP/1.1
			Host: {{host}}
			User-Agent: WordPress/4.9; https://jane.example
			Accept: */*
			Accept-Encoding: deflate, gzip
			Authorization: Bearer {{token}}
			Connection: close`, accepts: ifOK(ifForm(parseStr, indieauthCom))},
		{row: "G28 micropub-github-pages", request: `
			GET /token HTTP/1.1
			Host: {{host}}
			Accept: application/x-www-form-urlencoded
			User-Agent: Ruby
			Authorization: Bearer {{token}}`, accepts: ifForm(parseStr, func(m map[string]any) error { return missing(m, "scope", "me") })},
	}
}
