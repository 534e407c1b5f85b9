package keeper

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// A sealed value reads mks1.KEYID.DATA: AES-256-GCM with a random nonce in
// front (NIST SP 800-38D section 8.2.2), base64url. The place it was made for
// is the associated data, so it opens in no other row or column.
const sealPrefix = "mks1"

// place is where a sealed value lives.
type place struct {
	table, column string
	row           []string
}

func (p place) bytes() []byte {
	s := p.table + "\x00" + p.column
	for _, r := range p.row {
		s += "\x00" + r
	}
	return []byte(s)
}

func (p place) String() string {
	return fmt.Sprintf("%s of %s row %q", p.column, p.table, strings.Join(p.row, "/"))
}

type key struct {
	id   string
	raw  [32]byte
	aead cipher.AEAD
}

func newKey(raw []byte) (key, error) {
	k := key{}
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

// ring is the keys at hand for one operation. It reads the key file again when
// a key is missing, because another process may have rotated meanwhile.
type ring struct {
	source KeySource
	keys   []key
}

func (k *Keeper) ring() (*ring, error) {
	keys, err := k.Keys.load()
	return &ring{k.Keys, keys}, err
}

func (r *ring) find(id string) (key, error) {
	for again := false; ; again = true {
		for _, k := range r.keys {
			if k.id == id {
				return k, nil
			}
		}
		if again {
			return key{}, noKey(id, r.source)
		}
		keys, err := r.source.load()
		if err != nil {
			return key{}, err
		}
		r.keys = keys
	}
}

// open is the inverse of seal; NULL opens as "".
func (r *ring) open(v sql.NullString, p place) (Secret, error) {
	if !v.Valid {
		return "", nil
	}
	spoilt := func(why string) error {
		return &Fault{Kind: ErrSealed, What: "opening the " + p.String() + ": " + why,
			Hint: "the value was changed or moved; connect again, or restore a backup"}
	}
	parts := strings.Split(v.String, ".")
	if len(parts) != 3 || parts[0] != sealPrefix || strings.ContainsAny(parts[2], "\r\n") { // base64 would skip these
		return "", spoilt("not a sealed value")
	}
	k, err := r.find(parts[1])
	if err != nil {
		return "", fmt.Errorf("opening the %s: %w", p, err)
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil {
		return "", spoilt("damaged")
	}
	plain, err := k.aead.Open(nil, nil, data, p.bytes())
	if err != nil {
		return "", spoilt("it does not belong here")
	}
	return Secret(plain), nil
}

// seal makes the value of a column; "" becomes NULL.
func (k key) seal(s Secret, p place) any {
	if s == "" {
		return nil
	}
	return sealPrefix + "." + k.id + "." + base64.RawURLEncoding.EncodeToString(k.aead.Seal(nil, nil, []byte(s), p.bytes()))
}

// sealingKey is the key that values written in tx must be sealed with. The
// database names it, not this process's memory: after `key rotate` the old key
// goes away, and nothing may still be sealed with it.
func (k *Keeper) sealingKey(ctx context.Context, tx *sql.Tx, r *ring) (key, error) {
	var id string
	err := tx.QueryRowContext(ctx, `SELECT key_id FROM sealing`).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		id = r.keys[0].id
		_, err = tx.ExecContext(ctx, `INSERT INTO sealing (one, key_id) VALUES (1, ?)`, id)
	}
	if err != nil {
		return key{}, fmt.Errorf("finding the sealing key: %w", err)
	}
	return r.find(id)
}
