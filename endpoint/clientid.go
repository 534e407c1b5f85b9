package endpoint

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
)

// maxURL is the longest client_id, redirect_uri or me that the front takes.
const maxURL = 2048

// parseClientID reads a client identifier by IndieAuth section 3.3: http or https,
// a domain name or loopback, no user, no fragment, no dot segments. The bare
// "https://app.example" is taken for the same with a slash.
func parseClientID(id string) (*url.URL, error) {
	u, err := strictURL(id)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("it does not begin with https:// or http://")
	}
	if err := domainName(u); err != nil {
		return nil, err
	}
	return u, nil
}

// parseRedirect reads a redirection endpoint (RFC 6749 section 3.1.2): an absolute
// URL without fragment, of the web or of an app's own scheme (RFC 8252 section 7.1).
func parseRedirect(uri string) (*url.URL, error) {
	u, err := strictURL(uri)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "http", "https":
		return u, domainName(u)
	case "javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "view-source", "ws", "wss", "ftp", "mailto", "intent", "content", "chrome":
		return nil, errors.New("its scheme is not one for an app")
	}
	return u, nil
}

// strictURL parses what Go and every browser read alike. Where a character could
// be read in two ways (a backslash, a space, letters of other alphabets), no
// client needs it.
func strictURL(s string) (*url.URL, error) {
	if len(s) > maxURL {
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
	case dotSegments(u):
		return nil, errors.New("it has . or .. segments")
	}
	return u, nil
}

// dotSegments looks at the decoded path: browsers resolve %2e as well.
func dotSegments(u *url.URL) bool {
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// domainName accepts names, and of the addresses those of loopback. What ends
// in a number is an address to a browser, in whatever notation.
func domainName(u *url.URL) error {
	host := strings.ToLower(u.Hostname())
	if loopback(u) {
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

// loopback tells clients on the owner's own machine, whose pages are never fetched.
func loopback(u *url.URL) bool {
	switch host := strings.ToLower(u.Hostname()); host {
	case "localhost", "127.0.0.1":
		return true
	default:
		a, err := netip.ParseAddr(host)
		return err == nil && a == netip.IPv6Loopback()
	}
}

// sameOrigin is IndieAuth section 4.2.2: a redirect to the client's own scheme,
// host and port needs no further proof. The port of a client on loopback is free
// (RFC 8252 section 7.3).
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) &&
		(portOf(a) == portOf(b) || loopback(a) && loopback(b))
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

// listed reports whether a client's list holds the redirect: the same string, or
// on loopback the same but for the port.
func listed(list []string, redirect string) bool {
	asked, err := url.Parse(redirect)
	if err != nil {
		return false
	}
	for _, l := range list {
		if l == redirect {
			return true
		}
		u, err := url.Parse(l)
		if err == nil && loopback(u) && u.Scheme == "http" && sameOrigin(u, asked) && u.Path == asked.Path && u.RawQuery == asked.RawQuery {
			return true
		}
	}
	return false
}

func hostOf(u string) string {
	p, err := url.Parse(u)
	if err != nil {
		return ""
	}
	return p.Host
}
