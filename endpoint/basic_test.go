package endpoint_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestR25BasicNotEncoded: a client_id stands in Basic as it is, colons and all, in what
// requests-oauthlib, Ruby's oauth2 and simple-oauth2 (loose) send.
func TestR25BasicNotEncoded(t *testing.T) {
	h := newHouse(t)
	const body = "\n\ngrant_type=authorization_code&code={{form code}}&redirect_uri={{form redirect_uri}}"
	for credentials, client := range map[string]string{
		"https://app.example/:":        clientID,
		"https://app.example/:x":       clientID, // simple-oauth2 wants a secret
		"https://app.example:8443/:":   "https://app.example:8443/",
		"http://127.0.0.1:8080/:":      "http://127.0.0.1:8080/",
		"https://app.example/a%41+b:":  "https://app.example/a%41+b",
		"http://[::1]:8080/app?x=y:z:": "http://[::1]:8080/app?x=y:z",
	} {
		for _, more := range []string{"", "&client_id={{form client_id}}"} {
			v := values("")
			h.clock.pass(1e9)
			v["client_id"], v["code"] = client, h.plant(h.selfauth.Code(client, redirectURI, scope))
			a := h.send(post+"Authorization: Basic {{base64 "+credentials+"}}"+body+more, v).want(t, http.StatusOK, "")
			if got := h.verify(h.plant(a.text("access_token"))).text("client_id"); got != client {
				t.Errorf("%s: the client is %q", credentials, got)
			}
			h.plant(a.text("refresh_token"))
		}
	}
	for credentials, code := range map[string]string{"https://other.example/:": "invalid_request", "https://app.example/": "invalid_request", "https:": "invalid_request"} {
		h.send(post+"Authorization: Basic {{base64 "+credentials+"}}"+body+"&client_id={{form client_id}}", values(h.code())).want(t, http.StatusBadRequest, code)
	}
}

// TestR11StrippedElsewhere: introspection and redemption need the header too, and say
// when the web server in between may have removed it.
func TestR11StrippedElsewhere(t *testing.T) {
	h := newHouse(t)
	h.HeaderHint = func(*http.Request) string { return "your web server removes the Authorization header" }
	token, _ := h.login()
	const noClient = "grant_type=authorization_code&code=x&redirect_uri=x"
	for _, c := range []struct {
		header, body, says string
		status             int
	}{
		{"", "action=introspect&token={{token}}", "your web server removes the Authorization header", 401},
		{"", "token={{token}}", "your web server removes the Authorization header", 401},
		{"", "token={{token}}&client_id=rs&client_secret=wrong", "introspection needs a resource server's name", 401},
		{"Authorization: Basic {{base64 rs:wrong}}", "token={{token}}", "introspection needs a resource server's name", 401},
		{"", noClient, "the parameter client_id is missing; your web server removes the Authorization header", 400},
		{"Authorization: Bearer x", noClient, "the parameter client_id is missing", 400},
	} {
		a := h.send(post+c.header+"\n\n"+c.body, map[string]string{"token": token})
		if said := a.text("error_description"); a.status != c.status || !strings.HasPrefix(said, c.says) || c.header != "" && strings.Contains(said, "removes") {
			t.Errorf("%q with %q: %d %s", c.body, c.header, a.status, a.body)
		}
	}
}
