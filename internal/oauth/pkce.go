package oauth

import (
	"crypto/sha256"
	"encoding/base64"
)

// Challenge is the PKCE code challenge of a verifier (RFC 7636 section 4.2, S256).
func Challenge(verifier string) string {
	h := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(h[:])
}

// IsChallenge reports whether c has the form of an S256 code challenge: 43
// characters of unpadded base64url.
func IsChallenge(c string) bool {
	for _, b := range []byte(c) {
		if b != '-' && b != '_' && (b < '0' || b > '9') && (b|0x20 < 'a' || b|0x20 > 'z') {
			return false
		}
	}
	return len(c) == 43
}
