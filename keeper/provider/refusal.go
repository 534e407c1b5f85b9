package provider

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mintkeep/keeper/internal/text"
)

// reasons are the texts in which an answer says why it refuses: RFC 6749 section
// 5.2 has error and error_description, RFC 9457 title and detail, and most sites
// names, lists and objects of their own.
func (f fields) reasons() (all []string) {
	for _, name := range strings.Fields(`error error_description error_type error_code err_code code status type reason message msg
		error_message error_msg err_msg error_reason error_summary tag title detail details description fault fault_string
		resource field non_field_errors errors name data body meta response result`) {
		v := f.value(name)
		if s := TextOf(v); s != "" && slices.Contains([]string{"data", "body", "meta", "response", "result"}, name) {
			continue // may be anything, a token too
		}
		if all = append(all, reasonsOf(v)...); len(all) >= maxReasons {
			return all[:maxReasons]
		}
	}
	return all
}

// maxReasons are read of an answer, which may have thousands.
const maxReasons = 20

func reasonsOf(v any) (all []string) {
	switch v := v.(type) {
	case []any:
		for _, member := range v {
			if all = append(all, reasonsOf(member)...); len(all) >= maxReasons {
				return all[:maxReasons]
			}
		}
	case map[string]any:
		return fields(v).reasons()
	case string, interface{ String() string }: // a number is the latter
		switch s := strings.Join(strings.Fields(TextOf(v)), " "); strings.ToLower(s) {
		case "", "0", "error", "fail", "failed", "failure", "success", "ok": // that it is an error is known
		default:
			return []string{s}
		}
	}
	return all
}

// saysNo reports whether an answer with a status of success is a refusal.
func (f fields) saysNo() bool {
	return f.text("access_token") == "" && (f.value("ok") == false || f.value("success") == false ||
		len(reasonsOf(f.value("error")))+len(reasonsOf(f.value("errors"))) > 0)
}

// newError reads a refusal in whatever form. Of a web page it takes the title, of
// other markup the text.
func newError(status int, f fields, body []byte, secrets []string) *Error {
	e, all := &Error{Status: status}, f.reasons()
	if len(f) == 0 && status > 299 {
		start := string(body[:min(len(body), 4096)])
		e.page = regexp.MustCompile(`(?is)^\s*<(.*<)?(!doctype|html|head|title|body|h\d|p|b|br|div|center)\b`).MatchString(start)
		if title := regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`).FindStringSubmatch(start); title != nil {
			start = "a web page: " + title[1]
		}
		all = reasonsOf(regexp.MustCompile(`<[^>]*>?`).ReplaceAllString(start, " "))
	}
	number := func(s string) bool { _, err := strconv.Atoi(s); return err == nil }
	if s := f.text("error"); !strings.Contains(s, " ") && !number(s) {
		e.Code = s
	}
	code := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*([_.-][A-Za-z0-9]+)+$`)
	if i := slices.IndexFunc(all, code.MatchString); i >= 0 && e.Code == "" {
		e.Code = all[i]
	}
	said := []string{}
	for _, s := range all {
		if s != e.Code && s != strconv.Itoa(status) && !slices.Contains(said, s) {
			said = append(said, s)
		}
	}
	e.Description = strings.Join(said, ": ")
	e.silent = e.Code+e.Description == ""
	e.mute = status == http.StatusBadRequest && len(f) > 0 && e.Code == "" &&
		(e.Description == "" || strings.EqualFold(e.Description, http.StatusText(status)))
	e.Code, e.Description = text.Redact(e.Code, secrets), text.Redact(e.Description, secrets)
	return e
}

// A meaning is what an answer amounts to, in the terms of RFC 6749 section 5.2 and
// RFC 8628 section 3.5, and how sites say it otherwise.
type meaning struct{ code, said string }

// meanings are tried in this order on the words of the code and the description.
func meanings() []meaning {
	const bad = `(invalid|invalidated|bad|wrong|incorrect|expired?|revoked|unknown|inactive|unrecogni[sz]ed|malformed|blacklisted|disabled|deleted|` +
		`reused|already (been )?used|used already|consumed|withdrawn|deauthori[sz]ed|mismatch|not (found|valid|active|recogni[sz]ed)|no longer|` +
		`(does|do|did) ?n[o ]?t (exist|match)|cannot be (found|verified|decrypted))`
	const what = `(tokens?|grant|authori[sz]ation|session|consent|credentials?|password|account|auth code|authori[sz]ation code|code)`
	return []meaning{
		{"authorization_pending", `\bpending\b|not (yet )?(been )?(authori[sz]ed|approved) yet|has ?n[o ]?t (yet )?(been )?(authori[sz]ed|approved)`},
		{"slow_down", `\bslow down\b|\btoo (many|fast|frequent|frequently|quickly|often)\b|\brate ?limit|\bthrottl|\bquota\b`},
		{"expired_token", `\b(device|user) ?code\b.*\b` + bad + `\b|\b` + bad + ` (device|user) ?code\b`},
		{"invalid_client", `\b(bad|invalid|wrong|unknown|incorrect|missing|unauthori[sz]ed) (oauth )?(client|app|application|consumer)\b|` +
			`\bclient (id|secret|key|credentials?|authentication|not found)\b|\bapp(lication)? (id|secret|key|client)\b|\bauthori[sz]ation header\b`},
		{"invalid_grant", `\b` + bad + `\b.{0,40}\b` + what + `\b|\b` + what + `\b.{0,60}\b` + bad + `\b|\b(re|must |please )auth(ori[sz]e|enticate)\b|` +
			`\b(log|sign) ?in (again|required)\b|\b(login|interaction|consent|mfa|reauthori[sz]ation|account selection) required\b|\baccount inactive\b`},
		// not that access or the request was denied: so do filters in front of a site
		{"access_denied", `\bconsent( has been| was| is)? (denied|declined|refused|rejected|cancel+ed)\b|` +
			`\b(denied|declined|refused|rejected|cancel+ed) by (the )?(user|owner)\b|\buser( has)? (cancel+ed|denied|declined|refused|rejected)\b`},
	}
}

// Meaning is what the answer amounts to: a code of RFC 6749 section 5.2 or RFC 8628
// section 3.5, or "" if nothing is recognised. A web page means nothing: it comes
// from somebody in the way.
func (e *Error) Meaning() string {
	if e.meant != "" {
		return e.meant
	}
	code := strings.ToLower(e.Code)
	if slices.Contains(strings.Fields(`invalid_grant invalid_client unauthorized_client unsupported_grant_type invalid_scope access_denied
		authorization_pending slow_down expired_token server_error temporarily_unavailable`), code) {
		return code
	}
	if e.page {
		return ""
	}
	said := regexp.MustCompile(`\b(token|grant|response|content) (type|endpoint|url|uri)\b`).ReplaceAllString(e.words(), "-")
	for _, m := range meanings() {
		if regexp.MustCompile(m.said).MatchString(said) {
			return m.code
		}
	}
	return ""
}

// words is what the answer says, in lower case and without punctuation.
func (e *Error) words() string {
	s := regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(e.Code+" "+e.Description, "$1 $2")
	return regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(s), " ")
}

// advise says what to change where a refusal shows that the site wants something
// else than was configured; flag sets the address that was asked.
func (e *Error) advise(p Provider, flag string) {
	set := "`mintkeep provider set " + text.ShellWord(p.Name) + " "
	styles := map[string]string{AuthHeader: "body` or `header-raw`", AuthRaw: "header` or `body`", AuthBody: "header`"}
	meaning, words := e.Meaning(), strings.ToLower(http.StatusText(e.Status))
	if !e.page {
		words += " " + e.words()
	}
	says := func(pattern string) bool { return regexp.MustCompile(`\b(` + pattern + `)\b`).MatchString(words) }
	for _, a := range []struct {
		when bool
		hint string
	}{
		{e.Hint != "", e.Hint},
		{e.Status/100 == 3 || meaning == "" && slices.Contains([]int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone}, e.Status),
			"is the address another one? " + set + "-" + flag + " URL`"},
		{says(`pkce|code (verifier|challenge)`), fmt.Sprintf("%s-options '{\"pkce\":%t}'`", set, !p.usesPKCE())},
		{says(`redirect ur[il]s?`), "register the redirect address at the site, or ask for the one that it knows: -redirect URL, -listen localhost:PORT"},
		{meaning == "invalid_grant", ""}, // whatever else it names
		{says(`audience|resource`), set + "-options '{\"token_params\":{\"audience\":\"...\"}}'`"},
		{says(`content type|media type|json`), fmt.Sprintf("%s-options '{\"json_body\":%t}'`", set, !p.JSONBody)},
		{says(`(invalid|missing|unknown|required) scopes?|scopes? (is )?(invalid|missing|required|unknown)`),
			"another -scope, or where it is wanted again " + set + "-options '{\"scope_on_refresh\":true}'`"},
		{meaning == "invalid_client" || meaning == "unauthorized_client" || meaning == "" && e.Status == http.StatusUnauthorized && !e.page,
			"client id and secret as the site has them; or it wants them elsewhere: " + set + "-auth-style " + styles[p.AuthStyle]},
	} {
		if a.when {
			e.Hint = a.hint
			return
		}
	}
}

// IsRefused reports whether the provider refused the refresh token or password
// itself, or wants the person again, so that only a person can help. Any other
// error, a wrong client secret among them, can pass without connecting again.
func IsRefused(err error) bool {
	if errors.Is(err, ErrNoRefreshToken) {
		return true
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Status >= 500 || e.Status == http.StatusTooManyRequests {
		return false
	}
	meaning := e.Meaning()
	return meaning == "invalid_grant" || meaning == "expired_token" || meaning == "access_denied" || meaning == "" && e.mute || e.refused
}
