package oauth

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// FuzzClientID: what is taken for a client or a redirect is read alike by a browser,
// has a name for a host and leads to no place of its own choosing.
func FuzzClientID(f *testing.F) {
	for _, s := range []string{"https://app.example/", "https://app.example:443/a?b", "http://127.0.0.1:8080/", "http://[::1]/", "com.example.app://cb", "com.example:/cb",
		`https://a\@b/`, "https://a@b/", "https://a/%2e%2e/", "https:////a", "https://a:b/", "https://a%2eb/", "https://1.2.3/", "https://0x1/", "https://a../", "javascript://a/%0a", "JavaScript:/", "javascript0:/", "https://a/#"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, id, uri string) {
		c, err := ParseClientID(id)
		if err == nil {
			if strings.ContainsAny(id, "#\\ \t\r\n\"<>") || c.User != nil || c.Hostname() == "" || c.Scheme != "http" && c.Scheme != "https" {
				t.Errorf("%q is taken for a client", id)
			}
			if again, err := url.Parse(c.String()); err != nil || again.Host != c.Host {
				t.Errorf("%q is read in two ways", id)
			}
		}
		r, err2 := ParseRedirect(uri)
		if err2 != nil {
			return
		}
		scheme, _, _ := strings.Cut(strings.ToLower(uri), ":")
		if strings.ContainsAny(uri, "#\\ \t\r\n\"<>") || r.User != nil || r.Scheme != scheme || slices.Contains([]string{"javascript", "data", "vbscript", "file", "blob"}, scheme) {
			t.Errorf("%q is taken for a redirect", uri)
		}
		if err == nil && SameOrigin(c, r) && !strings.EqualFold(c.Hostname(), r.Hostname()) {
			t.Errorf("%q and %q are one origin", id, uri)
		}
		if to, err := Parse(WithQuery(uri, url.Values{"code": {"x"}})); err != nil || to.Host != r.Host || to.Scheme != r.Scheme || to.Query().Get("code") == "" && r.Query().Get("code") == "" {
			t.Errorf("%q leads to %v", uri, to)
		}
	})
}
