package deploy

import (
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"mintkeep/test/tools"
)

// TestMCPDocument: the SDK's client with a client metadata document, as Claude Code has
// one. The document must lie at a public address, so it runs in a network of its own.
func TestMCPDocument(t *testing.T) {
	const inside = "MINTKEEP_MCP_NETWORK"
	if os.Getenv(inside) != "" {
		documentSignsIn(t)
		return
	}
	tools.Root(t)
	tools.OwnMounts(t)
	tools.Need(t, "iproute2", "ip")
	sdks(t)["npm"](nil) // skips here what it would skip inside
	cmd := exec.Command(os.Args[0], "-test.run=^TestMCPDocument$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"=yes")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

func documentSignsIn(t *testing.T) {
	hosts := filepath.Join(t.TempDir(), "hosts")
	err := os.WriteFile(hosts, []byte("127.0.0.1 localhost\n45.1.0.1 example.com\n"), 0o644)
	if err == nil {
		err = syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	}
	if err == nil {
		err = syscall.Mount(hosts, "/etc/hosts", "", syscall.MS_BIND, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	run(t, exec.Command("ip", "link", "set", "lo", "up"))
	run(t, exec.Command("ip", "route", "add", "local", "45.0.0.0/8", "dev", "lo"))
	site := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"client_id":"https://example.com/client.json","client_name":"SDK","redirect_uris":["http://localhost/callback"],"token_endpoint_auth_method":"none"}`)
	}))
	if site.Listener, err = net.Listen("tcp", "45.1.0.1:443"); err != nil {
		t.Fatal(err)
	}
	site.StartTLS()
	t.Cleanup(site.Close)
	root := filepath.Join(scratch, "root.pem")
	if err := os.WriteFile(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: site.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	h, resource, _ := resourceHost(t, "-ca_file", root)
	h.mcpServer(t, resource)
	h.signIn(t, resource, "DOCUMENT=https://example.com/client.json", "REDIRECT_URI=http://localhost:3118/callback")
}
