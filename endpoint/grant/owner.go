package grant

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"mintkeep/internal/oauth"
	"mintkeep/internal/secret"
	"mintkeep/internal/store"
)

// Mint makes an access token for the owner, without a code.
func (s *Store) Mint(ctx context.Context, me, clientID, scope string) (secret.Secret, error) {
	canonical, err := oauth.CanonicalURL(me)
	if err != nil {
		return "", fmt.Errorf("minting: %w", err)
	}
	if _, err := oauth.ParseClientID(clientID); err != nil {
		return "", fmt.Errorf("minting: %q is no client: %w", clientID, err)
	}
	if clientID, err = oauth.CanonicalURL(clientID); err != nil {
		return "", fmt.Errorf("minting: the client: %w", err)
	}
	for _, word := range strings.Fields(scope) {
		if !oauth.IsScopeToken(word) {
			return "", fmt.Errorf("minting: %q cannot be a scope", word)
		}
	}
	if scope = oauth.ParseScope(scope); scope == "" {
		return "", errors.New("minting: a token without scope is of no use\nhint: name at least one scope, for example create")
	}
	st, err := s.Settings(ctx)
	if err != nil {
		return "", err
	}
	if !st.Issues(canonical) {
		return "", fmt.Errorf("minting: no tokens are issued for %s\nhint: mintkeep setting me %s", canonical, canonical)
	}
	g := &Grant{Me: canonical, ClientID: clientID, Scope: scope, Endpoint: mintedManually}
	now := s.Now().UTC()
	var token secret.Secret
	err = store.Write(ctx, s.DB, func(tx *sql.Tx) error {
		if err := g.insert(ctx, tx, now); err != nil {
			return err
		}
		var id string
		if token, id, err = g.insertAccess(ctx, tx, scope, now); err != nil {
			return err
		}
		return store.Record(ctx, tx, store.Event{At: now, Kind: "made", Me: g.Me, ClientID: clientID, TokenID: id, Detail: scope})
	})
	return token, err
}

// pruneAfter is how long an expired or revoked token stays to be seen in lists.
const pruneAfter = 30 * 24 * time.Hour

// Prune deletes what has been expired or revoked for more than 30 days: refresh
// tokens, access tokens that no active refresh token stands for, and grants that
// have none left; also what was read of pages, and events after a year. It returns
// how many access tokens were deleted.
func (s *Store) Prune(ctx context.Context, st *Settings) (removed int, err error) {
	now := s.Now().UTC()
	err = store.Write(ctx, s.DB, func(tx *sql.Tx) error {
		if err := pruneRefresh(ctx, tx, st, now); err != nil {
			return err
		}
		tokens, err := listTokens(ctx, tx, `WHERE token_id NOT IN (SELECT token_id FROM refresh_tokens)`)
		if err != nil {
			return err
		}
		for _, t := range tokens {
			if at, expires := t.Expiry(st); !expires || now.Sub(at) < pruneAfter {
				continue
			}
			if err := store.Exec(ctx, tx, "pruning tokens", `DELETE FROM tokens WHERE token_id = ?`, t.ID); err != nil {
				return err
			}
			removed++
		}
		return pruneGrants(ctx, tx, now)
	})
	return removed, err
}

func pruneRefresh(ctx context.Context, tx *sql.Tx, st *Settings, now time.Time) error {
	long, idle := store.Time(now.Add(-pruneAfter)), "" // nothing is older than the empty text
	if st.RefreshLifetime > 0 {
		idle = store.Time(now.Add(-st.RefreshLifetime - pruneAfter))
	}
	return store.Exec(ctx, tx, "pruning refresh tokens", `DELETE FROM refresh_tokens WHERE coalesce(rotated, killed) < ? OR created < ?
		OR grant_id IN (SELECT grant_id FROM grants WHERE ended < ?)`, long, idle, long)
}

func pruneGrants(ctx context.Context, tx *sql.Tx, now time.Time) error {
	err := store.Exec(ctx, tx, "pruning grants", `DELETE FROM grants WHERE created < ?
		AND grant_id NOT IN (SELECT grant_id FROM tokens WHERE grant_id IS NOT NULL)
		AND grant_id NOT IN (SELECT grant_id FROM refresh_tokens)`, store.Time(now.Add(-pruneAfter)))
	if err == nil {
		err = store.Exec(ctx, tx, "pruning events", `DELETE FROM events WHERE at < ?`, store.Time(now.AddDate(-1, 0, 0)))
	}
	if err == nil {
		err = store.Exec(ctx, tx, "pruning pages", `DELETE FROM pages WHERE tried < ?`, store.Time(now.Add(-pruneAfter)))
	}
	return err
}
