package grant

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"mintkeep/internal/store"
)

// Tokens lists the access tokens, newest first.
func (s *Store) Tokens(ctx context.Context) ([]*Token, error) {
	return listTokens(ctx, s.DB, `ORDER BY tokens.created DESC, tokens.rowid DESC`)
}

func listTokens(ctx context.Context, db store.Querier, rest string, args ...any) ([]*Token, error) {
	rows, err := db.QueryContext(ctx, `SELECT `+tokenColumns+` FROM tokens `+rest, args...)
	if err != nil {
		return nil, fmt.Errorf("listing tokens: %w", err)
	}
	defer rows.Close()
	var all []*Token
	for rows.Next() {
		t, err := scanToken(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("listing tokens: %w", err)
		}
		all = append(all, t)
	}
	return all, rows.Err()
}

// Authorization is what one grant lets an app do, as the owner sees it. Its newest
// token stands for all that were issued with it.
type Authorization struct {
	Token
	Since            time.Time // when it was granted
	RefreshableUntil time.Time // zero if no refresh token gives a new token, or if NeverExpires
	NeverExpires     bool      // the refresh token never expires
	MintedManually   bool      // made without a code
	Status           string    // live, renewable, revoked or expired
}

// Active reports whether the app can do something now, or could after a refresh.
func (a *Authorization) Active() bool { return a.Status == "live" || a.Status == "renewable" }

// ExpiresAt is when the authorization ends if nobody uses it before; zero if never.
func (a *Authorization) ExpiresAt(st *Settings) time.Time {
	at, expires := a.Expiry(st)
	switch {
	case !expires || a.NeverExpires:
		return time.Time{}
	case a.RefreshableUntil.After(at):
		return a.RefreshableUntil
	}
	return at
}

// Authorizations lists what was granted, newest first; of one person, or of all if
// me is empty.
func (s *Store) Authorizations(ctx context.Context, st *Settings, me string) ([]*Authorization, error) {
	tokens, err := listTokens(ctx, s.DB, `WHERE ? IN ('', auth_me) ORDER BY tokens.created DESC, tokens.rowid DESC`, me)
	if err != nil {
		return nil, err
	}
	now := s.Now().UTC()
	grants := make(map[int64]*Authorization)
	var all []*Authorization
	for _, t := range tokens {
		a, known := grants[t.GrantID]
		if !known || t.GrantID == 0 {
			a = &Authorization{Token: *t, Since: t.Created, Status: t.Status(st, now)}
			grants[t.GrantID] = a
			all = append(all, a)
			continue
		}
		if t.LastUse.After(a.LastUse) { // the newest has not been used yet
			a.LastUse, a.Server = t.LastUse, cmp.Or(a.Server, t.Server)
		}
	}
	if err := s.addGrants(ctx, st, grants, now); err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b *Authorization) int { return b.Since.Compare(a.Since) })
	return all, nil
}

// addGrants adds what the grants know, and whether they have an active refresh token.
func (s *Store) addGrants(ctx context.Context, st *Settings, grants map[int64]*Authorization, now time.Time) error {
	rows, err := s.DB.QueryContext(ctx, `SELECT grant_id, endpoint, created, ended,
		(SELECT max(created) FROM refresh_tokens r WHERE r.grant_id = grants.grant_id AND rotated IS NULL AND killed IS NULL) FROM grants`)
	if err != nil {
		return fmt.Errorf("listing grants: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var endpoint string
		var created, ended, refresh sql.NullString
		if err := rows.Scan(&id, &endpoint, &created, &ended, &refresh); err != nil {
			return fmt.Errorf("listing grants: %w", err)
		}
		a := grants[id]
		if a == nil {
			continue
		}
		a.MintedManually = endpoint == mintedManually
		if at := store.ParseTime(created); !at.IsZero() {
			a.Since = at
		}
		if at := store.ParseTime(refresh); !at.IsZero() && !ended.Valid && st.Issues(a.Me) {
			a.addRefresh(st, at, now)
		}
	}
	return rows.Err()
}

func (a *Authorization) addRefresh(st *Settings, created, now time.Time) {
	a.NeverExpires = st.RefreshLifetime == 0
	if !a.NeverExpires {
		a.RefreshableUntil = created.Add(st.RefreshLifetime)
	}
	if a.Status != "live" && (a.NeverExpires || now.Before(a.RefreshableUntil)) {
		a.Status = "renewable"
	}
}
