package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// What the settings say, and whether the endpoints they name do their work.

// trust checks the settings and has each trusted endpoint verify a code that was
// never issued.
func (s *Site) trust(ctx context.Context) []Finding {
	st, err := s.Settings(ctx)
	out := Faults(err)
	for i, f := range out {
		if row, isRow := strings.CutPrefix(f.What, "the setting "); isRow {
			name := row[:max(0, strings.IndexAny(row, ": "))]
			if command, many := strings.CutPrefix(f.Do, "keep one: "); many {
				out[i].Shell = command
			} else {
				out[i].Shell = "mintkeep setting -unset " + name
			}
			out[i].Do = "keep one row that is right, on the page Settings; while that does not open, in a downloaded copy with an SQLite program"
		}
	}
	if err == nil {
		out = append(out, ok("the settings can be read"))
	}
	if len(st.Endpoints) == 0 {
		if err == nil && s.URL == "" {
			return out // the inbound half is not set up (case F12)
		}
		return append(out, fail("add a line `endpoint: URL` to the configuration, with the address of your Selfauth", "no authorization endpoint is trusted, so no code can be redeemed").
			shell("mintkeep endpoint add URL"))
	}
	out = append(out, given(s.people(st), s.lastRefusal(ctx))...)
	var clocks []Finding
	for _, endpoint := range st.Endpoints {
		a := s.madeUpCode(ctx, endpoint)
		out = append(out, given(s.learned(ctx, a, endpoint))...)
		clocks = append(clocks, given(a.clock(endpoint))...)
	}
	return append(out, clocks[:min(1, len(clocks))]...)
}

// people fails if an endpoint that anybody can sign in with may name any `me`, and
// warns if nobody sees everything on the owner's pages (case F10).
func (s *Site) people(st Settings) Finding {
	for _, endpoint := range st.Endpoints {
		u, err := url.Parse(endpoint)
		if err == nil && len(st.Me) == 0 && s.Public(u.Hostname()) {
			return fail("add a line `me: https://your.site/` to the configuration", "%s signs anybody in, and no `me` says who may get tokens", endpoint).
				shell("mintkeep setting me https://your.site/")
		}
	}
	switch {
	case len(st.Admins) == 0:
		me := append(slices.Clone(st.Me), "https://your.site/")[0]
		said := "no `me` says who you are"
		if len(st.Me) > 1 {
			said = "there are several `me`, and none of them is the administrator"
		}
		return warn("add the line `admin: "+me+"` to the configuration", "%s, so nobody sees connections, log and settings on the owner's pages", said).
			shell("mintkeep setting admin", me)
	case len(st.Me) == 0:
		return ok("tokens are for whomever the trusted endpoints confirm")
	}
	return ok("tokens are for %s only", strings.Join(st.Me, ", "))
}

// lastRefusal tells why the last sign-ins ended without a token, if that is the owner's to
// mend: another person than this site is for (case F4), or a fault of the endpoint's.
func (s *Site) lastRefusal(ctx context.Context) Finding {
	var at, why string
	err := s.DB.QueryRowContext(ctx, `SELECT at, detail FROM events WHERE (event = 'failed' OR event = 'refused' AND detail LIKE '%this site is for%')
		AND event_id > (SELECT coalesce(max(event_id), 0) FROM events WHERE event IN ('issued', 'signed in'))
		ORDER BY event_id DESC LIMIT 1`).Scan(&at, &why)
	if err != nil {
		return Finding{}
	}
	return warn("mend that, and sign in again", "the last sign-in (%s UTC) failed: %s", at, why)
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

// php is what PHP says in front of an answer, "" if nothing (case C2).
func (a *answer) php() string {
	text := regexp.MustCompile(`<[^>]*>`).ReplaceAll(a.body[:min(len(a.body), 4096)], nil)
	return string(regexp.MustCompile(`\b(Warning|Notice|Deprecated|Fatal error|Parse error): .{1,120}`).Find(text))
}

// verdict is the finding on an endpoint, from its answer to a made-up code.
func (a *answer) verdict(endpoint string) Finding {
	said, isJSON := a.members()
	switch {
	case a.err != nil:
		return unreachable(a.err, "%s cannot be reached", endpoint)
	case a.php() != "":
		return fail("mend what it says, or write into the first lines of its PHP file: ini_set('display_errors', '0');",
			"PHP at %s writes something in front of its answers, which then cannot be read: %s", endpoint, a.php())
	case a.status >= 300 && a.status < 400:
		return fail("trust the final address instead: a redirect loses what is sent", "%s redirects to %s", endpoint, a.header.Get("Location"))
	case said["me"] != nil:
		return fail("remove the line or row `endpoint` at once", "%s confirms a code that was made up", endpoint).shell("mintkeep endpoint remove", endpoint)
	case a.selfauth() && (a.status == http.StatusOK || a.status == http.StatusBadRequest):
		return ok("%s checks codes, and is a Selfauth", endpoint)
	case a.status == http.StatusOK && said["error"] == nil:
		return fail("name the address to which the login form is sent; with Selfauth, the folder or index.php it lies in", "%s answers with a page to a code check, so it is not where codes are checked", endpoint)
	case a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed:
		return fail("correct the address in the line or row `endpoint`", "%s answers %d to a code check", endpoint, a.status).shell("mintkeep endpoint list")
	case strings.HasPrefix(fmt.Sprint(said["error_description"]), "this is a token endpoint"):
		return fail("name your Selfauth in the line or row `endpoint`", "%s is a token endpoint, and not where one signs in", endpoint).shell("mintkeep endpoint remove", endpoint)
	case said["error"] != nil && isJSON:
		return ok("%s checks codes and speaks JSON", endpoint)
	case a.status >= 500:
		return fail("look into the error log of that program", "%s fails (status %d)", endpoint, a.status)
	case slices.Contains([]int{401, 403, 406, 415, 429}, a.status):
		return fail("let POST requests of this machine through; hosts' filters (mod_security) or a password are the usual cause", "something in front of %s refuses code checks (status %d)", endpoint, a.status)
	}
	return warn("look whether signing in works", "%s refuses a made-up code in an unusual way (status %d, %s)", endpoint, a.status, a.header.Get("Content-Type"))
}

// learned adds to the verdict what is known of an endpoint that works, from the last
// sign-in or probe: people put other programs at old addresses.
func (s *Site) learned(ctx context.Context, a *answer, endpoint string) Finding {
	f, kind := a.verdict(endpoint), ""
	if f.Level != OK || s.DB.QueryRowContext(ctx, `SELECT kind FROM endpoint_kinds WHERE endpoint = ?`, endpoint).Scan(&kind) != nil {
		return f
	}
	switch {
	case kind == "scoped":
		f.What += ", and asks you what an app may do"
	case kind == "identity" && a.selfauth():
		return warn("nothing, it is learned anew each day; or sign in again after the command", "%s is a Selfauth now, and is taken for a program that says only who you are", endpoint).
			shell("sqlite3", s.Database, "DELETE FROM endpoint_kinds")
	case kind == "identity":
		f.What += ", and says only who you are; what an app may do is asked here"
	}
	return f
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
	off, way := a.at.Sub(theirs).Round(time.Second), "fast"
	if off < 0 {
		way = "slow"
	}
	if off.Abs() > time.Minute {
		f := warn("ask the host to set the clock of this machine", "the clock is %v %s, compared with that of %s", off.Abs(), way, endpoint)
		if off.Abs() > 5*time.Minute {
			f.Level = Fail
		}
		return f.shell("timedatectl set-ntp true  # NTP")
	}
	return ok("the clock is right")
}
