package endpoint

import (
	"context"
	"database/sql"
	"net/http"
	"net/url"
)

// How the owner's pages sign a person in: as a client of the front like any
// other, without a password of their own.
//
// They make a random state and verifier, keep them in a cookie of theirs, and send
// the browser to SignInURL. It comes back to their redirect, below OwnerClient,
// with code, state and iss, which go through SignedIn.

// OwnerClient is the client_id of the owner's pages. What is served there must be
// HTML with an h-app, for the authorization endpoint may read it.
func (s *Server) OwnerClient() string { return s.URL + "/owner" }

// SignInURL is where the browser goes to sign in. The redirect must lie below
// OwnerClient; the challenge is the S256 of a fresh verifier (Challenge); me is
// what the person says who they are, or empty for the person of this site.
func (s *Server) SignInURL(redirectURI, state, challenge, me string) string {
	v := url.Values{"response_type": {"code"}, "client_id": {s.OwnerClient()}, "redirect_uri": {redirectURI},
		"state": {state}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}}
	if me != "" {
		v.Set("me", me)
	}
	return withQuery(s.URL+"/authorize", v)
}

// Challenge is the PKCE challenge of a verifier (RFC 7636 section 4.2, S256).
func Challenge(verifier string) string { return challengeOf(verifier) }

// SignedIn redeems the code that came back to the owner's pages and returns whose
// it is, a canonical profile URL: somebody to whom this endpoint issues tokens, or
// an admin. The caller has compared state. An *Error is the code's fault.
func (s *Server) SignedIn(ctx context.Context, code, redirectURI, verifier string) (me string, err error) {
	q := &request{http: (&http.Request{Method: http.MethodPost}).WithContext(ctx), now: s.Now().UTC(), word: "authorize"}
	st, err := s.Settings(ctx)
	if err != nil {
		return "", err
	}
	ask := redemption{code: code, clientID: s.OwnerClient(), redirectURI: redirectURI, verifier: verifier}
	g, err := s.spend(q, st, ask, func(*sql.Tx, *grant) (*Error, error) { return nil, nil })
	if err != nil {
		return "", err
	}
	return g.me, nil
}
