package grant

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"mintkeep/internal/oauth"
	"mintkeep/internal/secret"
	"mintkeep/internal/store"
)

// Mint makes an access token for the owner, without a code.
func (s *Store) Mint(ctx context.Context, me, clientID, scope string) (token secret.Secret, err error) {
	return s.MintNamed(ctx, me, clientID, scope, "", 0)
}

// MintNamed is Mint for a program that is called so, if name is not empty, and whose
// token ends after life whatever its use, if that is not 0.
func (s *Store) MintNamed(ctx context.Context, me, clientID, scope, name string, life time.Duration) (token secret.Secret, err error) {
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
	err = s.write(ctx, s.ownersRequest(), func(t *tx) {
		t.insertGrant(g)
		var id string
		token, id = t.insertAccess(g, scope)
		if life > 0 {
			t.Exec("writing the end", `UPDATE tokens SET revoked = ? WHERE token_id = ?`, store.Time(t.Now.Add(life)), id)
		}
		if name != "" { // as if its page had said so, for ever
			const never = "9999-12-31 00:00:00"
			t.Exec("writing the name", `INSERT OR REPLACE INTO pages (about, url, said, fetched, tried) VALUES ('client', ?, ?, ?, ?)`, clientID, name, never, never)
		}
		t.record("made", g, id, scope)
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
	err = s.write(ctx, s.ownersRequest(), func(t *tx) {
		before, idle := store.Time(t.Now.Add(-pruneAfter)), "" // nothing is older than the empty text
		if st.RefreshLifetime > 0 {
			idle = store.Time(t.Now.Add(-st.RefreshLifetime - pruneAfter))
		}
		t.Exec("pruning refresh tokens", `DELETE FROM refresh_tokens WHERE coalesce(rotated, killed) < ? OR created < ?
			OR grant_id IN (SELECT grant_id FROM grants WHERE ended < ?)`, before, idle, before)
		for _, token := range t.listTokens(`WHERE token_id NOT IN (SELECT token_id FROM refresh_tokens)`) {
			if at := token.Expiry(st); !at.IsZero() && t.Now.Sub(at) >= pruneAfter {
				t.Exec("pruning tokens", `DELETE FROM tokens WHERE token_id = ?`, token.ID)
				removed++
			}
		}
		t.Exec("pruning grants", `DELETE FROM grants WHERE created < ?
			AND grant_id NOT IN (SELECT grant_id FROM tokens WHERE grant_id IS NOT NULL)
			AND grant_id NOT IN (SELECT grant_id FROM refresh_tokens)`, before)
		t.Exec("pruning events", `DELETE FROM events WHERE at < ?`, store.Time(t.Now.AddDate(-1, 0, 0)))
		t.Exec("pruning pages", `DELETE FROM pages WHERE tried < ?`, before)
	})
	return removed, err
}
