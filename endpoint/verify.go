package endpoint

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"net/http"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/oauth"
)

// verify is GET BASE: a resource server asks whether a bearer token is accepted
// (IndieAuth section 6.2 in its older form, R1 to R10), or a person looks. A request
// that names a resource is never a person's, whatever it accepts: web servers let in
// whom a 200 is answered, and hand on the header fields that say who it is.
func (h *Handler) verify(q *request) (*oauth.Reply, error) {
	at, named := q.resource()
	if named {
		return h.verifyResource(q, at)
	}
	if !q.hasAuth && oauth.PrefersHTML(q.http.Header) {
		return h.publicPage(q)
	}
	t, err := h.verifyBearer(q, "")
	if err != nil {
		return nil, err
	}
	return verified(q, t)
}

// verifyResource is a verification for a resource. Its 200 says in header fields who
// it is, for a web server to hand on; its 401 is one that the resource can give to
// its client as it is, with the address of the resource's own metadata (RFC 9728
// section 5.1) and the scope that is usual there.
func (h *Handler) verifyResource(q *request, at oauth.Resource) (*oauth.Reply, error) {
	t, err := h.verifyBearer(q, cmp.Or(at, "nowhere")) // named, but empty: not the site either
	if e := oauth.AsError(err); e != nil && e.Status == http.StatusUnauthorized {
		return nil, h.challenge(q, e, at)
	}
	if err != nil {
		return nil, err
	}
	reply, err := verified(q, t)
	if err == nil {
		reply.Header = map[string]string{"Mintkeep-Me": t.Me, "Mintkeep-Client-Id": t.ClientID, "Mintkeep-Scope": t.Scope}
	}
	return reply, err
}

// challenge adds to a 401 where the metadata of the resource lies.
func (h *Handler) challenge(q *request, e *oauth.Error, at oauth.Resource) error {
	address, err := at.Metadata()
	if err != nil {
		return e
	}
	server, err := h.Grants.ServerAt(q.ctx(), at)
	if err != nil {
		return err
	}
	says := ` resource_metadata="` + address + `"`
	if server != nil && server.Scope != "" {
		says += `, scope="` + server.Scope + `"`
	}
	if e.Code == "invalid_token" {
		says = "," + says
	}
	e.Header["WWW-Authenticate"] += says
	return e
}

// verified is the answer about a token that is good. It is a map because encoding/json studies
// the type of a struct anew in each process, for 3 percent of a CGI verification.
func verified(q *request, t *grant.Token) (*oauth.Reply, error) {
	members := map[string]any{"me": t.Me, "client_id": t.ClientID, "scope": t.Scope,
		"issued_at": t.Created.Unix(), "nonce": nonce(t)}
	if at := expiry(t, q.Settings); at != 0 {
		members["exp"] = at
	}
	return oauth.NewReply(members, q.asForm)
}

// nonce is stable for a token and below 2^53, so that it survives JavaScript.
func nonce(t *grant.Token) uint64 {
	h := sha256.Sum256([]byte("nonce " + t.ID))
	return binary.BigEndian.Uint64(h[:]) >> 12
}

// expiry is when the token expires, in seconds since 1970; 0 if never.
func expiry(t *grant.Token, st *grant.Settings) int64 {
	at := t.Expiry(st)
	if at.IsZero() {
		return 0
	}
	return at.Unix()
}

// verifyBearer returns the token that the request is authorized by, at a resource. The error is
// 401 (RFC 6750 section 3.1, R6): without a token, the header names no error; the
// body has one, for those who read no header.
func (h *Handler) verifyBearer(q *request, at oauth.Resource) (*grant.Token, error) {
	if q.bearer == "" {
		e := &oauth.Error{Status: http.StatusUnauthorized, Code: "invalid_request",
			Description: "send the access token in an Authorization header: Bearer TOKEN",
			Header:      map[string]string{"WWW-Authenticate": "Bearer"}}
		if hint := h.headerHint(q); hint != "" {
			e.Description = hint
		}
		return nil, e
	}
	t, err := h.Grants.Verify(q.ctx(), q.Request, q.bearer, "", at)
	if grant.IsTokenError(err) {
		return nil, invalidToken(err.Error())
	}
	return t, err
}

// headerHint is what to tell a caller who may have sent an Authorization header that did
// not arrive (R11); "" if one arrived, or nobody in between is known to remove it.
func (h *Handler) headerHint(q *request) string {
	if q.hasAuth || h.HeaderHint == nil {
		return ""
	}
	return h.HeaderHint(q.http)
}

func invalidToken(why string) *oauth.Error {
	return &oauth.Error{Status: http.StatusUnauthorized, Code: "invalid_token", Description: why,
		Header: map[string]string{"WWW-Authenticate": `Bearer error="invalid_token", error_description="` + why + `"`}}
}
