package keeper

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"

	"mintkeep/internal/store"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/keyring"
	"mintkeep/keeper/provider"
)

// maxTries ends the attempts at a revocation that the provider keeps refusing;
// with the backoff that is more than a day.
const maxTries = 30

// RetryRevocations asks the providers again for the revocations that failed.
// RefreshDue does this too.
func (k *Keeper) RetryRevocations(ctx context.Context) ([]Outcome, error) {
	keys, err := k.Keys.Load()
	if err != nil {
		return nil, err
	}
	now := k.now()
	waiting, err := k.loadAll(ctx, `WHERE state = 'forgetting' AND (retry_after IS NULL OR retry_after <= ?)`, store.Time(now))
	if err != nil {
		return nil, err
	}
	done := []Outcome{}
	for _, c := range waiting {
		o, err := k.Forget(ctx, c.User, c.Name, Policy{RevokeOffline: true, RevokeOnline: true})
		if err != nil {
			return done, err
		}
		done = append(done, o)
	}
	queued, err := k.claimQueued(ctx, keys)
	for _, q := range queued {
		o, err := k.retryRevocation(ctx, keys, q)
		if err != nil {
			return done, err
		}
		done = append(done, o)
	}
	return done, err
}

type queuedRevocation struct {
	id, provider, clientID, hint string
	tries                        int
	secret, token, access        Secret
}

// claimQueued takes what is due and puts it off at once, so that two runs do
// not ask for the same.
func (k *Keeper) claimQueued(ctx context.Context, keys *keyring.Keyring) ([]queuedRevocation, error) {
	rows, err := k.DB.QueryContext(ctx, `UPDATE revocations SET tries = tries + 1, retry_after = ? WHERE retry_after <= ?
		RETURNING revocation_id, provider_name, client_id, hint, tries, client_secret, token, access_token`,
		store.Time(k.now().Add(backoff(3, nil))), store.Time(k.now()))
	if err != nil {
		return nil, fmt.Errorf("reading queued revocations: %w", err)
	}
	defer rows.Close()
	list := []queuedRevocation{}
	for rows.Next() {
		var q queuedRevocation
		var secret, token, access sql.NullString
		if err := rows.Scan(&q.id, &q.provider, &q.clientID, &q.hint, &q.tries, &secret, &token, &access); err != nil {
			return nil, err
		}
		var err1, err2, err3 error
		q.secret, err1 = keys.Open(secret, revocationPlace(q.id, "client_secret"))
		q.token, err2 = keys.Open(token, revocationPlace(q.id, "token"))
		q.access, err3 = keys.Open(access, revocationPlace(q.id, "access_token"))
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, err
		}
		list = append(list, q)
	}
	return list, rows.Err()
}

func (k *Keeper) retryRevocation(ctx context.Context, keys *keyring.Keyring, q queuedRevocation) (Outcome, error) {
	o := Outcome{Name: q.provider, Result: Revoked}
	p, err := k.providerWithSecret(ctx, keys, q.provider)
	if err == nil {
		if q.clientID != "" {
			p.ClientID, p.ClientSecret = q.clientID, q.secret
		}
		err = k.revokeQueued(ctx, p, q)
	}
	if o.Err = err; err != nil {
		o.Result = Queued
		if q.tries >= maxTries || errors.Is(err, provider.ErrNoRevocation) || errors.Is(err, ErrUnknown) {
			o.Result = "given up"
		}
	}
	return o, store.Write(ctx, k.DB, func(tx *sql.Tx) error {
		if o.Result == Queued {
			_, err := tx.ExecContext(ctx, `UPDATE revocations SET retry_after = ?, last_error = ? WHERE revocation_id = ?`,
				store.Time(k.now().Add(backoff(q.tries, err))), text.FirstLine(o.Err.Error()), q.id)
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM revocations WHERE revocation_id = ?`, q.id); err != nil {
			return err
		}
		return k.record(ctx, tx, store.Event{Kind: "revocation", Detail: q.provider + " " + o.Result})
	})
}

func (k *Keeper) revokeQueued(ctx context.Context, p provider.Provider, q queuedRevocation) error {
	client := k.client()
	if q.hint == "logout" {
		return client.LogOut(ctx, p, q.access, q.token)
	}
	if err := client.Revoke(ctx, p, q.token, q.hint); err != nil || q.access == "" {
		return err
	}
	return client.Revoke(ctx, p, q.access, "access_token")
}

func revocationPlace(id, column string) keyring.AssociatedData {
	return keyring.At("revocations", column, id)
}

// queueRevocation keeps a copy of what the provider has yet to revoke.
func (k *Keeper) queueRevocation(ctx context.Context, tx *sql.Tx, keys *keyring.Keyring, c connectionRow, why error) error {
	key, err := keys.Current(ctx, tx)
	if err != nil {
		return err
	}
	clientSecret, err1 := keys.Open(c.clientSecret, c.at("client_secret"))
	access, err2 := keys.Open(c.access, c.at("access_token"))
	token, err3 := keys.Open(c.refresh, c.at("refresh_token"))
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
	seal := func(s Secret, column string) sql.NullString { return key.Seal(s, revocationPlace(id, column)) }
	now := k.now()
	_, err = tx.ExecContext(ctx, `INSERT INTO revocations (revocation_id, provider_name, client_id, client_secret, hint, token, access_token,
		retry_after, last_error, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, id, c.Provider, c.clientID,
		seal(clientSecret, "client_secret"), hint, seal(token, "token"), seal(access, "access_token"),
		store.Time(now.Add(backoff(0, why))), text.FirstLine(why.Error()), store.Time(now))
	if err != nil {
		return fmt.Errorf("queueing a revocation: %w", err)
	}
	return nil
}
