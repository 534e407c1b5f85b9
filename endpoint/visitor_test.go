package endpoint_test

import (
	"crypto/sha256"
	"encoding/base64"
	stdhtml "html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A visitor is a browser that stops at every redirect.
type visitor struct {
	*http.Client
	t testing.TB
	h *house
}

// A sight is what a visitor sees.
type sight struct {
	*http.Response
	text string
}

func (h *house) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &visitor{&http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, h.t, h}
}

func (v *visitor) see(resp *http.Response, err error) sight {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, c := range resp.Cookies() {
		v.h.plant(c.Value)
	}
	return sight{resp, string(body)}
}

func (v *visitor) get(address string) sight { v.t.Helper(); return v.see(v.Get(address)) }

// to is where the sight sends the browser, by a redirect or a page's refresh.
func (s sight) to() *url.URL {
	if u, err := s.Location(); err == nil {
		return u
	}
	if m := regexp.MustCompile(`http-equiv="refresh" content="0; url=([^"]*)"`).FindStringSubmatch(s.text); m != nil {
		u, _ := url.Parse(stdhtml.UnescapeString(m[1]))
		return u
	}
	return &url.URL{}
}

// page asserts an error page, from which nothing leads on.
func (s sight) page(t testing.TB, status int, says string) {
	t.Helper()
	if s.StatusCode != status || s.Header.Get("Location") != "" || !strings.Contains(s.Header.Get("Content-Type"), "text/html") ||
		!strings.Contains(stdhtml.UnescapeString(s.text), says) {
		t.Errorf("got %d to %q: %s\nwant a page, %d %q", s.StatusCode, s.Header.Get("Location"), s.text, status, says)
	}
}

// faultLink is where the link of a page leads on which a client's fault is told.
func (s sight) faultLink(t testing.TB) *url.URL {
	t.Helper()
	s.page(t, http.StatusBadRequest, "The app asked for something that cannot be given")
	m := regexp.MustCompile(`<a [^>]*href="([^"]*)">Continue to `).FindStringSubmatch(s.text)
	if m == nil || strings.Contains(s.text, "http-equiv") {
		t.Fatalf("no link, or the page goes on by itself: %s", s.text)
	}
	u, err := url.Parse(stdhtml.UnescapeString(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// A wish is a client's authorization request.
type wish map[string]string

const (
	proof       = "a-verifier-of-the-client-that-is-43-characters-long"
	clientState = `st&ate="<script>'`
)

func s256(v string) string {
	sum := sha256.Sum256([]byte(v))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// modern is a request by the current specification; change replaces parameters, "" leaves one out.
func modern(change ...string) wish {
	w := wish{"response_type": "code", "client_id": clientID, "redirect_uri": redirectURI, "state": clientState, "scope": scope,
		"code_challenge": s256(proof), "code_challenge_method": "S256", "me": jane}
	return w.with(change...)
}

// ancient is one by the specification before PKCE.
func ancient(change ...string) wish {
	return modern("code_challenge", "", "code_challenge_method", "").with(change...)
}

func (w wish) with(change ...string) wish {
	for i := 0; i < len(change); i += 2 {
		if w[change[i]] = change[i+1]; change[i+1] == "" {
			delete(w, change[i])
		}
	}
	return w
}

func (v *visitor) begin(w wish) sight {
	v.t.Helper()
	q := make(url.Values)
	for name, value := range w {
		q.Set(name, value)
	}
	return v.get(v.h.URL + "/authorize?" + q.Encode())
}

var (
	csrfField = regexp.MustCompile(`name="_csrf" value="([^"]*)"`)
	scopeBox  = regexp.MustCompile(`name="scopes\[\]" value="([^"]*)"`)
)

// signIn fills in Selfauth's form, all scopes ticked but the given ones, and
// returns where Selfauth sends the browser.
func (v *visitor) signIn(at *url.URL, untick ...string) *url.URL {
	v.t.Helper()
	form := v.get(at.String())
	csrf := csrfField.FindStringSubmatch(form.text)
	if csrf == nil {
		v.t.Fatalf("no login form at %s: %s", at, form.text)
	}
	fill := url.Values{"_csrf": {stdhtml.UnescapeString(csrf[1])}, "password": {"p"}}
	for _, box := range scopeBox.FindAllStringSubmatch(form.text, -1) {
		if !slices.Contains(untick, box[1]) {
			fill.Add("scopes[]", stdhtml.UnescapeString(box[1]))
		}
	}
	to := v.see(v.PostForm(at.String(), fill)).to()
	v.h.plant(to.Query().Get("code"))
	return to
}

// goThrough takes a request all the way back to the client.
func (v *visitor) goThrough(w wish, untick ...string) *url.URL {
	v.t.Helper()
	v.h.clock.pass(time.Second)
	to := v.get(v.signIn(v.begin(w).to(), untick...).String()).to()
	v.h.plant(to.Query().Get("code"))
	return to
}

// redeemAt redeems a code of ours; change replaces parameters.
func (v *visitor) redeemAt(path, code string, change ...string) answer {
	v.t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "client_id": {clientID}, "redirect_uri": {redirectURI}, "code_verifier": {proof}}
	for i := 0; i < len(change); i += 2 {
		if form.Set(change[i], change[i+1]); change[i+1] == "" {
			form.Del(change[i])
		}
	}
	s := v.see(new(http.Client).PostForm(v.h.URL+path, form))
	a := answer{s.StatusCode, s.Header, s.text}
	v.h.plant(a.text("access_token"))
	v.h.plant(a.text("refresh_token"))
	return a
}

func (v *visitor) fails(to *url.URL, code string) {
	v.t.Helper()
	q := to.Query()
	if !strings.HasPrefix(to.String(), redirectURI+"?") || q.Get("error") != code || q.Get("code") != "" || q.Get("iss") != v.h.URL || q.Get("state") != clientState {
		v.t.Errorf("the client gets %s, want %s", to, code)
	}
}
