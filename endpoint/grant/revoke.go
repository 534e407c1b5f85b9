package grant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"mintkeep/internal/oauth"
	"mintkeep/internal/secret"
	"mintkeep/internal/store"
)

// LooksLikeToken reports whether a text is a whole access or refresh token.
func LooksLikeToken(s secret.Secret) bool {
	_, _, old := mintokenParts(s)
	return old || s.WellFormed(prefixAccess) || s.WellFormed(prefixRefresh)
}

// Revoke revokes an access or refresh token and everything issued with it (RFC
// 7009), whether the client still waits or not. A TokenError says that there is no
// such access token; an unknown refresh token is no error.
func (s *Store) Revoke(ctx context.Context, now time.Time, token secret.Secret) error {
	ctx = context.WithoutCancel(ctx)
	if token.WellFormed(prefixRefresh) {
		return s.write(ctx, Request{Now: now}, func(t *tx) {
			if r := t.findRefresh(token.Hash()); r != nil {
				t.revoke(&Token{ID: r.tokenID, GrantID: r.grant.ID, Me: r.grant.Me, ClientID: r.grant.ClientID})
			}
		})
	}
	found, err := s.find(ctx, token)
	if err != nil {
		return err
	}
	return s.write(ctx, Request{Now: now}, func(t *tx) { t.revoke(found) })
}

// revoke ends the grant of a token. A token of php-mintoken's gets one for that: a
// grant that has ended is dead also if the clock was ahead and is put right.
func (t *tx) revoke(token *Token) {
	g := &Grant{ID: token.GrantID, Me: token.Me, ClientID: token.ClientID}
	if g.ID == 0 {
		g.ID = t.Insert("revoking a token", `INSERT INTO grants (me, client_id, scope, endpoint, created)
			SELECT auth_me, auth_client_id, auth_scope, '', CAST(created AS TEXT) FROM tokens WHERE token_id = ?`, token.ID)
		t.Exec("revoking a token", `UPDATE tokens SET grant_id = ? WHERE token_id = ?`, g.ID, token.ID)
	}
	if t.end(g.ID, "revoked") {
		t.record("revoked", g, token.ID, "")
	}
}

func (t *tx) listTokens(rest string, args ...any) []*Token {
	tokens, err := listTokens(t.Context(), t, rest, args...)
	t.Fail(err)
	return tokens
}

// ErrNoToken is returned when no token fits what was asked to be revoked.
var ErrNoToken = errors.New("there is no such token")

// RevokeID revokes the token with this ID, or the only one whose ID begins so,
// and everything issued with it; if me is not empty, only one of that person's.
func (s *Store) RevokeID(ctx context.Context, me, id string) error {
	err := s.write(ctx, s.ownersRequest(), func(t *tx) {
		tokens := t.listTokens(`WHERE substr(token_id, 1, length(?1)) = ?1 AND ?2 IN ('', auth_me)`, id, me)
		switch {
		case id == "" || len(tokens) == 0:
			t.Fail(ErrNoToken)
		case len(tokens) > 1:
			t.Fail(errors.New("more than one token begins so; give more of the id"))
		default:
			t.revoke(tokens[0])
		}
	})
	if err != nil {
		return fmt.Errorf("revoking %q: %w", id, err)
	}
	return nil
}

// RevokeClient revokes everything that a person (all if me is empty) granted to an
// app, however its address is spelt, and returns how many grants and tokens of
// php-mintoken's that were.
func (s *Store) RevokeClient(ctx context.Context, me, clientID string) (int, error) {
	known, err := store.List(ctx, s.DB, "reading the apps", func(scan func(...any) error) (id string, err error) {
		err = scan(&id)
		return id, err
	}, `SELECT client_id FROM grants UNION SELECT auth_client_id FROM tokens`)
	if err != nil {
		return 0, err
	}
	spelt, err := json.Marshal(slices.DeleteFunc(known, func(id string) bool { return !oauth.SameURL(id, clientID) }))
	if err != nil {
		return 0, err
	}
	return s.revokeGrants(ctx, `AND ? IN ('', me) AND client_id IN (SELECT value FROM json_each(?))`,
		`AND ? IN ('', auth_me) AND auth_client_id IN (SELECT value FROM json_each(?))`, me, string(spelt))
}

// RevokeAll revokes everything that a person (all if me is empty) granted, and
// returns how many grants and tokens of php-mintoken's that were.
func (s *Store) RevokeAll(ctx context.Context, me string) (int, error) {
	return s.revokeGrants(ctx, `AND ? IN ('', me)`, `AND ? IN ('', auth_me)`, me)
}

// revokeGrants ends the active grants, and the active tokens that have none, as
// far as the conditions name them. A grant may be active by its refresh token alone.
func (s *Store) revokeGrants(ctx context.Context, ofGrant, ofToken string, arg ...any) (revoked int, err error) {
	err = s.write(ctx, s.ownersRequest(), func(t *tx) {
		loose := t.listTokens(`WHERE grant_id IS NULL AND (revoked IS NULL OR revoked > ?) `+ofToken, append([]any{store.Time(t.Now)}, arg...)...)
		grants := t.listTokens(`JOIN grants USING (grant_id) WHERE ended IS NULL `+ofGrant+` GROUP BY grant_id`, arg...)
		// What was allowed a moment ago may still be a code.
		t.Exec("deleting codes", `DELETE FROM codes WHERE used IS NULL AND grant_id IN
			(SELECT grant_id FROM grants WHERE ended IS NULL `+ofGrant+`)`, arg...)
		for _, token := range append(loose, grants...) {
			t.revoke(token)
			revoked++
		}
	})
	if err != nil {
		return 0, fmt.Errorf("revoking tokens: %w", err)
	}
	return revoked, nil
}
