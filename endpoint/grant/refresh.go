package grant

import (
	"context"
	"database/sql"
	"slices"
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
	reply     []byte
	ended     bool // its grant is over
	grant     Grant
}

// insertRefresh makes a refresh token of the grant.
func (g *Grant) insertRefresh(ctx context.Context, tx *sql.Tx, tokenID string, now time.Time) (secret.Secret, error) {
	token := secret.New(prefixRefresh)
	err := store.Exec(ctx, tx, "writing the refresh token",
		`INSERT INTO refresh_tokens (refresh_hash, grant_id, token_id, created) VALUES (?, ?, ?, ?)`,
		token.Hash(), g.ID, tokenID, store.Time(now))
	return token, err
}

func findRefresh(ctx context.Context, tx *sql.Tx, hash string) (*refreshRow, error) {
	r := &refreshRow{hash: hash}
	found, err := store.Row(ctx, tx, "looking up a refresh token",
		`SELECT r.token_id, r.created, r.rotated, coalesce(r.successor, ''), r.killed IS NOT NULL, r.reply,
			g.grant_id, g.me, g.client_id, g.scope, g.endpoint, g.ended IS NOT NULL
		FROM refresh_tokens r JOIN grants g USING (grant_id) WHERE r.refresh_hash = ?`, []any{hash},
		&r.tokenID, store.Into(&r.created), store.Into(&r.rotated), &r.successor, &r.revoked, &r.reply,
		&r.grant.ID, &r.grant.Me, &r.grant.ClientID, &r.grant.Scope, &r.grant.Endpoint, &r.ended)
	if err != nil || !found {
		return nil, err
	}
	return r, nil
}

// Refresh exchanges a refresh token for new tokens (RFC 6749 section 6). Every use
// rotates the refresh token; what happens to one that comes again is decided in
// one transaction (see exchange). An empty clientID is not compared,
// an empty scope is that of the grant.
func (s *Store) Refresh(ctx context.Context, r Request, token secret.Secret, clientID, scope string) (*TokenResponse, error) {
	if token.WellFormed(prefixAccess) {
		return nil, oauth.InvalidGrant("this is an access token; the refresh token was given with it")
	}
	if !token.WellFormed(prefixRefresh) {
		return nil, oauth.InvalidGrant("the refresh token is malformed: it was cut or changed on its way")
	}
	var tokens *TokenResponse
	var refusal *oauth.Error
	err := store.Write(ctx, s.DB, func(tx *sql.Tx) error {
		row, err := findRefresh(ctx, tx, token.Hash())
		if err != nil {
			return err
		}
		if refusal = row.validate(r, clientID); refusal != nil {
			return nil
		}
		tokens, refusal, err = row.exchange(ctx, tx, r, token, scope)
		return err
	})
	if err != nil {
		return nil, err
	}
	if refusal != nil {
		return nil, refusal
	}
	return tokens, nil
}

// validate refuses a refresh token that gives nothing, whether used before or not.
func (row *refreshRow) validate(r Request, clientID string) *oauth.Error {
	switch lifetime := r.Settings.RefreshLifetime; {
	case row == nil:
		return oauth.InvalidGrant("the refresh token is unknown")
	case row.ended:
		return oauth.InvalidGrant("the refresh token was revoked")
	case lifetime > 0 && !r.Now.Before(row.created.Add(lifetime)):
		return oauth.InvalidGrant("the refresh token has expired; sign in again")
	case clientID != "" && !oauth.SameURL(clientID, row.grant.ClientID):
		return oauth.InvalidGrant("the refresh token was issued to another client_id")
	case len(r.Settings.Me) > 0 && !slices.Contains(r.Settings.Me, row.grant.Me):
		return errIssuesNone(row.grant.Me)
	}
	return nil
}

// exchange decides what a refresh token gives: new tokens, the same reply again
// within graceWindow, new tokens in place of a reply that was lost (its successor
// was never used), or else the end of the grant, because somebody stole one of the two.
func (row *refreshRow) exchange(ctx context.Context, tx *sql.Tx, r Request, token secret.Secret, scope string,
) (*TokenResponse, *oauth.Error, error) {
	if row.revoked {
		return nil, errReuse(), row.revokeReused(ctx, tx, r)
	}
	if row.rotated.IsZero() {
		return row.rotate(ctx, tx, r, token, scope)
	}
	next, err := findRefresh(ctx, tx, row.successor)
	if err != nil {
		return nil, nil, err
	}
	if next == nil || !next.rotated.IsZero() || next.revoked {
		return nil, errReuse(), row.revokeReused(ctx, tx, r)
	}
	if r.Now.Sub(row.rotated) <= graceWindow && row.reply != nil {
		tokens, err := openReply(token, row.reply)
		return tokens, nil, err
	}
	tokens, refusal, err := row.rotate(ctx, tx, r, token, scope)
	if err == nil && refusal == nil {
		err = next.revoke(ctx, tx, r.Now)
	}
	return tokens, refusal, err
}

func errReuse() *oauth.Error {
	return oauth.InvalidGrant("the refresh token was used before; everything issued with it is revoked now, so sign in again")
}

func (row *refreshRow) revokeReused(ctx context.Context, tx *sql.Tx, r Request) error {
	if _, err := end(ctx, tx, row.grant.ID, r.Now, "reuse"); err != nil {
		return err
	}
	return store.Record(ctx, tx, store.Event{At: r.Now, Kind: "reuse", Me: row.grant.Me, ClientID: row.grant.ClientID, Address: r.Address,
		TokenID: row.tokenID, Detail: "a refresh token was presented after its successor had been used; its tokens are revoked"})
}

// revoke revokes a successor that nobody has used, with its access token.
func (row *refreshRow) revoke(ctx context.Context, tx *sql.Tx, now time.Time) error {
	err := store.Exec(ctx, tx, "revoking an unused refresh token",
		`UPDATE refresh_tokens SET killed = ?, reply = NULL WHERE refresh_hash = ?`, store.Time(now), row.hash)
	if err != nil {
		return err
	}
	return revokeAt(ctx, tx, row.tokenID, now)
}

// revokeAt revokes an access token from the given moment on, if it is not earlier.
func revokeAt(ctx context.Context, tx *sql.Tx, tokenID string, at time.Time) error {
	return store.Exec(ctx, tx, "revoking a token", `UPDATE tokens SET revoked = ?2 WHERE token_id = ?1 AND (revoked IS NULL OR revoked > ?2)`,
		tokenID, store.Time(at))
}

// rotate makes the successor and seals the reply into the row of the presented
// token, so that a lost reply can be sent again.
func (row *refreshRow) rotate(ctx context.Context, tx *sql.Tx, r Request, token secret.Secret, asked string,
) (*TokenResponse, *oauth.Error, error) {
	scope := oauth.NarrowScope(row.grant.Scope, asked)
	if scope == "" {
		return nil, oauth.InvalidScope("the scope asked for goes beyond the one granted: " + row.grant.Scope), nil
	}
	if err := deleteExpired(ctx, tx, r.Now); err != nil {
		return nil, nil, err
	}
	access, id, err := row.grant.insertAccess(ctx, tx, scope, r.Now)
	if err != nil {
		return nil, nil, err
	}
	next, err := row.grant.insertRefresh(ctx, tx, id, r.Now)
	if err != nil {
		return nil, nil, err
	}
	tokens := &TokenResponse{AccessToken: string(access), TokenType: "Bearer", Scope: scope, Me: row.grant.Me,
		ExpiresIn: r.Settings.expiresIn(), RefreshToken: string(next)}
	if err := row.markRotated(ctx, tx, token, next, tokens, r.Now); err != nil {
		return nil, nil, err
	}
	return tokens, nil, store.Record(ctx, tx, store.Event{At: r.Now, Kind: "refreshed", Me: row.grant.Me, ClientID: row.grant.ClientID,
		TokenID: id, Address: r.Address, Detail: scope})
}

// markRotated names the successor, and deletes the reply that brought the presented
// token to the client, which has it now.
func (row *refreshRow) markRotated(ctx context.Context, tx *sql.Tx, token, next secret.Secret, tokens *TokenResponse, now time.Time) error {
	sealed, err := sealReply(token, tokens)
	if err != nil {
		return err
	}
	const doing = "rotating the refresh token"
	err = store.Exec(ctx, tx, doing, `UPDATE refresh_tokens SET rotated = ?, successor = ?, reply = ? WHERE refresh_hash = ?`,
		store.Time(now), next.Hash(), sealed, row.hash)
	if err == nil {
		err = store.Exec(ctx, tx, doing, `UPDATE refresh_tokens SET reply = NULL WHERE successor = ? AND grant_id = ?`, row.hash, row.grant.ID)
	}
	if err == nil {
		err = revokeAt(ctx, tx, row.tokenID, now.Add(graceWindow))
	}
	return err
}
