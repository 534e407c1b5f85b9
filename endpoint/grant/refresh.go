package grant

import (
	"context"
	"time"

	"mintkeep/internal/oauth"
	"mintkeep/internal/secret"
	"mintkeep/internal/store"
)

// graceWindow is how long a rotated refresh token gives the same reply again, and
// how long the access token that it replaced is still accepted.
const graceWindow = 30 * time.Second

// A refreshRow is a refresh token with its grant.
type refreshRow struct {
	hash      string
	tokenID   string
	created   time.Time
	rotated   time.Time // zero while it was never used
	successor string    // the hash of the refresh token that replaced it
	revoked   bool      // it was replaced before anybody used it
	received  bool      // the access token issued with it was used, so its reply had arrived
	reply     []byte
	ended     bool // its grant is over
	grant     Grant
}

// insertRefresh makes a refresh token of a grant, which belongs to an access token.
func (t *tx) insertRefresh(g *Grant, tokenID string) secret.Secret {
	token := secret.New(prefixRefresh)
	t.Exec("writing the refresh token", `INSERT INTO refresh_tokens (refresh_hash, grant_id, token_id, created) VALUES (?, ?, ?, ?)`,
		token.Hash(), g.ID, tokenID, store.Time(t.Now))
	return token
}

func (t *tx) findRefresh(hash string) *refreshRow {
	r := &refreshRow{hash: hash}
	if !t.Row("looking up a refresh token",
		`SELECT r.token_id, r.created, r.rotated, coalesce(r.successor, ''), r.killed IS NOT NULL, r.reply,
			EXISTS (SELECT 1 FROM tokens a WHERE a.token_id = r.token_id AND a.last_use IS NOT NULL),
			g.grant_id, g.me, g.client_id, g.scope, g.endpoint, g.resource, g.ended IS NOT NULL
		FROM refresh_tokens r JOIN grants g USING (grant_id) WHERE r.refresh_hash = ?`, []any{hash},
		&r.tokenID, store.Into(&r.created), store.Into(&r.rotated), &r.successor, &r.revoked, &r.reply, &r.received,
		&r.grant.ID, &r.grant.Me, &r.grant.ClientID, &r.grant.Scope, &r.grant.Endpoint, &r.grant.Resource, &r.ended) {
		return nil
	}
	return r
}

// RefreshRequest is the request of a client that refreshes (RFC 6749 section 6). Client
// and resource are not compared if they are empty; an empty scope is that of the grant.
type RefreshRequest struct {
	Token                     secret.Secret
	ClientID, Scope, Resource string
}

// Refresh exchanges a refresh token for new tokens (RFC 6749 section 6). Every use
// rotates the refresh token; what happens to one that comes again is decided in
// one transaction (see exchangeRefreshToken).
func (s *Store) Refresh(ctx context.Context, r Request, ask RefreshRequest) (tokens *TokenResponse, err error) {
	token := ask.Token
	if token.WellFormed(prefixAccess) {
		return nil, oauth.InvalidGrant("this is an access token; the refresh token was given with it")
	}
	if !token.WellFormed(prefixRefresh) {
		return nil, oauth.InvalidGrant(malformed("refresh token", token, prefixRefresh))
	}
	err = s.write(ctx, r, func(t *tx) {
		row := t.findRefresh(token.Hash())
		if t.refusal = row.validate(r, ask); t.refusal == nil {
			tokens = t.exchangeRefreshToken(row, token, ask.Scope)
		}
	})
	return tokens, err
}

// validate refuses a refresh token that gives nothing, whether used before or not.
func (row *refreshRow) validate(r Request, ask RefreshRequest) *oauth.Error {
	switch lifetime := r.Settings.RefreshLifetime; {
	case row == nil:
		return oauth.InvalidGrant("the refresh token is unknown")
	case row.ended:
		return oauth.InvalidGrant("the refresh token was revoked")
	case lifetime > 0 && !r.Now.Before(row.created.Add(lifetime)):
		return oauth.InvalidGrant("the refresh token has expired; sign in again")
	case ask.ClientID != "" && !oauth.SameURL(ask.ClientID, row.grant.ClientID):
		return oauth.InvalidGrant("the refresh token was issued to another client_id")
	case !row.grant.Resource.Takes(ask.Resource):
		return errOtherResource(row.grant.Resource)
	case !r.Settings.Issues(row.grant.Me):
		return errIssuesNone(row.grant.Me)
	}
	return nil
}

// exchangeRefreshToken decides what a refresh token gives: new tokens, the same
// reply again within graceWindow, new tokens in place of a reply that was lost (neither
// its successor nor the access token issued with that was ever used), or else the end
// of the grant, because somebody stole one of the two. It returns nil if it refuses.
func (t *tx) exchangeRefreshToken(row *refreshRow, token secret.Secret, scope string) *TokenResponse {
	if row.rotated.IsZero() && !row.revoked {
		return t.rotate(row, token, scope)
	}
	next := t.findRefresh(row.successor)
	if row.revoked || next == nil || !next.rotated.IsZero() || next.revoked {
		t.revokeReused(row)
		return nil
	}
	if t.Now.Sub(row.rotated).Abs() <= graceWindow && row.reply != nil {
		tokens, err := openReply(token, row.reply)
		t.Fail(err)
		return tokens
	}
	if next.received {
		t.revokeReused(row)
		return nil
	}
	tokens := t.rotate(row, token, scope)
	if t.refusal == nil {
		t.revokeSuccessor(next)
	}
	return tokens
}

func (t *tx) revokeReused(row *refreshRow) {
	t.end(row.grant.ID, "reuse")
	t.record("reuse", &row.grant, row.tokenID, "a refresh token was presented after what it gave had been used; its tokens are revoked")
	t.refusal = oauth.InvalidGrant("the refresh token was used before; everything issued with it is revoked now, so sign in again")
}

// revokeIfKilled ends the grant of an access token that was revoked unused, because
// its reply seemed to be lost, and is used after all: two have the refresh token that
// it was given for, and the disk did not take the first use.
func (s *Store) revokeIfKilled(ctx context.Context, r Request, token *Token) {
	var killed bool
	_, err := store.Row(ctx, s.DB, "looking up a refresh token", `SELECT 1 FROM refresh_tokens WHERE grant_id = ? AND token_id = ? AND killed IS NOT NULL`,
		[]any{token.GrantID, token.ID}, &killed)
	if err == nil && killed {
		err = s.write(ctx, r, func(t *tx) {
			if t.end(token.GrantID, "reuse") {
				t.record("reuse", &Grant{Me: token.Me, ClientID: token.ClientID}, token.ID,
					"an access token was used although its refresh token had been presented again; its tokens are revoked")
			}
		})
	}
	if err != nil {
		s.Log.Error("grant not ended after a reuse", "token_id", token.ID, "error", err)
	}
}

// revokeSuccessor revokes a refresh token that nobody has used, with its access
// token, whatever the clock will say.
func (t *tx) revokeSuccessor(row *refreshRow) {
	t.Exec("revoking an unused refresh token",
		`UPDATE refresh_tokens SET killed = ?, reply = NULL WHERE refresh_hash = ?`, store.Time(t.Now), row.hash)
	t.revokeAt(row.tokenID, time.Unix(0, 0))
}

// revokeAt revokes an access token from the given moment on, if it is not earlier.
func (t *tx) revokeAt(tokenID string, at time.Time) {
	t.Exec("revoking a token", `UPDATE tokens SET revoked = ?2 WHERE token_id = ?1 AND (revoked IS NULL OR revoked > ?2)`,
		tokenID, store.Time(at))
}

// rotate makes the successor and seals the reply into the row of the presented
// token, so that a lost reply can be sent again.
func (t *tx) rotate(row *refreshRow, token secret.Secret, asked string) *TokenResponse {
	g := &row.grant
	scope, narrower := oauth.NarrowScope(g.Scope, asked)
	if !narrower {
		t.refusal = oauth.InvalidScope("the scope asked for goes beyond the one granted: " + g.Scope)
		return nil
	}
	t.deleteExpired()
	access, id := t.insertAccess(g, scope)
	next := t.insertRefresh(g, id)
	tokens := &TokenResponse{AccessToken: string(access), TokenType: "Bearer", Scope: scope, Me: g.Me,
		ExpiresIn: t.Settings.expiresIn(), RefreshToken: string(next)}
	t.markRotated(row, token, next, tokens)
	t.record("refreshed", g, id, g.allows(scope))
	if store.Time(t.Now)[:len(time.DateOnly)] != store.Time(row.created)[:len(time.DateOnly)] { // once a day
		t.deleteReplaced(g.ID)
	}
	return tokens
}

// deleteReplaced deletes what of a grant was replaced more than 30 days ago, as Prune
// does: some programs refresh whenever they start, and some owners have no shell.
func (t *tx) deleteReplaced(grantID int64) {
	const doing = "deleting what was replaced"
	before := store.Time(t.Now.Add(-pruneAfter))
	t.Exec(doing, `DELETE FROM refresh_tokens WHERE grant_id = ? AND coalesce(rotated, killed) < ?`, grantID, before)
	t.Exec(doing, `DELETE FROM tokens WHERE grant_id = ?1 AND revoked < ?2
		AND token_id NOT IN (SELECT token_id FROM refresh_tokens WHERE grant_id = ?1)`, grantID, before)
	t.Exec(doing, `DELETE FROM events WHERE event = 'refreshed' AND client_id IS NOT NULL AND at < ?`, before)
}

// markRotated names the successor, and deletes the reply that brought the presented
// token to the client, which has it now.
func (t *tx) markRotated(row *refreshRow, token, next secret.Secret, tokens *TokenResponse) {
	const doing = "rotating the refresh token"
	sealed, err := sealReply(token, tokens)
	t.Fail(err)
	t.Exec(doing, `UPDATE refresh_tokens SET rotated = ?, successor = ?, reply = ? WHERE refresh_hash = ?`,
		store.Time(t.Now), next.Hash(), sealed, row.hash)
	t.Exec(doing, `UPDATE refresh_tokens SET reply = NULL WHERE successor = ? AND grant_id = ?`, row.hash, row.grant.ID)
	t.revokeAt(row.tokenID, t.Now.Add(graceWindow))
}
