package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

const (
	maxBody      = 1 << 20 // bytes read of an answer
	maxRedirects = 5       // as many as a client follows at least (IndieAuth section 4.1)
)

// An answer is what came back, or why nothing did.
type answer struct {
	url    *url.URL // whose answer it is: the last of a chain of redirects
	status int
	header http.Header
	body   []byte
	at     time.Time // our clock in the middle of the exchange
	err    error
}

// get fetches an address and follows no redirect.
func (s *Site) get(ctx context.Context, address string, header map[string]string) *answer {
	return s.exchange(ctx, s.Client, http.MethodGet, address, "", header)
}

// post sends a form and follows no redirect.
func (s *Site) post(ctx context.Context, address string, form url.Values) *answer {
	return s.exchange(ctx, s.Client, http.MethodPost, address, form.Encode(), map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"})
}

// page fetches a page as a client does, with up to 5 redirects.
func (s *Site) page(ctx context.Context, address string) *answer {
	following := *s.Client
	following.CheckRedirect = func(_ *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return s.exchange(ctx, &following, http.MethodGet, address, "", map[string]string{"Accept": "text/html"})
}

func (s *Site) exchange(ctx context.Context, client *http.Client, method, address, body string, header map[string]string) *answer {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return &answer{err: err}
	}
	req.Header.Set("User-Agent", "mintkeep doctor")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	start := s.Now()
	resp, err := client.Do(req)
	if err != nil {
		return &answer{err: err}
	}
	defer resp.Body.Close()
	a := &answer{url: resp.Request.URL, status: resp.StatusCode, header: resp.Header, at: start.Add(s.Now().Sub(start) / 2)}
	a.body, a.err = io.ReadAll(io.LimitReader(resp.Body, maxBody))
	return a
}

// members are those of a JSON object, and whether the answer is one.
func (a *answer) members() (map[string]any, bool) {
	var m map[string]any
	err := json.Unmarshal(a.body, &m)
	return m, err == nil && m != nil
}

func (a *answer) redirects() bool {
	return a.err == nil && a.status >= 300 && a.status < 400 && a.header.Get("Location") != ""
}

// explain returns what kept an answer from coming and what to do about it.
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
