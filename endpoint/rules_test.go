package endpoint_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mintkeep/endpoint/grant"
)

// The rules R1 to R36 of the wire that one endpoint can show by itself. R1, R3
// and R7 are in every test of the G rows, R6 and R29 in what helpers_test.go
// finds decent; R11 is the program's, R34 and R36 are the README's.

// TestR2Format: what a GET verification is answered in.
func TestR2Format(t *testing.T) {
	h := newHouse(t)
	token, _ := h.login()
	for _, c := range []struct{ accept, contentType, standard, want string }{
		{"application/json", "", "form", "json"},
		{"application/json;q=0.1, */*", "", "form", "json"},
		{"APPLICATION/JSON", "", "form", "json"},
		{"application/json, application/x-www-form-urlencoded;q=0.8", "", "form", "json"},
		{"application/x-www-form-urlencoded, application/json", "", "form", "json"},
		{"application/json;q=0.5, application/x-www-form-urlencoded", "", "json", "form"},
		{"application/json;q=0, application/x-www-form-urlencoded", "", "json", "form"},
		{"application/x-www-form-urlencoded", "", "json", "form"},
		{"application/x-www-form-urlencoded;q=0", "", "json", "json"},
		{"application/json", "application/x-www-form-urlencoded", "form", "json"},
		{"", "application/x-www-form-urlencoded", "json", "form"},
		{"*/*", "application/x-www-form-urlencoded; charset=UTF-8", "json", "form"},
		{"*/*", "application/json", "form", "form"},
		{"", "", "json", "json"}, {"*/*", "", "json", "json"}, {"text/html", "", "json", "json"},
		{"", "", "form", "form"}, {"*/*", "", "form", "form"},
	} {
		h.set(func(st *grant.Settings) { st.DefaultForm = c.standard == "form" })
		raw := "GET /token HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {{token}}\r\n"
		if c.accept != "" {
			raw += "Accept: " + c.accept + "\r\n"
		}
		if c.contentType != "" {
			raw += "Content-Type: " + c.contentType + "\r\n"
		}
		for bearer, status := range map[string]int{token: 200, "x": 401, "": 401} {
			got := h.sendRaw(strings.Replace(raw, "{{token}}", bearer, 1) + "\r\n")
			if !strings.Contains(got.header.Get("Content-Type"), c.want) || got.status != status {
				t.Errorf("%+v: %d %s", c, got.status, got.header.Get("Content-Type"))
			}
		}
	}
}

// TestR4Fields: what a verification says, and nothing else.
func TestR4Fields(t *testing.T) {
	h := newHouse(t)
	token, _ := h.login()
	m, _ := h.verify(token).members()
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range m {
			if !yield(name) {
				return
			}
		}
	})
	if got := strings.Join(names, " "); got != "client_id exp issued_at me nonce scope" {
		t.Error(got)
	}
	if !integer(m, "issued_at") || !integer(m, "nonce") || !integer(m, "exp") || m["client_id"] != clientID || m["scope"] != scope || m["me"] != jane {
		t.Error(m)
	}
	if again, _ := h.verify(token).members(); again["nonce"] != m["nonce"] || again["issued_at"] != m["issued_at"] {
		t.Error("nonce or issued_at changed:", again)
	}
	h.set(func(st *grant.Settings) { st.IdleLifetime = 0 })
	if m, _ := h.verify(token).members(); m["exp"] != nil {
		t.Error("exp, though nothing expires:", m)
	}
}

// TestR5CanonicalMe: what was typed at Selfauth's set-up, and what resource
// servers compare with.
func TestR5CanonicalMe(t *testing.T) {
	h := newHouse(t)
	for typed, want := range map[string]string{
		"https://jane.example":          "https://jane.example/",
		"https://jane.example/":         "https://jane.example/",
		"HTTPS://Jane.Example":          "https://jane.example/",
		"http://jane.example":           "http://jane.example/",
		"https://jane.example/~Jane":    "https://jane.example/~Jane",
		"https://jane.example/Jane/":    "https://jane.example/Jane/",
		"https://Jane.example:8443":     "https://jane.example:8443/",
		"https://jane.example?user=J":   "https://jane.example/?user=J",
		"https://jane.example/%7Ejane/": "https://jane.example/~jane/", // case C1, the same spelt differently
	} {
		h.selfauth.Me = typed
		a := h.redeem(h.code()).want(t, http.StatusOK, "")
		if a.text("me") != want || h.verify(a.text("access_token")).text("me") != want {
			t.Errorf("%s became %s", typed, a.text("me"))
		}
	}
}

// TestR8NoRedirect: spellings of the URL that web servers and clients make.
func TestR8NoRedirect(t *testing.T) {
	h := newHouse(t)
	token, _ := h.login()
	for _, target := range []string{"/token", "/token/", "//token", "/token//", "/./token", "/other/place.cgi", "/"} {
		for _, method := range []string{"GET", "HEAD"} {
			a := h.sendRaw(method + " " + target + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n\r\n")
			if a.status != http.StatusOK || method == "HEAD" && a.body != "" {
				t.Errorf("%s %s: %d %q", method, target, a.status, a.body)
			}
		}
	}
	for _, target := range []string{"/token/nothing", "/token/introspect/more"} {
		if a := h.sendRaw("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n"); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", target, a.status)
		}
	}
	for _, target := range []string{"/token/revoke", "/token/revoke/", "/elsewhere/revoke"} {
		h.sendRaw("POST "+target+" HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\ntoken=x").want(t, http.StatusOK, "")
	}
}

// TestR9NoNetwork: a verification asks nobody.
func TestR9NoNetwork(t *testing.T) {
	h := newHouse(t)
	token, _ := h.login()
	before := h.selfauth.Checks.Load()
	h.live(token)
	h.dead(mangle(token))
	if h.selfauth.Checks.Load() != before {
		t.Error("the authorization endpoint was asked")
	}
}

// TestR10LenientBearer: the header is read leniently, the token exactly.
func TestR10LenientBearer(t *testing.T) {
	h := newHouse(t)
	token, _ := h.login()
	send := func(header string) answer {
		return h.sendRaw("GET /token HTTP/1.1\r\nHost: x\r\nAuthorization: " + header + "\r\n\r\n")
	}
	for _, before := range []string{"Bearer ", "bearer ", "BEARER ", "bEaReR ", "Bearer  ", "Bearer\t", "  Bearer ", "Bearer: ", "bearer: ", "Bearer:"} {
		send(before+token).want(t, http.StatusOK, "")
		send(before+token+"  ").want(t, http.StatusOK, "")
		send(before+mangle(token)).want(t, http.StatusUnauthorized, "invalid_token")
	}
	for _, header := range []string{"Bearer " + strings.ToLower(token), "Bearer " + token + "x", "Bearer \"" + token + "\"", "Bearer " + token + " " + token,
		"Bearer " + token + ", Bearer " + token, "Bearer:: " + token} {
		send(header).want(t, http.StatusUnauthorized, "invalid_token")
	}
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer:", token, "Token " + token, "Bearer" + token, "Basic " + token, "Basic"} {
		a := send(header).want(t, http.StatusUnauthorized, "invalid_request")
		if a.header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%q: %s", header, a.header.Get("WWW-Authenticate"))
		}
	}
	h.sendRaw("GET /token HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token+"\r\nAuthorization: Bearer "+token+"\r\n\r\n").
		want(t, http.StatusBadRequest, "invalid_request")
}

// TestR11Stripped: who has no Authorization header is told if the web server in
// between is one that removes it.
func TestR11Stripped(t *testing.T) {
	h := newHouse(t)
	h.HeaderHint = func(*http.Request) string { return "your web server removes the Authorization header" }
	get := func(more string) answer {
		return h.sendRaw("GET /token HTTP/1.1\r\nHost: x\r\n"+more+"\r\n").want(t, http.StatusUnauthorized, "invalid_request")
	}
	if a := get(""); !strings.Contains(a.text("error_description"), "removes") {
		t.Error(a.body)
	}
	if a := get("Authorization: Basic eA==\r\n"); strings.Contains(a.text("error_description"), "removes") {
		t.Error(a.body)
	}
}

// TestR12Tokens are short and need no encoding anywhere.
func TestR12Tokens(t *testing.T) {
	h := newHouse(t)
	access, refresh := h.login()
	if !regexp.MustCompile(`^mka_[0-9A-Za-z]{43,60}$`).MatchString(access) || !regexp.MustCompile(`^mkr_[0-9A-Za-z]{43,60}$`).MatchString(refresh) {
		t.Error("a token has another form than promised")
	}
}

// TestR13NotInTheQuery: a GET takes no token from its URL.
func TestR13NotInTheQuery(t *testing.T) {
	h := newHouse(t)
	token, _ := h.login()
	for _, name := range []string{"access_token", "token"} {
		h.sendRaw("GET /token?"+name+"="+token+" HTTP/1.1\r\nHost: x\r\n\r\n").want(t, http.StatusUnauthorized, "invalid_request")
	}
}

// TestR14SeparateURLs: `POST token=…` means something else at each of the three.
func TestR14SeparateURLs(t *testing.T) {
	h := newHouse(t)
	token, _ := h.login()
	send := func(path string) answer {
		return h.send(`
			POST `+path+` HTTP/1.1
			Host: {{host}}
			Authorization: Bearer {{token}}
			Content-Type: application/x-www-form-urlencoded
			Content-Length: {{length}}

			token={{token}}`, map[string]string{"token": token}).want(t, http.StatusOK, "")
	}
	for _, path := range []string{"/token", "/token/introspect", "/token"} {
		if m, _ := send(path).members(); m["active"] != true {
			t.Error(path, m)
		}
	}
	h.live(token)
	send("/token/revoke")
	h.dead(token)
}

// TestR16Authorization: what does not authorize an introspection.
func TestR16Authorization(t *testing.T) {
	h := newHouse(t)
	token, _ := h.login()
	other, refresh := h.login()
	secret := h.server(t, "rs")
	removed := h.server(t, "gone")
	if err := h.Grants.RemoveServer(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	send := func(header, more string) answer {
		return h.send(`
			POST /token/introspect HTTP/1.1
			Host: {{host}}
			`+header+`X-Nothing: 1
			Content-Length: {{length}}

			token={{token}}`+more, map[string]string{"token": token, "secret": secret, "removed": removed})
	}
	for header, more := range map[string]string{
		"":                                      "",
		"Authorization: Bearer " + other + "\n": "",
		"Authorization: Bearer " + refresh + "\n":              "",
		"Authorization: Bearer {{removed}}\n":                  "",
		"Authorization: Basic {{base64 gone:{{removed}}}}\n":   "",
		"Authorization: Basic {{base64 another:{{secret}}}}\n": "",
		"Authorization: Basic {{base64 rs:}}\n":                "",
		"Authorization: Basic {{base64 rs:{{token}}}}\n":       "",
		"X-A: 1\n": "&client_id=rs",
		"X-B: 1\n": "&client_id=another&client_secret={{secret}}",
		"X-C: 1\n": "&client_secret={{secret}}",
		"X-D: 1\n": "&client_id=rs&client_secret={{removed}}",
		"Authorization: Basic {{base64 https%3A%2F%2Fapp.example%2F:}}\n": "",
	} {
		if a := send(header, more); a.status != http.StatusUnauthorized || a.text("error") != "invalid_client" {
			t.Errorf("%q %q: %d %s", header, more, a.status, a.body)
		}
	}
	send("Authorization: Basic {{base64 rs:{{secret}}}}\n", "").want(t, http.StatusOK, "")
	if list, err := h.Grants.Servers(t.Context()); err != nil || len(list) != 1 || list[0].LastUse.IsZero() {
		t.Errorf("%v %v: the last use is not seen", list, err)
	}
}

// TestR17Introspection is JSON whatever Accept says, with booleans and integers.
func TestR17Introspection(t *testing.T) {
	h := newHouse(t)
	h.set(func(st *grant.Settings) { st.DefaultForm = true })
	token, _ := h.login()
	for _, accept := range []string{"*/*", "application/x-www-form-urlencoded", "application/jwt"} {
		a := h.send(`
			POST /token/introspect HTTP/1.1
			Host: {{host}}
			Accept: `+accept+`
			Authorization: Bearer {{token}}
			Content-Type: application/x-www-form-urlencoded
			Content-Length: {{length}}

			token={{token}}`, map[string]string{"token": token}).want(t, http.StatusOK, "")
		m, err := decodeJSON(a.body)
		if err != nil {
			t.Fatal(err)
		}
		if m["active"] != true || m["sub"] != jane || m["me"] != jane || m["client_id"] != clientID || m["scope"] != scope ||
			m["token_type"] != "Bearer" || m["iss"] != h.URL || str(m, "jti") == "" || !integer(m, "exp") || !integer(m, "iat") {
			t.Error(a.body)
		}
	}
}

// TestR30CORS: every address for programs, also when it fails.
func TestR30CORS(t *testing.T) {
	h := newHouse(t)
	for path, allow := range map[string]string{
		"/token": "GET, HEAD, POST, OPTIONS", "/token/introspect": "POST, OPTIONS", "/token/revoke": "POST, OPTIONS", "/token/metadata": "GET, HEAD, OPTIONS",
	} {
		a := h.sendRaw("OPTIONS " + path + " HTTP/1.1\r\nHost: x\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n\r\n")
		if a.status != http.StatusNoContent || a.body != "" || a.header.Get("Allow") != allow || a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %+v", path, a)
		}
		for _, name := range []string{"Authorization", "Content-Type", "Accept"} {
			if !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), name) {
				t.Errorf("%s: %s is not allowed", path, name)
			}
		}
		if a.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: credentials are allowed", path)
		}
	}
}

// TestR31Revocation: 200 whatever the token is, and no authentication.
func TestR31Revocation(t *testing.T) {
	h := newHouse(t)
	token, _ := h.login()
	for _, path := range []string{"/token", "/token/revoke"} {
		for _, body := range []string{"token=x", "token=%00%0a%ff", "token=+", "token=%zz", "token=" + strings.Repeat("x", 60000), "token=mka_&token_type_hint=nonsense",
			"token=x&client_id=https%3A%2F%2Fother.example%2F", "token=x&revocation_reason=a&revocation_reason=b"} {
			h.send(strings.Replace(post, "/token ", path+" ", 1)+"Authorization: Basic {{base64 https%3A%2F%2Fother.example%2F:}}\n\naction=revoke&"+body, nil).want(t, http.StatusOK, "")
		}
	}
	h.send(strings.Replace(post, "/token ", "/token/revoke ", 1)+"\n\nx=1", nil).want(t, http.StatusBadRequest, "invalid_request")
	h.send("POST /token/revoke?token={{token}} HTTP/1.1\nHost: x\nContent-Length: 0\n\n", map[string]string{"token": token}).want(t, http.StatusOK, "")
	h.dead(token)
}

// TestR35Metadata: none before the front can keep what it promises.
func TestR35Metadata(t *testing.T) {
	h := newHouse(t)
	page := func() string {
		return h.sendRaw("GET /token HTTP/1.1\r\nHost: x\r\nAccept: text/html,application/xhtml+xml,*/*;q=0.8\r\n\r\n").body
	}
	h.set(func(st *grant.Settings) { st.Endpoints = nil })
	h.sendRaw("GET /token/metadata HTTP/1.1\r\nHost: x\r\n\r\n").want(t, http.StatusNotFound, "invalid_request")
	if strings.Contains(page(), "indieauth-metadata") {
		t.Error(page())
	}
	h.set(func(st *grant.Settings) { st.Endpoints = []string{h.auth} })
	url := h.URL
	h.setURL("")
	h.sendRaw("GET /token/metadata HTTP/1.1\r\nHost: x\r\n\r\n").want(t, http.StatusNotFound, "invalid_request")
	if strings.Contains(page(), "indieauth-metadata") {
		t.Error(page())
	}
	h.setURL(url)
	for _, want := range []string{"indieauth-metadata", url + "/metadata", "authorization_endpoint", url + "/authorize", "token_endpoint"} {
		if !strings.Contains(page(), want) {
			t.Errorf("no %q in %s", want, page())
		}
	}
}
