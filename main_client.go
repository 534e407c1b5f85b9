package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// trustedClient is for the endpoints that the owner named. It is built when it
// is first used, because most requests need none. It uses no proxy (a client
// could name one in CGI) and follows no redirects.
func trustedClient(c *config) *http.Client {
	return &http.Client{
		Transport: &lazyTransport{caFile: c.caFile},
		Timeout:   10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

type lazyTransport struct {
	caFile string
	once   sync.Once
	real   *http.Transport
	err    error
}

// RoundTrip builds the transport on its first call.
func (t *lazyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.once.Do(func() {
		var roots *x509.CertPool
		if roots, t.err = tlsRoots(t.caFile); t.err != nil {
			return
		}
		dialer := &net.Dialer{Timeout: 2 * time.Second}
		t.real = &http.Transport{
			DialContext:           dialer.DialContext,
			TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:   4 * time.Second,
			ResponseHeaderTimeout: 8 * time.Second,
			IdleConnTimeout:       30 * time.Second,
			ForceAttemptHTTP2:     true,
		}
	})
	if t.err != nil {
		return nil, t.err
	}
	return t.real.RoundTrip(r)
}

// tlsRoots are those of ca_file, else the system's, else, where the system has
// none (a jail, a container), those that came with the program.
func tlsRoots(caFile string) (*x509.CertPool, error) {
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("reading ca_file: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, errors.New("ca_file holds no certificate in PEM form")
		}
		return pool, nil
	}
	pool, err := x509.SystemCertPool()
	if err == nil && !pool.Equal(x509.NewCertPool()) {
		return pool, nil
	}
	pool = x509.NewCertPool()
	for root := range bundle.Roots() {
		cert, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			return nil, fmt.Errorf("reading the built-in roots: %w", err)
		}
		if root.Constraint == nil {
			pool.AddCert(cert)
			continue
		}
		pool.AddCertWithConstraint(cert, root.Constraint)
	}
	return pool, nil
}
