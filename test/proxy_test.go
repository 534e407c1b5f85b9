package test

import (
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"sync"
	"testing"

	"mintkeep/internal/demo"
	"mintkeep/test/wire"
)

// A forward proxy leads to one server, whatever is asked for, and notes what that was.
type forwardProxy struct {
	to    string
	mu    sync.Mutex
	asked []string
}

func (p *forwardProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r.Method+" "+r.Host)
	p.mu.Unlock()
	there, err := net.Dial("tcp", p.to)
	if err != nil {
		panic(err)
	}
	here, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(here, "HTTP/1.1 200 Connected\r\n\r\n")
	go func() { _, _ = io.Copy(there, here); there.Close() }()
	_, _ = io.Copy(here, there)
	here.Close()
}

// has reports whether this was asked for.
func (p *forwardProxy) has(what string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.asked, what)
}

// HTTPS_PROXY (interface.md 7) is obeyed by verbs, serve and fcgi, for what the owner
// named and for what strangers name; in CGI, where a request could name one, never.
func TestProxy(t *testing.T) {
	auth := &demo.Selfauth{Me: "https://you.example", Key: "key"}
	site := httptest.NewTLSServer(auth) // its certificate is for example.com
	t.Cleanup(site.Close)
	where, err := url.Parse(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	for mode, name := range map[string]string{"http": "example.com", "fcgi": "example.com", "cgi": "site.invalid"} {
		t.Run(mode, func(t *testing.T) {
			proxy := &forwardProxy{to: where.Host}
			s := httptest.NewServer(proxy)
			t.Cleanup(s.Close)
			h := newTestHost(t, released(t), mode)
			h.auth, h.env = auth, []string{"HTTPS_PROXY=" + s.URL}
			ca := h.path("ca.pem")
			if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: site.Certificate().Raw}), 0o600); err != nil {
				t.Fatal(err)
			}
			err := h.configure("database: ../../mintkeep/tokens.db", "url: https://you.example"+scriptPath,
				"endpoint: https://"+name+"/auth/", "me: https://you.example/", "ca_file: "+ca)
			if err != nil {
				t.Fatal(err)
			}
			h.mustRun(t, "init", "-config", h.config())
			code, client := h.code()
			redeemed := h.mustDo(t, redemption(code, client)).Status
			h.mustDo(t, &wire.Request{Method: "GET", Target: scriptPath + "/authorize?response_type=code&state=s&client_id=" +
				url.QueryEscape(client) + "&redirect_uri=" + url.QueryEscape(appRedirect)})
			if mode == "cgi" {
				if len(proxy.asked) > 0 {
					t.Errorf("the proxy was asked for %q", proxy.asked)
				}
				return
			}
			if redeemed != http.StatusOK || !proxy.has("CONNECT example.com:443") {
				t.Errorf("the endpoint: %d, the proxy was asked for %q", redeemed, proxy.asked)
			}
			if !proxy.has("CONNECT app.example:443") {
				t.Errorf("the app's page: the proxy was asked for %q", proxy.asked)
			}
		})
	}
}
