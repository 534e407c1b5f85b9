package endpoint_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/discover"
)

// Case F3: the public page says whether the lines stand on the home page, and whether
// anybody has signed in; strangers who open it cause one look in five minutes.
func TestPublicPageF3(t *testing.T) {
	h := newHouse(t)
	var looks atomic.Int64
	lines := atomic.Pointer[string]{}
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		looks.Add(1)
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><html><head>%s<title>Jane</title></head></html>`, *lines.Load())
	}))
	defer home.Close()
	h.set(func(st *grant.Settings) { st.Me = []string{home.URL + "/"} })
	tag := func(rel, below string) string { return `<link rel="` + rel + `" href="` + h.URL + below + `">` }
	all := []string{tag("indieauth-metadata", "/metadata"), tag("authorization_endpoint", "/authorize"), tag("token_endpoint", "")}
	open := func(want ...string) {
		t.Helper()
		req, err := http.NewRequest("GET", h.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/html")
		s := h.visitor().see(http.DefaultClient.Do(req))
		for _, w := range want {
			if s.StatusCode != http.StatusOK || !strings.Contains(s.text, w) {
				t.Errorf("%d: no %q in %s", s.StatusCode, w, s.text)
			}
		}
	}
	for n, want := range []string{"not on your home page yet", "1 of 3 found", "2 of 3 found", "all 3 found"} {
		text := strings.Join(all[3-n:], "")
		lines.Store(&text)
		for range 5 {
			open("It runs. Now try it.", want, "Sign in once")
		}
		h.clock.pass(5 * time.Minute)
	}
	if looks.Load() != 4 {
		t.Errorf("20 requests caused %d looks", looks.Load())
	}
	if _, err := h.Grants.Mint(t.Context(), home.URL+"/", "https://app.example/", "create"); err != nil {
		t.Fatal(err)
	}
	open("It works", "all 3 found")
	home.Close()
	h.clock.pass(time.Hour)
	open("It works", "not looked at")
}

// Where the token endpoint is itself the page of a person (or leads there), it reads its
// own page: that must not read it again, as CGI in ever more processes (F3).
func TestPublicPageReadsNoPageForAReader(t *testing.T) {
	h := newHouse(t)
	var looks atomic.Int64
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		looks.Add(1)
		req, _ := http.NewRequest("GET", h.URL, nil)
		req.Header = r.Header
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Error(err)
			return
		}
		resp.Body.Close()
		h.clock.pass(time.Hour) // as another process that knows of nobody who reads
	}))
	defer home.Close()
	h.set(func(st *grant.Settings) { st.Me = []string{home.URL + "/"} })
	for _, agent := range []string{"Firefox", discover.UserAgent} {
		req, err := http.NewRequest("GET", h.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/html")
		req.Header.Set("User-Agent", agent)
		if s := h.visitor().see(http.DefaultClient.Do(req)); s.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", agent, s.StatusCode)
		}
	}
	if looks.Load() != 1 {
		t.Errorf("%d looks", looks.Load())
	}
}
