package keeper

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"mintkeep/internal/store"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/keyring"
)

// maxTries ends the attempts at a revocation that the provider keeps refusing;
// with the backoff that is more than a day.
const maxTries = 30

// RetryRevocations asks the providers again for the revocations that failed.
// RefreshDue does this too.
func (k *Keeper) RetryRevocations(ctx context.Context) ([]Outcome, error) {
	r, err := k.Keys.Load()
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
	queued, err := k.claimQueued(ctx, r)
	for _, q := range queued {
		o, err := k.retry(ctx, r, q)
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
func (k *Keeper) claimQueued(ctx context.Context, r *keyring.Keyring) ([]queuedRevocation, error) {
	rows, err := k.DB.QueryContext(ctx, `UPDATE revocations SET tries = tries + 1, retry_after = ? WHERE retry_after <= ?
		RETURNING revocation_id, provider_name, client_id, hint, tries, client_secret, token, access_token`,
		store.NullTime(k.now().Add(backoff(3, nil))), store.Time(k.now()))
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
		at := func(column string) keyring.AssociatedData {
			return keyring.At("revocations", column, q.id)
		}
		var err1, err2, err3 error
		q.secret, err1 = r.Open(secret, at("client_secret"))
		q.token, err2 = r.Open(token, at("token"))
		q.access, err3 = r.Open(access, at("access_token"))
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, err
		}
		list = append(list, q)
	}
	return list, rows.Err()
}

func (k *Keeper) retry(ctx context.Context, r *keyring.Keyring, q queuedRevocation) (Outcome, error) {
	o := Outcome{Name: q.provider, Result: Revoked}
	s, err := k.siteNamed(ctx, r, q.provider)
	if err == nil {
		if q.clientID != "" {
			s.ClientID, s.ClientSecret = q.clientID, q.secret
		}
		err = k.revokeQueued(ctx, s, q)
	}
	if o.Err = err; err != nil {
		o.Result = Queued
		if q.tries >= maxTries || errors.Is(err, errNoEndpoint) || errors.Is(err, ErrUnknown) {
			o.Result = "given up"
		}
	}
	return o, store.Write(ctx, k.DB, func(tx *sql.Tx) error {
		if o.Result == Queued {
			_, err := tx.ExecContext(ctx, `UPDATE revocations SET retry_after = ?, last_error = ? WHERE revocation_id = ?`,
				store.NullTime(k.now().Add(backoff(q.tries, err))), text.FirstLine(o.Err.Error()), q.id)
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM revocations WHERE revocation_id = ?`, q.id); err != nil {
			return err
		}
		return k.record(ctx, tx, store.Event{Kind: "revocation", Detail: q.provider + " " + o.Result})
	})
}

func (k *Keeper) revokeQueued(ctx context.Context, s site, q queuedRevocation) error {
	if q.hint == "logout" {
		if s.Login == nil {
			return errNoEndpoint
		}
		return k.logout(ctx, s, q.access, q.token)
	}
	if err := k.revoke(ctx, s, q.token, q.hint); err != nil || q.access == "" {
		return err
	}
	return k.revoke(ctx, s, q.access, "access_token")
}
