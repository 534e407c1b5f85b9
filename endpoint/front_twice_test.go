package endpoint_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// again answers the consent page with the cookies that the browser had when it was shown.
func (v *visitor) again(page sight, cookies []*http.Cookie, change func(url.Values)) sight {
	v.t.Helper()
	action, form := page.fill(v.t)
	if change != nil {
		change(form)
	}
	r, _ := http.NewRequest(http.MethodPost, action, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	s := v.see(new(http.Client).Do(r))
	v.h.plant(s.to().Query().Get("code"))
	return s
}

// TestConsentTwice: a double click sends the form twice, and the browser shows the second
// answer alone. It leads to the app with the one code that there is.
func TestConsentTwice(t *testing.T) {
	h := kitHouse(t, &indiekit{me: jane})
	v := h.visitor()
	shown := func() (sight, []*http.Cookie) {
		page := v.consentPage(modern())
		return page, v.Jar.Cookies(page.Request.URL)
	}
	page, cookies := shown()
	first := v.again(page, cookies, nil)
	second := v.again(page, cookies, func(f url.Values) { f["scope"] = []string{"media"} })
	code := second.to().Query().Get("code")
	if code == "" || first.to().String() != second.to().String() {
		t.Fatalf("%s, then %d to %s: %s", first.to(), second.StatusCode, second.to(), second.text)
	}
	a := v.redeemAt("", code).want(t, http.StatusOK, "")
	if a.text("scope") != scope { // what was allowed first
		t.Error(a.body)
	}
	// When the app has it, there is no more of it, and nothing is lost.
	v.again(page, cookies, nil).page(t, 400, "already finished")
	h.live(a.text("access_token"))

	page, cookies = shown()
	v.again(page, cookies, nil)
	h.clock.pass(time.Minute)
	v.again(page, cookies, nil).page(t, 400, "already finished")

	// A second thought counts.
	page, cookies = shown()
	code = v.again(page, cookies, nil).to().Query().Get("code")
	v.fails(v.again(page, cookies, func(f url.Values) { f.Set("answer", "deny") }).to(), "access_denied")
	v.again(page, cookies, nil).page(t, 400, "already finished")
	v.redeemAt("", code).want(t, http.StatusBadRequest, "invalid_grant")
}

// TestConsentAtOnce: two answers at the same moment, in two processes.
func TestConsentAtOnce(t *testing.T) {
	h := kitHouse(t, &indiekit{me: jane})
	v := h.visitor()
	page := v.consentPage(modern())
	cookies := v.Jar.Cookies(page.Request.URL)
	got := make(chan string)
	for range 6 {
		go func() { got <- v.again(page, cookies, nil).to().Query().Get("code") }()
	}
	code := <-got
	for range 5 {
		if next := <-got; next != code || code == "" {
			t.Errorf("another code, or none: %q", next)
		}
	}
	v.redeemAt("", code).want(t, http.StatusOK, "")
	tokens, err := h.Grants.Tokens(t.Context())
	if h.events("replay") != 0 || len(tokens) != 1 || err != nil {
		t.Errorf("%d tokens, %d replays, %v", len(tokens), h.events("replay"), err)
	}
}

// TestUpstreamsReason: why the upstream did not sign anybody in reaches the app and the log.
func TestUpstreamsReason(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	for _, c := range [][3]string{
		{"unauthorized_client", "Diese App ist gesperrt für Sie\r\n\x00\"\xff", "server_error: the authorization endpoint did not complete the request: " +
			"unauthorized_client Diese App ist gesperrt f%C3%BCr Sie%EF%BF%BD"},
		{"invalid_request", "", "server_error: the authorization endpoint did not complete the request: invalid_request"},
		{"", "", "server_error: the authorization endpoint did not complete the request"},
		{"access_denied", "", "access_denied: the request was declined"},
		{"access_denied", "two factors are needed", "access_denied: the request was declined: two factors are needed"},
		{"invalid_scope", strings.Repeat("x", 3000), "invalid_scope: the authorization endpoint does not grant this scope: " + strings.Repeat("x", 200)},
	} {
		inner := v.begin(modern()).to().Query()
		q := url.Values{"state": {inner.Get("state")}, "error": {c[0]}, "error_description": {c[1]}}
		to := v.get(inner.Get("redirect_uri") + "&" + q.Encode()).to().Query()
		if got := to.Get("error") + ": " + to.Get("error_description"); got != c[2] {
			t.Errorf("the app gets %q, want %q", got, c[2])
		}
	}
	if !strings.Contains(h.logged(), "unauthorized_client Diese App ist gesperrt") {
		t.Error(h.logged())
	}
}
