package test

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"mintkeep/keeper/keepertest"
)

// Issue Reach, 5: two processes that stay refresh what is due soon by themselves, each
// connection once, at a site that ends the grant whose refresh token comes twice. What
// is not due is left alone, and what fails is not asked for without end.
func TestRefreshAhead(t *testing.T) {
	t.Setenv("MINTKEEP_TEST_AHEAD", "200ms")
	box := keepertest.New()
	box.Rotate, box.DetectReuse, box.Lifetime = true, true, time.Hour
	site := httptest.NewServer(box)
	t.Cleanup(site.Close)
	k := newKeepSite(t)
	k.ok(keepertest.ClientSecret, "provider", "add", "box", "-issuer", site.URL, "-client-id", keepertest.ClientID)
	const due = 12
	for i := range due + 1 {
		k.ok(keepertest.Password, "connect", "box", "-as", fmt.Sprint("c", i), "-grant", "password", "-username", keepertest.Username)
	}
	soon := time.Now().UTC().Add(100 * time.Second).Format(time.DateTime)
	k.serve()
	k.serve()
	k.sql(`UPDATE connections SET expires = '` + soon + `' WHERE connection_name <> 'c0'`)
	for end := time.Now().Add(60 * time.Second); box.Count("refresh_token") < due && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(2 * time.Second) // several rounds in which nothing is due any more
	if n := box.Count("refresh_token"); n != due {
		t.Errorf("%d refreshes of %d connections", n, due)
	}
	k.ok("", "connections", "-check")
	for i := range due + 1 {
		if token := k.ok("", "get", fmt.Sprint("c", i)); !box.Active(token) {
			t.Errorf("c%d is not good at the site", i)
		}
	}
	if n := box.Count("refresh_token"); n != due {
		t.Errorf("a caller had to wait: %d refreshes", n)
	}
	box.Fail("/token", 100, 503)
	k.expire()
	time.Sleep(2 * time.Second)
	if n := box.Count("/token"); n > 13+due+13 {
		t.Errorf("a site that fails was asked %d times", n-13-due)
	}
}
