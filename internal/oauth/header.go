package oauth

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"mintkeep/internal/secret"
)

// ParseBearer returns the token of an Authorization header of the type Bearer
// (RFC 6750 section 2.1), "" if it is none. It is lenient (R10): any case,
// spaces around the token, a colon after "Bearer".
func ParseBearer(header string) secret.Secret {
	h := strings.TrimSpace(header)
	if len(h) < 7 || !strings.EqualFold(h[:6], "bearer") {
		return ""
	}
	rest := strings.TrimPrefix(h[6:], ":")
	if rest == h[6:] && strings.TrimLeft(rest, " \t") == rest {
		return "" // "BearerX"
	}
	return secret.Secret(strings.TrimSpace(rest))
}

// Basic is user and password of an Authorization header of the type Basic:
// percent-decoded (RFC 6749 section 2.3.1) and, because not everybody encodes
// them, as they were sent.
type Basic struct {
	User, RawUser         string
	Password, RawPassword secret.Secret
}

// ParseBasic returns the Basic credentials of a request, nil if it has none. A user
// that is an address which nobody encoded has colons of its own: it ends at the last.
func ParseBasic(r *http.Request) *Basic {
	user, password, ok := r.BasicAuth()
	if !ok {
		return nil
	}
	if at := strings.LastIndexByte(password, ':'); at >= 0 && (user == "https" || user == "http") && strings.HasPrefix(password, "//") {
		user, password = user+":"+password[:at], password[at+1:]
		return &Basic{user, user, secret.Secret(password), secret.Secret(password)}
	}
	return &Basic{Unescape(user), user, secret.Secret(Unescape(password)), secret.Secret(password)}
}

// Quality returns the q value that the Accept header fields give to a media type, and
// whether they name it with a q above 0. Wildcards do not count.
func Quality(h http.Header, mediaType string) (q float64, named bool) {
	for part := range strings.SplitSeq(strings.Join(h.Values("Accept"), ","), ",") {
		name, params, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err != nil || name != mediaType {
			continue
		}
		q = 1
		if v, ok := params["q"]; ok {
			q, _ = strconv.ParseFloat(v, 64)
		}
		return q, q > 0
	}
	return 0, false
}

// IsForm reports whether the Content-Type is that of a form.
func IsForm(h http.Header) bool {
	media, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return media == "application/x-www-form-urlencoded"
}

// PrefersHTML tells a browser from a program by the Accept header: it names
// text/html, and does not prefer application/json.
func PrefersHTML(h http.Header) bool {
	asHTML, html := Quality(h, "text/html")
	asJSON, _ := Quality(h, "application/json")
	return html && asHTML > asJSON
}
