package instance

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	"code.dny.dev/ssrf"
	"golang.org/x/crypto/x509roots/fallback/bundle"

	"mintkeep/internal/config"
)

// trustedClient is for the endpoints that the owner named. It is built when it
// is first used, because most requests need none. It uses no proxy (a client
// could name one in CGI) and follows no redirects.
func trustedClient(c *config.Config) *http.Client {
	return &http.Client{
		Transport: &lazyTransport{caFile: c.CAFile, dialer: func() *net.Dialer { return &net.Dialer{Timeout: 2 * time.Second} }},
		Timeout:   10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// guardedClient is for addresses that strangers name. Every connection, also that
// of a redirect, is checked when the name has been resolved, so that a name
// cannot turn into a private address in between. Any port will do; prefixes that
// are allowed all the same are for tests.
func guardedClient(c *config.Config, resolver *net.Resolver, allow ...netip.Prefix) *http.Client {
	return &http.Client{
		Transport: &lazyTransport{caFile: c.CAFile, dialer: func() *net.Dialer {
			guard := ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(allow...))
			return &net.Dialer{Timeout: 2 * time.Second, Resolver: resolver, Control: guard.Safe}
		}},
		Timeout: 10 * time.Second,
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > 5 {
				return errors.New("it redirects too often")
			}
			return nil
		},
	}
}

type lazyTransport struct {
	caFile string
	dialer func() *net.Dialer
	once   sync.Once
	real   *http.Transport
	err    error
}

// RoundTrip builds the transport on its first call.
func (t *lazyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.once.Do(func() {
		var roots *x509.CertPool
		if roots, _, t.err = tlsRoots(t.caFile); t.err != nil {
			return
		}
		t.real = &http.Transport{
			DialContext:            t.dialer().DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    4 * time.Second,
			ResponseHeaderTimeout:  8 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			IdleConnTimeout:        30 * time.Second,
			ForceAttemptHTTP2:      true,
		}
	})
	if t.err != nil {
		return nil, t.err
	}
	return t.real.RoundTrip(r)
}

// tlsRoots are those of ca_file, else the system's, else, where the system has
// none (a jail, a container), those that came with the program. The second
// result tells which.
func tlsRoots(caFile string) (*x509.CertPool, string, error) {
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, "", fmt.Errorf("reading ca_file: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, "", errors.New("ca_file holds no certificate in PEM form")
		}
		return pool, "ca_file", nil
	}
	pool, err := x509.SystemCertPool()
	if err == nil && !pool.Equal(x509.NewCertPool()) {
		return pool, "system", nil
	}
	pool = x509.NewCertPool()
	for root := range bundle.Roots() {
		cert, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			return nil, "", fmt.Errorf("reading the built-in roots: %w", err)
		}
		if root.Constraint == nil {
			pool.AddCert(cert)
			continue
		}
		pool.AddCertWithConstraint(cert, root.Constraint)
	}
	return pool, "built-in", nil
}
