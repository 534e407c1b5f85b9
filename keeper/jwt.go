package keeper

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// jwtExpiry is the exp of a token that happens to be a JWT (RFC 7519 section
// 4.1.4), else zero. The signature is not looked at: the token is the
// provider's to judge, and this only decides when to ask for a new one.
func jwtExpiry(token Secret) time.Time {
	parts := strings.Split(string(token), ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	var claims struct {
		Exp float64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(data, &claims) != nil || claims.Exp < 1 || claims.Exp > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(claims.Exp), 0).UTC()
}
