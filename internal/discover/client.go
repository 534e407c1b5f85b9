package discover

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"sync"
	"time"

	"code.dny.dev/ssrf"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// A Network is how a process reaches other hosts.
type Network struct {
	CAFile string                                // as in Roots
	Proxy  func(*http.Request) (*url.URL, error) // nil: none, as in CGI, where a request could name one
	// Patient clients wait for an answer as long as the context of the request allows,
	// others some seconds.
	Patient bool
}

// wait is a limit, or none (0) for a patient client.
func (n Network) wait(limit time.Duration) time.Duration {
	if n.Patient {
		return 0
	}
	return limit
}

// TrustedClient returns a client for the addresses that the owner named. It follows
// no redirects.
func (n Network) TrustedClient() *http.Client {
	return &http.Client{
		Transport: &lazyTransport{network: n},
		Timeout:   n.wait(10 * time.Second),
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
// system's; the allowed prefixes are exceptions for tests. What goes through a proxy,
// that decides about.
func (n Network) PublicOnlyClient(resolver *net.Resolver, allow ...netip.Prefix) *http.Client {
	guard := ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(allow...))
	return &http.Client{
		Transport: &lazyTransport{network: n, once: true, dialer: net.Dialer{Resolver: resolver, Control: guard.Safe}},
		Timeout:   n.wait(10 * time.Second),
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
	network         Network
	once            bool       // each connection is for one request, and HTTP/1
	dialer          net.Dialer // for hosts that no proxy stands before
	made            sync.Once
	direct, proxied *http.Transport
	err             error
}

// RoundTrip builds the transports on its first call.
func (t *lazyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.made.Do(t.make)
	if t.err != nil {
		return nil, t.err
	}
	if proxy := t.network.Proxy; proxy != nil {
		if to, err := proxy(r); to != nil || err != nil {
			return t.proxied.RoundTrip(r)
		}
	}
	return t.direct.RoundTrip(r)
}

func (t *lazyTransport) make() {
	var roots *x509.CertPool
	if roots, _, t.err = Roots(t.network.CAFile); t.err != nil {
		return
	}
	transport := func(dialer net.Dialer) *http.Transport {
		dialer.Timeout = 2 * time.Second
		return &http.Transport{
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    4 * time.Second,
			ResponseHeaderTimeout:  t.network.wait(8 * time.Second),
			MaxResponseHeaderBytes: 64 << 10,
			IdleConnTimeout:        30 * time.Second,
			ForceAttemptHTTP2:      !t.once,
			DisableKeepAlives:      t.once,
		}
	}
	t.direct, t.proxied = transport(t.dialer), transport(net.Dialer{})
	t.proxied.Proxy = t.network.Proxy
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
