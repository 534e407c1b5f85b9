package oauth

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// MaxURL is the longest client_id, redirect_uri or profile URL that is taken, in bytes.
const MaxURL = 2048

// Parse is url.Parse with the host as programs see it, however a person spelt it: in
// lower case, an internationalised name as xn--, without a dot at its end and the port
// that its scheme has anyway. Every comparison of hosts begins here (case C1).
func Parse(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, err
	}
	host, port := u.Hostname(), u.Port()
	if !isASCII(host) {
		if host, err = idna.Lookup.ToASCII(host); err != nil {
			return nil, fmt.Errorf("the host of %q is no name: %w", s, err)
		}
	}
	if port == map[string]string{"http": "80", "https": "443"}[u.Scheme] {
		port = ""
	}
	if host = strings.ToLower(host); strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if !strings.HasSuffix(host, "..") { // which is no name at all
		host = strings.TrimSuffix(host, ".")
	}
	if u.Host = host; port != "" {
		u.Host += ":" + port
	}
	return u, nil
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// CanonicalURL is the one spelling of a profile URL, a client identifier or an
// endpoint (IndieAuth section 3.4, RFC 3986 section 6.2.2): the host as Parse gives
// it, "/" where there is no path, no dot segments, percent-encoding in upper case and
// only of what needs it. It refuses what is not an absolute http or https URL with a
// host and without user or fragment.
func CanonicalURL(s string) (string, error) {
	u, err := Parse(s)
	if err != nil {
		return "", err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return "", fmt.Errorf("%q is not a full http or https URL", u.Redacted())
	}
	u.RawPath = encodeOnce(u.EscapedPath())
	if u.Path, err = url.PathUnescape(u.RawPath); err != nil {
		return "", err
	}
	u.RawQuery = encodeOnce(u.RawQuery)
	if u = u.ResolveReference(u); u.Path == "" {
		u.Path = "/"
	}
	return u.String(), nil
}

// encodeOnce percent-encodes what cannot stand in a URL, and nothing that needs no encoding.
func encodeOnce(s string) string {
	const unreserved = "-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c, encoded := s[i], false
		if c == '%' {
			if n, err := hex.DecodeString(s[i+1 : min(i+3, len(s))]); err == nil && len(n) == 1 {
				c, encoded, i = n[0], true, i+2
			}
		}
		switch {
		case strings.IndexByte(unreserved, c) >= 0, !encoded && c > ' ' && c < 0x7f && strings.IndexByte("%\"<>\\^`{|}", c) < 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// ASCII is a URL as it stands if it is ASCII, else its canonical form: what may stand
// in a header field, and what programs that know no other letters are told.
func ASCII(s string) string {
	if c, err := CanonicalURL(s); err == nil && !isASCII(s) {
		return c
	}
	return s
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
	return ASCII(me)
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
// that could be read in two ways (a backslash, a space): no client needs them. Other
// alphabets may stand in addresses of the web.
func parseStrict(s string) (*url.URL, error) {
	if len(s) > MaxURL {
		return nil, errors.New("it is too long")
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c == 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			return nil, errors.New("it has characters that a URL cannot have")
		}
	}
	u, err := Parse(s)
	switch {
	case err != nil || u.Scheme == "" || u.Opaque != "" || u.Host == "" && !strings.HasPrefix(u.Path, "/"):
		return nil, errors.New("it is not a full URL")
	case u.User != nil:
		return nil, errors.New("it has a user name in it")
	case !isASCII(s) && u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("it has characters that a URL cannot have")
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
	host := u.Hostname()
	if a, err := netip.ParseAddr(host); host == "localhost" || host == "127.0.0.1" || err == nil && a == netip.IPv6Loopback() {
		return nil
	}
	for _, c := range []byte(host) {
		if c != '-' && c != '.' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return errors.New("its host is not a domain name")
		}
	}
	if last := host[strings.LastIndex(host, ".")+1:]; last == "" || last[0] >= '0' && last[0] <= '9' {
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

// SameOrigin compares scheme, host and port of two URLs from Parse: a redirect to the
// client's own origin needs no further proof (IndieAuth section 4.2.2). On loopback
// the port is not compared (RFC 8252 section 7.3).
func SameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && (a.Host == b.Host || a.Hostname() == b.Hostname() && IsLoopback(a.Hostname()))
}

// Listed reports whether the redirect URIs that a client publishes contain this
// one: the same string but for the alphabet or, for http on loopback, for the port.
func Listed(list []string, redirect string) bool {
	asked, err := Parse(redirect)
	if err != nil {
		return false
	}
	for _, l := range list {
		if ASCII(l) == ASCII(redirect) {
			return true
		}
		u, err := Parse(l)
		if err == nil && IsLoopback(u.Hostname()) && u.Scheme == "http" && SameOrigin(u, asked) &&
			u.Path == asked.Path && u.RawQuery == asked.RawQuery {
			return true
		}
	}
	return false
}

// Under reports whether u is base or lies below it, however it is spelt.
func Under(base, u string) bool {
	b, err1 := Parse(base)
	p, err2 := Parse(u)
	if err1 != nil || err2 != nil || b.Hostname() != p.Hostname() || b.Scheme == p.Scheme && b.Port() != p.Port() {
		return false
	}
	prefix, at := strings.TrimSuffix(path.Clean("/"+b.Path), "/"), path.Clean("/"+p.Path)
	return at == prefix || strings.HasPrefix(at, prefix+"/")
}

// Related reports whether the hosts of two URLs are the same, or one is a
// subdomain of the other. "www." does not count.
func Related(a, b string) bool {
	u, err1 := Parse(a)
	v, err2 := Parse(b)
	if err1 != nil || err2 != nil {
		return false
	}
	x, y := strings.TrimPrefix(u.Hostname(), "www."), strings.TrimPrefix(v.Hostname(), "www.")
	return x == y || strings.HasSuffix(x, "."+y) || strings.HasSuffix(y, "."+x)
}

// HostOf is the host of a URL as Parse gives it, "" if it cannot be parsed.
func HostOf(u string) string {
	p, err := Parse(u)
	if err != nil {
		return ""
	}
	return p.Host
}

// WithQuery adds parameters to a URL and leaves the rest of it as it is, but for
// letters that no header field can carry.
func WithQuery(to string, v url.Values) string {
	if to = ASCII(to); strings.Contains(to, "?") {
		return to + "&" + v.Encode()
	}
	return to + "?" + v.Encode()
}
