package keeper

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"strings"
	"time"
)

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// newSecret is a prefix, 43 random characters (256 bits), and 6 of a checksum,
// so that a mangled one is told from an unknown one, and scanners can find it.
func newSecret(prefix string) Secret {
	s := []byte(prefix)
	for len(s) < len(prefix)+43 {
		b := make([]byte, 64)
		_, _ = rand.Read(b) // never fails (Go 1.24)
		for _, c := range b {
			if c < 248 && len(s) < len(prefix)+43 { // 248 = 4 * 62: every character equally likely
				s = append(s, alphabet[c%62])
			}
		}
	}
	return Secret(string(s) + checksum(string(s)))
}

func checksum(s string) string {
	n, out := crc32.ChecksumIEEE([]byte(s)), [6]byte{}
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = alphabet[n%62]
		n /= 62
	}
	return string(out[:])
}

func wellFormed(prefix string, s Secret) bool {
	t := string(s)
	return strings.HasPrefix(t, prefix) && len(t) == len(prefix)+43+6 && checksum(t[:len(t)-6]) == t[len(t)-6:]
}

// hash is how secrets of our own are stored: with 256 random bits in them, a plain SHA-256 is enough.
func hash(s Secret) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// APIKey lets a caller of the HTTP API in.
type APIKey struct {
	Name     string    `json:"name"`
	User     string    `json:"user,omitzero"`     // "" is every user
	Provider string    `json:"provider,omitzero"` // "" is every provider
	Write    bool      `json:"write"`             // may store, refresh and delete as well as read
	Created  time.Time `json:"created"`
	LastUse  time.Time `json:"last_use,omitzero"`
}

// AddAPIKey makes a key and returns its secret, which is not stored and cannot be had again.
func (k *Keeper) AddAPIKey(ctx context.Context, a APIKey) (Secret, error) {
	if !nameFits(a.Name) {
		return "", refuse(fmt.Sprintf("API key name %q", a.Name), "1 to 200 characters without slash or control characters")
	}
	secret := newSecret("mkk_")
	return secret, k.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO api_keys (api_key_name, key_hash, user_id, provider_name, can_write, created)
			VALUES (?, ?, nullif(?, ''), nullif(?, ''), ?, ?) ON CONFLICT (api_key_name) DO NOTHING`,
			a.Name, hash(secret), a.User, a.Provider, a.Write, text(k.now()))
		if err != nil {
			return fmt.Errorf("adding API key %s: %w", a.Name, err)
		}
		if n, err := res.RowsAffected(); n == 0 || err != nil {
			return errors.Join(err, &Fault{Kind: ErrExists, What: "API key " + a.Name + " is already there", Hint: "`mintkeep apikey remove` it first"})
		}
		return k.record(ctx, tx, Event{Kind: "api key added", User: a.User, Provider: a.Provider, Actor: a.Name})
	})
}

// RemoveAPIKey ends a key at once.
func (k *Keeper) RemoveAPIKey(ctx context.Context, name string) error {
	return k.tx(ctx, func(tx *sql.Tx) error {
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
		return k.record(ctx, tx, Event{Kind: "api key removed", Actor: name})
	})
}

const apiKeyColumns = `api_key_name, coalesce(user_id, ''), coalesce(provider_name, ''), can_write, created, last_use`

func scanAPIKey(scan func(...any) error) (a APIKey, err error) {
	var created, used sql.NullString
	err = scan(&a.Name, &a.User, &a.Provider, &a.Write, &created, &used)
	a.Created, a.LastUse = parseTime(created), parseTime(used)
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

// apiKey looks a presented key up; ok is false for one that is unknown.
func (k *Keeper) apiKey(ctx context.Context, s Secret) (a APIKey, ok bool, err error) {
	if !wellFormed("mkk_", s) {
		return a, false, nil
	}
	a, err = scanAPIKey(k.DB.QueryRowContext(ctx, `SELECT `+apiKeyColumns+` FROM api_keys WHERE key_hash = ?`, hash(s)).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return a, false, nil
	}
	if err != nil {
		return a, false, fmt.Errorf("looking up an API key: %w", err)
	}
	return a, true, nil
}

func errOtherProvider() error {
	return &apiError{status: http.StatusForbidden, code: "access_denied", desc: "this API key is for another provider"}
}

// covers reports whether the key is good for a user's connection at a provider.
// The zero key, the owner's own, is good for all.
func (a APIKey) covers(user, provider string) bool {
	return (a.User == "" || a.User == user) && (a.Provider == "" || a.Provider == provider)
}

// noteRead records that a key read a connection, at most once a minute for each
// pair. A read that cannot be recorded is refused by the caller.
func (k *Keeper) noteRead(ctx context.Context, a APIKey, c kept) error {
	now := k.now()
	var last sql.NullString
	err := k.DB.QueryRowContext(ctx, `SELECT last_use FROM api_reads WHERE api_key_name = ? AND connection_id = ?`, a.Name, c.ID).Scan(&last)
	if ago := now.Sub(parseTime(last)); err == nil && ago >= 0 && ago < time.Minute {
		return nil
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("recording a read: %w", err)
	}
	return k.tx(ctx, func(tx *sql.Tx) error {
		res, err1 := tx.ExecContext(ctx, `INSERT INTO api_reads (api_key_name, connection_id, last_use)
			SELECT api_key_name, connection_id, ? FROM api_keys, connections WHERE api_key_name = ? AND connection_id = ?
			ON CONFLICT DO UPDATE SET last_use = excluded.last_use`, text(now), a.Name, c.ID)
		_, err2 := tx.ExecContext(ctx, `UPDATE api_keys SET last_use = ? WHERE api_key_name = ?`, text(now), a.Name)
		_, err3 := tx.ExecContext(ctx, `UPDATE connections SET last_use = ? WHERE connection_id = ?`, text(now), c.ID)
		if err := errors.Join(err1, err2, err3); err != nil {
			return fmt.Errorf("recording a read: %w", err)
		}
		if n, err := res.RowsAffected(); n == 0 || err != nil {
			return errors.Join(err, unknownToken(c.Name)) // the key or the token has just been removed
		}
		e := c.event("read", "")
		e.Actor = a.Name
		return k.record(ctx, tx, e)
	})
}
