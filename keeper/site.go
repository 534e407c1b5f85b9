package keeper

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/keyring"
)

// site is a provider as one connection uses it: with the client's credentials in the clear.
type site = Provider

// siteNamed is the registered provider, or for tokens stored through the API
// the preset of that name; what is missing is discovered.
func (k *Keeper) siteNamed(ctx context.Context, r *keyring.Keyring, name string) (site, error) {
	p, sealed, err := k.provider(ctx, k.DB, name)
	if errors.Is(err, ErrUnknown) {
		if preset, none := FindPreset(name); none == nil && !preset.AsksInstance {
			return preset.provider(name), nil
		}
	}
	if err != nil {
		return p, err
	}
	if p.ClientSecret, err = r.Open(sealed, p.at()); err != nil {
		return p, err
	}
	if p.TokenURL == "" && p.Issuer != "" && p.Login == nil {
		return k.discovered(ctx, p)
	}
	return p, nil
}

// siteOf is the provider of a connection, whose own client credentials win.
func (k *Keeper) siteOf(ctx context.Context, r *keyring.Keyring, c kept) (site, error) {
	s, err := k.siteNamed(ctx, r, c.Provider)
	if err != nil || c.clientID == "" {
		return s, err
	}
	s.ClientID = c.clientID
	s.ClientSecret, err = r.Open(c.clientSecret, c.at("client_secret"))
	return s, err
}

// discovered fills in the endpoints that were not known when the provider was
// stored (an import works without network) and keeps them.
func (k *Keeper) discovered(ctx context.Context, p Provider) (Provider, error) {
	found, err := k.Discover(ctx, p.Issuer)
	if err != nil {
		return p, err
	}
	p.adopt(found)
	secret := p.ClientSecret
	err = k.SetProvider(ctx, p.Name, func(now *Provider) error { now.adopt(found); return nil })
	p.ClientSecret = secret
	return p, err
}

// adopt takes the endpoints of found where p has none.
func (p *Provider) adopt(found Provider) {
	for _, f := range []struct{ to, from *string }{
		{&p.Issuer, &found.Issuer}, {&p.AuthURL, &found.AuthURL}, {&p.TokenURL, &found.TokenURL}, {&p.DeviceURL, &found.DeviceURL},
		{&p.RevokeURL, &found.RevokeURL}, {&p.IntrospectURL, &found.IntrospectURL},
	} {
		if *f.to == "" {
			*f.to = *f.from
		}
	}
}

func (p Provider) lifetime() time.Duration { return time.Duration(p.Lifetime) * time.Second }

// scopeWords is the scope as this provider wants it written.
func (p Provider) scopeWords(scope string) string {
	if p.Separator == "" {
		return scope
	}
	return strings.ReplaceAll(scope, " ", p.Separator)
}

// Discover reads a provider's metadata: RFC 8414 section 3 first, then OpenID
// Connect Discovery 1.0 section 4. The issuer in it must be the one asked for
// (RFC 8414 section 3.3), and every endpoint https (or loopback).
func (k *Keeper) Discover(ctx context.Context, issuer string) (Provider, error) {
	if issuer == "" {
		return Provider{}, fault.Invalid("discovering: there is no issuer", "")
	}
	if err := checkURL(issuer); err != nil {
		return Provider{}, fmt.Errorf("discovering %q: %w", issuer, err)
	}
	var first error
	for _, address := range metadataURLs(issuer) {
		p, err := k.readMetadata(ctx, issuer, address)
		if err == nil {
			return p, nil
		}
		if first == nil || !isStatus(err, http.StatusNotFound) {
			first = err
		}
	}
	return Provider{}, &Fault{Kind: ErrTemporary, What: "discovering " + issuer, Err: first, Hint: "or give -auth-url and -token-url"}
}

func metadataURLs(issuer string) []string {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil
	}
	root, path := u.Scheme+"://"+u.Host, strings.TrimRight(u.EscapedPath(), "/")
	urls := []string{root + "/.well-known/oauth-authorization-server" + path, root + path + "/.well-known/openid-configuration"}
	if path != "" {
		urls = append(urls, root+"/.well-known/openid-configuration"+path, root+path+"/.well-known/oauth-authorization-server")
	}
	return urls
}

func (k *Keeper) readMetadata(ctx context.Context, issuer, address string) (Provider, error) {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return Provider{}, err
	}
	m, err := k.send(ctx, req, nil)
	if err != nil {
		return Provider{}, err
	}
	if m.text("issuer") != issuer {
		return Provider{}, fmt.Errorf("%s says that its issuer is %q, not %q", address, m.text("issuer"), issuer)
	}
	p := Provider{Issuer: issuer, AuthURL: m.text("authorization_endpoint"), TokenURL: m.text("token_endpoint"),
		DeviceURL: m.text("device_authorization_endpoint"), RevokeURL: m.text("revocation_endpoint"),
		IntrospectURL: m.text("introspection_endpoint"), AuthStyle: AuthHeader}
	if p.TokenURL == "" {
		return p, fmt.Errorf("%s names no token endpoint", address)
	}
	// RFC 8414 section 2: the default is client_secret_basic.
	if methods := m.list("token_endpoint_auth_methods_supported"); methods != nil && !slices.Contains(methods, "client_secret_basic") {
		p.AuthStyle = AuthBody
	}
	p.Name = "discovered"
	return p, p.check()
}

// Introspect asks the provider about a connection's access token (RFC 7662
// section 2.1) and returns its answer.
func (k *Keeper) Introspect(ctx context.Context, user, name string) (map[string]any, error) {
	r, err := k.Keys.Load()
	if err != nil {
		return nil, err
	}
	c, err := k.load(ctx, k.DB, user, name)
	if err != nil {
		return nil, err
	}
	s, err := k.siteOf(ctx, r, c)
	if err != nil {
		return nil, err
	}
	if s.IntrospectURL == "" {
		return nil, fault.Invalid("provider "+s.Name+" has no introspection endpoint", "`mintkeep provider set "+text.ShellWord(s.Name)+" -introspect-url URL`")
	}
	token, err := r.Open(c.access, c.at("access_token"))
	if err != nil {
		return nil, err
	}
	m, err := k.post(ctx, s, s.IntrospectURL, url.Values{"token": {string(token)}, "token_type_hint": {"access_token"}})
	if err != nil {
		return nil, fmt.Errorf("introspecting %s: %w", name, err)
	}
	return m, nil
}
