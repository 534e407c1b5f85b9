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
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

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
	AuthHeader = "header"     // HTTP Basic, id and secret encoded as the RFC says
	AuthRaw    = "header-raw" // HTTP Basic, as they are
	AuthBody   = "body"       // client_id and client_secret in the request; also for clients without a secret
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
	AuthStyle     string        `json:"auth_style"` // AuthHeader, AuthRaw or AuthBody
	Scope         string        `json:"scope,omitzero"`
	Options

	RegistrationToken secret.Secret `json:"-"` // with which the registration is deleted (RFC 7592)
	Registers         Registers     `json:"-"` // while it is added
	knowsPKCE         bool
}

// Options are what few providers need. In the values of parameters {client_id}
// stands for the client's id; a parameter set to "" is left out.
type Options struct {
	AuthParams     map[string]string `json:"auth_params,omitempty"`     // added to the authorization request
	TokenParams    map[string]string `json:"token_params,omitempty"`    // added to the token request, of a refresh too, and of a device
	Headers        map[string]string `json:"headers,omitempty"`         // added to every request with a body
	JSONBody       bool              `json:"json_body,omitzero"`        // the provider wants JSON instead of a form
	PKCE           *bool             `json:"pkce,omitempty"`            // false: the provider refuses it (RFC 7636); nil is true
	TokenPath      string            `json:"token_path,omitzero"`       // where in the answer the token may lie: "a.b"
	ScopeOnRefresh bool              `json:"scope_on_refresh,omitzero"` // the provider wants the scope again (RFC 6749 section 6)
	RedirectURI    string            `json:"redirect_uri,omitzero"`     // sent instead of the address that is waited at
	Separator      string            `json:"separator,omitzero"`        // between scopes; "" is a space (RFC 6749 section 3.3)
	Lifetime       int               `json:"lifetime,omitzero"`         // seconds, if the provider does not say (RFC 6749 section 5.1)
	Static         bool              `json:"static,omitzero"`           // knows API keys only
	RequireIss     bool              `json:"require_iss,omitzero"`      // the provider says who it is in its answers (RFC 9207)
	Registration   string            `json:"registration,omitzero"`     // where the registration is deleted (RFC 7592 section 2.3)
	SecretExpires  int64             `json:"secret_expires,omitzero"`   // Unix time; a registered client's (RFC 7591 section 3.2.1)
	Login          *Login            `json:"login,omitempty"`           // the JSON login
	RefreshBearer  bool              `json:"refresh_bearer,omitzero"`   // its refresh token is sent as bearer
	NamedHost      string            `json:"named_host,omitzero"`       // whose documents named the URLs; "": the owner named them
}

func (o Options) usesPKCE() bool { return o.PKCE == nil || *o.PKCE }

// set puts parameters into a request.
func (p Provider) set(form url.Values, params map[string]string) {
	for name, value := range params {
		form.Set(name, strings.ReplaceAll(value, "{client_id}", p.ClientID))
		if value == "" {
			form.Del(name)
		}
	}
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
	if !slices.Contains([]string{AuthHeader, AuthRaw, AuthBody}, p.AuthStyle) {
		return fault.Invalid(fmt.Sprintf("auth style %q", p.AuthStyle), "header, header-raw or body")
	}
	if u, err := url.Parse(p.RedirectURI); err != nil || p.RedirectURI != "" && (u.Scheme == "" || u.Fragment != "") {
		return fault.Invalid(fmt.Sprintf("redirect_uri %q", p.RedirectURI), "an absolute URL without fragment (RFC 6749 section 3.1.2)")
	}
	p.Scope = NormalScope(p.Scope)
	urls := []string{p.Issuer, p.AuthURL, p.TokenURL, p.DeviceURL, p.RevokeURL, p.IntrospectURL, p.Registration}
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

// Complete takes the URLs of found where p has none, and what its metadata promises.
func (p *Provider) Complete(found Provider) {
	p.NamedHost, p.RequireIss = found.NamedHost, p.RequireIss || found.RequireIss
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

// OfflineHint says what to ask for so that the provider gives a refresh token, of
// which scope it was asked with.
func (p Provider) OfflineHint(scope string) string {
	if strings.Contains(scope, "offline") || slices.Contains(slices.Collect(maps.Values(p.AuthParams)), "offline") {
		return "it was asked for; withdraw the app's access at the site, and connect again"
	}
	return "connect again with -scope " + text.ShellWord(NormalScope(scope+" offline_access"))
}

// setScope puts a scope, unless it is "", into a request as this provider wants it written.
func (p Provider) setScope(form url.Values, scope string) {
	if scope != "" {
		form.Set("scope", strings.ReplaceAll(scope, " ", cmp.Or(p.Separator, " ")))
	}
}

// AuthorizationURL is the authorization request: RFC 6749 section 4.1.1, with
// PKCE S256 (RFC 7636 section 4.3) where the provider takes it.
func (p Provider) AuthorizationURL(state, redirect, scope, verifier string) string {
	u, err := url.Parse(p.AuthURL) // was checked
	if err != nil {
		return p.AuthURL
	}
	q := u.Query()
	q.Set("response_type", "code")
	q.Set("client_id", p.ClientID)
	q.Set("redirect_uri", redirect)
	q.Set("state", state)
	p.setScope(q, scope)
	if p.usesPKCE() {
		q.Set("code_challenge_method", "S256")
		q.Set("code_challenge", oauth2.S256ChallengeFromVerifier(verifier))
	}
	// OpenID Connect Core 1.0 section 11: without consent there is no offline access.
	if strings.Contains(" "+scope+" ", " offline_access ") {
		q.Set("prompt", "consent")
	}
	p.set(q, p.AuthParams)
	u.RawQuery = q.Encode()
	return u.String()
}

// ParseCallback reads the authorization response that the browser brought back,
// and returns the code (RFC 6749 section 4.1.2) and, where it is said there, the
// scope that was granted. A refusal (section 4.1.2.1) or another issuer (RFC 9207
// section 2.4) is ErrDenied. The caller compares state.
func (p Provider) ParseCallback(q url.Values) (code, scope string, err error) {
	if iss := q.Get("iss"); (iss != "" || p.RequireIss) && p.Issuer != "" && iss != p.Issuer {
		return "", "", &fault.Fault{Kind: fault.ErrDenied,
			What: fmt.Sprintf("the answer comes from %q instead of %q", text.Redact(iss, nil), p.Issuer)}
	}
	if code := q.Get("code"); code != "" && q.Get("error") == "" {
		return code, NormalScope(q.Get("scope")), nil
	}
	said := fields{}
	for name := range q {
		if name != "code" && name != "state" {
			said[name] = q.Get(name)
		}
	}
	e := newError(0, said, nil, nil)
	if e.Code+e.Description == "" {
		return "", "", &fault.Fault{Kind: fault.ErrDenied, What: "the provider sent no code"}
	}
	e.advise(p, "auth-url")
	return "", "", &fault.Fault{Kind: fault.ErrDenied, What: "the provider said no", Err: e, Hint: e.Hint}
}
