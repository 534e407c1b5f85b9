package keeper

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// expiry is what the provider said, else what a JWT says of itself, else what
// the owner said, else unknown.
func expiry(sent time.Time, in time.Duration, token Secret, assumed time.Duration) time.Time {
	if in > 0 {
		return sent.Add(in)
	}
	if exp := jwtExpiry(token); !exp.IsZero() {
		return exp
	}
	if assumed > 0 {
		return sent.Add(assumed)
	}
	return time.Time{}
}

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

// moment reads seconds from now, a Unix time, or a date; a date without a zone is UTC.
func moment(s string, now time.Time) time.Time {
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
