package endpoint

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode/utf8"
)

// maxBody is the largest request or answer that is read, in bytes.
const maxBody = 64 << 10

// A request is an HTTP request read once: what the handlers look at.
type request struct {
	http    *http.Request
	now     time.Time
	word    string            // the route
	page    bool              // a person looks at the answer, an error too
	form    map[string]string // parameters we read, of the body or, if it is empty, the query
	bare    []string          // keys that stand alone, without "="
	hasAuth bool              // an Authorization header arrived
	bearer  Secret            // its bearer token
	basic   *basic            // its Basic credentials
	address string            // counted client address, "" for proxies and private networks

	answerForm bool // a GET verification is answered as form, errors too
}

type basic struct {
	user   string
	secret Secret
	raw    [2]string // user and secret before percent-decoding
}

func (q *request) ctx() context.Context { return q.http.Context() }

// outlive lets what follows be done whether the client waits for the answer or not.
func (q *request) outlive() { q.http = q.http.WithContext(context.WithoutCancel(q.ctx())) }

// reads lists the parameters that the handler of a route reads; a repeated one
// is refused (RFC 6749 section 3.2), others may repeat.
func (q *request) reads(name string) bool {
	switch {
	case !q.page:
		switch name {
		case "grant_type", "action", "code", "client_id", "client_secret", "redirect_uri",
			"code_verifier", "refresh_token", "scope", "token":
			return true
		}
	case q.word == "authorize":
		switch name {
		case "response_type", "client_id", "redirect_uri", "state", "scope", "me", "code_challenge", "code_challenge_method":
			return true
		}
	case q.word == "callback":
		return name == "flow" || name == "state" || name == "code" || name == "error"
	case q.word == "consent":
		return name == "flow" || name == "scope" || name == "answer"
	}
	return false
}

// word finds the route: the path below BASE if the request's path begins with
// it, else the last segment if it is one of the fixed words. Web servers
// disagree on SCRIPT_NAME, so that is not looked at.
func (s *Server) word(r *http.Request) (string, bool) {
	if path.Clean("/"+r.URL.Path) == wellKnown+s.basePath() {
		return "metadata", true
	}
	if word, below := s.Below(r); below && s.URL != "" {
		return word, true
	}
	switch last := path.Base(path.Clean("/" + r.URL.Path)); last {
	case "introspect", "revoke", "userinfo", "metadata", "authorize", "callback", "consent", "check", "owner", "client":
		return last, true
	}
	return "", true
}

// Below is the cleaned path of a request without BASE's path and slashes at the
// ends; false if it does not begin with BASE's. Without a URL, BASE is the root.
func (s *Server) Below(r *http.Request) (string, bool) {
	p := strings.TrimSuffix(path.Clean("/"+r.URL.Path), "/")
	rest, below := strings.CutPrefix(p, s.basePath())
	return strings.TrimPrefix(rest, "/"), below && (rest == "" || rest[0] == '/')
}

// parse reads the whole request. It returns a request even when it fails, so
// that the error can be written in the right format.
func (s *Server) parse(r *http.Request, word string, page bool) (*request, error) {
	q := &request{http: r, now: s.Now().UTC(), word: word, page: page, address: countedAddress(r.RemoteAddr)}
	q.answerForm = r.Method != http.MethodPost && word == "" && q.wantsForm(false)
	if err := q.parseAuthorization(r); err != nil {
		return q, err
	}
	if r.Method != http.MethodPost {
		if page {
			return q, q.parseForm(r.URL.RawQuery)
		}
		return q, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return q, &Error{Status: http.StatusRequestEntityTooLarge, Code: "invalid_request", Description: "the body is larger than 64 KiB"}
	}
	if err != nil {
		return q, badRequest("the body could not be read to its end")
	}
	raw := string(body)
	if raw == "" && !page {
		raw = r.URL.RawQuery
	} else if ct := r.Header.Get("Content-Type"); ct != "" {
		if media, _, _ := mime.ParseMediaType(ct); media != "application/x-www-form-urlencoded" {
			return q, &Error{Status: http.StatusUnsupportedMediaType, Code: "invalid_request",
				Description: "send the parameters as application/x-www-form-urlencoded"}
		}
	}
	return q, q.parseForm(raw)
}

// parseForm reads name=value pairs. A value that is not percent-encoded
// properly is taken as it stands: some clients do not encode at all (C14).
func (q *request) parseForm(raw string) error {
	q.form = make(map[string]string)
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, hasValue := strings.Cut(pair, "=")
		name, value = unescape(name), unescape(value)
		if !hasValue && name != "" {
			q.bare = append(q.bare, name)
		}
		if !q.reads(name) || value == "" {
			continue
		}
		if q.word == "consent" && name == "scope" {
			value = strings.TrimPrefix(q.form[name]+" "+value, " ") // a tick for each
		} else if _, twice := q.form[name]; twice {
			return badRequest("the parameter " + name + " is given more than once")
		}
		if name != "token" && !printable(value) { // a mangled token is answered like an unknown one
			return badRequest("the parameter " + name + " contains characters that cannot be part of it")
		}
		q.form[name] = value
	}
	return nil
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

func printable(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, isControl) }

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// parseAuthorization reads the Authorization header leniently (R10): any case,
// spaces, a colon after "Bearer". An empty header counts as none.
func (q *request) parseAuthorization(r *http.Request) error {
	values := r.Header.Values("Authorization")
	if len(values) > 1 {
		return badRequest("more than one Authorization header was sent")
	}
	if len(values) == 0 || strings.TrimSpace(values[0]) == "" {
		return nil
	}
	q.hasAuth = true
	q.bearer = parseBearer(values[0])
	if _, _, ok := r.BasicAuth(); ok {
		q.basic = parseBasic(r)
	}
	return nil
}

// parseBearer returns the token of a Bearer header (RFC 6750 section 2.1), or "".
func parseBearer(header string) Secret {
	h := strings.TrimSpace(header)
	if len(h) < 7 || !strings.EqualFold(h[:6], "bearer") {
		return ""
	}
	rest := strings.TrimPrefix(h[6:], ":")
	if rest == h[6:] && strings.TrimLeft(rest, " \t") == rest {
		return "" // "BearerX"
	}
	return Secret(strings.TrimSpace(rest))
}

// parseBasic reads Basic credentials percent-decoded (RFC 6749 section 2.3.1);
// not everybody encodes them, so the raw form is kept beside it.
func parseBasic(r *http.Request) *basic {
	user, pass, _ := r.BasicAuth()
	return &basic{user: unescape(user), secret: Secret(unescape(pass)), raw: [2]string{user, pass}}
}

// clientID is the client_id of the body or of Basic credentials (R25); both
// must agree where both are given.
func (q *request) clientID() (string, error) {
	id := q.form["client_id"]
	if q.basic == nil || q.basic.user == "" {
		return id, nil
	}
	if id == "" {
		return q.basic.user, nil
	}
	if id != q.basic.user && id != q.basic.raw[0] {
		return "", badRequest("the client_id in the Authorization header is not the one in the body")
	}
	return id, nil
}

// countedAddress is what refusals are counted by: a public address, IPv6 by
// its /64. Loopback and private addresses are a proxy's and give "".
func countedAddress(remote string) string {
	host := remote
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		host = ap.Addr().String()
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		return ""
	}
	a = a.Unmap().WithZone("")
	shared := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10)
	if !a.IsGlobalUnicast() || a.IsPrivate() || shared.Contains(a) {
		return ""
	}
	if a.Is4() {
		return a.String()
	}
	p, _ := a.Prefix(64)
	return p.String()
}
