package provider_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"code.dny.dev/ssrf"

	"mintkeep/keeper/provider"
)

// Documents of a server on the web name addresses in the owner's own network: nothing
// there is asked, neither while the provider is added nor at any later request.
func TestNamedHost(t *testing.T) {
	asked := []string{}
	inside := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = append(asked, r.URL.Path) }))
	t.Cleanup(inside.Close)
	const well, metadata = "/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-authorization-server"
	const resource = `{"resource":"https://example.com/mcp","authorization_servers":["https://example.com"]}`
	const issuer = `{"issuer":"https://example.com","authorization_endpoint":"https://example.com/a","code_challenge_methods_supported":["S256"],`
	const token = `"token_endpoint":"INSIDE/t"}`
	for _, test := range []struct {
		name, challenge string
		documents       map[string]string
		then            func(context.Context, provider.Client, provider.Provider) error // nil: it is not added
	}{
		{"the resource's metadata", `Bearer resource_metadata="INSIDE/m"`, nil, nil},
		{"the issuer", "", map[string]string{well: `{"resource":"https://example.com/mcp","authorization_servers":["INSIDE"]}`}, nil},
		{"registration", "", map[string]string{well: resource, metadata: issuer + `"registration_endpoint":"INSIDE/r",` + token},
			func(ctx context.Context, c provider.Client, p provider.Provider) error {
				_, err := c.Register(ctx, &p, "")
				return err
			}},
		{"an app's registration", "", map[string]string{well: resource, metadata: issuer + `"app_registration_endpoint":"INSIDE/r",` + token},
			func(ctx context.Context, c provider.Client, p provider.Provider) error {
				_, err := c.Register(ctx, &p, "")
				return err
			}},
		{"the registration's own address", "", map[string]string{well: resource, metadata: issuer + token},
			func(ctx context.Context, c provider.Client, p provider.Provider) error {
				p.Registration, p.RegistrationToken = p.TokenURL, "registration"
				return c.Unregister(ctx, p)
			}},
		{"code", "", map[string]string{well: resource, metadata: issuer + token},
			func(ctx context.Context, c provider.Client, p provider.Provider) error {
				_, err := c.ExchangeCode(ctx, p, "c", "r", "v")
				return err
			}},
		{"refresh", "", map[string]string{well: resource, metadata: issuer + token},
			func(ctx context.Context, c provider.Client, p provider.Provider) error {
				_, err := c.Refresh(ctx, p, "", "r")
				return err
			}},
		{"device", "", map[string]string{well: resource, metadata: issuer + `"device_authorization_endpoint":"INSIDE/d",` + token},
			func(ctx context.Context, c provider.Client, p provider.Provider) error {
				_, err := c.StartDevice(ctx, p, "")
				return err
			}},
		{"revocation", "", map[string]string{well: resource, metadata: issuer + `"revocation_endpoint":"INSIDE/x",` + token},
			func(ctx context.Context, c provider.Client, p provider.Provider) error {
				return c.Revoke(ctx, p, "t", "access_token")
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			site := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/mcp" {
					w.Header().Set("WWW-Authenticate", strings.ReplaceAll(test.challenge, "INSIDE", inside.URL))
					w.WriteHeader(http.StatusUnauthorized)
				} else if text, ok := test.documents[r.URL.Path]; ok {
					_, _ = io.WriteString(w, strings.ReplaceAll(text, "INSIDE", inside.URL))
				} else {
					http.NotFound(w, r)
				}
			}))
			t.Cleanup(site.Close)
			c := provider.Client{HTTP: leadingTo(site), Public: &http.Client{Transport: &http.Transport{
				DialContext: (&net.Dialer{Control: ssrf.New(ssrf.WithAnyPort()).Safe}).DialContext}}}
			found, err := c.DiscoverMCP(t.Context(), "https://example.com/mcp")
			if test.then != nil && err == nil {
				found.Name = "site"
				err = test.then(t.Context(), c, found)
			}
			if err == nil || !strings.Contains(err.Error(), "example.com leads to 127.0.0.1, which is not on the public web") {
				t.Errorf("error %v", err)
			}
			if len(asked) > 0 {
				t.Errorf("asked inside: %q", asked)
			}
		})
	}
}

// leadingTo is a client for which example.com is that server.
func leadingTo(s *httptest.Server) *http.Client {
	u, _ := url.Parse(s.URL)
	transport := s.Client().Transport.(*http.Transport).Clone()
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "example.com:") {
			address = u.Host
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return &http.Client{Transport: transport}
}
