package keeper

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"mintkeep/internal/store"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/keyring"
	"mintkeep/keeper/provider"
)

// refreshAlone refreshes if this process gets the lease. A caller who has a valid
// token waits no longer than Patience: the refresh then goes on in the process.
func (k *Keeper) refreshAlone(ctx context.Context, keys *keyring.Keyring, c connectionRow, began time.Time, valid bool,
) (got, refreshed bool, err error) {
	release := func() {}
	if k.Hold != nil { // before the lease: a process that ends with it keeps everybody waiting
		release = k.Hold()
	}
	if got, err = k.tryLease(ctx, c, k.now()); !got {
		release()
		return false, false, err
	}
	until := began.Add(k.lease() * leaseForAsking / 10)
	refresh := func() (bool, error) {
		defer release()
		return k.refreshAndSave(ctx, keys, c, until)
	}
	if k.Patience == 0 || !valid {
		refreshed, err = refresh()
		return true, refreshed, err
	}
	saved, done := false, make(chan error, 1)
	go func() {
		ok, err := refresh()
		saved = ok
		done <- err
	}()
	select {
	case err := <-done:
		return true, saved, err
	case <-time.After(k.Patience):
		return true, false, leaseTaken(c.User, c.Name, 0)
	}
}

// refreshAndSave asks the provider for a new token and saves it, or saves why
// there is none. It asks only if there is room on the disk for what may come, and
// runs to its end even if the caller went away, since a rotated refresh token that is
// not saved is a lost connection; but it asks no longer than until, nor than the
// Timeout of one request. An error means that the outcome could not be saved or the
// row not be opened.
func (k *Keeper) refreshAndSave(ctx context.Context, keys *keyring.Keyring, c connectionRow, until time.Time) (refreshed bool, err error) {
	ctx = context.WithoutCancel(ctx)
	release, err := reserve(ctx, k)
	if err != nil {
		dropLease(ctx, k, c)
		return false, err
	}
	defer release()
	asking, cancel := context.WithTimeout(ctx, min(time.Until(until), k.client().Timeout))
	defer cancel()
	r := refresh{k, keys, c}
	n, err := r.requestNewToken(asking)
	if err != nil {
		dropLease(ctx, k, c)
		return false, err
	}
	release()
	var events []store.Event
	err = retryWrite(ctx, func() (err error) {
		if n.failure != nil {
			events, err = r.saveFailure(ctx, n)
		} else {
			events, err = r.saveNewToken(ctx, n)
		}
		return err
	})
	r.tell(ctx, events)
	return n.failure == nil && len(events) > 0, err
}

// tell records what was saved, in a transaction of its own: the token is kept also
// where there is no room for the event.
func (r refresh) tell(ctx context.Context, events []store.Event) {
	if len(events) == 0 {
		return
	}
	err := store.Transact(ctx, r.DB, func(tx *store.Tx) {
		for _, e := range events {
			tx.Record(e)
		}
	})
	if err != nil {
		r.log().Warn("recording what became of a connection", "user", r.User, "connection", r.Name, "err", err)
	}
}

// refresh is one refresh of one connection.
type refresh struct {
	*Keeper
	keys *keyring.Keyring
	connectionRow
}

// newToken is the outcome of asking for one.
type newToken struct {
	provider.TokenResponse
	used    Secret // the refresh token that brought it; "" if none did
	before  bool   // that was the one before
	failure error  // why there is no token
}

// requestNewToken tries what can bring a new token: the refresh token, the client's
// own credentials, or a new login with the sealed password. The refresh token
// before is never presented: to a provider that detects reuse that is a theft
// (RFC 9700 section 4.14.2), and ends what may still be alive. But of a connection
// that was put back from a copy it is tried once, when the other is refused.
func (r refresh) requestNewToken(ctx context.Context) (n newToken, err error) {
	keys, c := r.keys, r.connectionRow
	p, err := r.Registry().of(ctx, keys, c)
	if errors.Is(err, ErrTemporary) || errors.Is(err, ErrInvalid) || errors.Is(err, ErrUnknown) {
		return newToken{failure: err}, nil // the owner can mend it; the token is not to blame
	}
	if err != nil {
		return n, err
	}
	client := r.client()
	p.Scope = c.Requested
	if c.Grant == GrantClientCredentials {
		n.TokenResponse, n.failure = client.ClientCredentials(ctx, p, c.Requested)
		return n, nil
	}
	access, err1 := keys.Open(c.access, c.at("access_token"))
	token, err2 := keys.Open(c.refresh, c.at("refresh_token"))
	previous, err3 := keys.Open(c.previous, c.at("previous_refresh_token"))
	password, err4 := keys.Open(c.password, c.at("password"))
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return n, err
	}
	n.failure = provider.ErrNoRefreshToken
	ended := !c.RefreshExpires.IsZero() && !c.RefreshExpires.After(r.now()) && password != ""
	if token != "" && !ended {
		n.TokenResponse, n.failure = client.Refresh(ctx, p, access, token)
		n.used = token
	}
	if n.before = provider.IsRefused(n.failure) && previous != "" && c.restored(); n.before {
		n.TokenResponse, n.failure = client.Refresh(ctx, p, access, previous)
		n.used = previous
	}
	if provider.IsRefused(n.failure) && password != "" && p.Login != nil {
		n.TokenResponse, n.failure = client.LogIn(ctx, p, c.username, password)
		n.used = ""
	}
	return n, nil
}

// saveNewToken saves both tokens in one conditional write, before anybody uses
// them, and returns what there is to tell. If the row has moved on meanwhile, the
// row wins, and that is nothing; but if it still has the refresh token that is spent
// now, it gets the new one.
func (r refresh) saveNewToken(ctx context.Context, n newToken) (events []store.Event, err error) {
	now, c := r.now(), r.connectionRow
	next := cmp.Or(n.RefreshToken, n.used) // RFC 6749 section 6: no new one means that the old one stays
	refreshExpires := n.RefreshExpires
	if refreshExpires.IsZero() && next == n.used {
		refreshExpires = c.RefreshExpires
	}
	saved := false
	err = store.Transact(ctx, r.DB, func(tx *store.Tx) {
		key, ok := sealingKey(tx, r.keys)
		if !ok {
			return
		}
		var previous sql.NullString // NULL leaves the one that is there
		if n.used != "" && next != n.used {
			previous = key.Seal(n.used, c.at("previous_refresh_token"))
		}
		saved = tx.Exec(fmt.Sprintf("saving the new token of connection %s/%s", c.User, c.Name), `UPDATE connections
			SET access_token = ?, refresh_token = ?, previous_refresh_token = coalesce(?, previous_refresh_token),
			token_type = ?, scope = ?, expires = ?, lifetime = ?, refresh_expires = ?, generation = generation + 1, lease_until = NULL,
			recovered = CASE WHEN state = 'ok' THEN recovered ELSE ? END,
			state = 'ok', failures = 0, retry_after = NULL, last_error = '', refreshed = ?, updated = ?
			WHERE connection_id = ? AND generation = ? AND state <> 'forgetting'`,
			key.Seal(n.AccessToken, c.at("access_token")), key.Seal(next, c.at("refresh_token")), previous,
			n.TokenType, cmp.Or(n.Scope, c.Scope), store.NullTime(n.Expires), lifetime(n.TokenResponse, now),
			store.NullTime(refreshExpires), store.Time(now), store.Time(now), store.Time(now), c.ID, c.generation) == 1
		if !saved {
			r.saveRefreshToken(tx, n)
		}
	})
	if !saved || err != nil {
		return nil, err
	}
	if c.rowState != StateOK {
		detail := map[bool]string{true: "with the refresh token before: the site refused the one in the copy"}[n.before]
		r.log().Info("connection recovered", "user", c.User, "connection", c.Name, "detail", detail)
		events = append(events, c.event(now, "recovered", detail))
	}
	week := refreshExpires.AddDate(0, 0, -7)
	if !refreshExpires.IsZero() && !now.Before(week) && c.Updated.Before(week) { // told once
		why := "its refresh token ends at " + refreshExpires.Format(time.DateTime) + " UTC"
		r.log().Warn("connection ends soon", "user", c.User, "connection", c.Name, "why", why, "reconnect", c.reconnect())
		events = append(events, c.event(now, "ends soon", why+"; again with: "+c.reconnect()))
	}
	return append(events, c.event(now, "refreshed", "")), nil
}

// saveRefreshToken saves a new refresh token alone, in the row that still has the one
// which brought it and is spent now. Of a row that moved on the generation rises, so
// that nobody presents what was read before.
func (r refresh) saveRefreshToken(tx *store.Tx, n newToken) {
	c := r.connectionRow
	if n.RefreshToken == "" || n.used == "" || n.RefreshToken == n.used {
		return
	}
	key, ok := sealingKey(tx, r.keys)
	if !ok {
		return
	}
	tx.Exec(fmt.Sprintf("saving the new refresh token of connection %s/%s", c.User, c.Name), `UPDATE connections
		SET refresh_token = ?, previous_refresh_token = ?, refresh_expires = ?, generation = generation + (generation <> ?), lease_until = NULL
		WHERE connection_id = ? AND refresh_token = ?`, key.Seal(n.RefreshToken, c.at("refresh_token")),
		key.Seal(n.used, c.at("previous_refresh_token")), store.NullTime(n.RefreshExpires), c.generation, c.ID, c.refresh)
}

// saveFailure notes a refusal (the connection is dead) or a failure that may pass
// (it is tried again, later and later), and the refresh token of an answer that is of no
// use else. A row that moved on is left alone: then somebody else has a better answer.
// It returns what there is to tell.
func (r refresh) saveFailure(ctx context.Context, n newToken) (events []store.Event, err error) {
	now, c, failure := r.now(), r.connectionRow, n.failure
	state, retry := StateFailing, now.Add(backoff(c.Failures, failure))
	if provider.IsRefused(failure) {
		state, retry = StateDead, time.Time{}
	}
	why := text.FirstLine(failure.Error())
	if e := (*provider.Error)(nil); errors.As(failure, &e) && e.Hint != "" {
		why += "; " + e.Hint
	}
	if state == StateFailing && c.restored() {
		why = restoredNote + "; " + why
	}
	noted := false
	err = store.Transact(ctx, r.DB, func(tx *store.Tx) {
		noted = tx.Exec(fmt.Sprintf("saving the state of connection %s/%s", c.User, c.Name), `UPDATE connections
			SET state = ?, failures = failures + 1, retry_after = ?, last_error = ?, lease_until = NULL,
			updated = max(updated, ?) -- the token is still the one that was saved ahead of time, see savedAhead
			WHERE connection_id = ? AND generation = ? AND state <> 'forgetting'`,
			state, store.NullTime(retry), why, store.Time(now), c.ID, c.generation) == 1
		r.saveRefreshToken(tx, n)
	})
	if err != nil || !noted || c.rowState == state {
		return nil, err // told once is enough
	}
	r.log().Warn("connection "+state, "user", c.User, "connection", c.Name, "why", why, "reconnect", c.reconnect())
	return []store.Event{c.event(now, state, why+"; again with: "+c.reconnect())}, nil
}

// retryWrite repeats a write while the database is busy or full, because what is
// to be saved cannot be obtained again.
func retryWrite(ctx context.Context, write func() error) error {
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

// longestBackoff is the longest that a provider can ask for. A later time was
// written while the clock was wrong, and does not count.
const longestBackoff = 24 * time.Hour

// backoff is 30 s, doubled with each failure up to an hour, spread by half so
// that many connections do not return at once; or what the provider asks for.
func backoff(failures int, failure error) time.Duration {
	d := 30 * time.Second << min(failures, 7)
	d = min(d, time.Hour)
	d = d/2 + rand.N(d)
	if e, ok := errors.AsType[*provider.Error](failure); ok {
		d = max(d, min(e.RetryAfter, longestBackoff))
	}
	return d
}
