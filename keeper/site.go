package keeper

import (
	"context"
	"errors"
	"strings"
	"time"
)

// site is a provider as one connection uses it: with the client's credentials in the clear.
type site = Provider

// siteNamed is the registered provider, or for tokens stored through the API
// the preset of that name; what is missing is discovered.
func (k *Keeper) siteNamed(ctx context.Context, r *ring, name string) (site, error) {
	p, sealed, err := k.provider(ctx, k.DB, name)
	if errors.Is(err, ErrUnknown) {
		if preset, ok := findPreset(name); ok && !preset.AsksInstance {
			return preset.provider(name), nil
		}
	}
	if err != nil {
		return p, err
	}
	if p.ClientSecret, err = r.open(sealed, p.at()); err != nil {
		return p, err
	}
	if p.TokenURL == "" && p.Issuer != "" && p.Login == nil {
		return k.discovered(ctx, p)
	}
	return p, nil
}

// siteOf is the provider of a connection, whose own client credentials win.
func (k *Keeper) siteOf(ctx context.Context, r *ring, c kept) (site, error) {
	s, err := k.siteNamed(ctx, r, c.Provider)
	if err != nil || c.clientID == "" {
		return s, err
	}
	s.ClientID = c.clientID
	s.ClientSecret, err = r.open(c.clientSecret, c.at("client_secret"))
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
