package endpoint_test

import (
	stdhtml "html"
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"
)

// with gets an address with the cookies that the browser had at a moment.
func (v *visitor) with(cookies []*http.Cookie, address string) sight {
	v.t.Helper()
	r, _ := http.NewRequest(http.MethodGet, address, nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	s := v.see(v.h.visitor().Do(r))
	v.h.plant(s.onward().Query().Get("code"))
	return s
}

// onward is where a page of ours leads on, by a redirect or by its one button.
func (s sight) onward() *url.URL {
	if m := regexp.MustCompile(`<a class="button main" href="([^"]*)">Continue to `).FindStringSubmatch(s.text); m != nil {
		u, _ := url.Parse(stdhtml.UnescapeString(m[1]))
		return u
	}
	return s.to()
}

// TestCameBackTwice: who clicks twice in the form of the upstream comes back twice, and
// the browser shows the second answer alone. It has the way to the app.
func TestCameBackTwice(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	at := v.begin(modern()).to()
	h.clock.pass(time.Second)
	back := v.signIn(at).String()
	h.clock.pass(time.Second)
	other := v.signIn(at).String() // the second click
	if other == back {
		t.Fatal("Selfauth gave the same code")
	}
	cookies := v.Jar.Cookies(mustURL(back))
	first := v.with(cookies, back)
	for _, address := range []string{back, other} {
		second := v.with(cookies, address)
		second.sober(t)
		if second.StatusCode != http.StatusOK || second.onward().String() != first.to().String() || second.to().String() != "" || first.to().Query().Get("code") == "" {
			t.Errorf("%s, then %d %s", first.to(), second.StatusCode, second.text)
		}
	}
	a := v.redeemAt("", first.to().Query().Get("code")).want(t, http.StatusOK, "")
	v.with(cookies, other).page(t, 400, "already finished")
	h.live(a.text("access_token"))
	if h.events("replay") != 0 {
		t.Error("taken for a theft")
	}
	h.visitor().get(other).page(t, 400, "not begun in this browser")
}

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

// TestCameBackAtOnce: of many answers at the same moment, in several processes, one is the
// redirect, and all others lead to the app with the same code.
func TestCameBackAtOnce(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	back := v.signIn(v.begin(modern()).to()).String()
	cookies := v.Jar.Cookies(mustURL(back))
	got := make(chan sight)
	for range 6 {
		go func() { got <- v.with(cookies, back) }()
	}
	redirects, codes := 0, make(map[string]bool)
	for range 6 {
		s := <-got
		codes[s.onward().Query().Get("code")] = true
		if s.to().String() != "" {
			redirects++
		}
	}
	if redirects != 1 || len(codes) != 1 || codes[""] || h.events("replay") != 0 {
		t.Errorf("%d redirects, %d codes, %d replays", redirects, len(codes), h.events("replay"))
	}
	for code := range codes {
		h.live(v.redeemAt("", code).want(t, http.StatusOK, "").text("access_token"))
	}
}
