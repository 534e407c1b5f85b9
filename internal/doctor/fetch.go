package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// maxBody is how much of an answer is read.
const maxBody = 1 << 20

// An answer is what came back, or why nothing did.
type answer struct {
	url    string
	status int
	header http.Header
	body   []byte
	at     time.Time // our clock in the middle of the exchange
	err    error
}

// get fetches an address and follows no redirect.
func (s *Site) get(ctx context.Context, address string, header map[string]string) *answer {
	return s.exchange(ctx, http.MethodGet, address, "", header)
}

func (s *Site) post(ctx context.Context, address string, form url.Values) *answer {
	return s.exchange(ctx, http.MethodPost, address, form.Encode(), map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"})
}

func (s *Site) exchange(ctx context.Context, method, address, body string, header map[string]string) *answer {
	a := &answer{url: address}
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		a.err = err
		return a
	}
	req.Header.Set("User-Agent", "mintkeep doctor")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	start := s.Now()
	resp, err := s.Client.Do(req)
	if err != nil {
		a.err = err
		return a
	}
	defer resp.Body.Close()
	end := s.Now()
	a.at = start.Add(end.Sub(start) / 2)
	a.status, a.header = resp.StatusCode, resp.Header
	a.body, a.err = io.ReadAll(io.LimitReader(resp.Body, maxBody))
	return a
}

func (a *answer) redirects() bool {
	return a.err == nil && a.status >= 300 && a.status < 400 && a.header.Get("Location") != ""
}

// explain says what went wrong on the way and what to do about it.
func explain(err error) (what, do string) {
	if outer := (*url.Error)(nil); errors.As(err, &outer) {
		err = outer.Err
	}
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var certificate *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		do = "correct the name; if it is right, this machine (or the jail it is in: /etc/resolv.conf) cannot look names up"
	case errors.Is(err, syscall.ECONNREFUSED):
		do = "start the web server there, or correct host and port"
	case errors.As(err, &unknown):
		do = "let the server send its whole certificate chain; if it has a certificate of its own, name it with `ca_file:`"
	case errors.As(err, &certificate):
		do = "renew the certificate, or use the name that it was made for"
	case errors.As(err, &timeout) && timeout.Timeout():
		do = "look whether the server is up, and whether the host lets programs reach the network"
	default:
		do = "look whether the address works in a browser"
	}
	return err.Error(), do
}

// loopback reports whether plain http is fit for a host: no cable is between.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
