package owner_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// A visitor is a browser.
type visitor struct {
	*http.Client
	h *house
}

func (h *house) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &visitor{&http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, h}
}

// A sight is what a browser gets.
type sight struct {
	*http.Response
	text string
	root *html.Node
}

func (v *visitor) see(method, address string, form url.Values, header ...string) sight {
	v.h.t.Helper()
	if !strings.HasPrefix(address, "http") {
		address = v.h.In.Authorize.OwnerClient() + address
	}
	req, err := http.NewRequest(method, address, nil)
	if form != nil {
		req, err = http.NewRequest(method, address, strings.NewReader(form.Encode()))
	}
	if err != nil {
		v.h.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := v.Do(req)
	if err != nil {
		v.h.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.h.t.Fatal(err)
	}
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		v.h.t.Fatal(err)
	}
	return sight{res, string(body), root}
}

func (v *visitor) get(address string) sight { v.h.t.Helper(); return v.see("GET", address, nil) }

func (v *visitor) post(address string, pairs ...string) sight {
	v.h.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return v.see("POST", address, form, "Sec-Fetch-Site", "same-origin", "Origin", strings.TrimSuffix(v.h.In.URL, "/token"))
}

// words is what a person reads.
func (s sight) words() string {
	var b strings.Builder
	for n := range s.root.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "style" {
			b.WriteString(n.Data)
		}
	}
	return b.String()
}

func (s sight) shows(t testing.TB, status int, words ...string) sight {
	t.Helper()
	if s.StatusCode != status {
		t.Errorf("%s %s: got %d, want %d: %s", s.Request.Method, s.Request.URL, s.StatusCode, status, s.words())
	}
	for _, w := range words {
		if !strings.Contains(s.words(), w) {
			t.Errorf("%s %s: no %q in %s", s.Request.Method, s.Request.URL, w, s.words())
		}
	}
	return s
}

func (s sight) hides(t testing.TB, words ...string) {
	t.Helper()
	for _, w := range words {
		if strings.Contains(s.text, w) {
			t.Errorf("%s %s: there is %q in %s", s.Request.Method, s.Request.URL, w, s.words())
		}
	}
}

func (s sight) leads(t testing.TB, to string) {
	t.Helper()
	if s.StatusCode != http.StatusSeeOther || s.Header.Get("Location") != to {
		t.Errorf("%s %s: got %d to %q, want 303 to %q: %s", s.Request.Method, s.Request.URL, s.StatusCode, s.Header.Get("Location"), to, s.words())
	}
}

// toCallback goes from signing in to Selfauth and back, up to our callback, which is not followed.
func (v *visitor) toCallback(me, to string) *url.URL {
	v.h.t.Helper()
	s := v.get("/signin?" + url.Values{"me": {me}, "to": {to}}.Encode())
	s = v.get(s.Header.Get("Location")) // the front
	auth := s.Header.Get("Location")
	s = v.get(auth)
	m := regexp.MustCompile(`name="_csrf" value="([^"]*)"`).FindStringSubmatch(s.text)
	if m == nil {
		v.h.t.Fatalf("no login form: %s", s.words())
	}
	s = v.see("POST", auth, url.Values{"_csrf": {m[1]}, "password": {"p"}})
	s = v.get(s.Header.Get("Location")) // the front's callback
	u, err := url.Parse(s.Header.Get("Location"))
	if err != nil || !strings.HasPrefix(u.String(), v.h.In.Authorize.OwnerClient()+"/callback?") {
		v.h.t.Fatalf("the front led to %q: %s", u, s.words())
	}
	return u
}

// signedIn is a browser in which somebody has signed in.
func (h *house) signedIn(me string) *visitor {
	h.t.Helper()
	v := h.visitor()
	v.get(v.toCallback(me, "").String()).leads(h.t, h.In.Authorize.OwnerClient())
	return v
}
