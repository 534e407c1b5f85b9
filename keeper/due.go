package keeper

import (
	"context"
	"time"

	"mintkeep/internal/store"
)

// Outcome is what became of one connection in a run over several.
type Outcome struct {
	User   string `json:"user"`
	Name   string `json:"name"`
	Result string `json:"result"`
	Err    error  `json:"-"`
}

// RefreshDue refreshes everything that expires within the given time and is not
// backing off, and retries the revocations that failed. It is the cron job's
// whole work; with several processes at it, each connection is refreshed once.
func (k *Keeper) RefreshDue(ctx context.Context, within time.Duration) ([]Outcome, error) {
	if !k.On(ctx) {
		return nil, nil
	}
	now := k.now()
	all, err := k.loadAll(ctx, `WHERE token_kind = 'oauth2' AND state IN ('ok', 'failing') AND expires IS NOT NULL AND expires <= ?
		AND (retry_after IS NULL OR retry_after <= ?) ORDER BY expires`, store.Time(now.Add(within)), store.Time(now))
	if err != nil {
		return nil, err
	}
	done := []Outcome{}
	for _, c := range all {
		if !c.Refreshable {
			continue
		}
		t, err := k.token(ctx, c.User, c.Name, func(c connectionRow, now time.Time) bool { return c.Expires.IsZero() || c.Expires.Sub(now) > within }, false)
		o := Outcome{c.User, c.Name, "refreshed", err}
		switch {
		case err != nil:
			o.Result = "failed"
		case !t.Refreshed && t.Expires.Equal(c.Expires):
			o.Result = "failed"
			if again, err := k.load(ctx, k.DB, c.User, c.Name); err == nil {
				o.Err = again.refreshBlocked(now, true, false)
			}
		}
		done = append(done, o)
	}
	more, err := k.RetryRevocations(ctx)
	return append(done, more...), err
}
