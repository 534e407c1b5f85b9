package keeper

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"time"

	"mintkeep/internal/store"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/keyring"
	"mintkeep/keeper/provider"
)

// maxTries ends the attempts at a revocation that the provider keeps refusing;
// with the backoff that is more than a day.
const maxTries = 30

// retryRevocations asks the providers again for the revocations that failed.
func (k *Keeper) retryRevocations(ctx context.Context) ([]Outcome, error) {
	keys, err := k.Keys.Load()
	if err != nil {
		return nil, err
	}
	waiting, err := k.loadAll(ctx, `WHERE state = 'forgetting'`)
	if err != nil {
		return nil, err
	}
	done := []Outcome{}
	for _, c := range waiting {
		if c.RetryAfter.After(k.now()) {
			continue
		}
		o, err := k.Forget(ctx, c.User, c.Name, Policy{RevokeOffline: true, RevokeOnline: true})
		if err != nil {
			return done, err
		}
		done = append(done, o)
	}
	queued, err := claimQueued(ctx, k.DB, k.now())
	for _, q := range queued {
		o, err := k.retryRevocation(ctx, keys, q)
		if err != nil {
			return done, err
		}
		done = append(done, o)
	}
	return done, err
}

// queuedRevocation is a row of table revocations.
type queuedRevocation struct {
	id, provider, clientID, hint string
	tries                        int
	clientSecret, token, access  sql.NullString // sealed
}

func (q queuedRevocation) at(column string) keyring.AssociatedData {
	return keyring.At("revocations", column, q.id)
}

// claimQueued takes what is due and puts it off at once, so that two runs do
// not ask for the same.
func claimQueued(ctx context.Context, db store.Querier, now time.Time) ([]queuedRevocation, error) {
	return store.List(ctx, db, "reading queued revocations", func(scan func(...any) error) (q queuedRevocation, err error) {
		err = scan(&q.id, &q.provider, &q.clientID, &q.hint, &q.tries, &q.clientSecret, &q.token, &q.access)
		return q, err
	}, `UPDATE revocations SET tries = tries + 1, retry_after = ? WHERE retry_after <= ? OR retry_after > ?
		RETURNING revocation_id, provider_name, client_id, hint, tries, client_secret, token, access_token`,
		store.Time(now.Add(backoff(3, nil))), store.Time(now), store.Time(now.Add(longestBackoff)))
}

// retryRevocation asks once more. An error means that the row could not be
// opened or the outcome not be saved.
func (k *Keeper) retryRevocation(ctx context.Context, keys *keyring.Keyring, q queuedRevocation) (Outcome, error) {
	o := Outcome{Name: q.provider, Result: Revoked}
	clientSecret, err1 := keys.Open(q.clientSecret, q.at("client_secret"))
	token, err2 := keys.Open(q.token, q.at("token"))
	access, err3 := keys.Open(q.access, q.at("access_token"))
	if err := errors.Join(err1, err2, err3); err != nil {
		return o, err
	}
	if q.hint == hintLogout && token == access {
		token = "" // see queueRevocation
	}
	p, err := k.Registry().withSecret(ctx, keys, q.provider)
	if q.clientID != "" {
		p.ClientID, p.ClientSecret = q.clientID, clientSecret
	}
	if err == nil {
		err = revoke(ctx, k.client(), p, token, access, q.hint)
	}
	if o.Err = err; err != nil {
		o.Result = Queued
		if q.tries >= maxTries || errors.Is(err, provider.ErrNoRevocation) || errors.Is(err, ErrUnknown) {
			o.Result = "given up"
		}
	}
	now := k.now()
	return o, store.Transact(ctx, k.DB, func(tx *store.Tx) {
		const doing = "saving a revocation"
		if o.Result == Queued {
			tx.Exec(doing, `UPDATE revocations SET retry_after = ?, last_error = ? WHERE revocation_id = ?`,
				store.Time(now.Add(backoff(q.tries, err))), text.FirstLine(err.Error()), q.id)
			return
		}
		tx.Exec(doing, `DELETE FROM revocations WHERE revocation_id = ?`, q.id)
		tx.Record(store.Event{At: now, Kind: "revocation", Detail: q.provider + " " + o.Result})
	})
}

// revoke revokes the first token, of which hint says what it is, and then the
// access token, if there is one.
func revoke(ctx context.Context, client provider.Client, p provider.Provider, token, access Secret, hint string) error {
	if hint == hintLogout {
		return client.LogOut(ctx, p, access, token)
	}
	if err := client.Revoke(ctx, p, token, hint); err != nil || access == "" {
		return err
	}
	err := client.Revoke(ctx, p, access, hintAccess)
	if errors.Is(err, provider.ErrNoRevocation) {
		return nil // it ends by itself, now that nothing brings another
	}
	return err
}

// Hints: the token types of RFC 7009 section 2.1, and what ends a JSON login.
const (
	hintRefresh = "refresh_token"
	hintAccess  = "access_token"
	hintLogout  = "logout"
)

// queueRevocation keeps a copy of what the provider has yet to revoke.
func queueRevocation(tx *store.Tx, keys *keyring.Keyring, c connectionRow, why error, now time.Time) {
	key, ok := sealingKey(tx, keys)
	if !ok {
		return
	}
	clientSecret, err1 := keys.Open(c.clientSecret, c.at("client_secret"))
	token, access, hint, err2 := c.toRevoke(keys, c.Grant == GrantLogin, now)
	if token == "" {
		token = access // of a login that gives no refresh token
	}
	if tx.Fail(errors.Join(err1, err2)); token == "" {
		return
	}
	q := queuedRevocation{id: rand.Text()}
	seal := func(s Secret, column string) sql.NullString { return key.Seal(s, q.at(column)) }
	tx.Exec("queueing a revocation", `INSERT INTO revocations (revocation_id, provider_name, client_id, client_secret, hint, token, access_token,
		retry_after, last_error, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, q.id, c.Provider, c.clientID,
		seal(clientSecret, "client_secret"), hint, seal(token, "token"), seal(access, "access_token"),
		store.Time(now.Add(backoff(0, why))), text.FirstLine(why.Error()), store.Time(now))
}
