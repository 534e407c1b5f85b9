package endpoint_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"code.dny.dev/ssrf"

	"mintkeep/endpoint/grant"
)

// TestNoAnswerIsNobodysMistake: where the network failed, perhaps on the side of this
// site, the app is not said to have made a mistake. It is counted all the same.
func TestNoAnswerIsNobodysMistake(t *testing.T) {
	h := newHouse(t)
	h.from("198.51.100.9:1")
	v := h.visitor()
	for fault, says := range map[error]string{
		errors.New("dial tcp: lookup app.example: connection refused"): "The app could not be looked up",
		http.ErrHandlerTimeout:                       "no answer came",
		fmt.Errorf("dial: %w", ssrf.ErrProhibitedIP): "app.example made a mistake",
	} {
		h.Authorize.Discover.Public = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, fault })}
		s := v.begin(modern("redirect_uri", "https://other.example/cb"))
		s.page(t, 400, says)
		if strings.Contains(s.text, "lookup") || strings.Contains(s.text, "prohibited") || strings.Contains(s.text, "made a mistake") != errors.Is(fault, ssrf.ErrProhibitedIP) {
			t.Errorf("%v: %s", fault, s.text)
		}
	}
	for range 27 {
		v.begin(modern("redirect_uri", "https://other.example/cb")).page(t, 400, "")
	}
	v.begin(modern("redirect_uri", "https://other.example/cb")).page(t, http.StatusTooManyRequests, "too many")
}

// TestF5Certificate: a certificate that is not accepted, or none, lasts until the owner
// mends it, whether a code is redeemed directly or through the front.
func TestF5Certificate(t *testing.T) {
	quiet := log.New(io.Discard, "", 0)
	secured := httptest.NewUnstartedServer(http.NotFoundHandler())
	secured.Config.ErrorLog = quiet
	secured.StartTLS()
	t.Cleanup(secured.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	for endpoint, says := range map[string]string{
		secured.URL + "/auth/": "has a certificate that is not accepted here: x509: certificate",
		strings.Replace(plain.URL, "http:", "https:", 1) + "/auth/": "answers http where https is set",
	} {
		h := newHouse(t)
		h.set(func(st *grant.Settings) { st.Endpoints = []string{endpoint} })
		a := h.redeem(h.code()).want(t, http.StatusInternalServerError, "server_error")
		if said := a.text("error_description"); !strings.Contains(said, endpoint+": "+says) || h.events("failed") != 1 || h.events("refused") != 0 {
			t.Error(a.body)
		}
		v := h.visitor()
		inner := v.begin(modern()).to().Query()
		v.fails(v.get(inner.Get("redirect_uri")+"&code=x&state="+inner.Get("state")).to(), "server_error")
	}
}

// TestE13SharedByApps: whoever has 30 redirects refused does not keep the apps of others
// away that share the address (a CDN's).
func TestE13SharedByApps(t *testing.T) {
	h := newHouse(t)
	h.outside().HandleFunc("docs.example/c.json", serve("application/json", document("/c.json", `,"redirect_uris":["http://docs.example/cb"]`)))
	h.from("198.51.100.9:1")
	good := modern("client_id", "http://docs.example/c.json", "redirect_uri", "http://docs.example/cb")
	bad := modern("client_id", "http://docs.example/c.json", "redirect_uri", "http://docs.example/evil")
	v := h.visitor()
	for range 30 {
		v.begin(bad).page(t, 400, "does not list")
	}
	v.begin(good).page(t, http.StatusTooManyRequests, "wait 10 seconds")
	h.clock.pass(10 * time.Second)
	v.begin(bad).page(t, http.StatusTooManyRequests, "wait 300 seconds")
	for range 3 { // what is not refused, takes nobody's turn
		if s := v.begin(good); s.StatusCode != http.StatusFound {
			t.Errorf("%d %s", s.StatusCode, s.text)
		}
	}
	bad["redirect_uri"] = "http://docs.example/more"
	v.begin(bad).page(t, 400, "does not list")
	v.begin(good).page(t, http.StatusTooManyRequests, "wait 10 seconds")
}
