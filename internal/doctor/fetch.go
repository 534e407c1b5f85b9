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

const maxBody = 1 << 20 // bytes read of an answer

// An answer is what came back, or why nothing did.
type answer struct {
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

// post sends a form and follows no redirect.
func (s *Site) post(ctx context.Context, address string, form url.Values) *answer {
	return s.exchange(ctx, http.MethodPost, address, form.Encode(), map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"})
}

func (s *Site) exchange(ctx context.Context, method, address, body string, header map[string]string) *answer {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return &answer{err: err}
	}
	req.Header.Set("User-Agent", "mintkeep/doctor (code check)") // another mintkeep does not pass it on
	for name, value := range header {
		req.Header.Set(name, value)
	}
	if s.down[req.URL.Host] {
		return &answer{err: errSaid}
	}
	start := s.Now()
	resp, err := s.Client.Do(req)
	if err != nil {
		s.note(req.URL.Host, err)
		return &answer{err: err}
	}
	defer resp.Body.Close()
	a := &answer{status: resp.StatusCode, header: resp.Header, at: start.Add(s.Now().Sub(start) / 2)}
	a.body, a.err = io.ReadAll(io.LimitReader(resp.Body, maxBody))
	return a
}

// members are those of a JSON object, and whether the answer is one.
func (a *answer) members() (map[string]any, bool) {
	var m map[string]any
	err := json.Unmarshal(a.body, &m)
	return m, err == nil && m != nil
}

// errSaid stands for what was said of the host before: it is not asked again.
var errSaid = errors.New("the host cannot be reached")

// note remembers a host to which there is no connection.
func (s *Site) note(host string, err error) {
	var dial *net.OpError
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &certificate) {
		if s.down == nil {
			s.down = make(map[string]bool)
		}
		s.down[host] = true
	}
}

// unreachable is the finding on an address from which nothing came; none if it was
// made before for the same host.
func unreachable(err error, format string, args ...any) Finding {
	if err == errSaid {
		return Finding{}
	}
	what, do := explain(err)
	return fail(do, format+": %s", append(args, what)...)
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
