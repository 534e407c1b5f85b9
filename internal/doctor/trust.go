package doctor

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// What the settings say, and whether the endpoints they name do their work.

// trust checks the settings and has each trusted endpoint verify a code that was
// never issued.
func (s *Site) trust(ctx context.Context) []Finding {
	st, err := s.Settings(ctx)
	out := Faults(err)
	if err == nil {
		out = append(out, ok("the settings can be read"))
	}
	if len(st.Endpoints) == 0 {
		return append(out, fail("mintkeep endpoint add URL, or a line `endpoint: URL` in the configuration", "no authorization endpoint is trusted, so no code can be redeemed"))
	}
	out = append(out, s.publicEndpoint(st))
	var clocks []Finding
	for _, endpoint := range st.Endpoints {
		a := s.madeUpCode(ctx, endpoint)
		out = append(out, a.verdict(endpoint))
		if f := a.clock(endpoint); f.Level != "" {
			clocks = append(clocks, f)
		}
	}
	return append(out, clocks[:min(1, len(clocks))]...)
}

// publicEndpoint fails if an endpoint that anybody can sign in with may name any `me`.
func (s *Site) publicEndpoint(st Settings) Finding {
	for _, endpoint := range st.Endpoints {
		u, err := url.Parse(endpoint)
		if err == nil && len(st.Me) == 0 && s.Public(u.Hostname()) {
			return fail("mintkeep setting me https://your.site/", "%s signs anybody in, and no `me` says who may get tokens", endpoint)
		}
	}
	if len(st.Me) == 0 {
		return ok("tokens are for whomever the trusted endpoints confirm")
	}
	return ok("tokens are for %s only", strings.Join(st.Me, ", "))
}

// madeUpCode has an endpoint verify a code in Selfauth's form that it never issued.
func (s *Site) madeUpCode(ctx context.Context, endpoint string) *answer {
	form := url.Values{
		"grant_type":   {"authorization_code"},
		"code":         {"1:" + strings.Repeat("0", 64) + ":Y3JlYXRl"},
		"client_id":    {"https://doctor.invalid/"},
		"redirect_uri": {"https://doctor.invalid/callback"},
	}
	return s.post(ctx, endpoint, form)
}

// selfauth reports whether an answer to a made-up code is that of Selfauth.
func (a *answer) selfauth() bool {
	return a.err == nil && strings.Contains(string(a.body), "Error: Verification Failed")
}

// verdict is the finding on an endpoint, from its answer to a made-up code.
func (a *answer) verdict(endpoint string) Finding {
	said, isJSON := a.members()
	switch {
	case a.err != nil:
		what, do := explain(a.err)
		return fail(do, "%s cannot be reached: %s", endpoint, what)
	case a.status >= 300 && a.status < 400:
		return fail("trust the final address instead: a redirect loses what is sent", "%s redirects to %s", endpoint, a.header.Get("Location"))
	case said["me"] != nil:
		return fail("remove it at once: mintkeep endpoint remove "+endpoint, "%s confirms a code that was made up", endpoint)
	case a.selfauth() && (a.status == http.StatusOK || a.status == http.StatusBadRequest):
		return ok("%s checks codes, and is a Selfauth", endpoint)
	case a.status == http.StatusOK:
		return fail("name the address to which the login form is sent; with Selfauth, the folder or index.php it lies in", "%s answers with a page to a code check, so it is not where codes are checked", endpoint)
	case a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed:
		return fail("correct the address: mintkeep endpoint list", "%s answers %d to a code check", endpoint, a.status)
	case a.status >= 500:
		return fail("look into the error log of that program", "%s fails (status %d)", endpoint, a.status)
	case said["error"] != nil && isJSON:
		return ok("%s checks codes and speaks JSON", endpoint)
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		return fail("let POST requests of this machine through; hosts' filters (mod_security) or a password are the usual cause", "something in front of %s refuses code checks (status %d)", endpoint, a.status)
	}
	return warn("look whether signing in works", "%s refuses a made-up code in an unusual way (status %d, %s)", endpoint, a.status, a.header.Get("Content-Type"))
}

// clock compares our clock with that of a trusted endpoint's machine. Codes are valid
// for minutes: with clocks that differ by as much they expire at once, or never.
func (a *answer) clock(endpoint string) Finding {
	if a.err != nil {
		return Finding{}
	}
	theirs, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		return Finding{}
	}
	off := a.at.Sub(theirs).Round(time.Second)
	do, way := "set the clock of this machine, or let it be set (NTP)", "fast"
	if off < 0 {
		way = "slow"
	}
	switch {
	case off.Abs() > 5*time.Minute:
		return fail(do, "the clock is %v %s, compared with that of %s", off.Abs(), way, endpoint)
	case off.Abs() > time.Minute:
		return warn(do, "the clock is %v %s, compared with that of %s", off.Abs(), way, endpoint)
	}
	return ok("the clock is right")
}
