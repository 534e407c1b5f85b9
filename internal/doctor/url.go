package doctor

import (
	"net/url"
	"strings"
)

// sameURL compares two addresses as clients that canonicalise do: scheme and
// host in any case, no path is the path /.
func sameURL(a, b string) bool { return a == b || canonical(a) == canonical(b) }

func canonical(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return s
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String()
}
