package keeper

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
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
	s := secret.New("mkk_")
	return s, t.add(ctx, a, s.Hash())
}

// minOwnKey is how many characters a key of the owner's own choice must have.
const minOwnKey = 32

// AddOwn adds a key that the owner chose, such as one that scripts have already.
// It fails with ErrInvalid if it has less than 32 characters, or others than
// printable ASCII.
//
// Nobody knows how random it is, so its HMAC under a random salt is kept.
func (t APIKeys) AddOwn(ctx context.Context, a APIKey, own Secret) error {
	unfit := func(r rune) bool { return r <= ' ' || r > '~' }
	if len(own) < minOwnKey || strings.ContainsFunc(string(own), unfit) || own.WellFormed("mkk_") {
		return fault.Invalid("the API key", "at least 32 printable ASCII characters without spaces; `openssl rand -hex 32` makes a good one")
	}
	if _, err := t.Find(ctx, own); !errors.Is(err, ErrUnknown) {
		return cmp.Or(err, error(&Fault{Kind: ErrExists, What: "this API key is already there under another name"}))
	}
	salt := string(secret.New(""))
	return t.add(ctx, a, salt+":"+hmacOf(salt, own))
}

// hmacOf is what is kept of a key of the owner's own.
func hmacOf(salt string, own Secret) string {
	h := hmac.New(sha256.New, []byte(salt))
	h.Write([]byte(own))
	return hex.EncodeToString(h.Sum(nil))
}

func (t APIKeys) add(ctx context.Context, a APIKey, hash string) error {
	if !text.ValidName(a.Name) {
		return fault.Invalid(fmt.Sprintf("API key name %q", a.Name), "1 to 200 characters without slash or control characters")
	}
	now := t.keeper.now()
	return store.Transact(ctx, t.keeper.DB, func(tx *store.Tx) {
		if tx.Exec("adding API key "+a.Name, `INSERT INTO api_keys
			(api_key_name, key_hash, user_id, provider_name, can_write, created)
			VALUES (?, ?, nullif(?, ''), nullif(?, ''), ?, ?) ON CONFLICT (api_key_name) DO NOTHING`,
			a.Name, hash, a.User, a.Provider, a.Write, store.Time(now)) == 0 {
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
	hash := s.Hash()
	if !s.WellFormed("mkk_") {
		if hash, err = t.ownHash(ctx, s); err != nil {
			return a, err
		}
	}
	found := false
	if hash != "" {
		found, err = store.Row(ctx, t.keeper.DB, "looking up an API key", `SELECT `+apiKeyColumns+` FROM api_keys WHERE key_hash = ?`,
			[]any{hash}, a.columns()...)
	}
	if err == nil && !found {
		err = &Fault{Kind: ErrUnknown, What: "unknown API key"}
	}
	return a, err
}

// ownHash is the key_hash of a key of the owner's own; "" if there is none like it.
// Only the owner adds such keys, so there are few to compare.
func (t APIKeys) ownHash(ctx context.Context, own Secret) (string, error) {
	if len(own) < minOwnKey || len(own) > 4096 {
		return "", nil
	}
	all, err := store.List(ctx, t.keeper.DB, "looking up an API key", func(scan func(...any) error) (hash string, err error) {
		err = scan(&hash)
		return hash, err
	}, `SELECT key_hash FROM api_keys WHERE key_hash LIKE '%:%'`)
	for _, hash := range all {
		if salt, sum, _ := strings.Cut(hash, ":"); hmac.Equal([]byte(hmacOf(salt, own)), []byte(sum)) {
			return hash, err
		}
	}
	return "", err
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
