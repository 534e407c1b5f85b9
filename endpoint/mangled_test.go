package endpoint_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestKind3Mangled is kind (3) behind the cases of part C: input that was changed on its
// way. What can be understood is; of the rest the answer says what happened to which
// parameter. Codes are Selfauth's and our own (front); both are still good afterwards.
func TestKind3Mangled(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	encoded := func(s string) string { return url.QueryEscape(s) }
	for _, c := range []struct {
		param  string
		change func(string) string
		says   string // of Selfauth's code; empty if it is taken all the same
		front  string // of ours; as says if empty
	}{
		{"code", encoded, "", ""}, // R22
		{"code", func(s string) string { return encoded(encoded(s)) }, "the code was encoded twice", ""},
		{"code", func(s string) string { return s[:20] }, "the code was cut", "it has 20 characters of 53"},
		{"code", func(s string) string { return s[:8] }, "may have expired", "it has 8 characters of 53"},
		{"code", func(s string) string { return `"` + s + `"` }, "the code has quotes around it", ""},
		{"code", func(s string) string { return "“" + s + "”" }, "the code has quotes around it", ""},
		{"code", func(s string) string { return s + "\n" }, "the code has a line break in it", ""},
		{"code", func(s string) string { return s + "\r\n" }, "the code has a line break in it", ""},
		{"code", func(s string) string { return s + " " }, "", "the code has a space at its end"},
		{"code", func(s string) string { return s[:10] + " " + s[11:] }, "the code has a space in it, which a + becomes", ""},
		{"code", func(s string) string { return s[:12] + "..." }, "the code was cut by a program that showed it", ""},
		{"code", func(s string) string { return s[:12] + "\t" + s[12:] }, "cannot be part of it", ""},
		{"redirect_uri", encoded, "the redirect_uri was encoded twice", ""},
		{"redirect_uri", func(s string) string { return s + "\r" }, "the redirect_uri has a line break in it", ""},
		{"redirect_uri", func(s string) string { return s + "?a=1&amp;b=2" }, "the redirect_uri was written for HTML", ""},
		{"redirect_uri", func(s string) string { return strings.Replace(s, "app", "App", 1) }, "redirect_uri differ", "the redirect_uri is spelt differently"},
		{"redirect_uri", func(s string) string { return s[:len(s)-3] }, "redirect_uri differ", "the redirect_uri was cut"},
		{"client_id", encoded, "the client_id was encoded twice", ""},
		{"client_id", func(s string) string { return "<" + s + ">" }, "the client_id has quotes around it", ""},
		{"code_verifier", func(s string) string { return "'" + s + "'" }, "", "the code_verifier has quotes around it"},
	} {
		for _, front := range []bool{false, true} {
			h.from("203.0.113.7:1") // refused ones are counted by address
			code, path, says := h.code(), "", c.says
			if front {
				code = v.goThrough(modern()).Query().Get("code")
				if c.front != "" {
					says = c.front
				}
			}
			form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "client_id": {clientID}, "redirect_uri": {redirectURI},
				"code_verifier": {proof}}
			good := form.Encode()
			form.Set(c.param, c.change(form.Get(c.param)))
			if form.Encode() == good { // there is nothing in it to encode
				continue
			}
			a := direct(h.Handler, "POST", form.Encode())
			if a.status != http.StatusBadRequest && says != "" || !strings.Contains(a.text("error_description"), says) {
				t.Errorf("%s, front %v: %s\nwant %s", c.param, front, a.body, says)
			}
			if says == "" {
				continue
			}
			if a := direct(h.Handler, "POST"+path, good); a.status != http.StatusOK {
				t.Errorf("%s, front %v: then %s", c.param, front, a.body)
			}
			h.clock.pass(6 * time.Minute)
		}
	}
}

// TestKind3Whole: bodies, tokens and requests that were changed as a whole.
func TestKind3Whole(t *testing.T) {
	h := newHouse(t)
	code := h.code()
	good := h.wireBody(code)
	for body, says := range map[string]string{
		strings.ReplaceAll(good, "&", "&amp;"): "arrived as amp;",
		url.QueryEscape(good):                  "the whole body was encoded twice",
		strings.Replace(good, "&redirect_uri", "&redirect_uri=x&redirect_uri", 1): "redirect_uri is given more than once",
		good + "\r\n": "",
	} {
		a := direct(h.Handler, "POST", body)
		if says != "" && (a.status != http.StatusBadRequest || !strings.Contains(a.text("error_description"), says)) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	access, refresh := h.login()
	for token, says := range map[string]string{
		access[:30]:                          "it has 30 characters of 53",
		access + "x":                         "it has 54 characters of 53",
		`"` + access + `"`:                   "the token has quotes around it",
		url.QueryEscape(access + "\n"):       "the token was encoded twice",
		strings.Replace(access, "_", " ", 1): "the token has a space in it",
		mangle(access):                       "it was cut or changed",
	} {
		if a := h.verify(token).want(t, http.StatusUnauthorized, "invalid_token"); !strings.Contains(a.text("error_description"), says) {
			t.Errorf("%s, want %s", a.body, says)
		}
	}
	if a := h.refresh(refresh[:50]).want(t, http.StatusBadRequest, "invalid_grant"); !strings.Contains(a.text("error_description"), "it has 50 characters of 53") {
		t.Error(a.body)
	}
	if a := h.refresh(refresh + "\n"); !strings.Contains(a.text("error_description"), "refresh_token has a line break in it") {
		t.Error(a.body)
	}
	h.live(access)
	v := h.visitor()
	v.begin(modern("redirect_uri", url.QueryEscape(redirectURI))).page(t, http.StatusBadRequest, "the redirect_uri was encoded twice")
	v.begin(modern("client_id", "'"+clientID+"'")).page(t, http.StatusBadRequest, "the client_id has quotes around it")
	if s := v.begin(modern("scope", "create%20update")); !strings.Contains(s.text, "the scope was encoded twice") {
		t.Error(s.text)
	}
}
