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

// RefreshDue refreshes everything that expires within the given time or is
// failing, and retries the revocations that failed. What is dead, or not to be
// tried yet, is among the outcomes as failed. It is the cron job's whole work;
// with several processes at it, each connection is refreshed once.
func (k *Keeper) RefreshDue(ctx context.Context, within time.Duration) ([]Outcome, error) {
	if !k.On(ctx) {
		return nil, nil
	}
	all, err := k.loadAll(ctx, `WHERE state IN ('failing', 'dead') OR state = 'ok' AND (expires <= ? OR updated > ?) ORDER BY expires`,
		store.Time(k.now().Add(within)), store.Time(k.now().Add(clockSlack)))
	if err != nil {
		return nil, err
	}
	done := []Outcome{}
	for _, c := range all {
		if !c.Refreshable && c.State != StateDead {
			continue
		}
		_, err := k.token(ctx, c.User, c.Name, wish{refresh: true, fresh: func(c connectionRow, now time.Time) bool {
			return c.rowState == StateOK && (c.Expires.IsZero() || c.Expires.Sub(now) > within) && !c.savedAhead(now)
		}})
		o := Outcome{c.User, c.Name, "refreshed", err}
		if err != nil {
			o.Result = "failed"
		}
		done = append(done, o)
	}
	more, err := k.retryRevocations(ctx)
	return append(done, more...), err
}

// usualTTL is what most callers wish for.
const usualTTL = 5 * time.Minute

// RefreshAhead refreshes what a caller with the usual wish would wait for within the
// next so much time, in an order of chance, and retries the revocations that failed. A
// connection that another process is refreshing is left to it, and so is one that is
// not to be tried yet; but not if a clock that was ahead said so.
func (k *Keeper) RefreshAhead(ctx context.Context, within time.Duration) error {
	if !k.On(ctx) {
		return nil
	}
	now := k.now()
	in := func(d time.Duration) string { return store.Time(now.Add(d)) }
	all, err := k.loadAll(ctx, `WHERE state IN ('ok', 'failing') AND (expires <= ? OR updated > ?)
		AND (lease_until IS NULL OR lease_until <= ? OR lease_until > ?)
		AND (retry_after IS NULL OR retry_after <= ? OR retry_after > ?) ORDER BY random()`,
		in(usualTTL+within), in(clockSlack), in(0), in(k.lease()), in(0), in(longestBackoff))
	if err != nil {
		return err
	}
	fresh := func(c connectionRow, now time.Time) bool {
		ttl := c.reachableTTL(usualTTL) + within
		if life := time.Duration(c.lifetime) * time.Second; life > 0 {
			ttl = min(ttl, life/2)
		}
		return c.rowState == StateOK && c.hasLeft(ttl, now) && !c.savedAhead(now)
	}
	for _, c := range all {
		if ctx.Err() == nil && c.Refreshable && !fresh(c, now) { // what fails is noted in its row
			_, _ = k.token(ctx, c.User, c.Name, wish{refresh: true, fresh: fresh})
		}
	}
	_, err = k.retryRevocations(ctx)
	return err
}
