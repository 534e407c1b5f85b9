package keeper

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"mintkeep/internal/store"
	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/keyring"
)

var errNoEndpoint = errors.New("the provider has no revocation endpoint")

// Policy says what forgetting does at the provider.
type Policy struct {
	RevokeOffline     bool // revoke tokens with the scope offline_access
	RevokeOnline      bool // revoke all others
	EvenIfRevokeFails bool // forget here although the provider did not confirm; it is retried all the same
}

// Results of Forget, one for each connection.
const (
	Revoked    = "revoked"     // the provider confirmed it
	NotRevoked = "not revoked" // the policy did not ask for it, or there was nothing to revoke
	NoEndpoint = "no endpoint" // the provider cannot be asked; remove the access on its own pages
	Queued     = "queued"      // forgotten here; the next refresh run asks the provider again
	KeptQueued = "kept"        // not confirmed and therefore not forgotten; the next refresh run tries again
)

// Forget revokes a connection's tokens at the provider (RFC 7009) as the policy
// says, removes it, and says honestly what became of it.
func (k *Keeper) Forget(ctx context.Context, user, name string, policy Policy) (Outcome, error) {
	return k.forget(ctx, user, name, policy, APIKey{})
}

// ForgetAll forgets every connection of a user, or ("") of everybody.
func (k *Keeper) ForgetAll(ctx context.Context, user string, policy Policy) ([]Outcome, error) {
	all, err := k.Connections(ctx, user)
	if err != nil {
		return nil, err
	}
	done := []Outcome{}
	for _, c := range all {
		o, err := k.Forget(ctx, c.User, c.Name, policy)
		if err != nil {
			return done, err
		}
		done = append(done, o)
	}
	return done, nil
}

// forget works under the lease, so that no refresh brings a token that nobody
// revokes.
func (k *Keeper) forget(ctx context.Context, user, name string, policy Policy, by APIKey) (Outcome, error) {
	o := Outcome{User: user, Name: name}
	r, c, until, err := k.claim(ctx, user, name)
	if err != nil {
		return o, err
	}
	if !by.covers(c.User, c.Provider) {
		k.dropLease(ctx, c)
		return o, unknownToken(name)
	}
	asked := policy.RevokeOnline
	if slices.Contains(strings.Fields(c.Scope), "offline_access") {
		asked = policy.RevokeOffline
	}
	ctx = context.WithoutCancel(ctx)
	o.Result = NotRevoked
	if asked && c.Kind == KindOAuth2 {
		asking, cancel := context.WithDeadline(ctx, until)
		defer cancel()
		o.Err = k.revokeAll(asking, r, c)
		switch {
		case o.Err == nil:
			o.Result = Revoked
		case errors.Is(o.Err, errNoEndpoint):
			o.Result = NoEndpoint
		case policy.EvenIfRevokeFails:
			o.Result = Queued
		default:
			o.Result = KeptQueued
		}
	}
	return o, k.insist(ctx, func() error {
		return store.Write(ctx, k.DB, func(tx *sql.Tx) error { return k.saveForgotten(ctx, tx, r, c, o, by) })
	})
}

// claim waits for the lease of a connection and says until when it may be used
// to ask the provider.
func (k *Keeper) claim(ctx context.Context, user, name string) (*keyring.Keyring, kept, time.Time, error) {
	deadline := time.Now().Add(k.lease() + k.timeout())
	for {
		began := time.Now()
		r, err := k.Keys.Load()
		if err != nil {
			return nil, kept{}, began, err
		}
		c, err := k.load(ctx, k.DB, user, name)
		if err != nil {
			return nil, c, began, err
		}
		got, err := k.takeLease(ctx, c, k.now())
		if got || err != nil {
			return r, c, began.Add(k.leaseUse()), err
		}
		if began.After(deadline) {
			return nil, c, began, &Fault{Kind: ErrTemporary, What: fmt.Sprintf("connection %s/%s: another process is still refreshing it", user, name)}
		}
		if err := pause(ctx); err != nil {
			return nil, c, began, err
		}
	}
}

// saveForgotten removes the connection, or notes that it is to go. If somebody
// has connected again meanwhile, the new connection stays.
func (k *Keeper) saveForgotten(ctx context.Context, tx *sql.Tx, r *keyring.Keyring, c kept, o Outcome, by APIKey) error {
	e := c.event("forgotten", o.Result)
	e.Actor = by.Name
	query, args := `DELETE FROM connections WHERE connection_id = ? AND generation = ?`, []any{c.ID, c.generation}
	if o.Result == KeptQueued {
		e.Kind = "forgetting"
		query = `UPDATE connections SET state = 'forgetting', failures = failures + 1, last_error = ?, retry_after = ?,
			updated = ?, lease_until = NULL WHERE connection_id = ? AND generation = ?`
		args = append([]any{text.FirstLine(o.Err.Error()), store.NullTime(k.now().Add(backoff(c.Failures, o.Err))), store.Time(k.now())}, args...)
	}
	res, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("forgetting %s/%s: %w", c.User, c.Name, err)
	}
	if n, err := res.RowsAffected(); n == 0 || err != nil {
		return errors.Join(err, &Fault{Kind: ErrTemporary, What: fmt.Sprintf("connection %s/%s was made anew meanwhile and stays", c.User, c.Name)})
	}
	if o.Result == Queued {
		if err := k.queue(ctx, tx, r, c, o.Err); err != nil {
			return err
		}
	}
	if o.Result != KeptQueued {
		if _, err := tx.ExecContext(ctx, `DELETE FROM api_reads WHERE connection_id = ?`, c.ID); err != nil {
			return err
		}
	}
	return k.record(ctx, tx, e)
}

// revokeAll revokes the refresh token, and with it the access token if that is
// still good (RFC 7009 section 2.1 only recommends that one ends the other).
func (k *Keeper) revokeAll(ctx context.Context, r *keyring.Keyring, c kept) error {
	s, err := k.siteOf(ctx, r, c)
	if errors.Is(err, ErrUnknown) {
		return errNoEndpoint // the provider was removed; there is nobody to ask
	}
	if err != nil {
		return err
	}
	access, err1 := r.Open(c.access, c.at("access_token"))
	refresh, err2 := r.Open(c.refresh, c.at("refresh_token"))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if s.Login != nil {
		return k.logout(ctx, s, access, refresh)
	}
	if refresh != "" {
		if err := k.revoke(ctx, s, refresh, "refresh_token"); err != nil {
			return err
		}
	}
	if access == "" || !c.Expires.IsZero() && !c.Expires.After(k.now()) {
		return nil
	}
	return k.revoke(ctx, s, access, "access_token")
}

// revoke is RFC 7009 section 2.1.
func (k *Keeper) revoke(ctx context.Context, s site, token Secret, hint string) error {
	if s.RevokeURL == "" {
		return errNoEndpoint
	}
	_, err := k.post(ctx, s, s.RevokeURL, url.Values{"token": {string(token)}, "token_type_hint": {hint}})
	var p *providerError
	if errors.As(err, &p) {
		if p.status == http.StatusOK && p.code == "" {
			return nil // section 2.2: the content of the answer is of no interest
		}
		if p.code == "invalid_token" && p.status == http.StatusBadRequest {
			return nil // section 2.2: it is gone already; Google says so instead of 200
		}
		if p.code == "unsupported_token_type" && hint == "access_token" {
			return nil // section 2.2.1: these cannot be revoked and run out by themselves
		}
	}
	if err != nil {
		return fmt.Errorf("revoking the %s: %w", strings.ReplaceAll(hint, "_", " "), err)
	}
	return nil
}

// Revoke revokes one token of a connection at the provider, "access_token" or
// "refresh_token", and drops it here. Without its refresh token a connection is
// of no further use and is removed.
func (k *Keeper) Revoke(ctx context.Context, user, name, which string) error {
	if which == "refresh_token" {
		o, err := k.Forget(ctx, user, name, Policy{RevokeOffline: true, RevokeOnline: true})
		return errors.Join(err, o.Err)
	}
	if which != "access_token" {
		return fault.Invalid(fmt.Sprintf("revoking the %q", which), "access_token or refresh_token")
	}
	r, err := k.Keys.Load()
	if err != nil {
		return err
	}
	c, err := k.load(ctx, k.DB, user, name)
	if err != nil {
		return err
	}
	s, err := k.siteOf(ctx, r, c)
	if err != nil {
		return err
	}
	access, err := r.Open(c.access, c.at("access_token"))
	if err != nil || access == "" {
		return errors.Join(err, fault.Invalid("there is no access token", ""))
	}
	if err := k.revoke(ctx, s, access, which); err != nil {
		return err
	}
	return store.Write(ctx, k.DB, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE connections SET access_token = NULL, expires = ?, generation = generation + 1
			WHERE connection_id = ? AND generation = ?`, store.NullTime(k.now().Add(-time.Second)), c.ID, c.generation)
		return errors.Join(err, k.record(ctx, tx, c.event("revoked", which)))
	})
}

// queue keeps a copy of what the provider has yet to revoke.
func (k *Keeper) queue(ctx context.Context, tx *sql.Tx, r *keyring.Keyring, c kept, why error) error {
	key, err := r.Current(ctx, tx)
	if err != nil {
		return err
	}
	secret, err1 := r.Open(c.clientSecret, c.at("client_secret"))
	access, err2 := r.Open(c.access, c.at("access_token"))
	token, err3 := r.Open(c.refresh, c.at("refresh_token"))
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	id, hint := rand.Text(), "refresh_token"
	if token == "" {
		token, access, hint = access, "", "access_token"
	}
	if c.Grant == GrantLogin {
		hint = "logout"
	}
	at := func(column string) keyring.AssociatedData {
		return keyring.At("revocations", column, id)
	}
	now := k.now()
	_, err = tx.ExecContext(ctx, `INSERT INTO revocations (revocation_id, provider_name, client_id, client_secret, hint, token, access_token,
		retry_after, last_error, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, id, c.Provider, c.clientID,
		key.Seal(secret, at("client_secret")), hint, key.Seal(token, at("token")), key.Seal(access, at("access_token")),
		store.NullTime(now.Add(backoff(0, why))), text.FirstLine(why.Error()), store.Time(now))
	if err != nil {
		return fmt.Errorf("queueing a revocation: %w", err)
	}
	return nil
}
