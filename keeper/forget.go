package keeper

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mintkeep/internal/oauth"
	"mintkeep/internal/store"
	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/keyring"
	"mintkeep/keeper/provider"
)

// Policy says what forgetting does at the provider.
type Policy struct {
	RevokeOffline     bool // revoke tokens with the scope offline_access
	RevokeOnline      bool // revoke all others
	EvenIfRevokeFails bool // forget here although the provider did not confirm; it is retried all the same

	asked bool // only a refresh token that the provider is asked to revoke is forgotten here
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

// Delete removes a connection here and nowhere else, for the holder of an API
// key. ErrUnknown also if the key does not cover it.
func (k *Keeper) Delete(ctx context.Context, by APIKey, user, name string) error {
	_, err := k.forget(ctx, user, name, Policy{}, by)
	return err
}

// forget works under the lease, so that no refresh brings a token that nobody
// revokes.
func (k *Keeper) forget(ctx context.Context, user, name string, policy Policy, by APIKey) (Outcome, error) {
	o := Outcome{User: user, Name: name, Result: NotRevoked}
	keys, c, until, err := k.acquireLease(ctx, user, name)
	if err != nil {
		return o, err
	}
	if !by.Covers(c.User, c.Provider) {
		dropLease(ctx, k, c)
		return o, unknownToken(name)
	}
	if policy.asked && (c.Kind != KindOAuth2 || !c.refresh.Valid && c.Grant != GrantLogin) {
		dropLease(ctx, k, c)
		return o, fault.Invalid("connection "+name+" has no refresh token", c.Command("forget"))
	}
	revoke := policy.RevokeOnline
	if oauth.HasScope(c.Scope+" "+c.Requested, "offline_access") { // not every site repeats it
		revoke = policy.RevokeOffline
	}
	ctx = context.WithoutCancel(ctx)
	if revoke && c.Kind == KindOAuth2 {
		asking, cancel := context.WithDeadline(ctx, until)
		defer cancel()
		o.Err = k.revokeTokens(asking, keys, c)
		switch {
		case o.Err == nil:
			o.Result = Revoked
		case errors.Is(o.Err, provider.ErrNoRevocation):
			o.Result = NoEndpoint
			if policy.asked {
				dropLease(ctx, k, c)
				return o, &Fault{Kind: ErrInvalid, What: "connection " + name + " is kept", Err: o.Err,
					Hint: "remove the access on the pages of the site, then: " + c.Command("forget")}
			}
		case policy.EvenIfRevokeFails:
			o.Result = Queued
		default:
			o.Result = KeptQueued
		}
	}
	return o, retryWrite(ctx, func() error {
		return store.Transact(ctx, k.DB, func(tx *store.Tx) { k.saveForgotten(tx, keys, c, o, by) })
	})
}

// saveForgotten removes the connection, or notes that it is to go. If somebody
// has connected again meanwhile, the new connection stays.
func (k *Keeper) saveForgotten(tx *store.Tx, keys *keyring.Keyring, c connectionRow, o Outcome, by APIKey) {
	now, where := k.now(), fmt.Sprintf("%s/%s", c.User, c.Name)
	e := c.event(now, "forgotten", o.Result)
	e.Actor = by.Name
	query, args := `DELETE FROM connections WHERE connection_id = ? AND generation = ?`, []any{c.ID, c.generation}
	if o.Result == KeptQueued {
		e.Kind = "forgetting"
		query = `UPDATE connections SET state = 'forgetting', failures = failures + 1, last_error = ?, retry_after = ?,
			updated = ?, lease_until = NULL WHERE connection_id = ? AND generation = ?`
		args = append([]any{text.FirstLine(o.Err.Error()), store.Time(now.Add(backoff(c.Failures, o.Err))), store.Time(now)}, args...)
	}
	if tx.Exec("forgetting "+where, query, args...) == 0 {
		tx.Fail(&Fault{Kind: ErrTemporary, What: "connection " + where + " was made anew meanwhile and stays"})
	}
	if o.Result == Queued {
		queueRevocation(tx, keys, c, o.Err, now)
	}
	if o.Result != KeptQueued {
		tx.Exec("forgetting "+where, `DELETE FROM api_reads WHERE connection_id = ?`, c.ID)
	}
	tx.Record(e)
}

// revokeTokens revokes the refresh token, and with it the access token if that is
// still good (RFC 7009 section 2.1 only recommends that one ends the other).
func (k *Keeper) revokeTokens(ctx context.Context, keys *keyring.Keyring, c connectionRow) error {
	p, err := k.Registry().of(ctx, keys, c)
	if errors.Is(err, ErrUnknown) {
		return provider.ErrNoRevocation // the provider was removed; there is nobody to ask
	}
	if err != nil {
		return err
	}
	token, access, hint, err := c.toRevoke(keys, p.Login != nil, k.now())
	if err != nil || token == "" && hint == hintAccess {
		return err
	}
	return revoke(ctx, k.client(), p, token, access, hint)
}

// toRevoke is the token to revoke, what it is, and the access token to revoke after it.
func (c connectionRow) toRevoke(keys *keyring.Keyring, login bool, now time.Time) (token, access Secret, hint string, err error) {
	access, err1 := keys.Open(c.access, c.at("access_token"))
	token, err2 := keys.Open(c.refresh, c.at("refresh_token"))
	if login {
		return token, access, hintLogout, errors.Join(err1, err2)
	}
	if !c.Expires.IsZero() && !c.Expires.After(now) {
		access = ""
	}
	if token == "" {
		return access, "", hintAccess, errors.Join(err1, err2)
	}
	return token, access, hintRefresh, errors.Join(err1, err2)
}

// Revoke revokes one token of a connection at the provider, "access_token" or
// "refresh_token", and drops it here. A connection without its refresh token is
// of no further use and is removed, now or (ErrTemporary) when the provider has
// confirmed it. Where there is nothing to revoke, or nobody to ask, all is kept.
func (k *Keeper) Revoke(ctx context.Context, user, name, which string) error {
	if which == hintRefresh {
		o, err := k.Forget(ctx, user, name, Policy{RevokeOffline: true, RevokeOnline: true, asked: true})
		if err == nil && o.Result == KeptQueued {
			err = &Fault{Kind: ErrTemporary, What: "connection " + name + " is being forgotten: nobody gets its token any more", Err: o.Err,
				Hint: "the next `mintkeep refresh` asks the site again"}
		}
		return err
	}
	if which != hintAccess {
		return fault.Invalid(fmt.Sprintf("revoking the %q", which), "access_token or refresh_token")
	}
	keys, c, until, err := k.acquireLease(ctx, user, name) // so that no refresh brings another one meanwhile
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	asking, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	if err := revokeAccess(asking, k, keys, c); err != nil {
		dropLease(ctx, k, c)
		return err
	}
	now := k.now()
	return retryWrite(ctx, func() error {
		return store.Transact(ctx, k.DB, func(tx *store.Tx) {
			tx.Exec("dropping a revoked token", `UPDATE connections SET access_token = NULL, expires = ?, lease_until = NULL,
				generation = generation + 1 WHERE connection_id = ? AND generation = ?`, store.Time(now.Add(-time.Second)), c.ID, c.generation)
			tx.Record(c.event(now, "revoked", which))
		})
	})
}

// revokeAccess asks the provider to revoke the access token alone.
func revokeAccess(ctx context.Context, k *Keeper, keys *keyring.Keyring, c connectionRow) error {
	p, err := k.Registry().of(ctx, keys, c)
	if err != nil {
		return err
	}
	access, err := keys.Open(c.access, c.at("access_token"))
	if err != nil {
		return err
	}
	if access == "" {
		return fault.Invalid("there is no access token", "")
	}
	return k.client().Revoke(ctx, p, access, hintAccess)
}

// An Inspection says what is asked of a provider about a connection's token.
type Inspection struct {
	Refresh      bool   // about the refresh token instead of the access token
	ClientID     string // who asks, if not the provider's client
	ClientSecret Secret // … with its secret
}

// Introspect asks the provider about a connection's token (RFC 7662 section 2.1)
// and returns its answer.
func (k *Keeper) Introspect(ctx context.Context, user, name string, i Inspection) (map[string]any, error) {
	keys, c, err := loadWithKeys(ctx, k, user, name)
	if err != nil {
		return nil, err
	}
	p, err := k.Registry().of(ctx, keys, c)
	if err != nil {
		return nil, err
	}
	hint, sealed := hintAccess, c.access
	if i.Refresh {
		hint, sealed = hintRefresh, c.refresh
	}
	token, err := keys.Open(sealed, c.at(hint))
	if err == nil && token == "" && i.Refresh {
		err = fault.Invalid("connection "+c.Name+" has no refresh token", "")
	}
	if err != nil {
		return nil, err
	}
	if i.ClientID != "" {
		p.ClientID, p.ClientSecret = i.ClientID, i.ClientSecret
	}
	if p.IntrospectURL == "" {
		return nil, fault.Invalid("provider "+p.Name+" has no introspection endpoint",
			"`mintkeep provider set "+text.ShellWord(p.Name)+" -introspect-url URL`")
	}
	m, err := k.client().Introspect(ctx, p, token, hint)
	if err != nil {
		return nil, fmt.Errorf("introspecting %s: %w", name, err)
	}
	return m, nil
}
