package discover

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
)

// TrustedClient returns a client for the addresses that the owner named. It uses
// no proxy (a CGI request could name one) and follows no redirects. caFile is as in Roots.
func TrustedClient(caFile string) *http.Client {
	return &http.Client{
		Transport: &lazyTransport{caFile: caFile, dialer: func() *net.Dialer { return &net.Dialer{Timeout: 2 * time.Second} }},
		Timeout:   10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// PublicOnlyClient returns a client for addresses that strangers name. Every
// connection, also that of a redirect, is checked after the name was resolved, so
// that a name cannot become a private address in between; a refused one gives
// ssrf.ErrProhibitedIP. Any port is allowed, and at most five redirects. No connection
// outlives its request: strangers name any number of hosts. A nil resolver is the
// system's; the allowed prefixes are exceptions for tests.
func PublicOnlyClient(caFile string, resolver *net.Resolver, allow ...netip.Prefix) *http.Client {
	return &http.Client{
		Transport: &lazyTransport{caFile: caFile, once: true, dialer: func() *net.Dialer {
			guard := ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(allow...))
			return &net.Dialer{Timeout: 2 * time.Second, Resolver: resolver, Control: guard.Safe}
		}},
		Timeout: 10 * time.Second,
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return errTooManyRedirects
			}
			return nil
		},
	}
}

// lazyTransport reads the root certificates when it is first used: most requests need no client.
type lazyTransport struct {
	caFile string
	once   bool // each connection is for one request, and HTTP/1
	dialer func() *net.Dialer
	made   sync.Once
	real   *http.Transport
	err    error
}

// RoundTrip builds the transport on its first call.
func (t *lazyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.made.Do(func() {
		var roots *x509.CertPool
		if roots, _, t.err = Roots(t.caFile); t.err != nil {
			return
		}
		t.real = &http.Transport{
			DialContext:            t.dialer().DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    4 * time.Second,
			ResponseHeaderTimeout:  8 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			IdleConnTimeout:        30 * time.Second,
			ForceAttemptHTTP2:      !t.once,
			DisableKeepAlives:      t.once,
		}
	})
	if t.err != nil {
		return nil, t.err
	}
	return t.real.RoundTrip(r)
}

// Roots returns the root certificates of the PEM file caFile; if that is "", the
// system's; and if the system has none (a jail, a container), those that came with
// the program. source is "ca_file", "system" or "built-in".
func Roots(caFile string) (roots *x509.CertPool, source string, err error) {
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
