package grant

import (
	"context"
	"time"

	"mintkeep/internal/oauth"
	"mintkeep/internal/store"
)

// restoredKey stands among the used codes while codes of before are refused.
const restoredKey = "restored"

// upstreamCodeLife is the longest that a code of an authorization endpoint may live
// (RFC 6749 section 4.1.2).
const upstreamCodeLife = 10 * time.Minute

// A Restoration is what was done to a database that was put back from a copy, and what
// the copy does not know.
type Restoration struct {
	Known   time.Time // the last moment of which something is written in it
	Until   time.Time // codes of authorization endpoints are refused so long
	Revoked int       // tokens that the log says were revoked, and were not
	Apps    []string  // that have tokens
}

// Restored makes a database that was put back from a copy safe to serve: codes and
// sign-ins of before are refused, since it is not known which were used, browsers are signed
// out, and what the log says was revoked is. Doing it again does no harm.
func (s *Store) Restored(ctx context.Context) (done Restoration, err error) {
	const doing = "making a restored database safe"
	r := s.ownersRequest()
	done.Until = r.Now.Add(upstreamCodeLife)
	err = s.write(ctx, r, func(t *tx) {
		t.Row(doing, `WITH known(at) AS (SELECT at FROM events WHERE event <> 'restored' UNION ALL SELECT last_use FROM tokens
			UNION ALL SELECT created FROM tokens), before(at) AS (SELECT redeemed FROM redeemed_codes WHERE code_key = ?)
			SELECT max(at) FROM known WHERE at <= coalesce((SELECT at FROM before), '9')`, []any{restoredKey}, store.Into(&done.Known))
		t.Exec(doing, `DELETE FROM authorizations`)
		t.Exec(doing, `DELETE FROM codes WHERE used IS NULL`)
		t.Exec(doing, `DELETE FROM sessions`) // some may have been ended since
		t.Exec(doing, `INSERT OR REPLACE INTO redeemed_codes (code_key, grant_id, redeemed) VALUES (?, 0, ?)`, restoredKey, store.Time(t.Now))
		for _, token := range t.listTokens(`WHERE token_id IN (SELECT token_id FROM events WHERE event IN ('revoked', 'reuse'))
			AND (revoked IS NULL OR revoked > ?)`, store.Time(t.Now)) {
			t.revoke(token)
			done.Revoked++
		}
		apps, err := store.List(ctx, t, doing, func(scan func(...any) error) (app string, err error) {
			err = scan(&app)
			return app, err
		}, `SELECT DISTINCT auth_client_id FROM tokens LEFT JOIN grants USING (grant_id)
			WHERE ended IS NULL AND (revoked IS NULL OR revoked > ?) ORDER BY 1`, store.Time(t.Now))
		t.Fail(err)
		done.Apps = apps
		t.Record(store.Event{At: t.Now, Kind: restoredKey, Detail: "from a copy of " + store.Time(done.Known)})
	})
	return done, err
}

// refuseRestored refuses a code of an authorization endpoint for as long as it may be one
// of before the database was put back.
func refuseRestored(ctx context.Context, db store.Querier, now time.Time) error {
	var at time.Time
	_, err := store.Row(ctx, db, "reading the used codes", `SELECT redeemed FROM redeemed_codes WHERE code_key = ? AND redeemed > ?`,
		[]any{restoredKey, store.Time(now.Add(-upstreamCodeLife))}, store.Into(&at))
	if err != nil || at.IsZero() {
		return err
	}
	return oauth.InvalidGrant("this site was just put back from a copy and does not know which codes were used before; sign in again after " +
		at.Add(upstreamCodeLife).Format(time.TimeOnly) + " UTC")
}
