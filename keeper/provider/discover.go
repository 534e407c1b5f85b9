package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"code.dny.dev/ssrf"

	"mintkeep/keeper/internal/fault"
)

// Discover reads a provider's metadata: RFC 8414 section 3 first, then OpenID
// Connect Discovery 1.0 section 4. The issuer in it must be the one asked for
// (RFC 8414 section 3.3), and every endpoint https (or loopback); else the error
// is ErrTemporary. A URL that is no issuer is ErrInvalid, and so is one that leads
// where Client.Public does not go.
func (c Client) Discover(ctx context.Context, issuer string) (Provider, error) {
	if u, err := url.Parse(issuer); err == nil {
		c = c.naming(u.Hostname())
	}
	p, err := c.discover(ctx, issuer)
	p.NamedHost = c.named
	return p, err
}

func (c Client) discover(ctx context.Context, issuer string) (Provider, error) {
	if issuer == "" {
		return Provider{}, fault.Invalid("discovering: there is no issuer", "")
	}
	if err := checkURL(issuer); err != nil {
		return Provider{}, fmt.Errorf("discovering %q: %w", issuer, err)
	}
	var first error
	for _, address := range metadataURLs(issuer) {
		p, err := c.readMetadata(ctx, issuer, address)
		if err == nil {
			return p, nil
		}
		if errors.Is(err, ssrf.ErrProhibitedIP) {
			return Provider{}, err
		}
		if e := (*Error)(nil); first == nil || !errors.As(err, &e) || e.Status != http.StatusNotFound {
			first = err
		}
	}
	return Provider{}, &fault.Fault{Kind: fault.ErrTemporary, What: "discovering " + issuer, Err: first,
		Hint: "or give -auth-url and -token-url"}
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

func (c Client) readMetadata(ctx context.Context, issuer, address string) (Provider, error) {
	m, err := c.get(ctx, address)
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
	if methods := m.list("token_endpoint_auth_methods_supported"); len(methods) > 0 && !slices.Contains(methods, "client_secret_basic") {
		p.AuthStyle = AuthBody
	}
	flag := func(name string) bool { yes, _ := m[name].(bool); return yes }
	p.RequireIss = flag("authorization_response_iss_parameter_supported")
	p.knowsPKCE = slices.Contains(m.list("code_challenge_methods_supported"), "S256")
	p.Registers = Registers{Documents: flag("client_id_metadata_document_supported"), URL: m.text("registration_endpoint"),
		AppsURL: m.text("app_registration_endpoint"), Methods: m.list("token_endpoint_auth_methods_supported")}
	for _, scope := range []string{"openid", "offline_access"} {
		if slices.Contains(m.list("scopes_supported"), scope) {
			p.Scope += " " + scope
		}
	}
	p.Name = "discovered"
	return p, p.Check()
}
