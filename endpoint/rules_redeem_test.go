package endpoint_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"mintkeep/endpoint"
	"mintkeep/endpoint/grant"
)

// Rules R18 to R28: redemption.

// TestR18Parameters: where they may stand, and how.
func TestR18Parameters(t *testing.T) {
	h := newHouse(t)
	const body = `grant_type=authorization_code&code={{form code}}&client_id={{form client_id}}&redirect_uri={{form redirect_uri}}`
	for name, request := range map[string]string{
		"query, no Content-Length":     "POST /token?" + body + " HTTP/1.1\nHost: x\n\n",
		"query, Content-Length 0":      "POST /token?" + body + " HTTP/1.1\nHost: x\nContent-Length: 0\n\n",
		"query, empty chunked body":    "POST /token?" + body + " HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n",
		"query, form type":             "POST /token?" + body + " HTTP/1.1\nHost: x\nContent-Type: application/x-www-form-urlencoded\n\n",
		"query, JSON type":             "POST /token?" + body + " HTTP/1.1\nHost: x\nContent-Type: application/json\nContent-Length: 0\n\n",
		"body, no type":                "POST /token HTTP/1.1\nHost: x\nContent-Length: {{length}}\n\n" + body,
		"body, charset":                "POST /token HTTP/1.1\nHost: x\nContent-Type: application/x-www-form-urlencoded;charset=utf-8\nContent-Length: {{length}}\n\n" + body,
		"body, odd charset, odd case":  "POST /token HTTP/1.1\nHost: x\nContent-Type: Application/X-WWW-Form-URLEncoded; Charset=\"UTF-8\"\nContent-Length: {{length}}\n\n" + body,
		"body, a semicolon too much":   "POST /token HTTP/1.1\nHost: x\nContent-Type: application/x-www-form-urlencoded;\nContent-Length: {{length}}\n\n" + body,
		"body, & at the end":           "POST /token HTTP/1.1\nHost: x\nContent-Length: {{length}}\n\n" + body + "&",
		"body, unknown parameters":     "POST /token HTTP/1.1\nHost: x\nContent-Length: {{length}}\n\n" + body + "&me=https%3A%2F%2Fa&me=b&state=%ff&resource=1&resource=2&x=%00&%zz=%zz",
		"body, empty ones count not":   "POST /token HTTP/1.1\nHost: x\nContent-Length: {{length}}\n\ncode=&client_secret=&" + body + "&code_verifier=&code=",
		"body and query":               "POST /token?code=another&token=x&action=revoke HTTP/1.1\nHost: x\nContent-Length: {{length}}\n\n" + body,
		"body, chunked":                "POST /token HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n",
		"body, scope of the client's":  "POST /token HTTP/1.1\nHost: x\nContent-Length: {{length}}\n\n" + body + "&scope=delete",
		"body, percent in small print": "POST /token HTTP/1.1\nHost: x\nContent-Length: {{length}}\n\n" + strings.ReplaceAll(body, "grant_type", "grant%5ftype"),
	} {
		v := values(h.code())
		raw := h.wire(request, v)
		switch name {
		case "query, empty chunked body":
			raw += "0\r\n\r\n"
		case "body, chunked":
			content := h.wireBody(v["code"])
			raw += fmt.Sprintf("5\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", content[:5], len(content)-5, content[5:])
		}
		a := h.sendRaw(raw)
		if a.status != http.StatusOK || a.text("scope") != scope {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

// TestR19MeIsNotAsked: neither there nor another one matters.
func TestR19MeIsNotAsked(t *testing.T) {
	h := newHouse(t)
	for _, target := range []string{"/token", "/token?me=https%3A%2F%2Fevil.example%2F"} {
		a := h.send(strings.Replace(redeemText, "/token", target, 1)+"&me=https%3A%2F%2Fother.example%2F", values(h.code())).want(t, http.StatusOK, "")
		if a.text("me") != jane {
			t.Error(a.body)
		}
	}
}

// TestR20GrantType: what is missing or strange is named as such.
func TestR20GrantType(t *testing.T) {
	h := newHouse(t)
	for body, code := range map[string]string{
		"code=x&client_id=x&redirect_uri=x":                "invalid_request",
		"grant_type=&code=x":                               "invalid_request",
		"x=1":                                              "invalid_request",
		"action=destroy&token=x":                           "invalid_request",
		"action=revoke":                                    "invalid_request",
		"grant_type=authorization_code":                    "invalid_request",
		"grant_type=authorization_code&code=x":             "invalid_request",
		"grant_type=authorization_code&code=x&client_id=x": "invalid_request",
		"grant_type=refresh_token":                         "invalid_request",
		"grant_type=password&username=x":                   "unsupported_grant_type",
		"grant_type=client_credentials":                    "unsupported_grant_type",
		"grant_type=Authorization_Code&code=x":             "unsupported_grant_type",
	} {
		a := h.send(post+"\n\n"+body, nil)
		if a.status != http.StatusBadRequest || a.text("error") != code {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if h.selfauth.Checks.Load() != 0 {
		t.Error("the authorization endpoint was asked")
	}
}

// heard collects what the authorization endpoint is sent.
func (h *house) heard() func() url.Values {
	var mu sync.Mutex
	var last url.Values
	h.selfauth.Fault = func(_ http.ResponseWriter, r *http.Request) bool {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		last, _ = url.ParseQuery(string(b))
		r.Body = io.NopCloser(strings.NewReader(string(b)))
		return false
	}
	return func() url.Values { mu.Lock(); defer mu.Unlock(); return last }
}

// TestR21Unchanged: what the client sent reaches the authorization endpoint
// byte for byte, for it signed exactly that.
func TestR21Unchanged(t *testing.T) {
	h := newHouse(t)
	heard := h.heard()
	for _, c := range []struct{ clientID, redirectURI string }{
		{"https://app.example", "https://app.example"},
		{"https://app.example/", "https://app.example/"},
		{"https://App.Example:443/x/../y/", "https://APP.example/%7ecb?b=2&a=1&a=%20#f"},
		{"https://app.example/?q=a+b%2Bc", "https://app.example/cb?x=a+b%26c"},
		{"https://app.example//", "app://cb?é=ü"},
	} {
		h.code() // moves the clock
		v := values(h.selfauth.Code(c.clientID, c.redirectURI, scope))
		v["client_id"], v["redirect_uri"] = c.clientID, c.redirectURI
		a := h.send(redeemText+"&code_verifier=a-._~Z&me=x&state=y", v)
		got := heard()
		if got.Get("code") != v["code"] || got.Get("client_id") != c.clientID || got.Get("redirect_uri") != c.redirectURI ||
			got.Get("code_verifier") != "a-._~Z" || got.Get("grant_type") != "authorization_code" || len(got) != 5 {
			t.Errorf("%+v became %v", c, got)
		}
		if !strings.HasPrefix(c.redirectURI, "app:") && !strings.Contains(c.redirectURI, "#") && a.status != http.StatusOK {
			t.Errorf("%+v: %s", c, a.body)
		}
		if a.status == http.StatusOK && h.verify(a.text("access_token")).text("client_id") != c.clientID {
			t.Errorf("%+v: the token has another client_id", c)
		}
	}
}

// TestR21TrailingSlash: a slash more or less is another client, and Selfauth's
// no comes through.
func TestR21TrailingSlash(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct{ clientID, redirectURI string }{
		{strings.TrimSuffix(clientID, "/"), redirectURI}, {clientID, redirectURI + "/"}, {"https://APP.example/", redirectURI},
	} {
		v := values(h.code())
		v["client_id"], v["redirect_uri"] = c.clientID, c.redirectURI
		h.send(redeemText, v).want(t, http.StatusBadRequest, "invalid_grant")
	}
}

// TestR22DoubleEncoded: a code that arrives still encoded is decoded once more,
// and only then.
func TestR22DoubleEncoded(t *testing.T) {
	h := newHouse(t)
	heard := h.heard()
	for _, change := range []func(string) string{
		func(code string) string { return strings.ReplaceAll(code, ":", "%3A") },
		func(code string) string { return strings.ReplaceAll(code, ":", "%3a") },
		func(code string) string { return url.QueryEscape(code + "=") },
	} {
		h.redeem(change(h.code())).want(t, http.StatusOK, "")
	}
	for code, want := range map[string]string{
		"a%3Ab": "a:b", "a%253Ab": "a%253Ab", "a:b%3Ac": "a:b%3Ac", "a%41b": "a%41b", "a%3Ab%zz": "a%3Ab%zz", "a+b": "a+b",
	} {
		h.redeem(code).want(t, http.StatusBadRequest, "invalid_grant")
		if got := heard().Get("code"); got != want {
			t.Errorf("%s became %s", code, got)
		}
	}
}

// TestR24Spellings: Selfauth confirms many spellings of one code; each is a replay.
func TestR24Spellings(t *testing.T) {
	h := newHouse(t)
	spellings := map[string]func(string) string{
		"a zero before":       func(c string) string { return "0" + c },
		"= behind":            func(c string) string { return c + "=" },
		"! behind":            func(c string) string { return c + "!" },
		"a dot in part three": func(c string) string { i := strings.LastIndex(c, ":") + 1; return c[:i] + "." + c[i:] },
		"the other alphabet":  func(c string) string { return c + "\u00e9" },
		"encoded twice":       func(c string) string { return strings.ReplaceAll(c, ":", "%3A") },
		"as it was":           func(c string) string { return c },
	}
	for name, spell := range spellings {
		t.Run(name, func(t *testing.T) {
			h.t = t
			code := h.code()
			respelled := spell(code)
			a := h.redeem(respelled).want(t, http.StatusOK, "") // Selfauth takes it, so the test is worth something
			h.live(a.text("access_token"))
			asked := h.selfauth.Checks.Load()
			h.redeem(code).want(t, http.StatusBadRequest, "invalid_grant")
			if h.selfauth.Checks.Load() != asked {
				t.Error("a replay was asked about")
			}
			h.dead(a.text("access_token"))
			h.refresh(a.text("refresh_token")).want(t, http.StatusBadRequest, "invalid_grant")
			h.redeem(respelled).want(t, http.StatusBadRequest, "invalid_grant")
		})
	}
	h.t = t
	if n := h.events("replay"); n != 2*len(spellings) {
		t.Errorf("%d events replay", n)
	}
}

// TestR24BurnedOnlyWhenConfirmed: a failure leaves the code as it was.
func TestR24BurnedOnlyWhenConfirmed(t *testing.T) {
	h := newHouse(t)
	code := h.code()
	wrong := values(code)
	wrong["redirect_uri"] = "https://app.example/elsewhere"
	h.send(redeemText, wrong).want(t, http.StatusBadRequest, "invalid_grant")
	h.set(func(st *grant.Settings) { st.Me = []string{"https://joan.example/"} })
	h.redeem(code).want(t, http.StatusBadRequest, "invalid_grant")
	h.set(func(st *grant.Settings) { st.Me = []string{jane} })
	h.selfauth.Fault = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusInternalServerError)
		return true
	}
	h.redeem(code).want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	h.selfauth.Fault = nil
	h.redeem(code).want(t, http.StatusOK, "")
}

// TestR24Race: of many who redeem one code at once, in several processes, none
// has a token that lives on, and no more than one was given one at all.
func TestR24Race(t *testing.T) {
	h := newHouse(t)
	servers := []*endpoint.Handler{h.Handler, h.serverOn(openFile(t, h.file, "_busy_timeout=8000")), h.serverOn(openFile(t, h.file, "_busy_timeout=8000"))}
	code := h.code()
	answers := make([]answer, 12)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = direct(servers[i%len(servers)], "POST", h.wireBody(code)) })
	}
	wg.Wait()
	given := 0
	for _, a := range answers {
		switch {
		case a.status == http.StatusOK:
			given++
			h.dead(h.plant(a.text("access_token")))
			h.refresh(h.plant(a.text("refresh_token"))).want(t, http.StatusBadRequest, "invalid_grant")
		case a.text("error") != "invalid_grant":
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if given != 1 {
		t.Errorf("%d were given tokens", given)
	}
}

// TestR24Memory: a code is remembered for 24 hours, however long its endpoint
// goes on confirming it.
func TestR24Memory(t *testing.T) {
	h := newHouse(t)
	h.selfauth.Fault = says(http.StatusOK, "application/json", `{"me":"https://jane.example/","scope":"create"}`)
	h.redeem("abcdef").want(t, http.StatusOK, "")
	h.clock.pass(24*time.Hour - time.Second)
	h.redeem("abcdef").want(t, http.StatusBadRequest, "invalid_grant")
	h.clock.pass(time.Second)
	h.redeem("abcdef").want(t, http.StatusOK, "")
}

// TestR25Basic: Basic with an empty secret is a way to say one's client_id.
func TestR25Basic(t *testing.T) {
	h := newHouse(t)
	const body = "\n\ngrant_type=authorization_code&code={{form code}}&redirect_uri={{form redirect_uri}}"
	for header, want := range map[string]string{
		"Authorization: Basic {{base64 https%3A%2F%2Fapp.example%2F:}}":    "",
		"authorization: basic {{base64 https%3a%2f%2fapp.example%2f:}}":    "",
		"Authorization: Basic {{base64 https%3A%2F%2Fapp%2Eexample%2F:x}}": "",
		"Authorization: Basic {{base64 https%3A%2F%2Fother.example%2F:}}":  "invalid_grant",
		"Authorization: Basic {{base64 :}}":                                "invalid_request",
		"Authorization: Bearer whatever":                                   "invalid_request",
		"Authorization: Basic ???":                                         "invalid_request",
	} {
		a := h.send(post+header+body, values(h.code()))
		if a.text("error") != want {
			t.Errorf("%s: %d %s", header, a.status, a.body)
		}
	}
	for header, want := range map[string]string{
		"Authorization: Basic {{base64 https%3A%2F%2Fapp.example%2F:}}":   "",
		"Authorization: Basic {{base64 :}}":                               "",
		"Authorization: Bearer whatever":                                  "",
		"Authorization: Bearer":                                           "",
		"Authorization: Basic {{base64 https%3A%2F%2Fother.example%2F:}}": "invalid_request",
	} {
		a := h.send(post+header+body+"&client_id={{form client_id}}", values(h.code()))
		if a.text("error") != want || a.status == http.StatusUnauthorized {
			t.Errorf("with client_id, %s: %d %s", header, a.status, a.body)
		}
	}
}

// TestR27Form: tokens come as a form only to those who ask for that and not for JSON.
func TestR27Form(t *testing.T) {
	h := newHouse(t)
	for accept, want := range map[string]string{
		"":                                  "application/json",
		"*/*":                               "application/json",
		"application/x-www-form-urlencoded": "application/x-www-form-urlencoded",
		"application/x-www-form-urlencoded, */*;q=0.1":              "application/x-www-form-urlencoded",
		"application/x-www-form-urlencoded, application/json;q=0":   "application/x-www-form-urlencoded",
		"application/x-www-form-urlencoded, application/json;q=0.1": "application/json",
		"text/html": "application/json",
	} {
		header := ""
		if accept != "" {
			header = "Accept: " + accept
		}
		for range 2 {
			a := h.send(post+header+plain, values(h.code())).want(t, http.StatusOK, "")
			if a.header.Get("Content-Type") != want || missing(jsonElseForm(a.body), "access_token", "me", "scope", "refresh_token", "token_type") != nil {
				t.Errorf("%q: %+v", accept, a)
			}
			r := h.send(post+header+"\n\ngrant_type=refresh_token&refresh_token={{token}}", map[string]string{"token": h.plant(a.text("refresh_token"))}).want(t, http.StatusOK, "")
			if r.header.Get("Content-Type") != want {
				t.Errorf("refreshing with %q: %+v", accept, r)
			}
			h.set(func(st *grant.Settings) { st.DefaultForm = !st.DefaultForm }) // does not matter here
		}
	}
}

// TestR28EmptyScope: no token is made that is good for nothing.
func TestR28EmptyScope(t *testing.T) {
	h := newHouse(t)
	h.redeem(h.selfauth.Code(clientID, redirectURI, "")).want(t, http.StatusBadRequest, "invalid_scope")
	for _, given := range []string{`""`, `" "`, `null`, `[]`, `7`, `"\u0001"`, `"\""`} {
		h.selfauth.Fault = says(http.StatusOK, "application/json", `{"me":"https://jane.example/","scope":`+given+`}`)
		h.redeem(h.code()).want(t, http.StatusBadRequest, "invalid_scope")
	}
	if tokens, err := h.Grants.Tokens(t.Context()); err != nil || len(tokens) != 0 {
		t.Error(tokens, err)
	}
}
