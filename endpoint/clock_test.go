package endpoint_test

import (
	"net/http"
	"testing"
	"time"

	"mintkeep/endpoint/grant"
)

// TestClockWasAhead: what was noted while the clock was a year ahead does not hold for a
// year after it was put right (the kind of E9).
func TestClockWasAhead(t *testing.T) {
	const ahead = 365 * day
	h := newHouse(t)
	h.set(func(st *grant.Settings) { st.IdleLifetime = 0 })
	o := h.outside()
	card := janeCard
	o.HandleFunc("jane.example/", func(w http.ResponseWriter, r *http.Request) { serve("text/html", card)(w, r) })
	name := func() string {
		st := standard(h.auth)
		if p := h.Authorize.Profile(t.Context(), &st, "http://jane.example/"); p != nil {
			return p.Name
		}
		return ""
	}
	access, _ := h.login()
	h.clock.pass(ahead)
	h.live(access)
	h.visitor().begin(modern()) // the probe
	if got := name(); got != "Jane Doe" {
		t.Fatalf("%q", got)
	}
	h.clock.pass(-ahead)
	card = `<p class=h-card><a class="u-url p-name" href="/">Jane</a></p>`
	if got := name(); got != "Jane" {
		t.Errorf("a page of the year after is still %q", got)
	}
	h.live(access)
	tokens, err := h.Grants.Tokens(t.Context())
	if err != nil || !tokens[0].LastUse.Equal(h.clock.now().UTC().Truncate(time.Second)) {
		t.Errorf("last used %v, %v", tokens[0].LastUse, err)
	}
	before := h.selfauth.Checks.Load()
	h.visitor().begin(modern())
	h.visitor().begin(modern())
	if n := h.selfauth.Checks.Load() - before; n != 1 {
		t.Errorf("%d probes after the clock was put right", n)
	}
	// A name that its owner gave holds whatever the clock says.
	if _, err := h.Grants.MintNamed(t.Context(), jane, jane+"script", "create", "My script", 0); err != nil {
		t.Fatal(err)
	}
	if got, _ := h.Authorize.Client(t.Context(), jane+"script"); got != "My script" {
		t.Errorf("the script is called %q", got)
	}
}
