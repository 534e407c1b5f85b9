// Package secret holds the texts that nobody may see: tokens, codes, keys and
// passwords. It makes new ones, checks their form, and hashes them for storage.
package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"log/slog"
	"math/big"
	"strings"
)

const hidden = "[hidden]"

// Secret is a token, code, key or password. It hides itself when it is printed,
// logged or encoded; convert it to string where it is really to be sent.
type Secret string

// String returns a placeholder.
func (Secret) String() string { return hidden }

// GoString returns a placeholder.
func (Secret) GoString() string { return hidden }

// Format writes a placeholder under every verb of package fmt.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// LogValue returns a placeholder for package slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText encodes a placeholder, in JSON as well.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Hash returns the SHA-256 of the secret in hex: all that the database knows of
// a secret with 256 random bits, for which nothing slower is needed.
func (s Secret) Hash() string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

// Equal compares two secrets in constant time.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s), []byte(other)) == 1
}

const (
	alphabet    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	randomChars = 43 // 62^43 > 2^256
	checkChars  = 6  // 62^6 > 2^32
)

// New makes a secret of 256 random bits: the prefix, 43 characters of
// [0-9A-Za-z], and 6 of a checksum. The prefix tells kinds of secrets apart and
// lets scanners find them.
func New(prefix string) Secret {
	text := []byte(prefix)
	for b := make([]byte, 64); len(text) < len(prefix)+randomChars; {
		_, _ = rand.Read(b) // never fails (Go 1.24)
		for _, c := range b {
			if c < 248 && len(text) < len(prefix)+randomChars { // 248 = 4 × 62: no bias
				text = append(text, alphabet[c%62])
			}
		}
	}
	return Secret(string(text) + checksum(string(text)))
}

// Derive makes a secret of New's form that follows from another one and the purpose.
func Derive(prefix string, from Secret, purpose string) Secret {
	h := sha256.Sum256([]byte(purpose + " " + string(from)))
	text := new(big.Int).SetBytes(h[:]).Text(62)
	text = prefix + strings.Repeat("0", randomChars-len(text)) + text
	return Secret(text + checksum(text))
}

// idChars are 131 bits of characters.
const idChars = 22

// NewID makes a secret of 131 random bits in 22 characters of [0-9A-Za-z], without
// prefix and checksum: short enough to stand in an address that people see.
func NewID() Secret { return New("")[:idChars] }

// IsID reports whether the secret has the form of NewID's.
func (s Secret) IsID() bool {
	return len(s) == idChars && strings.Trim(string(s), alphabet) == ""
}

// WellFormed reports whether the secret is whole: right prefix, right length,
// right checksum. A token that was cut or mangled on the way is so told from an
// unknown one without the database.
func (s Secret) WellFormed(prefix string) bool {
	t := string(s)
	if len(t) != len(prefix)+randomChars+checkChars || !strings.HasPrefix(t, prefix) {
		return false
	}
	return checksum(t[:len(t)-checkChars]) == t[len(t)-checkChars:]
}

// checksum is the CRC-32 of the text in 6 characters. It is computed a byte at a time:
// crc32.ChecksumIEEE first makes tables, for which a process with one text has no use.
func checksum(s string) string {
	n := ^uint32(0)
	for i := range len(s) {
		n = crc32.IEEETable[byte(n)^s[i]] ^ n>>8
	}
	n = ^n
	var out [checkChars]byte
	for i := range out {
		out[checkChars-1-i] = alphabet[n%62]
		n /= 62
	}
	return string(out[:])
}
