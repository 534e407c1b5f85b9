package page

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
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

func secure(base string) bool { return strings.HasPrefix(base, "https:") }

// SameSite returns an error for a POST that a page of another site sent: one whose
// Sec-Fetch-Site or Origin names another than the installation at base.
func SameSite(base string, r *http.Request) error {
	c := http.NewCrossOriginProtection()
	if u, err := url.Parse(base); err == nil && u.Host != "" { // what a proxy calls us does not matter
		if err := c.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return err
		}
	}
	return c.Check(r)
}
