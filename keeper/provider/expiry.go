package provider

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"mintkeep/internal/secret"
)

// Expiry is when a token expires: as the provider said (in is what is left), else
// as the token itself says if it is a JWT, else after the assumed lifetime; zero
// if nothing is known.
func Expiry(sent time.Time, in time.Duration, token secret.Secret, assumed time.Duration) time.Time {
	if in > 0 {
		return sent.Add(in)
	}
	if exp := JWTExpiry(token); !exp.IsZero() {
		return exp
	}
	if assumed > 0 {
		return sent.Add(assumed)
	}
	return time.Time{}
}

// JWTExpiry is the exp of a token that is a JWT (RFC 7519 section 4.1.4), else
// zero. The signature is not verified: it only decides when to ask for a new token.
func JWTExpiry(token secret.Secret) time.Time {
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

// ParseTime reads seconds from now, a Unix time in seconds or milliseconds, or a
// date (RFC 3339; without a zone it is UTC). Anything else is the zero time.
func ParseTime(s string, now time.Time) time.Time {
	s = strings.TrimSpace(s)
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		switch {
		case !(f > 0) || f > 1e14:
			return time.Time{}
		case f > 1e11: // milliseconds since 1970
			return time.UnixMilli(int64(f)).UTC()
		case f > 1e9:
			return time.Unix(int64(f), 0).UTC()
		}
		return now.Add(time.Duration(f * float64(time.Second)))
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// ParseSeconds reads a duration in seconds however it is written ("3600",
// "3600.0"), up to 68 years. Anything else is 0.
func ParseSeconds(s string) time.Duration {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || !(f > 0) {
		return 0
	}
	return time.Duration(min(f, 1<<31) * float64(time.Second))
}
