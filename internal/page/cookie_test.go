package page

import (
	"net/http"
	"testing"
)

// TestE8SameSite: a form is taken from the installation's own origin, scheme and port included.
func TestE8SameSite(t *testing.T) {
	const base = "https://jane.example/auth/token.cgi"
	for _, c := range []struct {
		name, base, site, origin string
		taken                    bool
	}{
		{"E8 http origin of an https site", base, "", "http://jane.example", false},
		{"http origin with the other port", base, "", "http://jane.example:443", false},
		{"https origin of an http site", "http://127.0.0.1:8080/token", "", "https://127.0.0.1:8080", false},
		{"another port", base, "", "https://jane.example:8443", false},
		{"another port of loopback", "http://127.0.0.1:8080/token", "", "http://127.0.0.1:8081", false},
		{"another host", base, "", "https://evil.example", false},
		{"a subdomain", base, "", "https://x.jane.example", false},
		{"null", base, "", "null", false},
		{"no scheme", base, "", "//jane.example", false},
		{"another site's word before its origin", base, "cross-site", "", false},
		{"another site of the domain", base, "same-site", "", false},
		{"no url is configured", "", "", "null", false},
		{"its own", base, "", "https://jane.example", true},
		{"its own, spelt otherwise", base, "", "HTTPS://Jane.example:443", true},
		{"its own with a port", "http://127.0.0.1:8080/token", "", "http://127.0.0.1:8080", true},
		{"the browser's word", base, "same-origin", "null", true},
		{"typed", base, "none", "", true},
		{"neither", base, "", "", true},
	} {
		r, _ := http.NewRequest(http.MethodPost, "http://inner.example/token/consent", nil)
		for name, value := range map[string]string{"Sec-Fetch-Site": c.site, "Origin": c.origin} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		if err := SameSite(c.base, r); (err == nil) != c.taken {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
