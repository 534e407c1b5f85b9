package provider

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"mintkeep/internal/secret"
)

// Ends says when the access token and the refresh token of an answer end, which
// was sent at that time: RFC 6749 section 5.1 has expires_in, others say
// expires_at, .expires or refreshTokenExpiresIn, in all units. Of several ends the
// first that is still ahead counts: some sites put milliseconds in expires_in and
// what is right beside it. The zero time means that nothing is said.
func Ends(answer map[string]any, sent time.Time) (access, refresh time.Time) {
	name := regexp.MustCompile(`^x?(refresh)?(?:access|o?auth)?(?:token)?` +
		`(?:expir(?:es?|ed|y|ation)|exp|valid(?:until|till|to|for|ity)|notafter|lifetime|timetolive|ttl|maxage)` +
		`(?:in|at|on|by|after|date|time|timestamp|ts|epoch|unix|period)*(?:utc|s|secs?|seconds?|(ms|millis|milliseconds?|min|minutes?|hours?|days?))?$`)
	for _, n := range slices.Sorted(maps.Keys(answer)) {
		m := name.FindStringSubmatch(plainName(n))
		if m == nil {
			continue
		}
		s, to := TextOf(answer[n]), &access
		inner, _ := answer[n].(map[string]any) // as frameworks print a date
		for _, part := range []string{"date", "$date", "seconds", "value"} {
			s = cmp.Or(s, fields(inner).text(part))
		}
		if m[1] != "" {
			to = &refresh
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil && f < 1e11 { // else a Unix time in that unit
			s += m[2]
		}
		if end := ParseTime(s, sent); !end.IsZero() && (to.IsZero() || end.After(sent) && (!to.After(sent) || end.Before(*to))) {
			*to = end
		}
	}
	return access, refresh
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

// ParseTime reads a Unix time in seconds or in a smaller unit, a duration from now
// (a number is seconds; else "3600s", "1 hour", ISO 8601), or a date (RFC 3339,
// RFC 9110, and what frameworks print; without a zone it is UTC). Anything else,
// and a duration that is not positive, is the zero time.
func ParseTime(s string, now time.Time) time.Time {
	s = strings.TrimSpace(s)
	if m := regexp.MustCompile(`^/Date\((\d+)(?:[+-]\d{4})?\)/$`).FindStringSubmatch(s); m != nil { // of Microsoft's JSON
		s = m[1]
	}
	if t, err := time.Parse("20060102150405", s); err == nil { // no number: that would be the year 2612
		return t
	}
	if t, err := time.Parse(time.TimeOnly, s); err == nil { // hours, minutes and seconds from now
		return now.Add(t.Sub(t.Truncate(24 * time.Hour)))
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		if !(f > 0) || f > 1e19 {
			return time.Time{}
		}
		for f > 1e11 { // milliseconds, microseconds or nanoseconds since 1970
			f /= 1000
		}
		if f > 1e9 {
			return time.UnixMilli(int64(f * 1000)).UTC()
		}
		return now.Add(time.Duration(f * float64(time.Second)))
	}
	if d := parseDuration(s); d > 0 {
		return now.Add(d)
	}
	s, _, _ = strings.Cut(s, " (") // JavaScript names the zone behind the date,
	s, _, _ = strings.Cut(s, "[")  // and java.time
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "20060102T150405Z0700",
		"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 Z0700", "2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04:05 MST",
		"2006-01-02 15:04:05", "2006-01-02", "Mon, 2 Jan 2006 15:04:05 MST", "Mon, 2 Jan 2006 15:04:05 -0700", time.RFC850, time.ANSIC,
		time.UnixDate, time.RubyDate, "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02 15:04", "2006/01/02 15:04:05",
		"2 Jan 2006 15:04:05 MST", "Mon, 2-Jan-2006 15:04:05 MST", "Jan 2, 2006 3:04:05 PM", "Jan 2, 2006, 3:04:05 PM",
		"Mon Jan 2 2006 15:04:05 GMT-0700", "1/2/2006 3:04:05 PM -07:00", "1/2/2006 3:04:05 PM", "1/2/2006 15:04:05 PM -07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// parseDuration reads "3600s", "1h30m", "90 minutes", "1 day", "PT1H", up to 68
// years; 0 if it is none.
func parseDuration(s string) (sum time.Duration) {
	pattern := regexp.MustCompile(`(?i)^p?t?(\d{1,15}(?:\.\d+)?) ?(ms|milli|s|min|mo|m|h|d|w)[a-z]*[ ,]*(?:and )?`)
	units := map[string]time.Duration{"ms": time.Millisecond, "milli": time.Millisecond, "s": time.Second, "min": time.Minute,
		"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "mo": 30 * 24 * time.Hour}
	for s != "" {
		m := pattern.FindStringSubmatch(s)
		if m == nil {
			return 0
		}
		n, _ := strconv.ParseFloat(m[1], 64)
		sum += time.Duration(min(n*units[strings.ToLower(m[2])].Seconds(), 1<<31) * float64(time.Second))
		s = s[len(m[0]):]
	}
	return sum
}
