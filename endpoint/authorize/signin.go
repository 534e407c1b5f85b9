package authorize

import (
	"context"
	"net/url"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/oauth"
)

// OwnerClient is the client_id of the owner's pages, which sign people in like any
// other client: they have no password of their own. What is served there must be
// HTML with an h-app, for the upstream may read it.
func (h *Handler) OwnerClient() string { return h.URL + "/owner" }

// SignInURL is where the owner's pages send a browser to sign in. It comes back to
// redirectURI, which must lie below OwnerClient, with code, state and iss. The
// challenge is that of a fresh verifier (oauth.Challenge); me is what the person
// says who they are, empty for the person of this site.
func (h *Handler) SignInURL(redirectURI, state, challenge, me string) string {
	v := url.Values{"response_type": {"code"}, "client_id": {h.OwnerClient()}, "redirect_uri": {redirectURI},
		"state": {state}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}}
	if me != "" {
		v.Set("me", me)
	}
	return oauth.WithQuery(h.URL+"/authorize", v)
}

// SignedIn redeems the code that came back to the owner's pages and returns whose it
// is, a canonical profile URL: somebody to whom this endpoint issues tokens, or an
// admin. The caller has compared state. An *oauth.Error is the code's fault.
func (h *Handler) SignedIn(ctx context.Context, code, redirectURI, verifier string) (me string, err error) {
	g, err := h.Grants.Identify(ctx, grant.Request{Now: h.Grants.Now().UTC()},
		grant.TokenRequest{Code: code, ClientID: h.OwnerClient(), RedirectURI: redirectURI, Verifier: verifier})
	if err != nil {
		return "", err
	}
	return g.Me, nil
}
