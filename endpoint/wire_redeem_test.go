package endpoint_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"mintkeep/endpoint/grant"
)

// A client redeems codes: a row of C1 to C25, the request that it sends and the
// rule by which it believes the answer.
type client struct {
	row      string
	request  string
	accepts  func(answer) error
	redirect string // its redirect_uri, if it is a special one
	scope    string // what it asks for, if not the usual
}

// TestRedeem replays what the clients send, each with a good code under
// standard settings, with one under idle_lifetime=never (nothing expires, no
// refresh token), with a code that was made for another client, and with one
// that carries no scope.
func TestRedeem(t *testing.T) {
	h := newHouse(t)
	for _, c := range clients() {
		t.Run(c.row, func(t *testing.T) { h.t = t; c.replay(t, h) })
	}
	h.t = t
	t.Run("C15 IndieWebKit", func(t *testing.T) {
		t.Log("exempt: it sends JSON labelled as a form, and crashes on any integer, so on expires_in; it is abandoned")
		h.t = t
		h.send(post+`Accept: application/json

			{"grant_type":"authorization_code","code":"{{code}}","client_id":"{{client_id}}","redirect_uri":"{{redirect_uri}}","me":"{{me}}"}`,
			c15(h)).want(t, http.StatusBadRequest, "invalid_request")
	})
	h.t = t
	t.Run("C22 jackdbd/micropub", func(t *testing.T) {
		t.Log("exempt until issue Front: it demands metadata, which must not be published beside a plain Selfauth (R35); its request is sparkles'")
	})
}

func c15(h *house) map[string]string {
	v := values(h.code())
	v["me"] = janeTyped
	return v
}

func (c client) replay(t *testing.T, h *house) {
	v := values("")
	v["me"], v["verifier"] = janeTyped, strings.Repeat("v-._~", 10)
	if c.redirect != "" {
		v["redirect_uri"] = c.redirect
	}
	if c.scope == "" {
		c.scope = scope
	}
	ask := func(clientID, scope string) answer {
		h.code() // moves the clock
		v["code"] = h.plant(h.selfauth.Code(clientID, v["redirect_uri"], scope))
		a := h.send(c.request, v)
		h.plant(a.text("access_token"))
		h.plant(a.text("refresh_token"))
		return a
	}
	good := func(what string, expires bool) {
		a := ask(clientID, c.scope).want(t, http.StatusOK, "")
		if err := c.accepts(a); err != nil {
			t.Errorf("%s: %v in %s", what, err, a.body)
		}
		m, _ := a.members()
		if m["token_type"] != "Bearer" || m["me"] != jane || m["scope"] != c.scope {
			t.Errorf("%s: %s", what, a.body)
		}
		if _, there := m["refresh_token"]; there != expires || expires && !integer(m, "expires_in") {
			t.Errorf("%s: expires_in and refresh_token are wrong: %s", what, a.body)
		}
		h.live(a.text("access_token"))
	}
	bad := func(what, clientID, scope, code string) {
		a := ask(clientID, scope).want(t, http.StatusBadRequest, code)
		if err := c.accepts(a); !refused(err) {
			t.Errorf("%s: %v in %s", what, err, a.body)
		}
	}
	good("standard settings", true)
	h.set(func(st *grant.Settings) { st.IdleLifetime = 0 })
	good("idle_lifetime=never", false)
	h.set(func(st *grant.Settings) { st.IdleLifetime = standard().IdleLifetime })
	bad("another client's code", "https://other.example/", c.scope, "invalid_grant")
	bad("a code without scope", clientID, "", "invalid_scope")
}

const post = `
			POST /token HTTP/1.1
			Host: {{host}}
			Content-Type: application/x-www-form-urlencoded
			Content-Length: {{length}}
			`

// plain is the body that all send in some order.
const plain = `

			grant_type=authorization_code&code={{form code}}&client_id={{form client_id}}&redirect_uri={{form redirect_uri}}`

// The two styles of golang.org/x/oauth2.
const (
	c7Header = post + `Authorization: Basic {{base64 https%3A%2F%2Fapp.example%2F:}}
			User-Agent: Go-http-client/1.1

			code={{form code}}&code_verifier={{verifier}}&grant_type=authorization_code&redirect_uri={{form redirect_uri}}`
	c7Body = post + `User-Agent: Go-http-client/1.1

			client_id={{form client_id}}&code={{form code}}&code_verifier={{verifier}}&grant_type=authorization_code&redirect_uri={{form redirect_uri}}`
)

// has wants members that are non-empty strings, found by JSON, else form.
func has(names ...string) func(answer) error {
	return func(a answer) error { return missing(jsonElseForm(a.body), names...) }
}

// hasJSON wants them in JSON, whatever the status.
func hasJSON(names ...string) func(answer) error {
	return ifJSON(func(m map[string]any) error { return missing(m, names...) })
}

func if2xx(next func(answer) error) func(answer) error {
	return func(a answer) error { return first(status2xx(a), next(a)) }
}

// byType parses by the Content-Type alone; anything but JSON and form is fatal.
func byType(names ...string) func(answer) error {
	return func(a answer) error {
		switch media, _, _ := strings.Cut(a.header.Get("Content-Type"), ";"); media {
		case "application/json":
			return hasJSON(names...)(a)
		case "application/x-www-form-urlencoded":
			return missing(parseStr(a.body), names...)
		}
		return first(json.Unmarshal([]byte("neither"), new(any)))
	}
}

// sameHost compares the host of me with that of what the person entered.
func sameHost(a answer) error { return hostOnly(jsonElseForm(a.body)) }

func both(rules ...func(answer) error) func(answer) error {
	return func(a answer) error {
		for _, rule := range rules {
			if err := rule(a); err != nil {
				return err
			}
		}
		return nil
	}
}

// entered is indieauth-client-php's: me as entered, in its canonical form, or it
// has to discover again.
func entered(a answer) error { return exactly(jsonElseForm(a.body)) }

func clients() []client {
	const php = post + `Accept: application/json, application/x-www-form-urlencoded;q=0.8` + plain + `&code_verifier={{verifier}}`
	const asJSON = post + `Accept: application/json` + plain
	return []client{
		{row: "C1 indieauth-client-php 1.1.6", request: php, accepts: both(has("me"), entered)},
		{row: "C2 Quill", request: php, accepts: has("me", "access_token", "scope")},
		{row: "C3 Monocle, OwnYourSwarm", request: php, accepts: has("access_token")},
		{row: "C3 Aperture", request: php, scope: "read", accepts: has("me")},
		{row: "C4 micropub.rocks", request: post + `Accept: application/json, application/x-www-form-urlencoded;q=0.8` + plain + `&me={{form me}}`,
			accepts: both(has("access_token", "me"), sameHost)},
		{row: "C5 Micropublish", request: post + `Accept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3
			Accept: */*
			User-Agent: Ruby` + plain + `&code_verifier={{verifier}}`, accepts: if2xx(has("access_token", "scope", "me"))},
		{row: "C6 Indiekit", redirect: "https://app.example/session/auth?redirect=%2Fposts%2Fcreate", request: `
			POST /token?client_id={{form client_id}}&code={{form code}}&code_verifier={{verifier}}&grant_type=authorization_code&redirect_uri={{form redirect_uri}} HTTP/1.1
			Host: {{host}}
			Accept: application/json
			Content-Length: 0`, accepts: if2xx(hasJSON("access_token", "scope"))},
		{row: "C7 indielib, in the header", request: c7Header, accepts: goOAuth2},
		{row: "C7 indielib, in the body", request: c7Body, accepts: goOAuth2},
		{row: "C8 hawx/indieauth v1", request: asJSON + `&me={{form me}}`, accepts: both(ifOK(hasJSON("me", "scope")), typeJSON)},
		{row: "C8 hawx/indieauth v2", request: asJSON + `&code_verifier={{verifier}}`, accepts: both(ifOK(hasJSON("me", "scope")), typeJSON)},
		{row: "C9 ekster", request: asJSON + `&me={{form me}}`, accepts: ifOK(both(typeJSON, byType("access_token")))},
		{row: "C10 flask-micropub", request: post + `Accept: */*` + plain + `&me={{form me}}&state=s`, accepts: if2xx(has("access_token", "me", "scope"))},
		{row: "C11 indieauth-helper", request: post + `Accept: application/json, application/x-www-form-urlencoded` + plain + `&me={{form me}}&code_verifier={{verifier}}`,
			accepts: both(has("me", "scope", "access_token"), sameHost)},
		{row: "C12 micropub-helper (Omnibear)", request: `
			POST /token HTTP/1.1
			Host: {{host}}
			Accept: application/json
			Content-Type: application/x-www-form-urlencoded;charset=UTF-8
			Origin: moz-extension://0e1d
			Authorization: Bearer anOldTokenOfSomebody
			Content-Length: {{length}}` + plain + `&me={{form me}}&code_verifier={{verifier}}`, accepts: both(hasJSON("me", "scope", "access_token"), sameHost)},
		{row: "C13 Indigenous, IndiePass for Android", request: `
			POST /token HTTP/1.1
			Host: {{host}}
			Accept: application/json
			Content-Type: application/x-www-form-urlencoded; charset=UTF-8
			Content-Length: {{length}}` + plain + `&me={{form me}}&code_verifier={{verifier}}&`, accepts: has("access_token")},
		// The values as they are, with colons and slashes.
		{row: "C14 Indigenous for iOS", request: post + `Accept: application/json

			grant_type=authorization_code&code={{code}}&client_id={{client_id}}&redirect_uri={{redirect_uri}}&me={{me}}&state=A1`,
			accepts: ifOK(byType("access_token", "scope", "me"))},
		// The path is all it keeps of the URL, with or without the slash.
		{row: "C16 MicroIndieAuth", request: post + plain + `&me={{form me}}`, accepts: hasJSON("access_token", "scope", "me")},
		{row: "C16 MicroIndieAuth, with a slash", request: strings.Replace(post, "/token ", "/token/ ", 1) + plain + `&me={{form me}}`, accepts: hasJSON("access_token", "scope", "me")},
		{row: "C17 Micro.blog for iOS", request: post + `Accept: application/json
			Authorization: Bearer an external password` + plain + `&state=s&me={{form me}}`, accepts: hasJSON("access_token")},
		{row: "C18 Micro.blog, code encoded twice", request: post + `Accept: application/json

			grant_type=authorization_code&code={{twice code}}&client_id={{form client_id}}&redirect_uri={{form redirect_uri}}`, accepts: if2xx(hasJSON("access_token"))},
		{row: "C19 shpub", request: post + plain + `&me={{form me}}&state=s`, accepts: if2xx(byType("access_token"))},
		{row: "C20 tt-rss-micropub", request: post + plain + `&me={{form me}}`, accepts: func(a answer) error {
			if strings.HasPrefix(a.body, "{") {
				return hasJSON("access_token", "me", "scope")(a)
			}
			return missing(parseStr(a.body), "access_token", "me", "scope")
		}},
		{row: "C21 micropub-android", request: asJSON + `&me={{form me}}`, accepts: if2xx(hasJSON("access_token"))},
		{row: "C22 sparkles, obsidian-micropub", request: asJSON + `&code_verifier={{verifier}}`, accepts: hasJSON("access_token")},
		{row: "C22 micropub-mcp", request: asJSON + `&code_verifier={{verifier}}`, accepts: hasJSON("access_token", "me")},
		{row: "C23 wordpress-indieauth", request: asJSON + `&code_verifier={{verifier}}`, accepts: ifOK(hasJSON("me", "access_token"))},
		{row: "C24 indieweb-utils", request: asJSON + `&code_verifier={{verifier}}`, accepts: ifOK(ifJSON(func(m map[string]any) error { return first(missing(m, "me"), mayPost(m)) }))},
		{row: "C25 indieauth-authentication", request: `
			POST /token HTTP/1.1
			Host: {{host}}
			Accept: application/json, application/x-www-form-urlencoded
			Content-Type: application/x-www-form-urlencoded; charset=UTF-8
			Content-Length: {{length}}` + plain, accepts: both(byType("me"), func(a answer) error { return slashless(jsonElseForm(a.body)) })},
	}
}

// typeJSON wants the exact media type.
func typeJSON(a answer) error {
	if a.header.Get("Content-Type") != "application/json" {
		return refuse("Content-Type %s", a.header.Get("Content-Type"))
	}
	return nil
}

// goOAuth2 is golang.org/x/oauth2, and indielib's look at me.
func goOAuth2(a answer) error {
	if err := status2xx(a); err != nil {
		return err
	}
	switch media, _, _ := strings.Cut(a.header.Get("Content-Type"), ";"); media {
	case "application/x-www-form-urlencoded", "text/plain":
		v, err := url.ParseQuery(a.body)
		return first(err, missing(map[string]any{"access_token": v.Get("access_token"), "me": v.Get("me")}, "access_token", "me"))
	}
	var token struct {
		AccessToken string      `json:"access_token"`
		TokenType   string      `json:"token_type"`
		Refresh     string      `json:"refresh_token"`
		ExpiresIn   json.Number `json:"expires_in"`
		Me          string      `json:"me"`
	}
	if err := json.Unmarshal([]byte(a.body), &token); err != nil {
		return err
	}
	return missing(map[string]any{"access_token": token.AccessToken, "me": token.Me}, "access_token", "me")
}

// TestC7SendsTheCodeTwice: whatever goes wrong in the first style, x/oauth2 sends
// the same code again in the second, at once. Under standard settings.
func TestC7SendsTheCodeTwice(t *testing.T) {
	h := newHouse(t)
	send := func(style, code string) answer {
		v := values(code)
		v["verifier"] = strings.Repeat("v", 43)
		return h.send(style, v)
	}
	code := h.code()
	h.selfauth.Fault = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	send(c7Header, code).want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	h.selfauth.Fault = nil
	a := send(c7Body, code).want(t, http.StatusOK, "")
	if err := goOAuth2(a); err != nil {
		t.Error(err)
	}
	h.live(h.plant(a.text("access_token")))

	// A real error stays the same in the second style.
	other := h.selfauth.Code("https://other.example/", redirectURI, scope)
	send(c7Header, other).want(t, http.StatusBadRequest, "invalid_grant")
	send(c7Body, other).want(t, http.StatusBadRequest, "invalid_grant")
}

// TestC12Preflight: in a browser, the extension asks first.
func TestC12Preflight(t *testing.T) {
	h := newHouse(t)
	a := h.send(`
		OPTIONS /token HTTP/1.1
		Host: {{host}}
		Origin: moz-extension://0e1d
		Access-Control-Request-Method: POST
		Access-Control-Request-Headers: authorization,content-type`, nil)
	allowed := strings.ToLower(a.header.Get("Access-Control-Allow-Headers"))
	if a.status != http.StatusNoContent || !strings.Contains(allowed, "authorization") || !strings.Contains(allowed, "content-type") ||
		!strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "POST") {
		t.Errorf("%+v", a)
	}
}

// TestC1Old: indieauth-client-php up to 0.1.14 sends no grant_type (R20); it is
// told so.
func TestC1Old(t *testing.T) {
	h := newHouse(t)
	a := h.send(post+`Accept: */*

		me={{form me}}&code={{form code}}&redirect_uri={{form redirect_uri}}&client_id={{form client_id}}&state=s`, c15(h)).
		want(t, http.StatusBadRequest, "invalid_request")
	if !strings.Contains(a.text("error_description"), "grant_type") {
		t.Error(a.body)
	}
}
