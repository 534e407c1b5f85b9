package keeper

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"mintkeep/internal/store"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/keyring"
)

// renew asks the provider for a new token and saves it, or saves why there is
// none. It runs to its end even if the caller went away, since a rotated
// refresh token that is not saved is a lost connection; but it asks no longer than
// the lease holds. An error means that the outcome could not be saved or the row
// not be opened.
func (k *Keeper) renew(ctx context.Context, r *keyring.Keyring, c kept, until time.Time) (refreshed bool, err error) {
	ctx = context.WithoutCancel(ctx)
	asking, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	a, used, fault, err := k.askAgain(asking, r, c)
	if err != nil {
		k.dropLease(ctx, c)
		return false, err
	}
	err = k.insist(ctx, func() error {
		if fault != nil {
			return k.saveFault(ctx, c, fault)
		}
		refreshed, err = k.saveRenewed(ctx, r, c, a, used)
		return err
	})
	return refreshed, err
}

// askAgain tries what can bring a new token: the refresh token, the one before
// it (if the provider never confirmed the newer one), the client's own
// credentials, or a new login with the sealed password.
func (k *Keeper) askAgain(ctx context.Context, r *keyring.Keyring, c kept) (a answer, used Secret, fault, err error) {
	s, err := k.siteOf(ctx, r, c)
	if err != nil {
		if errors.Is(err, ErrTemporary) || errors.Is(err, ErrInvalid) || errors.Is(err, ErrUnknown) {
			return a, "", err, nil // the owner can mend it; the token is not to blame
		}
		return a, "", nil, err
	}
	if c.Grant == GrantClientCredentials {
		a, fault = k.askClientCredentials(ctx, s, c.requested)
		return a, "", fault, nil
	}
	access, err1 := r.Open(c.access, c.at("access_token"))
	token, err2 := r.Open(c.refresh, c.at("refresh_token"))
	previous, err3 := r.Open(c.previous, c.at("previous_refresh_token"))
	password, err4 := r.Open(c.password, c.at("password"))
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return a, "", nil, err
	}
	fault = errNoRefreshToken
	gone := !c.RefreshExpires.IsZero() && !c.RefreshExpires.After(k.now()) && password != ""
	if token != "" && !gone {
		a, fault = k.askRefresh(ctx, s, access, token)
		used = token
	}
	if isDead(fault) && previous != "" && s.Login == nil {
		if changed, err := k.changed(ctx, c); err != nil || changed {
			return a, used, fault, err
		}
		if b, again := k.askRefresh(ctx, s, access, previous); again == nil {
			return b, previous, nil, nil
		}
	}
	if isDead(fault) && password != "" && s.Login != nil {
		a, fault = k.askLogin(ctx, s, c.username, password)
		used = ""
	}
	return a, used, fault, nil
}

// changed reports whether somebody else has saved other tokens since c was read.
func (k *Keeper) changed(ctx context.Context, c kept) (bool, error) {
	now, err := k.load(ctx, k.DB, c.User, c.Name)
	return err == nil && now.generation != c.generation, err
}

// saveRenewed saves both tokens in one conditional write, before anybody uses
// them. If the row has moved on meanwhile, the row wins.
func (k *Keeper) saveRenewed(ctx context.Context, r *keyring.Keyring, c kept, a answer, used Secret) (saved bool, err error) {
	now := k.now()
	err = store.Write(ctx, k.DB, func(tx *sql.Tx) error {
		key, err := r.Current(ctx, tx)
		if err != nil {
			return err
		}
		next := a.refresh
		if next == "" {
			next = used // RFC 6749 section 6: no new one means that the old one stays
		}
		var previous sql.NullString // NULL leaves the one that is there
		if used != "" && next != used {
			previous = key.Seal(used, c.at("previous_refresh_token"))
		}
		scope := c.Scope
		if a.scope != "" {
			scope = a.scope
		}
		refreshExpires := a.refreshExpires
		if refreshExpires.IsZero() && next == used {
			refreshExpires = c.RefreshExpires
		}
		res, err := tx.ExecContext(ctx, `UPDATE connections SET access_token = ?, refresh_token = ?,
			previous_refresh_token = coalesce(?, previous_refresh_token),
			token_type = ?, scope = ?, expires = ?, refresh_expires = ?, generation = generation + 1, lease_until = NULL,
			recovered = CASE WHEN state = 'ok' THEN recovered ELSE ? END,
			state = 'ok', failures = 0, retry_after = NULL, last_error = '', refreshed = ?, updated = ?
			WHERE connection_id = ? AND generation = ? AND state <> 'forgetting'`,
			key.Seal(a.access, c.at("access_token")), key.Seal(next, c.at("refresh_token")), previous,
			a.tokenType, scope, store.NullTime(a.expires), store.NullTime(refreshExpires), store.Time(now), store.Time(now), store.Time(now), c.ID, c.generation)
		if err != nil {
			return fmt.Errorf("saving the new token of connection %s/%s: %w", c.User, c.Name, err)
		}
		n, err := res.RowsAffected()
		if saved = n == 1; err != nil || !saved {
			return err
		}
		if c.rowState != StateOK {
			k.log().Info("connection recovered", "user", c.User, "connection", c.Name)
			if err := k.record(ctx, tx, c.event("recovered", "")); err != nil {
				return err
			}
		}
		return k.record(ctx, tx, c.event("refreshed", ""))
	})
	return saved, err
}

func (c kept) event(kind, detail string) store.Event {
	return store.Event{Kind: kind, Connection: c.User + "/" + c.Name, Detail: detail}
}

// saveFault notes a refusal (the connection is dead) or a fault that may pass
// (it is tried again, later and later). A row that moved on is left alone: then
// somebody else has a better answer.
func (k *Keeper) saveFault(ctx context.Context, c kept, fault error) error {
	now := k.now()
	state, retry := StateFailing, now.Add(backoff(c.Failures, fault))
	if isDead(fault) {
		state, retry = StateDead, time.Time{}
	}
	why := text.FirstLine(fault.Error())
	return store.Write(ctx, k.DB, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE connections SET state = ?, failures = failures + 1, retry_after = ?, last_error = ?,
			lease_until = NULL, updated = ? WHERE connection_id = ? AND generation = ? AND state <> 'forgetting'`,
			state, store.NullTime(retry), why, store.Time(now), c.ID, c.generation)
		if err != nil {
			return fmt.Errorf("saving the state of connection %s/%s: %w", c.User, c.Name, err)
		}
		if n, err := res.RowsAffected(); n == 0 || err != nil || c.rowState == state {
			return err // told once is enough
		}
		k.log().Warn("connection "+state, "user", c.User, "connection", c.Name, "why", why, "reconnect", c.reconnect())
		return k.record(ctx, tx, c.event(state, why+"; again with: "+c.reconnect()))
	})
}

func (k *Keeper) dropLease(ctx context.Context, c kept) {
	if _, err := k.DB.ExecContext(ctx, `UPDATE connections SET lease_until = NULL WHERE connection_id = ? AND generation = ?`, c.ID, c.generation); err != nil {
		k.log().Warn("dropping a lease", "connection", c.Name, "err", err)
	}
}

// insist repeats a write while the database is busy or full: what is to be
// saved cannot be had again.
func (k *Keeper) insist(ctx context.Context, write func() error) error {
	for try := range 4 {
		err := write()
		if !store.IsTransient(err) || try == 3 {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(try+1) * 400 * time.Millisecond):
		}
	}
	return nil
}

// backoff is 30 s, doubled with each failure up to an hour, spread by half so
// that many connections do not return at once; or what the provider asks for.
func backoff(failures int, fault error) time.Duration {
	d := 30 * time.Second << min(failures, 7)
	d = min(d, time.Hour)
	d = d/2 + rand.N(d)
	var p *providerError
	if errors.As(fault, &p) {
		d = max(d, min(p.retryAfter, 24*time.Hour))
	}
	return d
}

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
		AND (retry_after IS NULL OR retry_after <= ?) ORDER BY expires`, store.NullTime(now.Add(within)), store.Time(now))
	if err != nil {
		return nil, err
	}
	done := []Outcome{}
	for _, c := range all {
		if !c.Refreshable {
			continue
		}
		t, err := k.token(ctx, c.User, c.Name, func(c kept, now time.Time) bool { return c.Expires.IsZero() || c.Expires.Sub(now) > within }, false)
		o := Outcome{c.User, c.Name, "refreshed", err}
		switch {
		case err != nil:
			o.Result = "failed"
		case !t.Refreshed && t.Expires.Equal(c.Expires):
			o.Result = "failed"
			if again, err := k.load(ctx, k.DB, c.User, c.Name); err == nil {
				o.Err = k.obstacle(again, now, true, false)
			}
		}
		done = append(done, o)
	}
	more, err := k.RetryRevocations(ctx)
	return append(done, more...), err
}
