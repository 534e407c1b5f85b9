package endpoint

import (
	"context"
	"net/http"
	"net/netip"
	"strings"

	"mintkeep/endpoint/authorize"
	"mintkeep/endpoint/grant"
	"mintkeep/internal/oauth"
	"mintkeep/internal/secret"
)

// A request is an HTTP request, read once: what the handlers look at.
type request struct {
	grant.Request
	http    *http.Request
	route   string
	page    bool // a person looks at the reply, also if it is an error
	asForm  bool // errors are written as a form
	form    oauth.Form
	hasAuth bool // an Authorization header arrived
	bearer  secret.Secret
	basic   *oauth.Basic // nil if there is none
}

func (q *request) ctx() context.Context { return q.http.Context() }

func (q *request) param(name string) string { return q.form.Values[name] }

// browser is the request as the authorization endpoint sees it.
func (q *request) browser() authorize.Request {
	return authorize.Request{Request: q.Request, Cookies: q.http.Cookies()}
}

// resource is the resource that the address names, however badly; several are none.
func (q *request) resource() (at oauth.Resource, named bool) {
	var values []string
	for pair := range strings.SplitSeq(q.http.URL.RawQuery, "&") {
		if name, value, _ := strings.Cut(pair, "="); oauth.Unescape(name) == "resource" {
			values = append(values, oauth.Unescape(value))
		}
	}
	at, _ = oauth.ParseResource(strings.Join(values, " "))
	return at, values != nil
}

// verifies reports whether this is a verification, whose format is negotiated.
func (q *request) verifies() bool { return q.route == "" && q.http.Method != http.MethodPost }

// tokenParams are the parameters of all routes for programs.
func tokenParams() oauth.Fields {
	// A mangled token is answered like an unknown one.
	return oauth.Fields{Opaque: "token", Repeated: "resource", Names: []string{"grant_type", "action", "code", "client_id",
		"client_secret", "redirect_uri", "code_verifier", "refresh_token", "scope", "token", "resource"}}
}

// parse reads the whole request; params are those of a page. It returns a request
// even when it fails, so that the error can be written in the right format.
func (h *Handler) parse(r *http.Request, route string, page bool, params oauth.Fields) (*request, error) {
	q := &request{http: r, route: route, page: page}
	q.Now, q.Address = h.Grants.Now().UTC(), countedAddress(r)
	if q.verifies() {
		q.asForm = wantsForm(r.Header, false)
	}
	if !page {
		params = tokenParams()
	}
	if err := q.parseAuthorization(r); err != nil {
		return q, err
	}
	raw := r.URL.RawQuery
	if r.Method == http.MethodPost {
		body, err := oauth.ReadBody(r)
		if err != nil {
			return q, err
		}
		if body != "" || page {
			raw = body
		}
	} else if !page {
		return q, nil
	}
	var err error
	q.form, err = oauth.ParseForm(raw, params)
	return q, err
}

// parseAuthorization reads the Authorization header. An empty one counts as none.
func (q *request) parseAuthorization(r *http.Request) error {
	values := r.Header.Values("Authorization")
	if len(values) > 1 {
		return oauth.InvalidRequest("more than one Authorization header was sent")
	}
	if len(values) == 0 || strings.TrimSpace(values[0]) == "" {
		return nil
	}
	q.hasAuth, q.bearer, q.basic = true, oauth.ParseBearer(values[0]), oauth.ParseBasic(r)
	return nil
}

// clientID is the client_id of the body or of Basic credentials (R25), which must
// agree where both are given.
func (q *request) clientID() (string, error) {
	id := q.param("client_id")
	if q.basic == nil || q.basic.User == "" {
		return id, nil
	}
	if id == "" && len(q.basic.User) <= oauth.MaxURL {
		return q.basic.User, nil
	}
	if id != q.basic.User && id != q.basic.RawUser {
		return "", oauth.InvalidRequest("the client_id in the Authorization header is not the one in the body")
	}
	return id, nil
}

// countedAddress is what limits count by: the client's public address. Where the peer
// is a proxy (on loopback, a private address, a Unix socket), it is the last entry of
// X-Forwarded-For, the one that this proxy wrote; "" if there is none.
func countedAddress(r *http.Request) string {
	if a := publicAddress(r.RemoteAddr); a != "" {
		return a
	}
	list := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	return publicAddress(strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:]))
}

// publicAddress is the address in a text, with or without a port, of IPv6 the /64;
// "" if it is not public.
func publicAddress(remote string) string {
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

// wantsForm negotiates the format of a GET verification (R2): what Accept names;
// else a form for a GET with a form's Content-Type, as the resource servers send
// it that read nothing else; else the default.
func wantsForm(h http.Header, defaultForm bool) bool {
	asJSON, json := oauth.Quality(h, "application/json")
	asForm, form := oauth.Quality(h, "application/x-www-form-urlencoded")
	if json || form {
		return asForm > asJSON
	}
	return defaultForm || oauth.IsForm(h)
}

// onlyForm reports whether the client of a token request named the form in Accept,
// and not JSON (R27).
func onlyForm(h http.Header) bool {
	_, json := oauth.Quality(h, "application/json")
	_, form := oauth.Quality(h, "application/x-www-form-urlencoded")
	return form && !json
}
