package deploy

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

const wellKnown = "/.well-known/oauth-authorization-server"

// rewritten installs the lines for Apache's document root.
func (h *host) rewritten() {
	h.t.Helper()
	path := strings.TrimPrefix(h.base[strings.LastIndex(h.base, ":"):], ":")
	_, path, _ = strings.Cut(path, "/")
	h.install("apache-well-known.htaccess", "site/.htaccess", 0o644,
		`/auth/token\.cgi$`, "/"+regexp.QuoteMeta(path)+"$", " /auth/token.cgi/metadata", " /"+path+"/metadata")
}

// wellKnown (L6): clients that know only the issuer find its metadata where RFC 8414
// section 3 puts it, between host and path; nothing else is found there.
func (h *host) wellKnown(t *testing.T) {
	t.Helper()
	u, err := url.Parse(h.base)
	if err != nil {
		t.Fatal(err)
	}
	at := func(path string) string { return "http://" + u.Host + path }
	a := get(t, at(wellKnown+u.Path), "")
	a.want(t, "L6 metadata by issuer", 200, "issuer", h.base, "token_endpoint", h.base)
	if direct := get(t, h.base+"/metadata", ""); direct.body != a.body {
		t.Errorf("L6: at the well-known address there is %s, at /metadata %s", a.body, direct.body)
	}
	if cors := a.header.Get("Access-Control-Allow-Origin"); cors != "*" {
		t.Errorf("L6: Access-Control-Allow-Origin %q", cors)
	}
	for _, path := range []string{wellKnown, wellKnown + "/", wellKnown + u.Path + "x", wellKnown + "/x" + u.Path, "/.well-known" + u.Path} {
		if a := get(t, at(path), ""); a.status == 200 && a.body != "" { // (Caddy says 200 and nothing)
			t.Errorf("L6: %s answers %s", path, a.body)
		}
	}
}
