package test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mintkeep/test/tools"
)

// Servers that other programs are built with, beside npm's oidc-provider.

// running starts a program that ends with the test.
func running(t *testing.T, c *exec.Cmd) *bufio.Reader {
	t.Helper()
	stdin, err1 := c.StdinPipe()
	stdout, err2 := c.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); _ = c.Process.Kill(); _ = c.Wait() })
	return bufio.NewReader(stdout)
}

// asked is what a site answers to whoever has the token.
func asked(t *testing.T, address, token string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

// lives goes through the life of a connection: connected in a browser, refreshed thrice,
// each time with another token that the site takes.
func (k *keepSite) lives(t *testing.T, name, resource string, fill map[string]string) {
	t.Helper()
	c := k.connecting(name)
	click(t, c.says(t, `(http://\S*code_challenge=\S*)`), fill)
	c.done(t)
	seen := make(map[string]bool)
	for range 4 {
		token := k.ok("", "get", name)
		if seen[token] {
			t.Errorf("the token is the same after a refresh")
		}
		seen[token] = true
		if got := asked(t, resource, token); got != http.StatusOK {
			t.Errorf("the site answers %d", got)
		}
		k.ok("", "refresh", name)
	}
}

func TestNodeOAuth2Server(t *testing.T) {
	tools.Long(t)
	nodeModules(t, "@node-oauth/oauth2-server")
	c := exec.Command("node", "oauth2server.mjs")
	c.Dir, c.Env = "testdata/clients", append(os.Environ(), "CLIENT_ID="+providerClient, "CLIENT_SECRET="+providerSecret)
	site, err := running(t, c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	site = strings.TrimSpace(site)
	k := newKeepSite(t)
	for _, style := range []string{"header", "body"} {
		k.ok(providerSecret+"\n", "provider", "add", style, "-auth-url", site+"/authorize", "-token-url", site+"/token", "-client-id", providerClient,
			"-scope", "read write", "-auth-style", style)
		k.lives(t, style, site+"/me", nil)
	}
	k.ok("", "connect", "header", "-as", "machine", "-grant", "client_credentials", "-scope", "read")
	if got := asked(t, site+"/me", k.ok("", "get", "machine")); got != http.StatusOK {
		t.Errorf("with client credentials the site answers %d", got)
	}
	k.fails(1, "has no revocation endpoint", "revoke", "header", "-token", "refresh")
	k.fails(1, "", "connect", "header", "-as", "more", "-grant", "client_credentials", "-scope", "everything")
}

// zitadel/oidc's example server: public and confidential clients, device, introspection.
func TestZitadelServer(t *testing.T) {
	tools.Long(t)
	bin := t.TempDir()
	install := exec.Command("go", "install", "github.com/zitadel/oidc/v3/example/server@v3.52.0")
	install.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=", "CGO_ENABLED=0")
	if out, err := install.CombinedOutput(); err != nil {
		t.Logf("%s", out)
		tools.Missing(t, "zitadel/oidc", "the Go proxy")
	}
	port := freePort(t)
	c := exec.Command(filepath.Join(bin, "server"))
	c.Env = append(os.Environ(), fmt.Sprint("PORT=", port), "REDIRECT_URI=http://127.0.0.1/callback,http://localhost/callback")
	running(t, c)
	listens(t, port)
	issuer := fmt.Sprintf("http://localhost:%d/", port)
	ada := map[string]string{"username": "test-user@localhost", "password": "verysecure"}
	k := newKeepSite(t)
	k.ok("", "provider", "add", "native", "-issuer", issuer, "-client-id", "native", "-public", "-scope", "openid offline_access")
	k.lives(t, "native", issuer+"userinfo", ada)
	token := k.ok("", "get", "native")
	if out := k.ok("", "forget", "native", "-json"); !strings.Contains(out, `"result": "revoked"`) {
		t.Errorf("forget says %s", out)
	}
	if got := asked(t, issuer+"userinfo", token); got == http.StatusOK {
		t.Error("what was forgotten is still good")
	}
}
