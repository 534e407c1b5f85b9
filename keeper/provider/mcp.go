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
	old := m == nil // of before RFC 9728
	if old {
		m = fields{"resource": server, "authorization_servers": []any{origin(u)}}
	}
	resource, issuer := m.text("resource"), append(m.list("authorization_servers"), "")[0]
	if r, err := url.Parse(resource); err != nil || origin(r) != origin(u) ||
		!strings.HasPrefix(strings.TrimRight(u.Path, "/")+"/", strings.TrimRight(r.Path, "/")+"/") {
		return Provider{}, fault.Invalid(fmt.Sprintf("the MCP server says that it is %q, not %q", resource, server), "RFC 9728 section 3.3 forbids that")
	}
	p, err := c.discover(ctx, issuer)
	if old && isNotFound(err) {
		p, err = withoutMetadata(issuer), nil
	}
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

// askMCP sends an MCP server requests without a token until one is refused, and returns
// what the WWW-Authenticate of the refusal says, and whether there is one. Some let
// anybody initialize.
func (c Client) askMCP(ctx context.Context, server string) (said fields, refused bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, DefaultTimeout))
	defer cancel()
	params := map[string]any{"protocolVersion": mcpVersion, "capabilities": map[string]any{}, "clientInfo": map[string]string{"name": "mintkeep", "version": "1"}}
	session := ""
	for id, method := range []string{"initialize", "tools/list"} {
		req, err := newRequest(Provider{}, server, map[string]any{"jsonrpc": "2.0", "id": id + 1, "method": method, "params": params})
		if err != nil {
			return nil, false, err
		}
		req.Header.Set("Accept", "application/json, text/event-stream")
		req.Header.Set("MCP-Protocol-Version", mcpVersion)
		if session != "" {
			req.Header.Set("Mcp-Session-Id", session)
		}
		res, err := c.do(req.WithContext(ctx), nil)
		if err != nil {
			return nil, false, err
		}
		res.Body.Close()
		said = challenge(strings.Join(res.Header.Values("WWW-Authenticate"), ", "))
		if refused = res.StatusCode == http.StatusUnauthorized; refused || len(said) > 0 {
			break
		}
		session, params = res.Header.Get("Mcp-Session-Id"), map[string]any{}
	}
	return said, refused, nil
}

// mcpVersion is the revision of the protocol that the first request names.
const mcpVersion = "2025-06-18"

// resourceMetadata is the document at the address that the server named, else at the
// well-known ones (RFC 9728 section 3.1). A server that refused and has none is of before
// that, and has its origin as issuer: nil.
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
		m, err := c.get(ctx, address)
		if err == nil {
			return m, nil
		}
		last = err
	}
	if named == "" && refused && isNotFound(last) {
		return nil, nil
	}
	return nil, fmt.Errorf("reading the metadata of the MCP server: %w", last)
}

func isNotFound(err error) bool {
	e := (*Error)(nil)
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// withoutMetadata is the authorization server of a server that has no metadata at all: at
// the addresses that MCP's revision of 2025-03-26 set.
func withoutMetadata(root string) Provider {
	return Provider{Issuer: root, AuthURL: root + "/authorize", TokenURL: root + "/token", AuthStyle: AuthHeader,
		Registers: Registers{URL: root + "/register"}, knowsPKCE: true, Name: "discovered"}
}
