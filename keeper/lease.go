package keeper

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"mintkeep/internal/store"
	"mintkeep/keeper/keyring"
)

// leaseForAsking is how many tenths of a lease are used for asking the provider;
// the rest is for saving.
const leaseForAsking = 9

// tryLease makes this process the one that may ask the provider. It fails if
// another process has the lease, or has had it since c was read. A lease longer
// than any that is given was taken while the clock was wrong.
func (k *Keeper) tryLease(ctx context.Context, c connectionRow, now time.Time) (bool, error) {
	if c.leaseUntil.After(now) && !c.leaseUntil.After(now.Add(k.lease())) {
		return false, nil // no write is needed to know that
	}
	until := store.Time(now.Add(k.lease()))
	n, err := store.ExecCount(ctx, k.DB, fmt.Sprintf("taking the lease of connection %s/%s", c.User, c.Name), `UPDATE connections
		SET lease_until = ? WHERE connection_id = ? AND generation = ? AND state = ? AND failures = ?
		AND (lease_until IS NULL OR lease_until <= ? OR lease_until > ?)`,
		until, c.ID, c.generation, c.rowState, c.Failures, store.Time(now), until)
	return n == 1, err
}

// acquireLease waits for the lease of a connection, and returns the row as it
// was then and until when the provider may be asked.
func (k *Keeper) acquireLease(ctx context.Context, user, name string) (*keyring.Keyring, connectionRow, time.Time, error) {
	deadline := time.Now().Add(k.lease() + k.client().Timeout)
	for {
		began := time.Now()
		keys, c, err := loadWithKeys(ctx, k, user, name)
		if err != nil {
			return nil, c, began, err
		}
		got, err := k.tryLease(ctx, c, k.now())
		if got || err != nil {
			return keys, c, began.Add(k.lease() * leaseForAsking / 10), err
		}
		if began.After(deadline) {
			return nil, c, began, leaseTaken(user, name, 0)
		}
		if err := sleepJittered(ctx); err != nil {
			return nil, c, began, err
		}
	}
}

func dropLease(ctx context.Context, k *Keeper, c connectionRow) {
	err := store.Exec(ctx, k.DB, "dropping a lease", `UPDATE connections SET lease_until = NULL
		WHERE connection_id = ? AND generation = ?`, c.ID, c.generation)
	if err != nil {
		k.log().Warn("dropping a lease", "connection", c.Name, "err", err)
	}
}

func leaseTaken(user, name string, retryAfter time.Duration) error {
	return &Fault{Kind: ErrTemporary, What: fmt.Sprintf("connection %s/%s: another process is still refreshing it", user, name), RetryAfter: retryAfter}
}

// reserve holds room on the disk for a token while a provider is asked for it.
func reserve(ctx context.Context, k *Keeper) (release func(), err error) {
	if release, err = store.Reserve(ctx, k.DB); err != nil {
		err = &Fault{Kind: ErrTemporary, What: "a new token could not be saved now", Err: err, Hint: "make room on the disk"}
	}
	return release, err
}

// sleepJittered waits 50 to 200 ms, so that waiting processes do not meet again.
func sleepJittered(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return &Fault{Kind: ErrTemporary, What: "waiting for another process to refresh", Err: ctx.Err()}
	case <-time.After(50*time.Millisecond + rand.N(150*time.Millisecond)):
		return nil
	}
}
