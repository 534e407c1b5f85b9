package grant

import (
	"context"
	"strings"
	"time"

	"mintkeep/internal/oauth"
	"mintkeep/internal/secret"
	"mintkeep/internal/store"
)

// codeLife is how long a code of this endpoint can be redeemed. RFC 6749 section
// 4.1.2 allows ten minutes.
const codeLife = time.Minute

// IsOwnCode reports whether a code, whole or not, was made by this program.
func IsOwnCode(code string) bool { return strings.HasPrefix(code, prefixCode) }

// insertCode makes the code that the client redeems for a grant.
func (t *tx) insertCode(p *Pending, grantID int64) secret.Secret {
	code := p.code()
	t.Exec("writing the code", `INSERT INTO codes (code_hash, grant_id, redirect_uri, challenge, created) VALUES (?, ?, ?, ?, ?)`,
		code.Hash(), grantID, p.RedirectURI, p.Challenge, store.Time(t.Now))
	return code
}

// A codeRow is a code of this endpoint with its grant.
type codeRow struct {
	hash        string
	redirectURI string
	challenge   string
	created     time.Time
	used        bool
	ended       bool // its grant is over
	grant       Grant
}

func (t *tx) findCode(hash string) *codeRow {
	c := &codeRow{hash: hash}
	if !t.Row("looking up a code", `SELECT c.redirect_uri, c.challenge, c.created, c.used IS NOT NULL,
			g.grant_id, g.me, g.client_id, g.scope, g.endpoint, g.resource, g.ended IS NOT NULL
		FROM codes c JOIN grants g USING (grant_id) WHERE c.code_hash = ?`, []any{hash},
		&c.redirectURI, &c.challenge, store.Into(&c.created), &c.used,
		&c.grant.ID, &c.grant.Me, &c.grant.ClientID, &c.grant.Scope, &c.grant.Endpoint, &c.grant.Resource, &c.ended) {
		return nil
	}
	return c
}

// validate returns why the code cannot be redeemed by this request, nil if it can.
func (c *codeRow) validate(now time.Time, ask TokenRequest) *oauth.Error {
	switch {
	case c == nil:
		return oauth.InvalidGrant("the code is unknown or has expired")
	case c.used:
		return errReplay()
	case c.ended:
		return oauth.InvalidGrant("what the code stood for was revoked")
	case !now.Before(c.created.Add(codeLife)):
		return oauth.InvalidGrant("the code has expired")
	}
	return c.matches(ask)
}

// matches compares what the client sends with what the code was made for, the
// redirect_uri as it stands. A code that came with a challenge needs its verifier; one
// that came without must come without (RFC 7636 section 4.6; OAuth 2.1 section 4.1.3),
// or else PKCE could be taken out of a request.
func (c *codeRow) matches(ask TokenRequest) *oauth.Error {
	switch {
	case !oauth.SameURL(c.grant.ClientID, ask.ClientID):
		return oauth.InvalidGrant("the code was issued to another client_id" + oauth.Changed("client_id", ask.ClientID, c.grant.ClientID))
	case c.redirectURI != ask.RedirectURI:
		return oauth.InvalidGrant("the code was issued for another redirect_uri" + oauth.Changed("redirect_uri", ask.RedirectURI, c.redirectURI))
	case !c.grant.Resource.Takes(ask.Resource):
		return errOtherResource(c.grant.Resource)
	case c.challenge != "" && ask.Verifier == "":
		return oauth.InvalidGrant("the code_verifier is missing")
	case c.challenge == "" && ask.Verifier != "":
		return oauth.InvalidGrant("there is a code_verifier, but the request began without code_challenge")
	case c.challenge != "" && !secret.Secret(oauth.Challenge(ask.Verifier)).Equal(secret.Secret(c.challenge)):
		return oauth.InvalidGrant("the code_verifier does not fit the code_challenge" + oauth.Mangled("code_verifier", ask.Verifier))
	}
	return nil
}

func errOtherResource(r oauth.Resource) *oauth.Error {
	return oauth.InvalidTarget("this was granted for the resource " + string(r) + " alone")
}

// Identify redeems a code of this endpoint to learn who signed in, without a token
// (IndieAuth section 5.3.2).
func (s *Store) Identify(ctx context.Context, r Request, ask TokenRequest) (*Grant, error) {
	return s.redeemCode(ctx, r, ask, func(*tx, *Grant) {})
}

// ExchangeOwnCode redeems a code of this endpoint for tokens.
func (s *Store) ExchangeOwnCode(ctx context.Context, r Request, ask TokenRequest) (tokens *TokenResponse, err error) {
	_, err = s.redeemCode(ctx, r, ask, func(t *tx, g *Grant) {
		switch {
		case !r.Settings.Issues(g.Me):
			t.Fail(errIssuesNone(g.Me))
		case g.Scope == "" && g.Resource == "":
			t.Fail(oauth.InvalidScope("no scope was asked for, so there is nothing a token could be used for; " +
				"redeem the code at the authorization endpoint to learn who it is"))
		default:
			t.deleteExpired()
			tokens = t.issueTokens(g)
		}
	})
	return tokens, err
}

// redeemCode marks a code of this endpoint as used and calls use in the same
// transaction. A refusal, or a failure of use, leaves the code unused: some clients
// send it again in another way (C7). A code that was used before ends its grant.
func (s *Store) redeemCode(ctx context.Context, r Request, ask TokenRequest, use func(*tx, *Grant)) (g *Grant, err error) {
	if !secret.Secret(ask.Code).WellFormed(prefixCode) {
		return nil, oauth.InvalidGrant(malformed("code", secret.Secret(ask.Code), prefixCode))
	}
	err = s.write(ctx, r, func(t *tx) {
		c := t.findCode(secret.Secret(ask.Code).Hash())
		switch t.refusal = c.validate(t.Now, ask); {
		case c == nil:
		case c.used:
			t.endReplayed(ask, c.grant.ID)
		case t.refusal != nil:
			t.record("refused", &Grant{Me: c.grant.Me, ClientID: ask.ClientID}, "", t.refusal.Description)
		default:
			g = &c.grant
			t.Exec("marking the code as used", `UPDATE codes SET used = ? WHERE code_hash = ?`, store.Time(t.Now), c.hash)
			use(t, g)
		}
	})
	return g, err
}
