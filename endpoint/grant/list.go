package grant

import (
	"cmp"
	"context"
	"slices"
	"time"

	"mintkeep/internal/store"
)

// Tokens lists the access tokens, newest first.
func (s *Store) Tokens(ctx context.Context) ([]*Token, error) {
	return listTokens(ctx, s.DB, `ORDER BY tokens.created DESC, tokens.rowid DESC`)
}

func listTokens(ctx context.Context, db store.Querier, rest string, args ...any) ([]*Token, error) {
	return store.List(ctx, db, "listing tokens", scanToken, `SELECT `+tokenColumns+rest, args...)
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
	switch at := a.Expiry(st); {
	case at.IsZero() || a.NeverExpires:
		return time.Time{}
	case a.RefreshableUntil.After(at):
		return a.RefreshableUntil
	default:
		return at
	}
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
	_, err := store.List(ctx, s.DB, "listing grants", func(scan func(...any) error) (none struct{}, err error) {
		var id int64
		var endpoint string
		var ended bool
		var created, refresh time.Time
		if err := scan(&id, &endpoint, store.Into(&created), &ended, store.Into(&refresh)); err != nil || grants[id] == nil {
			return none, err
		}
		a := grants[id]
		a.MintedManually = endpoint == mintedManually
		if !created.IsZero() {
			a.Since = created
		}
		if !refresh.IsZero() && !ended && st.Issues(a.Me) {
			a.addRefresh(st, refresh, now)
		}
		return none, nil
	}, `SELECT grant_id, endpoint, created, ended IS NOT NULL,
		(SELECT max(created) FROM refresh_tokens r WHERE r.grant_id = grants.grant_id AND rotated IS NULL AND killed IS NULL) FROM grants`)
	return err
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

// Used reports whether anybody has ever signed in here or to an app.
func (s *Store) Used(ctx context.Context) (used bool, err error) {
	_, err = store.Row(ctx, s.DB, "looking whether somebody signed in",
		`SELECT EXISTS (SELECT 1 FROM events WHERE event = 'signed in') OR EXISTS (SELECT 1 FROM tokens)`, nil, &used)
	return used, err
}
