package endpoint

import (
	"database/sql"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// authorize is GET BASE/authorize: IndieAuth section 5.2, RFC 6749 section
// 4.1.1. Until client_id and redirect_uri are known to belong together, a fault
// is shown on a page; after that it goes back to the client. What is good is
// stored, and the browser goes on to the trusted endpoint.
func (s *Server) authorize(q *request) (*reply, error) {
	st, err := s.fronted(q)
	if err != nil {
		return nil, err
	}
	f := &flow{clientID: q.form["client_id"], redirectURI: q.form["redirect_uri"], challenge: q.form["code_challenge"],
		me: q.form["me"], scope: readScope(q.form["scope"])}
	f.state = sql.NullString{String: q.form["state"], Valid: q.form["state"] != ""}
	if err := s.checkRedirect(q, f); err != nil {
		return nil, err
	}
	if fault := q.authorizationFault(st); fault != nil {
		return s.back(f, fault), nil
	}
	f.endpoint = chooseEndpoint(st, f.me)
	if f.own, err = s.ownClient(q, f.endpoint); err != nil {
		return nil, err
	}
	err = s.write(q.ctx(), func(tx *sql.Tx) error {
		if err := s.sweep(q.ctx(), tx, q.now); err != nil {
			return err
		}
		return f.begin(q.ctx(), tx, q.now)
	})
	if err != nil {
		return nil, err
	}
	rep := redirect(http.StatusFound, s.onward(f, st))
	rep.cookies = s.cookies(q, f)
	return rep, nil
}

// checkRedirect is IndieAuth section 4.2.2. The client's page is fetched only if
// its redirect lies elsewhere, and never on loopback.
func (s *Server) checkRedirect(q *request, f *flow) error {
	if f.clientID == "" {
		return badRequest("the parameter client_id is missing")
	}
	if f.redirectURI == "" {
		return badRequest("the parameter redirect_uri is missing")
	}
	id, err := parseClientID(f.clientID)
	if err != nil {
		return badRequest("the client_id " + f.clientID + " cannot be an app's address: " + err.Error())
	}
	to, err := parseRedirect(f.redirectURI)
	if err != nil {
		return badRequest("the redirect_uri " + f.redirectURI + " cannot be used: " + err.Error())
	}
	if err := s.checkOwn(f); err != nil {
		return err
	}
	if sameOrigin(id, to) {
		return nil
	}
	foreign := badRequest("the redirect_uri " + f.redirectURI + " lies elsewhere than the client_id " + f.clientID + ", which does not list it")
	if loopback(id) {
		return foreign
	}
	if err := s.limit(q); err != nil {
		return err
	}
	found, err := s.readClient(q.ctx(), f.clientID)
	if err != nil {
		foreign.Cause = err
		foreign.Description = "the redirect_uri " + f.redirectURI + " lies elsewhere than the client_id " + f.clientID + ", and that page could not be read"
		s.Log.Warn("page of an app not read", "client_id", f.clientID, "error", err)
	}
	if err != nil || !listed(found.redirects, f.redirectURI) {
		return s.refused(q, redemption{clientID: f.clientID}, foreign)
	}
	return nil
}

// checkOwn keeps other clients from BASE: only the owner's pages are a client there.
func (s *Server) checkOwn(f *flow) error {
	owner := s.OwnerClient()
	if f.clientID == owner && under(owner, f.redirectURI) {
		return nil
	}
	if f.clientID == owner || under(s.URL, f.redirectURI) {
		return badRequest("the redirect_uri " + f.redirectURI + " is an address of this endpoint")
	}
	return nil
}

// authorizationFault checks what the client may be told. A missing response_type
// and the old "id" are taken: the clients without PKCE send them (C4, C25).
func (q *request) authorizationFault(st *Settings) *Error {
	challenge, method := q.form["code_challenge"], q.form["code_challenge_method"]
	switch t := q.form["response_type"]; {
	case t != "" && t != "code" && t != "id":
		return &Error{Code: "unsupported_response_type", Description: "the response_type is code"}
	case challenge == "" && method != "":
		return badRequest("code_challenge_method comes without code_challenge")
	case challenge != "" && method != "S256":
		return badRequest("the code_challenge_method must be S256")
	case challenge != "" && !isChallenge(challenge):
		return badRequest("the code_challenge is not the unpadded base64url of a SHA-256 (43 characters)")
	case challenge == "" && st.RequirePKCE:
		return badRequest("this site wants PKCE (code_challenge, S256), which this app does not send")
	case readScope(q.form["scope"]) == "" && strings.TrimSpace(q.form["scope"]) != "":
		return &Error{Code: "invalid_scope", Description: "no word of the scope can be one"}
	}
	return nil
}

// isChallenge is RFC 7636 section 4.2.
func isChallenge(c string) bool {
	for _, b := range []byte(c) {
		if b != '-' && b != '_' && (b < '0' || b > '9') && (b|0x20 < 'a' || b|0x20 > 'z') {
			return false
		}
	}
	return len(c) == 43
}

// chooseEndpoint takes the endpoint on the host of me, else the first.
func chooseEndpoint(st *Settings, me string) string {
	for _, e := range st.Endpoints {
		if me != "" && related(profileURL(me), e) {
			return e
		}
	}
	return st.Endpoints[0]
}

// profileURL reads what a person typed: the scheme is often left out.
func profileURL(me string) string {
	if !strings.Contains(me, "://") {
		me = "https://" + me
	}
	if _, err := CanonicalURL(me); err != nil {
		return ""
	}
	return me
}

// onward is the request that the trusted endpoint gets.
func (s *Server) onward(f *flow, st *Settings) string {
	v := url.Values{
		"client_id":             {s.innerClient(f)},
		"redirect_uri":          {s.innerRedirect(f)},
		"state":                 {f.innerState()},
		"me":                    {innerMe(f, st)},
		"response_type":         {"code"},
		"code_challenge":        {f.innerChallenge()},
		"code_challenge_method": {"S256"},
	}
	switch {
	case f.own: // who it is is all that we ask
	case f.scope == "": // Selfauth wants no scope with id, and one with code
		v.Set("response_type", "id")
	default:
		v.Set("scope", f.scope)
	}
	return withQuery(f.endpoint, v)
}

// innerMe is what the client sent, or the person of this site: Selfauth demands me.
func innerMe(f *flow, st *Settings) string {
	if me := profileURL(f.me); me != "" {
		return me
	}
	for _, me := range st.Me {
		if related(me, f.endpoint) {
			return me
		}
	}
	if len(st.Me) > 0 {
		return st.Me[0]
	}
	u, err := url.Parse(f.endpoint)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + "/"
}

// withQuery adds parameters to a URL and leaves the rest of it as it is.
func withQuery(to string, v url.Values) string {
	mark := "?"
	if strings.Contains(to, "?") {
		mark = "&"
	}
	return to + mark + v.Encode()
}

func redirect(status int, to string) *reply {
	return &reply{status: status, header: map[string]string{"Location": to, "Referrer-Policy": "no-referrer"}}
}

// answer is the way back to the client: its redirect_uri with the given
// parameters, its state and iss (RFC 6749 section 4.1.2, RFC 9207 section 2).
func (s *Server) answer(f *flow, v url.Values) string {
	v.Set("iss", s.URL)
	if f.state.Valid {
		v.Set("state", f.state.String)
	}
	return withQuery(f.redirectURI, v)
}

// back sends a fault to the client (RFC 6749 section 4.1.2.1). Only what has
// passed checkRedirect comes here.
func (s *Server) back(f *flow, fault *Error) *reply {
	return redirect(http.StatusFound, s.faultURL(f, fault))
}

func (s *Server) faultURL(f *flow, fault *Error) string {
	return s.answer(f, url.Values{"error": {frontCode(fault)}, "error_description": {plainASCII(fault.Description)}})
}

// frontCode is the error code for the way through the browser, which knows
// others than a token endpoint.
func frontCode(fault *Error) string {
	switch fault.Code {
	case "invalid_request", "unauthorized_client", "access_denied", "unsupported_response_type", "invalid_scope", "temporarily_unavailable":
		return fault.Code
	}
	return "server_error"
}

// plainASCII leaves what error_description may contain (RFC 6749 section 4.1.2.1).
func plainASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}

// asError is the fault that may be told, nil if the cause lies with us.
func asError(err error) *Error {
	e := new(Error)
	if errors.As(err, &e) {
		return e
	}
	return nil
}
