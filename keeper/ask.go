package keeper

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/internal/text"
)

// reply is a JSON object (or form) from a provider.
type reply map[string]any

func (r reply) text(name string) string {
	switch v := r[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

func (r reply) list(name string) []string {
	values, ok := r[name].([]any)
	if !ok {
		return nil
	}
	list := []string{}
	for _, v := range values {
		if s, ok := v.(string); ok {
			list = append(list, s)
		}
	}
	return list
}

// seconds reads a duration however it is written: 3600, "3600", 3600.0.
func (r reply) seconds(name string) time.Duration {
	f, err := strconv.ParseFloat(strings.TrimSpace(r.text(name)), 64)
	if err != nil || !(f > 0) {
		return 0
	}
	return time.Duration(min(f, 1<<31) * float64(time.Second))
}

// answer is what a provider gave.
type answer struct {
	access, refresh         Secret
	tokenType, scope        string
	expires, refreshExpires time.Time
}

// providerError is what a provider said instead (RFC 6749 section 5.2).
type providerError struct {
	status     int
	code, desc string
	retryAfter time.Duration
	dead       bool
}

func (e *providerError) Error() string {
	s := "the provider answered"
	if e.status != 0 {
		s += " " + strconv.Itoa(e.status)
	}
	if e.code != "" {
		s += " " + e.code
	}
	if e.desc != "" {
		s += " (" + e.desc + ")"
	}
	return s
}

var errNoRefreshToken = errors.New("there is no refresh token")

// isDead reports whether the provider refused the credential itself. Anything
// else, a wrong client secret among it, can pass without connecting again.
func isDead(err error) bool {
	if errors.Is(err, errNoRefreshToken) {
		return true
	}
	var p *providerError
	if !errors.As(err, &p) || p.status >= 500 || p.status == http.StatusTooManyRequests {
		return false
	}
	switch p.code {
	case "invalid_grant",
		"bad_refresh_token",                      // GitHub
		"invalid_refresh_token", "token_revoked", // Slack
		"invalid_code": // Zoho
		return true
	}
	return p.dead
}

func isStatus(err error, status int) bool {
	var p *providerError
	return errors.As(err, &p) && p.status == status
}

// client never follows a redirect: a request that carries a secret goes where the owner said.
func (k *Keeper) client() *http.Client {
	c := http.Client{}
	if k.Client != nil {
		c = *k.Client
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// send asks once and reads the answer; secrets are blotted out of what the provider says.
func (k *Keeper) send(ctx context.Context, req *http.Request, secrets []string) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, k.timeout())
	defer cancel()
	req.Header.Set("Accept", "application/json")
	res, err := k.client().Do(req.WithContext(ctx))
	if err != nil {
		return nil, notReached(err, secrets)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, notReached(err, secrets)
	}
	r, parsed := parseReply(res.Header.Get("Content-Type"), body)
	code, _ := r["error"].(string)
	if res.StatusCode < 200 || res.StatusCode > 299 || code != "" {
		return r, &providerError{status: res.StatusCode, code: text.Redact(code, secrets), desc: text.Redact(r.text("error_description"), secrets),
			retryAfter: k.retryAfter(res.Header.Get("Retry-After"))}
	}
	if !parsed && len(bytes.TrimSpace(body)) > 0 {
		return reply{}, &providerError{status: res.StatusCode, desc: "not a JSON object"}
	}
	return r, nil
}

// notReached is an error on the way, which may quote what a provider wrote.
func notReached(err error, secrets []string) error {
	said := err
	if outer := (*url.Error)(nil); errors.As(err, &outer) {
		said = outer.Err // without the address
	}
	return &unreached{text.Redact(said.Error(), secrets), err}
}

type unreached struct {
	said  string
	cause error
}

func (e *unreached) Error() string { return "asking the provider: " + e.said }

// Unwrap is the cause, for errors.Is and As; it is not for printing.
func (e *unreached) Unwrap() error { return e.cause }

func parseReply(contentType string, body []byte) (reply, bool) {
	media, _, _ := mime.ParseMediaType(contentType)
	r := reply{}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if d.Decode(&r) == nil && r != nil {
		return r, true
	}
	r = reply{}
	if media != "application/x-www-form-urlencoded" && media != "text/plain" {
		return r, false
	}
	form, err := url.ParseQuery(string(body))
	for name := range form {
		r[name] = form.Get(name)
	}
	return r, err == nil
}

func (k *Keeper) retryAfter(s string) time.Duration {
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, at.Sub(k.now()))
	}
	return 0
}

// post sends a form with the client's authentication (RFC 6749 section 2.3.1).
func (k *Keeper) post(ctx context.Context, s site, to string, form url.Values) (reply, error) {
	if to == "" {
		return nil, fault.Invalid("provider "+s.Name+" has no such endpoint", "`mintkeep provider set` adds one")
	}
	secrets := []string{string(s.ClientSecret)}
	for name, values := range form {
		if name != "grant_type" && name != "scope" && name != "client_id" && name != "redirect_uri" && name != "token_type_hint" {
			secrets = append(secrets, values...)
		}
	}
	header := s.AuthStyle == AuthHeader && s.ClientSecret != ""
	if !header && s.ClientID != "" {
		form.Set("client_id", s.ClientID)
		if s.ClientSecret != "" {
			form.Set("client_secret", string(s.ClientSecret))
		}
	}
	req, err := http.NewRequest(http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if s.JSONBody {
		if req, err = jsonRequest(to, flat(form)); err != nil {
			return nil, err
		}
	}
	for name, value := range s.Headers {
		req.Header.Set(name, value)
	}
	if header {
		req.SetBasicAuth(url.QueryEscape(s.ClientID), url.QueryEscape(string(s.ClientSecret)))
		secrets = append(secrets, strings.TrimPrefix(req.Header.Get("Authorization"), "Basic "))
	}
	return k.send(ctx, req, secrets)
}

func flat(form url.Values) map[string]string {
	m := map[string]string{}
	for name := range form {
		m[name] = form.Get(name)
	}
	return m
}

func jsonRequest(to string, body any) (*http.Request, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, to, bytes.NewReader(data))
	if err == nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, err
}

// sendable reports whether a token is one of RFC 6749 appendix A.12: with a line
// break in it, it would be more than one header.
func sendable(s Secret) bool {
	return !strings.ContainsFunc(string(s), func(r rune) bool { return r < ' ' || r > '~' })
}

// askToken is the one token request; grants differ in their form alone.
func (k *Keeper) askToken(ctx context.Context, s site, form url.Values) (answer, error) {
	sent := k.now()
	r, err := k.post(ctx, s, s.TokenURL, form)
	if err != nil {
		return answer{}, err
	}
	a := answer{access: Secret(r.text("access_token")), refresh: Secret(r.text("refresh_token")),
		tokenType: r.text("token_type"), scope: NormalScope(r.text("scope"))}
	if a.access == "" {
		return a, &providerError{status: http.StatusOK, desc: "no access_token in the answer"}
	}
	if !sendable(a.access) {
		return a, &providerError{status: http.StatusOK, desc: "an access_token that no header can carry"}
	}
	if a.tokenType == "" || strings.EqualFold(a.tokenType, "bearer") {
		a.tokenType = "Bearer"
	}
	a.expires = expiry(sent, r.seconds("expires_in"), a.access, s.lifetime())
	if d := r.seconds("refresh_token_expires_in"); d > 0 {
		a.refreshExpires = sent.Add(d)
	} else if d := r.seconds("refresh_expires_in"); d > 0 {
		a.refreshExpires = sent.Add(d)
	}
	return a, nil
}
