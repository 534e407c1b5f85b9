package page

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// CookieName is the name of a cookie of the installation at base, its public URL.
// It carries a hash of base, because several installations may live on one host.
// On https it begins with __Host-, which keeps other hosts of the domain from
// setting it (RFC 6265bis section 4.1.3.2).
func CookieName(base, word string) string {
	sum := sha256.Sum256([]byte(base))
	name := word + "_" + hex.EncodeToString(sum[:4])
	if secure(base) {
		return "__Host-" + name
	}
	return name
}

// Cookie is a cookie that begins with CookieName(base, …). No script sees it and
// on https it never travels in the clear. It is Lax: browsers come back with it
// from an authorization endpoint, and by links. An empty value deletes the cookie.
func Cookie(base, name, value string, life time.Duration) *http.Cookie {
	age := int(life.Seconds())
	if value == "" {
		age = -1
	}
	return &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: age, Secure: secure(base),
		HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// SessionCookie is the word in the name of the cookie of who is signed in to the owner's pages.
const SessionCookie = "mksession"

// OfferSignOut puts the form that signs out of the owner's pages at owner into the header,
// if the browser sent the cookie of a session. It reports whether it did.
func (p *Page) OfferSignOut(base, owner string, cookies []*http.Cookie) bool {
	name := CookieName(base, SessionCookie)
	if base == "" || !slices.ContainsFunc(cookies, func(c *http.Cookie) bool { return c.Name == name && c.Value != "" }) {
		return false
	}
	p.SignOut, p.Form = owner+"/signout", true
	return true
}

func secure(base string) bool { return strings.HasPrefix(base, "https:") }

// SameSite returns an error for a request that a page of another site sent: one whose
// Sec-Fetch-Site, or else Origin, names another origin than that of base, the public
// URL of the installation. A request with neither comes from no browser of today.
func SameSite(base string, r *http.Request) error {
	site, from := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	switch {
	case site == "same-origin", site == "none", site == "" && from == "":
		return nil
	case from != "" && origin(from) != "" && origin(from) == origin(base):
		return nil
	}
	return errors.New("a page of another site sent this")
}

// origin is scheme, host and port of a URL (RFC 6454 section 6.2), "" if it has none.
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	host := strings.TrimSuffix(u.Host, map[string]string{"http": ":80", "https": ":443"}[u.Scheme])
	return strings.ToLower(u.Scheme + "://" + host)
}

// SharedHost reports whether others have pages on the host of an address, going by
// its path: https://example.com/~you/token. A browser sends them the cookies of the
// host too, whatever path a cookie names (case E14).
func SharedHost(base string) bool {
	u, err := url.Parse(base)
	return err == nil && strings.HasPrefix(u.Path, "/~")
}
