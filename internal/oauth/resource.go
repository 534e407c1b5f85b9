package oauth

import (
	"errors"
	"net/url"
	"strings"
)

// Resource is the address of a service that tokens are for (RFC 8707), in the one
// spelling in which it is compared and shown: scheme and host in lower case, without
// the port that the scheme has anyway, "/" where there is no path. Whatever else
// differs makes another resource. Empty, it is the site itself.
type Resource string

// ParseResource reads an absolute URL without fragment, https or, on loopback, http.
// It returns the text itself with the error, which then equals no resource.
func ParseResource(s string) (Resource, error) {
	u, err := parseStrict(s)
	if err == nil {
		err = checkHost(u)
	}
	switch {
	case err != nil:
		return Resource(s), err
	case u.Scheme != "https" && !(u.Scheme == "http" && IsLoopback(u.Hostname())):
		return Resource(s), errors.New("it does not begin with https://")
	case u.Path == "":
		u.Path = "/"
	}
	return Resource(u.String()), nil
}

// Metadata is where a resource says who gives out tokens for it (RFC 9728 section
// 3.1); it fails for what ParseResource refuses.
func (r Resource) Metadata() (string, error) {
	r, err := ParseResource(string(r))
	if err != nil {
		return "", err
	}
	u, err := url.Parse(string(r))
	if err != nil {
		return "", err
	}
	site := u.Scheme + "://" + u.Host
	rest := strings.TrimPrefix(string(r), site)
	if u.Path == "/" {
		rest = rest[1:]
	}
	return site + "/.well-known/oauth-protected-resource" + rest, nil
}

// Takes reports whether what a token request names is this resource: naming none is
// fine, and where there is none, whatever is named is ignored (RFC 8707 section 2.2;
// WordPress and others always send one).
func (r Resource) Takes(named string) bool {
	asked, err := ParseResource(named)
	return r == "" || named == "" || err == nil && asked == r
}

// InvalidTarget is status 400 with the code invalid_target (RFC 8707 section 2).
func InvalidTarget(description string) *Error {
	return &Error{Status: 400, Code: "invalid_target", Description: description}
}
