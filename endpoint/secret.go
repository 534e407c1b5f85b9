package endpoint

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"
	"log/slog"
	"strings"
)

// Prefixes of the secrets that this package makes. Only access tokens are
// accepted as a bearer.
const (
	prefixAccess  = "mka_"
	prefixRefresh = "mkr_"
	prefixCode    = "mkc_"
	prefixServer  = "mks_"
)

const (
	alphabet    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	randomChars = 43 // 62^43 > 2^256
	checkChars  = 6  // 62^6 > 2^32
)

// Secret is text that must not be shown: it hides itself when printed or logged.
type Secret string

// String returns a placeholder.
func (Secret) String() string { return "[secret]" }

// LogValue returns a placeholder.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// hash is what the database knows of a secret: SHA-256 in hex. The secrets
// have 256 random bits, so that nothing slower is needed.
func (s Secret) hash() string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

// newSecret makes a secret of 256 random bits: prefix, 43 random characters,
// 6 characters of checksum.
func newSecret(prefix string) Secret {
	body := make([]byte, 0, randomChars)
	for b := make([]byte, 64); len(body) < randomChars; {
		rand.Read(b)
		for _, c := range b {
			if c < 248 && len(body) < randomChars { // 248 = 4 × 62: no bias
				body = append(body, alphabet[c%62])
			}
		}
	}
	return Secret(prefix + string(body) + checksum(prefix+string(body)))
}

func checksum(s string) string {
	n := crc32.ChecksumIEEE([]byte(s))
	var out [checkChars]byte
	for i := range out {
		out[checkChars-1-i] = alphabet[n%62]
		n /= 62
	}
	return string(out[:])
}

// wellFormed reports whether the text is whole: right prefix, right length,
// right checksum. A token that was cut or mangled on the way is told from an
// unknown one without the database.
func (s Secret) wellFormed(prefix string) bool {
	t := string(s)
	if len(t) != len(prefix)+randomChars+checkChars || !strings.HasPrefix(t, prefix) {
		return false
	}
	return checksum(t[:len(t)-checkChars]) == t[len(t)-checkChars:]
}

// mintokenParts splits php-mintoken's tokens: the row's id and the bytes its
// bcrypt hash was made of, both as hex with "_" between. Only its own lower case
// is taken: the fast hash knows one spelling.
func (s Secret) mintokenParts() (id string, hashed []byte, ok bool) {
	id, tail, found := strings.Cut(string(s), "_")
	if !found || len(id) != 64 || strings.ToLower(string(s)) != string(s) {
		return "", nil, false
	}
	if _, err := hex.DecodeString(id); err != nil {
		return "", nil, false
	}
	hashed, err := hex.DecodeString(tail)
	if err != nil || len(hashed) == 0 || len(hashed) > 72 {
		return "", nil, false
	}
	return id, hashed, true
}
