// Package keyring seals secrets for a database: AES-256-GCM, with keys from a
// file or an environment variable, and the table, column and row as associated
// data, so that a sealed value opens in no other place.
//
// The database says, in table sealing, which key new values are sealed with.
// No process remembers it: after Rotate the old key goes away, and nothing may
// still be sealed with it.
package keyring

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"mintkeep/internal/secret"
	"mintkeep/internal/store"
	"mintkeep/keeper/internal/fault"
)

// A sealed value reads mks1.KEYID.DATA. DATA is base64url of a random nonce
// (NIST SP 800-38D section 8.2.2) and the ciphertext with its tag.
const sealPrefix = "mks1"

// AssociatedData is the place a value is sealed for. Opening it anywhere else fails.
type AssociatedData struct {
	Table, Column string
	Row           []string // what identifies the row
}

// At is the associated data of a column in a row.
func At(table, column string, row ...string) AssociatedData {
	return AssociatedData{table, column, row}
}

func (a AssociatedData) bytes() []byte {
	s := a.Table + "\x00" + a.Column
	for _, r := range a.Row {
		s += "\x00" + r
	}
	return []byte(s)
}

// String names the place for an error message.
func (a AssociatedData) String() string {
	return fmt.Sprintf("%s of %s row %q", a.Column, a.Table, strings.Join(a.Row, "/"))
}

// Key is one sealing key.
type Key struct {
	id   string
	raw  [32]byte
	aead cipher.AEAD
}

func newKey(raw []byte) (Key, error) {
	k := Key{}
	if len(raw) != len(k.raw) {
		return k, fmt.Errorf("a sealing key has 32 bytes, not %d", len(raw))
	}
	copy(k.raw[:], raw)
	sum := sha256.Sum256(append([]byte("mintkeep key id\x00"), raw...))
	k.id = hex.EncodeToString(sum[:4])
	block, err := aes.NewCipher(k.raw[:])
	if err == nil {
		k.aead, err = cipher.NewGCMWithRandomNonce(block)
	}
	return k, err
}

func randomKey() (Key, error) { return newKey(randomBytes()) }

func randomBytes() []byte {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails (Go 1.24)
	return raw
}

// NewValue is a new key as Source.Value has it, for what is kept nowhere but in memory.
func NewValue() secret.Secret {
	return secret.Secret(base64.RawURLEncoding.EncodeToString(randomBytes()))
}

// Seal returns the value for the column; "" becomes NULL.
func (k Key) Seal(s secret.Secret, place AssociatedData) sql.NullString {
	if s == "" {
		return sql.NullString{}
	}
	data := k.aead.Seal(nil, nil, []byte(s), place.bytes())
	return sql.NullString{String: sealPrefix + "." + k.id + "." + base64.RawURLEncoding.EncodeToString(data), Valid: true}
}

// Keyring is the keys for one operation, as Source.Load read them. It is not
// for use by several goroutines.
type Keyring struct {
	source Source
	keys   []Key
}

// find returns the key with that id. If there is none, it reads the key file
// again: another process may have rotated meanwhile.
func (r *Keyring) find(id string) (Key, error) {
	for again := false; ; again = true {
		for _, k := range r.keys {
			if k.id == id {
				return k, nil
			}
		}
		if again {
			return Key{}, missingKey(id, r.source)
		}
		keys, err := r.source.read()
		if err != nil {
			return Key{}, err
		}
		r.keys = keys
	}
}

// Open returns what was sealed, "" for NULL. It fails with ErrSealed if the
// value was changed or comes from another place, with ErrKey if its key is missing.
func (r *Keyring) Open(sealed sql.NullString, place AssociatedData) (secret.Secret, error) {
	if !sealed.Valid {
		return "", nil
	}
	damaged := func(why string) error {
		return &fault.Fault{Kind: fault.ErrSealed, What: "opening the " + place.String() + ": " + why,
			Hint: "the value was changed or moved; connect again, or restore a backup"}
	}
	parts := strings.Split(sealed.String, ".")
	if len(parts) != 3 || parts[0] != sealPrefix || strings.ContainsAny(parts[2], "\r\n") { // the base64 decoder skips these
		return "", damaged("not a sealed value")
	}
	k, err := r.find(parts[1])
	if err != nil {
		return "", fmt.Errorf("opening the %s: %w", place, err)
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil {
		return "", damaged("damaged")
	}
	plain, err := k.aead.Open(nil, nil, data, place.bytes())
	if err != nil {
		return "", damaged("it does not belong here")
	}
	return secret.Secret(plain), nil
}

// Current returns the key that values written in tx must be sealed with. The
// first key is noted in the database when the first value is written.
func (r *Keyring) Current(ctx context.Context, tx store.Querier) (Key, error) {
	id, err := currentID(ctx, tx)
	if err != nil {
		return Key{}, err
	}
	if id == "" {
		id = r.keys[0].id
		if _, err := tx.ExecContext(ctx, `INSERT INTO sealing (one, key_id) VALUES (1, ?)`, id); err != nil {
			return Key{}, fmt.Errorf("finding the sealing key: %w", err)
		}
	}
	return r.find(id)
}

// currentID is the id of the key that the database's values are sealed with, ""
// before the first.
func currentID(ctx context.Context, db store.Querier) (id string, err error) {
	err = db.QueryRowContext(ctx, `SELECT key_id FROM sealing`).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("finding the sealing key: %w", err)
	}
	return id, nil
}

// InUse reports whether there is a key, or values that wait for one: a key that
// was lost is an error to report, not an installation that keeps nothing.
func InUse(ctx context.Context, db store.Querier, s Source) bool {
	if s.Exists() {
		return true
	}
	id, err := currentID(ctx, db)
	return id != "" || err != nil
}

// Check reports why the sealed values cannot be opened, as ErrKey; nil if they
// can, or if there are none.
func Check(ctx context.Context, db store.Querier, s Source) error {
	id, err := currentID(ctx, db)
	if err != nil || id == "" && !s.Exists() {
		return err
	}
	r, err := s.Load()
	if err == nil && id != "" {
		_, err = r.find(id)
	}
	return err
}

// Ensure makes the key file of a database that has sealed nothing yet, and
// reports whether it did. Where values are sealed with a key that is missing, it
// returns ErrKey: a new key would not open them.
func Ensure(ctx context.Context, db store.Querier, s Source) (made bool, err error) {
	if s.Exists() {
		return false, nil
	}
	id, err := currentID(ctx, db)
	if err != nil {
		return false, err
	}
	if id != "" {
		return false, missingKey(id, s)
	}
	err = NewFile(s.Path)
	if errors.Is(err, fault.ErrExists) {
		return false, nil // another process was faster
	}
	return err == nil, err
}

func missingKey(id string, s Source) error {
	return &fault.Fault{Kind: fault.ErrKey, What: fmt.Sprintf("sealing key %s is not in %s", id, s),
		Hint: "put back the key file (or MINTKEEP_KEY) that belongs to this database"}
}
