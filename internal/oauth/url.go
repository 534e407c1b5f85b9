package oauth

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"strings"
)

// MaxURL is the longest client_id, redirect_uri or profile URL that is taken, in bytes.
const MaxURL = 2048

// CanonicalURL is a profile URL in IndieAuth's canonical form (section 3.4): scheme
// and host in lower case, "/" where there is no path, the rest untouched. It refuses
// what is not an absolute http or https URL with a host and without user or fragment.
func CanonicalURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil {
		return "", err
	}
	scheme := strings.ToLower(u.Scheme)
	if scheme != "http" && scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return "", fmt.Errorf("%q is not a full http or https URL", s)
	}
	host, rest := s[strings.Index(s, "://")+3:], ""
	if n := strings.IndexAny(host, "/?#"); n >= 0 {
		host, rest = host[:n], strings.TrimSuffix(host[n:], "#")
	}
	if !strings.HasPrefix(rest, "/") {
		rest = "/" + rest
	}
	return scheme + "://" + strings.ToLower(host) + rest, nil
}

// SameURL reports whether two profile URLs or client identifiers are the same
// text or have the same canonical form.
func SameURL(a, b string) bool {
	x, err1 := CanonicalURL(a)
	y, err2 := CanonicalURL(b)
	return a == b || err1 == nil && err2 == nil && x == y
}

// ParseProfile reads what a person typed as their profile URL: the scheme may be
// left out. It returns "" if that gives no profile URL.
func ParseProfile(me string) string {
	if !strings.Contains(me, "://") {
		me = "https://" + me
	}
	if _, err := CanonicalURL(me); err != nil {
		return ""
	}
	return me
}

// ParseClientID reads a client identifier (IndieAuth section 3.3): http or https,
// a domain name, "localhost", 127.0.0.1 or [::1], and no user, fragment or dot
// segments. "https://app.example" without a slash is taken.
func ParseClientID(id string) (*url.URL, error) {
	u, err := parseStrict(id)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("it does not begin with https:// or http://")
	}
	if err := checkHost(u); err != nil {
		return nil, err
	}
	return u, nil
}

// ParseRedirect reads a redirection endpoint (RFC 6749 section 3.1.2): an absolute
// URL without fragment, of the web or of an app's own scheme (RFC 8252 section 7.1).
func ParseRedirect(uri string) (*url.URL, error) {
	u, err := parseStrict(uri)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "http", "https":
		return u, checkHost(u)
	case "javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "view-source",
		"ws", "wss", "ftp", "mailto", "intent", "content", "chrome":
		return nil, errors.New("its scheme is not one for an app")
	}
	return u, nil
}

// parseStrict parses what Go and every browser read alike. It refuses characters
// that could be read in two ways (a backslash, a space, other alphabets): no
// client needs them.
func parseStrict(s string) (*url.URL, error) {
	if len(s) > MaxURL {
		return nil, errors.New("it is too long")
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			return nil, errors.New("it has characters that a URL cannot have")
		}
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme == "" || u.Opaque != "" || u.Host == "" && !strings.HasPrefix(u.Path, "/"):
		return nil, errors.New("it is not a full URL")
	case u.User != nil:
		return nil, errors.New("it has a user name in it")
	case strings.Contains(s, "#"):
		return nil, errors.New("it has a fragment (#)")
	}
	for segment := range strings.SplitSeq(u.Path, "/") { // decoded: browsers resolve %2e as well
		if segment == "." || segment == ".." {
			return nil, errors.New("it has . or .. segments")
		}
	}
	return u, nil
}

// checkHost accepts domain names, "localhost", 127.0.0.1 and [::1]. A name whose
// last label begins with a digit is an address to browsers, in whatever notation.
func checkHost(u *url.URL) error {
	host := strings.ToLower(u.Hostname())
	if a, err := netip.ParseAddr(host); host == "localhost" || host == "127.0.0.1" || err == nil && a == netip.IPv6Loopback() {
		return nil
	}
	for _, c := range []byte(host) {
		if c != '-' && c != '.' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return errors.New("its host is not a domain name")
		}
	}
	last := strings.TrimSuffix(host, ".")
	last = last[strings.LastIndex(last, ".")+1:]
	if last == "" || last[0] >= '0' && last[0] <= '9' {
		return errors.New("its host is not a domain name")
	}
	return nil
}

// IsLoopback reports whether a host, without port and brackets, is this machine:
// "localhost", 127.0.0.0/8 or ::1.
func IsLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && a.IsLoopback()
}

// SameOrigin compares scheme, host and port: a redirect to the client's own
// origin needs no further proof (IndieAuth section 4.2.2). On loopback the port
// is not compared (RFC 8252 section 7.3).
func SameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) &&
		(portOf(a) == portOf(b) || IsLoopback(a.Hostname()) && IsLoopback(b.Hostname()))
}

func portOf(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "http":
		return "80"
	case u.Scheme == "https":
		return "443"
	}
	return ""
}

// Listed reports whether the redirect URIs that a client publishes contain this
// one: the same string or, for http on loopback, the same but for the port.
func Listed(list []string, redirect string) bool {
	asked, err := url.Parse(redirect)
	if err != nil {
		return false
	}
	for _, l := range list {
		if l == redirect {
			return true
		}
		u, err := url.Parse(l)
		if err == nil && IsLoopback(u.Hostname()) && u.Scheme == "http" && SameOrigin(u, asked) &&
			u.Path == asked.Path && u.RawQuery == asked.RawQuery {
			return true
		}
	}
	return false
}

// Under reports whether u is base or lies below it, however it is spelt.
func Under(base, u string) bool {
	b, err1 := url.Parse(base)
	p, err2 := url.Parse(u)
	if err1 != nil || err2 != nil || !strings.EqualFold(b.Hostname(), p.Hostname()) || portOf(b) != portOf(p) && b.Scheme == p.Scheme {
		return false
	}
	prefix, at := strings.TrimSuffix(path.Clean("/"+b.Path), "/"), path.Clean("/"+p.Path)
	return at == prefix || strings.HasPrefix(at, prefix+"/")
}

// Related reports whether the hosts of two URLs are the same, or one is a
// subdomain of the other. "www." does not count.
func Related(a, b string) bool {
	u, err1 := url.Parse(a)
	v, err2 := url.Parse(b)
	if err1 != nil || err2 != nil {
		return false
	}
	x, y := strings.TrimPrefix(u.Hostname(), "www."), strings.TrimPrefix(v.Hostname(), "www.")
	return x == y || strings.HasSuffix(x, "."+y) || strings.HasSuffix(y, "."+x)
}

// HostOf is the host of a URL with its port, "" if it cannot be parsed.
func HostOf(u string) string {
	p, err := url.Parse(u)
	if err != nil {
		return ""
	}
	return p.Host
}

// WithQuery adds parameters to a URL and leaves the rest of it as it is.
func WithQuery(to string, v url.Values) string {
	if strings.Contains(to, "?") {
		return to + "&" + v.Encode()
	}
	return to + "?" + v.Encode()
}
