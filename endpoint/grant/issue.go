package grant

import (
	"context"

	"mintkeep/internal/oauth"
)

// TokenRequest is the request of a client that redeems a code (RFC 6749 section
// 4.1.3), byte for byte: the authorization endpoint has signed exactly these strings.
type TokenRequest struct {
	Code, ClientID, RedirectURI, Verifier string
	Resource                              string // not compared if empty
}

// TokenResponse carries tokens to a client (RFC 6749 section 5.1).
type TokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	Scope        string `json:"scope,omitempty"`
	Me           string `json:"me"`
	ExpiresIn    int64  `json:"expires_in,omitempty"` // seconds; 0 if never
	RefreshToken string `json:"refresh_token,omitempty"`
}

// Issue makes a grant of a code that an authorization endpoint confirmed, and its
// tokens. Used code, grant, tokens and event are written in one transaction. If
// the code turns out to be used already, the grant of its first use is ended and
// the error is invalid_grant.
func (s *Store) Issue(ctx context.Context, r Request, ask TokenRequest, g *Grant) (tokens *TokenResponse, err error) {
	err = s.write(ctx, r, func(t *tx) {
		if t.insertConfirmed(ask, g) {
			tokens = t.issueTokens(g)
		}
	})
	return tokens, err
}

// insertConfirmed writes the grant of a confirmed code and marks the code as used.
// If it is used already, the first grant ends instead, and the result is false.
func (t *tx) insertConfirmed(ask TokenRequest, g *Grant) bool {
	t.deleteExpired()
	if earlier := t.usedBy(ask.Code); earlier != 0 {
		t.endReplayed(ask, earlier)
		return false
	}
	t.insertGrant(g)
	t.markUsed(ask.Code, g.ID)
	t.rememberShape(ask.Code, g.Endpoint)
	return true
}

// issueTokens makes the tokens of a grant. A refresh token comes only with an
// access token that expires.
func (t *tx) issueTokens(g *Grant) *TokenResponse {
	access, id := t.insertAccess(g, g.Scope)
	tokens := &TokenResponse{AccessToken: string(access), TokenType: "Bearer", Scope: g.Scope, Me: g.Me, ExpiresIn: t.Settings.expiresIn()}
	if tokens.ExpiresIn > 0 {
		tokens.RefreshToken = string(t.insertRefresh(g, id))
	}
	t.record("issued", g, id, g.allows(g.Scope))
	return tokens
}

func errIssuesNone(me string) *oauth.Error {
	return oauth.InvalidGrant("this endpoint issues no tokens for " + me)
}
