package grant

import (
	"context"
	"database/sql"

	"mintkeep/internal/oauth"
	"mintkeep/internal/store"
)

// TokenRequest is the request of a client that redeems a code (RFC 6749 section
// 4.1.3), byte for byte: the authorization endpoint has signed exactly these strings.
type TokenRequest struct {
	Code, ClientID, RedirectURI, Verifier string
}

// TokenResponse carries tokens to a client (RFC 6749 section 5.1).
type TokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	Scope        string `json:"scope"`
	Me           string `json:"me"`
	ExpiresIn    int64  `json:"expires_in,omitempty"` // seconds; 0 if never
	RefreshToken string `json:"refresh_token,omitempty"`
}

// Issue makes a grant of a code that an authorization endpoint confirmed, and its
// tokens. Used code, grant, tokens and event are written in one transaction. If
// the code turns out to be used already, the grant of its first use is ended and
// the error is invalid_grant.
func (s *Store) Issue(ctx context.Context, r Request, ask TokenRequest, g *Grant) (*TokenResponse, error) {
	var tokens *TokenResponse
	err := store.Write(ctx, s.DB, func(tx *sql.Tx) error {
		replay, err := insertConfirmed(ctx, tx, r, ask, g)
		if err != nil || replay {
			return err
		}
		tokens, err = issueTokens(ctx, tx, r, g)
		return err
	})
	if err != nil {
		return nil, err
	}
	if tokens == nil {
		return nil, errReplay()
	}
	return tokens, nil
}

// insertConfirmed writes the grant of a confirmed code and marks the code as used.
// If it is used already, the first grant ends instead.
func insertConfirmed(ctx context.Context, tx *sql.Tx, r Request, ask TokenRequest, g *Grant) (replay bool, err error) {
	if err := deleteExpired(ctx, tx, r.Now); err != nil {
		return false, err
	}
	earlier, err := usedBy(ctx, tx, ask.Code, r.Now)
	if err != nil {
		return false, err
	}
	if earlier != 0 {
		return true, endReplayed(ctx, tx, r, ask, earlier)
	}
	if err := g.insert(ctx, tx, r.Now); err != nil {
		return false, err
	}
	if err := markUsed(ctx, tx, ask.Code, g.ID, r.Now); err != nil {
		return false, err
	}
	return false, rememberShape(ctx, tx, r, ask.Code, g.Endpoint)
}

// issueTokens makes the tokens of a grant. A refresh token comes only with an
// access token that expires.
func issueTokens(ctx context.Context, tx *sql.Tx, r Request, g *Grant) (*TokenResponse, error) {
	access, id, err := g.insertAccess(ctx, tx, g.Scope, r.Now)
	if err != nil {
		return nil, err
	}
	tokens := &TokenResponse{AccessToken: string(access), TokenType: "Bearer", Scope: g.Scope, Me: g.Me, ExpiresIn: r.Settings.expiresIn()}
	if tokens.ExpiresIn > 0 {
		refresh, err := g.insertRefresh(ctx, tx, id, r.Now)
		if err != nil {
			return nil, err
		}
		tokens.RefreshToken = string(refresh)
	}
	return tokens, store.Record(ctx, tx, store.Event{At: r.Now, Kind: "issued", Me: g.Me, ClientID: g.ClientID,
		TokenID: id, Address: r.Address, Detail: g.Scope})
}

func errIssuesNone(me string) *oauth.Error {
	return oauth.InvalidGrant("this endpoint issues no tokens for " + me)
}
