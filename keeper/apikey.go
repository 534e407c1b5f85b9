package keeper

import (
	"context"
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

// Covers reports whether the key is good for a user's connection at a provider.
// The zero key, the owner's own, is good for all.
func (a APIKey) Covers(user, providerName string) bool {
	return (a.User == "" || a.User == user) && (a.Provider == "" || a.Provider == providerName)
}

// APIKeys is the table of API keys. It has their hashes only.
type APIKeys struct{ keeper *Keeper }

// APIKeys gives access to the API keys.
func (k *Keeper) APIKeys() APIKeys { return APIKeys{k} }

// Add makes a key and returns its secret, which is not stored. ErrExists if the
// name is taken.
func (t APIKeys) Add(ctx context.Context, a APIKey) (Secret, error) {
	if !text.ValidName(a.Name) {
		return "", fault.Invalid(fmt.Sprintf("API key name %q", a.Name), "1 to 200 characters without slash or control characters")
	}
	s, now := secret.New("mkk_"), t.keeper.now()
	return s, store.Transact(ctx, t.keeper.DB, func(tx *store.Tx) {
		if tx.Exec("adding API key "+a.Name, `INSERT INTO api_keys
			(api_key_name, key_hash, user_id, provider_name, can_write, created)
			VALUES (?, ?, nullif(?, ''), nullif(?, ''), ?, ?) ON CONFLICT (api_key_name) DO NOTHING`,
			a.Name, s.Hash(), a.User, a.Provider, a.Write, store.Time(now)) == 0 {
			tx.Fail(&Fault{Kind: ErrExists, What: "API key " + a.Name + " is already there", Hint: "`mintkeep apikey remove` it first"})
		}
		tx.Record(store.Event{At: now, Kind: "api key added", Detail: a.Provider, Actor: a.Name})
	})
}

// Remove ends a key at once; ErrUnknown if there is none of that name.
func (t APIKeys) Remove(ctx context.Context, name string) error {
	return store.Transact(ctx, t.keeper.DB, func(tx *store.Tx) {
		doing := "removing API key " + name
		tx.Exec(doing, `DELETE FROM api_reads WHERE api_key_name = ?`, name)
		if tx.Exec(doing, `DELETE FROM api_keys WHERE api_key_name = ?`, name) == 0 {
			tx.Fail(&Fault{Kind: ErrUnknown, What: fmt.Sprintf("no API key %q", name), Hint: "`mintkeep apikey list`"})
		}
		tx.Record(store.Event{At: t.keeper.now(), Kind: "api key removed", Actor: name})
	})
}

const apiKeyColumns = `api_key_name, coalesce(user_id, ''), coalesce(provider_name, ''), can_write, created, last_use`

func (a *APIKey) columns() []any {
	return []any{&a.Name, &a.User, &a.Provider, &a.Write, store.Into(&a.Created), store.Into(&a.LastUse)}
}

// List returns the keys, sorted by name.
func (t APIKeys) List(ctx context.Context) ([]APIKey, error) {
	return store.List(ctx, t.keeper.DB, "reading API keys", func(scan func(...any) error) (a APIKey, err error) {
		err = scan(a.columns()...)
		return a, err
	}, `SELECT `+apiKeyColumns+` FROM api_keys ORDER BY api_key_name`)
}

// Find returns the key with that secret; ErrUnknown if there is none.
func (t APIKeys) Find(ctx context.Context, s Secret) (a APIKey, err error) {
	found := false
	if s.WellFormed("mkk_") {
		found, err = store.Row(ctx, t.keeper.DB, "looking up an API key", `SELECT `+apiKeyColumns+` FROM api_keys WHERE key_hash = ?`,
			[]any{s.Hash()}, a.columns()...)
	}
	if err == nil && !found {
		err = &Fault{Kind: ErrUnknown, What: "unknown API key"}
	}
	return a, err
}

// RecordRead records that a key read a connection, at most once a minute for
// each pair. ErrUnknown if the key or the connection has just been removed: then
// the caller must not hand the token out.
func (t APIKeys) RecordRead(ctx context.Context, a APIKey, c Connection) error {
	const doing = "recording a read"
	now := t.keeper.now()
	var last time.Time
	found, err := store.Row(ctx, t.keeper.DB, doing, `SELECT last_use FROM api_reads WHERE api_key_name = ? AND connection_id = ?`,
		[]any{a.Name, c.ID}, store.Into(&last))
	if ago := now.Sub(last); err != nil || found && ago >= 0 && ago < time.Minute {
		return err
	}
	return store.Transact(ctx, t.keeper.DB, func(tx *store.Tx) {
		if tx.Exec(doing, `INSERT INTO api_reads (api_key_name, connection_id, last_use)
			SELECT api_key_name, connection_id, ? FROM api_keys, connections WHERE api_key_name = ? AND connection_id = ?
			ON CONFLICT DO UPDATE SET last_use = excluded.last_use`, store.Time(now), a.Name, c.ID) == 0 {
			tx.Fail(unknownToken(c.Name))
		}
		tx.Exec(doing, `UPDATE api_keys SET last_use = ? WHERE api_key_name = ?`, store.Time(now), a.Name)
		tx.Exec(doing, `UPDATE connections SET last_use = ? WHERE connection_id = ?`, store.Time(now), c.ID)
		tx.Record(store.Event{At: now, Kind: "read", Connection: c.User + "/" + c.Name, Actor: a.Name})
	})
}
