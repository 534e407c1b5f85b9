package provider

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"mintkeep/internal/oauth"
	"mintkeep/internal/secret"
	"mintkeep/keeper/internal/fault"
)

// Registers says how a provider comes to know a client without a person.
type Registers struct {
	Documents   bool     // it takes the URL of a client metadata document as client id
	URL         string   // registration endpoint (RFC 7591)
	AppsURL     string   // Mastodon's and its kin's, POST /api/v1/apps
	OneRedirect bool     // an app has one redirect address there
	Methods     []string // token_endpoint_auth_methods_supported
}

const (
	redirectOOB   = "urn:ietf:wg:oauth:2.0:oob" // Mastodon shows the code, to be pasted
	redirectLocal = "http://127.0.0.1/callback" // any port (RFC 8252 section 7.3)
)

// Register makes this program, whose public URL is base or "", a client of p in the
// first way of p.Registers that is possible: by its metadata document, by RFC 7591, as
// a Mastodon app. It fills in the client's id, secret and what else came with them.
// ok is false if there is no way: then a person must register it.
func (c Client) Register(ctx context.Context, p *Provider, base string) (ok bool, err error) {
	c = c.naming(p.NamedHost)
	u, err := url.Parse(base)
	switch {
	case p.Registers.Documents && err == nil && u.Scheme == "https" && !oauth.IsLoopback(u.Hostname()):
		p.ClientID, p.AuthStyle, p.RedirectURI = base+"/client.json", AuthBody, base+"/keep/callback"
		return true, nil
	case p.Registers.URL != "":
		err = c.registerClient(ctx, p, base)
	case p.Registers.AppsURL != "":
		err = c.registerApp(ctx, p, base)
	default:
		return false, nil
	}
	if err != nil {
		return false, &fault.Fault{Kind: fault.ErrInvalid, What: "registering at " + p.Name, Err: err,
			Hint: "register an app on the site's own pages, and give -client-id"}
	}
	return true, nil
}

func redirects(base string, more ...string) []string {
	if base == "" {
		return more
	}
	return append([]string{base + "/keep/callback"}, more...)
}

// registerApp is POST /api/v1/apps (https://docs.joinmastodon.org/methods/apps/).
func (c Client) registerApp(ctx context.Context, p *Provider, base string) error {
	to := redirects(base, redirectLocal, redirectOOB)
	if p.Registers.OneRedirect {
		if to = to[:1]; base != "" {
			p.RedirectURI = to[0]
		}
	}
	form := url.Values{"client_name": {clientName(base)}, "redirect_uris": {strings.Join(to, "\n")}, "scopes": {p.Scope}}
	if base != "" {
		form.Set("website", base)
	}
	req, err := newRequest(Provider{}, p.Registers.AppsURL, form)
	if err != nil {
		return err
	}
	f, err := c.send(ctx, req, nil)
	p.ClientID, p.ClientSecret = f.text("client_id"), secret.Secret(f.text("client_secret"))
	if err == nil && p.ClientID == "" {
		err = errors.New("no client_id in the answer")
	}
	return err
}

func clientName(base string) string {
	return strings.TrimSuffix("mintkeep at "+oauth.HostOf(base), " at ")
}

// registerClient is RFC 7591 section 3.1. OpenID providers tell clients with https
// addresses from those on loopback, and some take only one kind: then what was refused
// is asked for again with fewer addresses.
func (c Client) registerClient(ctx context.Context, p *Provider, base string) error {
	kinds := []map[string]any{
		{"application_type": "native", "redirect_uris": redirects(base, redirectLocal, "http://localhost/callback")},
		{"application_type": "web", "redirect_uris": redirects(base)},
		{"application_type": "native", "redirect_uris": []string{redirectLocal}},
	}
	if base == "" {
		kinds = slices.Delete(kinds, 1, 2)
	}
	var first error
	for _, kind := range kinds {
		err := c.registerAs(ctx, p, base, kind)
		if err == nil {
			if kind["application_type"] == "web" {
				p.RedirectURI = base + "/keep/callback"
			}
			return nil
		}
		first = cmp.Or(first, err)
		if e := (*Error)(nil); !errors.As(err, &e) || e.Status != http.StatusBadRequest {
			break
		}
	}
	return first
}

func (c Client) registerAs(ctx context.Context, p *Provider, base string, body map[string]any) error {
	grants, method := []string{"authorization_code", "refresh_token"}, "client_secret_basic"
	if p.DeviceURL != "" {
		grants = append(grants, "urn:ietf:params:oauth:grant-type:device_code")
	}
	if offered := p.Registers.Methods; len(offered) > 0 && !slices.Contains(offered, method) {
		method = "none" // rather than a secret, which may expire
		if !slices.Contains(offered, method) && slices.Contains(offered, "client_secret_post") {
			method = "client_secret_post"
		}
	}
	body["client_name"], body["grant_types"], body["response_types"] = clientName(base), grants, []string{"code"}
	body["token_endpoint_auth_method"] = method
	if p.Scope != "" {
		body["scope"] = p.Scope
	}
	if base != "" {
		body["client_uri"] = base
	}
	req, err := newRequest(Provider{}, p.Registers.URL, body)
	if err != nil {
		return err
	}
	f, err := c.send(ctx, req, nil)
	if err != nil {
		return err
	}
	p.ClientID, p.ClientSecret = f.text("client_id"), secret.Secret(f.text("client_secret"))
	p.SecretExpires, _ = strconv.ParseInt(f.text("client_secret_expires_at"), 10, 64) // 0 is never
	p.Registration, p.RegistrationToken = f.text("registration_client_uri"), secret.Secret(f.text("registration_access_token"))
	if p.ClientID == "" {
		return errors.New("no client_id in the answer")
	}
	// section 3.2.1: the provider may decide otherwise than it was asked
	p.AuthStyle = AuthBody
	if cmp.Or(f.text("token_endpoint_auth_method"), method) == "client_secret_basic" {
		p.AuthStyle = AuthHeader
	}
	return checkURL(p.Registration)
}

// Unregister has the provider delete its registration of this program (RFC 7592
// section 2.3); nothing happens where none was made with an address to do it at.
func (c Client) Unregister(ctx context.Context, p Provider) error {
	if p.Registration == "" || p.RegistrationToken == "" {
		return nil
	}
	req, err := http.NewRequest(http.MethodDelete, p.Registration, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+string(p.RegistrationToken))
	_, err = c.naming(p.NamedHost).send(ctx, req, []string{string(p.RegistrationToken)})
	// section 2.3: a client that is unknown by now is 401
	if e := (*Error)(nil); errors.As(err, &e) && (e.Status == http.StatusUnauthorized || e.Status == http.StatusNotFound) {
		return nil
	}
	return err
}
