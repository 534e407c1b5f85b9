package keeper

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"mintkeep/internal/secret"
	"mintkeep/internal/store"
	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/internal/text"
)

// APIKey is what a caller of the HTTP API may do.
type APIKey struct {
	Name     string    `json:"name"`
	User     string    `json:"user,omitzero"`     // "" is every user
	Provider string    `json:"provider,omitzero"` // "" is every provider
	Write    bool      `json:"write"`             // may store, refresh and delete as well as read
	Created  time.Time `json:"created"`
	LastUse  time.Time `json:"last_use,omitzero"`
}

// AddAPIKey makes a key and returns its secret, of which only the hash is stored.
// ErrExists if the name is taken.
func (k *Keeper) AddAPIKey(ctx context.Context, a APIKey) (Secret, error) {
	if !text.ValidName(a.Name) {
		return "", fault.Invalid(fmt.Sprintf("API key name %q", a.Name), "1 to 200 characters without slash or control characters")
	}
	secret := secret.New("mkk_")
	return secret, store.Write(ctx, k.DB, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO api_keys (api_key_name, key_hash, user_id, provider_name, can_write, created)
			VALUES (?, ?, nullif(?, ''), nullif(?, ''), ?, ?) ON CONFLICT (api_key_name) DO NOTHING`,
			a.Name, secret.Hash(), a.User, a.Provider, a.Write, store.Time(k.now()))
		if err != nil {
			return fmt.Errorf("adding API key %s: %w", a.Name, err)
		}
		if n, err := res.RowsAffected(); n == 0 || err != nil {
			return errors.Join(err, &Fault{Kind: ErrExists, What: "API key " + a.Name + " is already there", Hint: "`mintkeep apikey remove` it first"})
		}
		return k.record(ctx, tx, store.Event{Kind: "api key added", Detail: a.Provider, Actor: a.Name})
	})
}

// RemoveAPIKey ends a key at once; ErrUnknown if there is none of that name.
func (k *Keeper) RemoveAPIKey(ctx context.Context, name string) error {
	return store.Write(ctx, k.DB, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM api_reads WHERE api_key_name = ?`, name); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `DELETE FROM api_keys WHERE api_key_name = ?`, name)
		if err != nil {
			return fmt.Errorf("removing API key %s: %w", name, err)
		}
		if n, err := res.RowsAffected(); n == 0 || err != nil {
			return errors.Join(err, &Fault{Kind: ErrUnknown, What: fmt.Sprintf("no API key %q", name), Hint: "`mintkeep apikey list`"})
		}
		return k.record(ctx, tx, store.Event{Kind: "api key removed", Actor: name})
	})
}

const apiKeyColumns = `api_key_name, coalesce(user_id, ''), coalesce(provider_name, ''), can_write, created, last_use`

func scanAPIKey(scan func(...any) error) (a APIKey, err error) {
	var created, used sql.NullString
	err = scan(&a.Name, &a.User, &a.Provider, &a.Write, &created, &used)
	a.Created, a.LastUse = store.ParseTime(created), store.ParseTime(used)
	return a, err
}

// APIKeys lists the keys, without their secrets.
func (k *Keeper) APIKeys(ctx context.Context) ([]APIKey, error) {
	rows, err := k.DB.QueryContext(ctx, `SELECT `+apiKeyColumns+` FROM api_keys ORDER BY api_key_name`)
	if err != nil {
		return nil, fmt.Errorf("reading API keys: %w", err)
	}
	defer rows.Close()
	list := []APIKey{}
	for rows.Next() {
		a, err := scanAPIKey(rows.Scan)
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, rows.Err()
}

// FindAPIKey returns the key that a caller presented; ErrUnknown if there is none.
func (k *Keeper) FindAPIKey(ctx context.Context, s Secret) (APIKey, error) {
	unknown := &Fault{Kind: ErrUnknown, What: "unknown API key"}
	if !s.WellFormed("mkk_") {
		return APIKey{}, unknown
	}
	a, err := scanAPIKey(k.DB.QueryRowContext(ctx, `SELECT `+apiKeyColumns+` FROM api_keys WHERE key_hash = ?`, s.Hash()).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return APIKey{}, unknown
	}
	if err != nil {
		return APIKey{}, fmt.Errorf("looking up an API key: %w", err)
	}
	return a, nil
}

// Covers reports whether the key is good for a user's connection at a provider.
// The zero key, the owner's own, is good for all.
func (a APIKey) Covers(user, providerName string) bool {
	return (a.User == "" || a.User == user) && (a.Provider == "" || a.Provider == providerName)
}

// RecordRead records that a key read a connection, at most once a minute for
// each pair. If it fails, the caller must not hand the token out: ErrUnknown if
// the key or the connection has just been removed.
func (k *Keeper) RecordRead(ctx context.Context, a APIKey, c Connection) error {
	now := k.now()
	var last sql.NullString
	err := k.DB.QueryRowContext(ctx, `SELECT last_use FROM api_reads WHERE api_key_name = ? AND connection_id = ?`, a.Name, c.ID).Scan(&last)
	if ago := now.Sub(store.ParseTime(last)); err == nil && ago >= 0 && ago < time.Minute {
		return nil
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("recording a read: %w", err)
	}
	return store.Write(ctx, k.DB, func(tx *sql.Tx) error {
		res, err1 := tx.ExecContext(ctx, `INSERT INTO api_reads (api_key_name, connection_id, last_use)
			SELECT api_key_name, connection_id, ? FROM api_keys, connections WHERE api_key_name = ? AND connection_id = ?
			ON CONFLICT DO UPDATE SET last_use = excluded.last_use`, store.Time(now), a.Name, c.ID)
		_, err2 := tx.ExecContext(ctx, `UPDATE api_keys SET last_use = ? WHERE api_key_name = ?`, store.Time(now), a.Name)
		_, err3 := tx.ExecContext(ctx, `UPDATE connections SET last_use = ? WHERE connection_id = ?`, store.Time(now), c.ID)
		if err := errors.Join(err1, err2, err3); err != nil {
			return fmt.Errorf("recording a read: %w", err)
		}
		if n, err := res.RowsAffected(); n == 0 || err != nil {
			return errors.Join(err, unknownToken(c.Name)) // the key or the token has just been removed
		}
		return k.record(ctx, tx, store.Event{Kind: "read", Connection: c.User + "/" + c.Name, Actor: a.Name})
	})
}
