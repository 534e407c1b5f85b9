package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"mintkeep/keeper/internal/fault"
)

// DiscoverMCP finds the provider of an MCP server's tokens: it asks the server, reads
// the protected resource metadata (RFC 9728) that the refusal names or that lies at the
// well-known address, and its authorization server's metadata. The resource goes with
// every request from then on (RFC 8707).
func (c Client) DiscoverMCP(ctx context.Context, server string) (Provider, error) {
	u, err := url.Parse(server)
	if err == nil {
		err = checkURL(server)
	}
	if err != nil || u.Host == "" {
		return Provider{}, fmt.Errorf("asking the MCP server %q: %w", server, cmp.Or(err, fault.Invalid("not an address", "")))
	}
	c = c.naming(u.Hostname())
	refusal, refused, err := c.askMCP(ctx, server)
	if err != nil {
		return Provider{}, err
	}
	m, err := c.resourceMetadata(ctx, u, refusal.text("resource_metadata"), refused)
	if err != nil {
		return Provider{}, err
	}
	resource, issuer := m.text("resource"), append(m.list("authorization_servers"), "")[0]
	if r, err := url.Parse(resource); err != nil || origin(r) != origin(u) ||
		!strings.HasPrefix(strings.TrimRight(u.Path, "/")+"/", strings.TrimRight(r.Path, "/")+"/") {
		return Provider{}, fault.Invalid(fmt.Sprintf("the MCP server says that it is %q, not %q", resource, server), "RFC 9728 section 3.3 forbids that")
	}
	p, err := c.discover(ctx, issuer)
	if err != nil {
		return p, err
	}
	if !p.knowsPKCE {
		return p, fault.Invalid(issuer+" does not say that it knows PKCE", "an MCP server's must: code_challenge_methods_supported")
	}
	offline := ""
	if strings.Contains(p.Scope, "offline_access") {
		offline = " offline_access"
	}
	p.Scope = NormalScope(cmp.Or(refusal.text("scope"), strings.Join(m.list("scopes_supported"), " ")) + offline)
	p.NamedHost = c.named
	p.AuthParams, p.TokenParams = map[string]string{"resource": resource}, map[string]string{"resource": resource}
	return p, nil
}

// askMCP sends an MCP server its first request, without a token, and returns what the
// WWW-Authenticate of the refusal says, and whether it is one.
func (c Client) askMCP(ctx context.Context, server string) (said fields, refused bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, DefaultTimeout))
	defer cancel()
	req, err := newJSONRequest(Provider{}, server, map[string]any{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": map[string]any{
		"protocolVersion": "2025-06-18", "capabilities": map[string]any{}, "clientInfo": map[string]string{"name": "mintkeep", "version": "1"}}})
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Accept", "application/json, text/event-stream")
	res, err := c.do(req.WithContext(ctx), nil)
	if err != nil {
		return nil, false, err
	}
	res.Body.Close()
	return challenge(strings.Join(res.Header.Values("WWW-Authenticate"), ", ")), res.StatusCode == http.StatusUnauthorized, nil
}

// resourceMetadata is the document at the address that the server named, else at the
// well-known ones (RFC 9728 section 3.1). Without any, servers of before that refused
// have their origin as issuer.
func (c Client) resourceMetadata(ctx context.Context, server *url.URL, named string, refused bool) (fields, error) {
	root := server.Scheme + "://" + server.Host
	well := root + "/.well-known/oauth-protected-resource"
	addresses := []string{well + strings.TrimRight(server.EscapedPath(), "/"), well}
	if named != "" {
		addresses = []string{named}
	}
	var last error
	for _, address := range addresses {
		if err := checkURL(address); err != nil {
			return nil, err
		}
		req, err := http.NewRequest(http.MethodGet, address, nil)
		if err != nil {
			return nil, err
		}
		m, err := c.send(ctx, req, nil)
		if err == nil {
			return m, nil
		}
		last = err
	}
	if e := (*Error)(nil); named == "" && refused && errors.As(last, &e) && e.Status == http.StatusNotFound {
		return fields{"resource": server.String(), "authorization_servers": []any{root}}, nil
	}
	return nil, fmt.Errorf("reading the metadata of the MCP server: %w", last)
}
