package endpoint_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"code.dny.dev/ssrf"
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
