// Package provider speaks with the sites that give tokens: OAuth 2.0
// authorization servers and the like. Provider is what is known of one; Client
// sends the requests, each once. A request that carries a secret goes where the
// owner said, and no redirect is followed; for metadata one is, on the same host.
//
// The token request is its own instead of golang.org/x/oauth2's. x/oauth2 drops
// an answer whose expires_in it cannot read, and with it a refresh token that
// has just been rotated; it measures expiry with a clock of its own, and puts
// the body of the answer into its errors.
package provider

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"mintkeep/internal/oauth"
	"mintkeep/internal/secret"
	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/internal/text"
)

// Ways of authenticating the client at a provider (RFC 6749 section 2.3.1).
// They are never guessed: a wrong guess sends the request twice, and with
// single-use refresh tokens the second time is a replay.
const (
	AuthHeader = "header" // HTTP Basic
	AuthBody   = "body"   // client_id and client_secret in the request; also for clients without a secret
)

// Provider is a site that gives tokens. URLs are https, or http on a loopback
// address, or "" where the provider has no such endpoint.
type Provider struct {
	Name          string        `json:"name"` // the owner's name for it
	Preset        string        `json:"preset,omitzero"`
	Issuer        string        `json:"issuer,omitzero"`
	AuthURL       string        `json:"auth_url,omitzero"`
	TokenURL      string        `json:"token_url,omitzero"`
	DeviceURL     string        `json:"device_url,omitzero"`
	RevokeURL     string        `json:"revoke_url,omitzero"`
	IntrospectURL string        `json:"introspect_url,omitzero"`
	ClientID      string        `json:"client_id,omitzero"`
	ClientSecret  secret.Secret `json:"-"`
	HasSecret     bool          `json:"has_secret"` // in listings, where ClientSecret is left out
	AuthStyle     string        `json:"auth_style"` // AuthHeader or AuthBody
	Scope         string        `json:"scope,omitzero"`
	Options
}

// Options are what few providers need.
type Options struct {
	AuthParams map[string]string `json:"auth_params,omitempty"` // added to the authorization request
	Headers    map[string]string `json:"headers,omitempty"`     // added to every request with a body
	JSONBody   bool              `json:"json_body,omitzero"`    // the provider wants JSON instead of a form
	Separator  string            `json:"separator,omitzero"`    // between scopes; "" is a space (RFC 6749 section 3.3)
	Lifetime   int               `json:"lifetime,omitzero"`     // seconds, if the provider does not say (RFC 6749 section 5.1)
	Static     bool              `json:"static,omitzero"`       // knows API keys only
	Login      *Login            `json:"login,omitempty"`       // the JSON login
}

// Check reports what is wrong with a provider, as ErrInvalid. It fills in the
// default of AuthStyle and sorts the scope.
func (p *Provider) Check() error {
	if !text.ValidName(p.Name) {
		return fault.Invalid(fmt.Sprintf("provider name %q", p.Name), "1 to 200 characters without slash or control characters")
	}
	if p.AuthStyle == "" {
		p.AuthStyle = AuthBody
	}
	if p.AuthStyle != AuthHeader && p.AuthStyle != AuthBody {
		return fault.Invalid(fmt.Sprintf("auth style %q", p.AuthStyle), "header or body")
	}
	p.Scope = NormalScope(p.Scope)
	urls := []string{p.Issuer, p.AuthURL, p.TokenURL, p.DeviceURL, p.RevokeURL, p.IntrospectURL}
	if p.Login != nil {
		urls = append(urls, p.Login.Base)
	}
	for _, u := range urls {
		if err := checkURL(u); err != nil {
			return err
		}
	}
	if p.TokenURL == "" && p.Issuer == "" && p.Login == nil && !p.Static {
		return fault.Invalid("provider "+p.Name+" has no token endpoint", "-issuer URL, -token-url URL or a preset (`mintkeep provider presets`)")
	}
	return nil
}

// checkURL accepts "", https, and http on a loopback address (RFC 8252 section 8.3).
func checkURL(raw string) error {
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return fault.Invalid(fmt.Sprintf("%q is not a usable URL", raw), "")
	}
	if u.Scheme == "https" || u.Scheme == "http" && oauth.IsLoopback(u.Hostname()) {
		return nil
	}
	return fault.Invalid(raw+" is not https", "http is for loopback addresses only")
}

// Complete takes the URLs of found where p has none.
func (p *Provider) Complete(found Provider) {
	for _, f := range []struct{ to, from *string }{
		{&p.Issuer, &found.Issuer}, {&p.AuthURL, &found.AuthURL}, {&p.TokenURL, &found.TokenURL}, {&p.DeviceURL, &found.DeviceURL},
		{&p.RevokeURL, &found.RevokeURL}, {&p.IntrospectURL, &found.IntrospectURL},
	} {
		if *f.to == "" {
			*f.to = *f.from
		}
	}
}

// NormalScope is a scope with its values sorted and each said once (RFC 6749
// section 3.3: the order does not matter). Commas separate as well as spaces,
// since several providers write them.
func NormalScope(scope string) string {
	words := strings.FieldsFunc(scope, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\n' })
	slices.Sort(words)
	return strings.Join(slices.Compact(words), " ")
}

// joinScope is the scope as this provider wants it written.
func (p Provider) joinScope(scope string) string {
	if p.Separator == "" {
		return scope
	}
	return strings.ReplaceAll(scope, " ", p.Separator)
}

func (p Provider) lifetime() time.Duration { return time.Duration(p.Lifetime) * time.Second }

// AuthorizationURL is the authorization request: RFC 6749 section 4.1.1, with
// PKCE S256 (RFC 7636 section 4.3).
func (p Provider) AuthorizationURL(state, redirect, scope, verifier string) string {
	config := oauth2.Config{ClientID: p.ClientID, Endpoint: oauth2.Endpoint{AuthURL: p.AuthURL}, RedirectURL: redirect}
	if scope != "" {
		config.Scopes = []string{p.joinScope(scope)}
	}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier)}
	for name, value := range p.AuthParams {
		options = append(options, oauth2.SetAuthURLParam(name, value))
	}
	// OpenID Connect Core 1.0 section 11: without consent there is no offline access.
	if _, ok := p.AuthParams["prompt"]; !ok && strings.Contains(" "+scope+" ", " offline_access ") {
		options = append(options, oauth2.SetAuthURLParam("prompt", "consent"))
	}
	return config.AuthCodeURL(state, options...)
}

// ParseCallback reads the authorization response that the browser brought back,
// and returns the code (RFC 6749 section 4.1.2). A refusal (section 4.1.2.1) or
// another issuer (RFC 9207 section 2.4) is ErrDenied. The caller compares state.
func (p Provider) ParseCallback(q url.Values) (code string, err error) {
	if iss := q.Get("iss"); iss != "" && p.Issuer != "" && iss != p.Issuer {
		return "", &fault.Fault{Kind: fault.ErrDenied,
			What: fmt.Sprintf("the answer comes from %q instead of %q", text.Redact(iss, nil), p.Issuer)}
	}
	if code := q.Get("error"); code != "" {
		return "", &fault.Fault{Kind: fault.ErrDenied, What: "the provider said no",
			Err: &Error{Code: text.Redact(code, nil), Description: text.Redact(q.Get("error_description"), nil)}}
	}
	if q.Get("code") == "" {
		return "", &fault.Fault{Kind: fault.ErrDenied, What: "the provider sent no code"}
	}
	return q.Get("code"), nil
}
