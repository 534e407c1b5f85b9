package keeper

import (
	"context"
	"strings"

	"mintkeep/internal/store"
)

// restoredNote begins the last error of a connection that was put back from a copy and
// has not been refreshed since.
const restoredNote = "put back from a copy, and refreshed before it is used"

// restored reports whether the site may know another refresh token than the copy.
func (c connectionRow) restored() bool { return strings.HasPrefix(c.LastError, restoredNote) }

// Restored makes what is kept safe to use after the database was put back from a copy.
// What can be refreshed is, before it is used: the copy's token may be spent. Should the
// site refuse the refresh token, the one before is tried, once. Revocations that have
// not been confirmed are tried again. It returns the connections as they are now.
func Restored(ctx context.Context, k *Keeper) ([]Connection, error) {
	const doing = "making restored connections safe"
	now := k.now()
	err := store.Transact(ctx, k.DB, func(tx *store.Tx) {
		tx.Exec(doing, `DELETE FROM flows`)
		tx.Exec(doing, `UPDATE revocations SET retry_after = ?`, store.Time(now))
		tx.Exec(doing, `UPDATE connections SET state = 'failing', failures = 0, retry_after = NULL, last_error = ?, expires = ?,
			generation = generation + 1 WHERE state IN ('ok', 'failing') AND token_kind = 'oauth2'
			AND (refresh_token IS NOT NULL OR grant_type = ? OR password IS NOT NULL)`,
			restoredNote, store.Time(now), GrantClientCredentials)
	})
	if err != nil {
		return nil, err
	}
	return k.Connections(ctx, "")
}
