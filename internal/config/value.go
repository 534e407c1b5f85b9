package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"mintkeep/internal/oauth"
)

// OneOf accepts certain words.
func OneOf(words ...string) func(string) error {
	return func(v string) error {
		if slices.Contains(words, v) {
			return nil
		}
		return fmt.Errorf("%q is not one of: %s", v, strings.Join(words, ", "))
	}
}

// CheckBase accepts a public URL that clients can append to: https, or http on
// loopback, without query, fragment or trailing slash.
func CheckBase(v string) error {
	u, err := url.Parse(v)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		return fmt.Errorf("%q is not a full URL", v)
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(v, "#"):
		return fmt.Errorf("%q must have neither query nor fragment", v)
	case strings.HasSuffix(v, "/"):
		return fmt.Errorf("%q must not end with a slash", v)
	case oauth.ASCII(v) != v: // programs compare it byte for byte
		return fmt.Errorf("%q has to be written as programs read it: %s", v, oauth.ASCII(v))
	}
	return checkSecure(u)
}

// checkSecure accepts https everywhere and http on loopback.
func checkSecure(u *url.URL) error {
	if u.Scheme == "https" && u.Hostname() != "" || u.Scheme == "http" && oauth.IsLoopback(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("%q must begin with https:// (http:// only on loopback)", u)
}

// CheckURL accepts a full http or https URL, such as a profile (IndieAuth section 3.2).
func CheckURL(v string) error {
	_, err := oauth.CanonicalURL(v)
	return err
}

// CheckEndpoint accepts the URL of an authorization endpoint: https, or http on
// loopback, without fragment (RFC 6749 section 3.1).
func CheckEndpoint(v string) error {
	if strings.Contains(v, "#") {
		return fmt.Errorf("%q must not have a fragment", v)
	}
	if err := CheckURL(v); err != nil {
		return err
	}
	u, _ := url.Parse(v) // as CheckURL did
	return checkSecure(u)
}

// CheckEndpoint is what an authorization endpoint of this installation is held to,
// whether the file, a row or a verb names it. named says that there is a `me`: a
// public service signs anybody in.
func (c *Config) CheckEndpoint(v string, named bool) error {
	if err := CheckEndpoint(v); err != nil {
		return err
	}
	if c.URL != "" && oauth.Under(c.URL, v) {
		return fmt.Errorf("%q is this token endpoint; name your Selfauth", v)
	}
	if host := oauth.HostOf(v); !named && PublicService(host) {
		return errors.New(host + " signs anybody in, so everybody would get tokens of yours\nhint: name yourself too: -me https://your.site/")
	}
	return nil
}

// PublicService reports whether an authorization endpoint on this host (of
// oauth.HostOf) signs anybody in.
func PublicService(host string) bool {
	host, _, _ = strings.Cut(host, ":")
	for _, public := range []string{"indieauth.com", "indielogin.com", "indieauth.net", "commentpara.de"} {
		if host == public || strings.HasSuffix(host, "."+public) {
			return true
		}
	}
	return false
}

// ParseDuration reads 90s, 15m, 12h, 30d or never, which is 0.
func ParseDuration(v string) (time.Duration, error) {
	if v == "never" {
		return 0, nil
	}
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	if v != "" && units[v[len(v)-1]] != 0 {
		unit := units[v[len(v)-1]]
		n, err := strconv.ParseUint(v[:len(v)-1], 10, 31)
		if err == nil && n > 0 && n <= uint64(100*365*24*time.Hour/unit) {
			return time.Duration(n) * unit, nil
		}
	}
	return 0, fmt.Errorf("%q is no duration; write 90s, 15m, 12h, 30d or never", v)
}

// CheckDuration returns what ParseDuration has against a value.
func CheckDuration(v string) error {
	_, err := ParseDuration(v)
	return err
}

// CanonicalURLs are the canonical forms of profile URLs, each once. What is no
// profile URL is left out.
func CanonicalURLs(urls []string) []string {
	var all []string
	for _, u := range urls {
		if c, err := oauth.CanonicalURL(u); err == nil && !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

// Duration is the value of a setting that ParseDuration reads.
func (v Values) Duration(name string) time.Duration {
	d, _ := ParseDuration(v[name][0])
	return d
}

// Is reports whether a setting with one value has this one.
func (v Values) Is(name, value string) bool { return v[name][0] == value }
