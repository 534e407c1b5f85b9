package provider

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/internal/text"
)

// Client sends requests to providers. The zero value is usable.
type Client struct {
	HTTP    *http.Client     // nil is a plain client; its CheckRedirect is not used
	Public  *http.Client     // for hosts that only documents name; must refuse those in one's own network. nil is HTTP
	Now     func() time.Time // nil is time.Now
	Timeout time.Duration    // of one request with its answer; 0 is DefaultTimeout
	named   string           // see naming
}

// DefaultTimeout is the Timeout of a Client that has none.
const DefaultTimeout = 12 * time.Second

func (c Client) now() time.Time {
	if c.Now != nil {
		return c.Now().UTC()
	}
	return time.Now().UTC()
}

// do sends a request once; its error has none of the secrets.
func (c Client) do(req *http.Request, secrets []string) (*http.Response, error) {
	h := c.to(req.URL.Hostname())
	h.CheckRedirect = func(to *http.Request, from []*http.Request) error {
		first := from[0] // only metadata is read by GET, and no secret is sent for it
		if len(from) == 1 && first.Method == http.MethodGet && origin(to.URL) == origin(first.URL) {
			return nil
		}
		return http.ErrUseLastResponse
	}
	res, err := h.Do(req)
	if err != nil {
		err = cmp.Or(c.notPublic(req, err), newUnreachable(err, secrets))
	}
	return res, err
}

// origin is scheme and host of an address, however they are spelt.
func origin(u *url.URL) string {
	port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
	return u.Scheme + "://" + strings.TrimSuffix(strings.ToLower(u.Host), port)
}

// maxAnswer is how much is read of an answer: 64 KB with a token, and of a document more.
func maxAnswer(method string) int {
	if method == http.MethodGet {
		return 1 << 20
	}
	return 64 << 10
}

// send sends a request once and reads at most maxAnswer of what comes. An answer
// with another status than 2xx, that says no, or that is neither JSON object nor
// form nor empty, is an Error without the secrets. A JSON object is taken although the
// connection broke behind it: it may hold the only refresh token.
func (c Client) send(ctx context.Context, req *http.Request, secrets []string) (fields, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, DefaultTimeout))
	defer cancel()
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	res, err := c.do(req.WithContext(ctx), secrets)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	most := maxAnswer(req.Method)
	body, err := io.ReadAll(io.LimitReader(res.Body, int64(most)+1))
	if len(body) > most && res.StatusCode/100 == 2 {
		return fields{}, &Error{Status: res.StatusCode, Description: fmt.Sprintf("an answer longer than %d KB", most>>10)}
	}
	f, parsed := parseFields(body)
	if whole := res.StatusCode/100 == 2 && parsed && json.Valid(body); err != nil && !whole {
		return nil, newUnreachable(err, secrets)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 || f.saysNo() {
		if len(f)+len(bytes.TrimSpace(body)) == 0 {
			f = challenge(res.Header.Get("WWW-Authenticate"))
		}
		e := newError(res.StatusCode, f, body, secrets)
		if to, _, _ := strings.Cut(res.Header.Get("Location"), "?"); res.StatusCode/100 == 3 && to != "" {
			e.Code, e.Description = "", text.Redact("a redirect to "+to, secrets)
		}
		e.RetryAfter = c.parseRetryAfter(res.Header.Get("Retry-After"))
		return f, e
	}
	if !parsed && len(bytes.TrimSpace(body)) > 0 {
		return fields{}, &Error{Status: res.StatusCode, Description: "not a JSON object"}
	}
	return f, nil
}

// challenge is the reason in a WWW-Authenticate header (RFC 6750 section 3).
func challenge(header string) fields {
	f := fields{}
	for _, m := range regexp.MustCompile(`\b(error|error_description|resource_metadata|scope)="([^"]*)"`).FindAllStringSubmatch(header, -1) {
		f[m[1]] = m[2]
	}
	return f
}

// get reads a document.
func (c Client) get(ctx context.Context, address string) (fields, error) {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return c.send(ctx, req, nil)
}

func (c Client) parseRetryAfter(s string) time.Duration {
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, at.Sub(c.now()))
	}
	return 0
}

// post sends a form with the client's authentication (RFC 6749 section 2.3.1).
func (c Client) post(ctx context.Context, p Provider, to string, form url.Values) (fields, error) {
	if to == "" {
		return nil, fault.Invalid("provider "+p.Name+" has no such endpoint", "`mintkeep provider set` adds one")
	}
	secrets := secretsIn(p, form)
	basic := p.AuthStyle != AuthBody && p.ClientSecret != ""
	if !basic && p.ClientID != "" {
		form.Set("client_id", p.ClientID)
		if p.ClientSecret != "" {
			form.Set("client_secret", string(p.ClientSecret))
		}
	}
	if to == p.TokenURL || to == p.DeviceURL {
		p.set(form, p.TokenParams)
	}
	req, err := newRequest(p, to, form)
	if err != nil {
		return nil, err
	}
	if basic {
		id, secret := p.ClientID, string(p.ClientSecret)
		if p.AuthStyle == AuthHeader {
			id, secret = url.QueryEscape(id), url.QueryEscape(secret)
		}
		req.SetBasicAuth(id, secret)
	}
	f, err := c.naming(p.NamedHost).send(ctx, req, secrets)
	if e := (*Error)(nil); errors.As(err, &e) {
		e.advise(p, map[string]string{p.DeviceURL: "device-url", p.RevokeURL: "revoke-url", p.IntrospectURL: "introspect-url", p.TokenURL: "token-url"}[to])
	}
	return f, err
}

// secretsIn are the secrets of a request, which its answer may quote: those of the form
// and of the client, as they are sent, and whatever the owner's options add.
func secretsIn(p Provider, form url.Values) []string {
	secrets := []string{string(p.ClientSecret)}
	for _, id := range []string{p.ClientID, url.QueryEscape(p.ClientID)} {
		for _, secret := range []string{string(p.ClientSecret), url.QueryEscape(string(p.ClientSecret))} {
			secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte(id+":"+secret)))
		}
	}
	for _, value := range p.Headers {
		secrets = append(secrets, value, value[strings.LastIndex(value, " ")+1:]) // a scheme may stand before it
	}
	add := func(name string, values ...string) {
		switch name {
		case "grant_type", "scope", "client_id", "redirect_uri", "token_type_hint", "audience", "resource":
		default:
			secrets = append(secrets, values...)
		}
	}
	for name, values := range form {
		add(name, values...)
	}
	for name, value := range p.TokenParams {
		add(name, value)
	}
	return secrets
}

// newRequest posts a form, or whatever else the body is as JSON; a form too where the
// provider wants that.
func newRequest(p Provider, to string, body any) (*http.Request, error) {
	form, isForm := body.(url.Values)
	if isForm && p.JSONBody {
		members := map[string]string{}
		for name := range form {
			members[name] = form.Get(name)
		}
		body, isForm = members, false
	}
	media, data := "application/x-www-form-urlencoded", []byte(form.Encode())
	if !isForm {
		var err error
		media = "application/json"
		if data, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequest(http.MethodPost, to, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", media)
	for name, value := range p.Headers {
		req.Header.Set(name, value)
	}
	return req, nil
}
