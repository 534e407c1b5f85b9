package endpoint

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"
)

// An Access is what one grant lets an app do, as the owner sees it: its newest
// token stands for all that were issued with it.
type Access struct {
	Token
	Since     time.Time // when it was granted
	Renewable time.Time // until then a refresh token gives a new token; zero if none does
	Forever   bool      // … and that never ends
	ByHand    bool      // made without a code
	Status    string    // live, renewable, revoked or expired
}

// Living reports whether the app can still do something, or could after a refresh.
func (a *Access) Living() bool { return a.Status == "live" || a.Status == "renewable" }

// Ends is when the access ends if nobody uses it before; zero if never.
func (a *Access) Ends(st *Settings) time.Time {
	at, expires := a.Expiry(st)
	switch {
	case !expires || a.Forever:
		return time.Time{}
	case a.Renewable.After(at):
		return a.Renewable
	}
	return at
}

// Accesses lists what was granted, newest first; of one person, or of all if me is empty.
func (s *Server) Accesses(ctx context.Context, st *Settings, me string) ([]*Access, error) {
	tokens, err := listTokens(ctx, s.DB, `WHERE ? IN ('', auth_me) ORDER BY tokens.created DESC, tokens.rowid DESC`, me)
	if err != nil {
		return nil, err
	}
	now := s.Now().UTC()
	grants := make(map[int64]*Access)
	var all []*Access
	for _, t := range tokens {
		a, known := grants[t.GrantID]
		if !known || t.GrantID == 0 {
			a = &Access{Token: *t, Since: t.Created, Status: t.Status(st, now)}
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
	slices.SortStableFunc(all, func(a, b *Access) int { return b.Since.Compare(a.Since) })
	return all, nil
}

// addGrants adds what the grants know, and whether they have a living refresh token.
func (s *Server) addGrants(ctx context.Context, st *Settings, grants map[int64]*Access, now time.Time) error {
	rows, err := s.DB.QueryContext(ctx, `SELECT grant_id, endpoint, created, ended,
		(SELECT max(created) FROM refresh_tokens r WHERE r.grant_id = grants.grant_id AND rotated IS NULL AND killed IS NULL) FROM grants`)
	if err != nil {
		return fmt.Errorf("listing grants: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var endpoint, created string
		var ended, refresh sql.NullString
		if err := rows.Scan(&id, &endpoint, &created, &ended, &refresh); err != nil {
			return fmt.Errorf("listing grants: %w", err)
		}
		a := grants[id]
		if a == nil {
			continue
		}
		a.ByHand = endpoint == byHand
		if at, ok := parseStamp(created); ok {
			a.Since = at
		}
		if at, ok := parseStamp(refresh.String); ok && !ended.Valid && st.Issues(a.Me) {
			a.renewable(st, at, now)
		}
	}
	return rows.Err()
}

func (a *Access) renewable(st *Settings, refresh, now time.Time) {
	a.Forever = st.RefreshLifetime == 0
	if !a.Forever {
		a.Renewable = refresh.Add(st.RefreshLifetime)
	}
	if a.Status != "live" && (a.Forever || now.Before(a.Renewable)) {
		a.Status = "renewable"
	}
}
