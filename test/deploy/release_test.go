package deploy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mintkeep/test/tools"
)

// A folder of a release has the sums signed, the notices of everything that is
// linked, and a package that a bare system installs. The scripts "musl.sh",
// "notices.sh" and "deb.sh" are called by build.sh.
func TestRelease(t *testing.T) {
	tools.Long(t)
	tools.Need(t, "musl-tools", "musl-gcc")
	tools.Need(t, "dpkg", "dpkg-deb")
	tools.Need(t, "openssh-client", "ssh-keygen")
	source, out := filepath.Join(t.TempDir(), "source"), t.TempDir()
	copySource(t, source)
	key := filepath.Join(t.TempDir(), "key")
	run(t, exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key))
	build := exec.Command(filepath.Join(source, "deploy/build.sh"), out, "amd64", "deb")
	build.Env = append(os.Environ(), "SIGNING_KEY="+key, "TZ=Pacific/Chatham")
	run(t, build)
	t.Run("signature", func(t *testing.T) { checkSignature(t, out, key) })
	t.Run("notices", func(t *testing.T) { checkNotices(t, out) })
	t.Run("package", func(t *testing.T) { checkPackage(t, filepath.Join(out, "mintkeep_1.2.3-test_amd64.deb")) })
}

// checkSignature does what docs/hosts.md tells people to do, as printed and with other sums.
func checkSignature(t *testing.T, out, key string) {
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	signers := filepath.Join(t.TempDir(), "allowed_signers")
	if err := os.WriteFile(signers, append([]byte("mintkeep "), public...), 0o644); err != nil {
		t.Fatal(err)
	}
	verify := func(sums []byte) error {
		c := exec.Command("ssh-keygen", "-Y", "verify", "-f", signers, "-I", "mintkeep", "-n", "mintkeep", "-s", filepath.Join(out, "SHA256SUMS.sig"))
		c.Stdin = bytes.NewReader(sums)
		return c.Run()
	}
	sums, err := os.ReadFile(filepath.Join(out, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(sums); err != nil {
		t.Errorf("the signature does not verify: %v", err)
	}
	if verify(bytes.Replace(sums, []byte("  mint"), []byte("  mimt"), 1)) == nil {
		t.Error("other sums verify")
	}
	printed := exec.Command("sh", "-euc", "cp '"+signers+"' allowed_signers\n"+commandsOf(t, "docs/hosts.md", "With a shell:"))
	printed.Dir = out
	run(t, printed)
	check := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = out
	if text := run(t, check); strings.Count(text, ": OK") != 2 {
		t.Errorf("sha256sum: %s", text)
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(run(t, exec.Command("go", "env", name)))
}

// commandsOf are the indented commands of a page after a heading or sentence, as printed:
// the first such block.
func commandsOf(t *testing.T, page, after string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), after)
	block := regexp.MustCompile(`\n\n((?: {4}.*\n)+)`).FindStringSubmatch(rest)
	if !found || block == nil {
		t.Fatalf("%s has no commands after %q", page, after)
	}
	return block[1]
}

// checkNotices compares the notices with the modules that the program names.
func checkNotices(t *testing.T, out string) {
	notices, err := os.ReadFile(filepath.Join(out, "NOTICES.txt"))
	if err != nil {
		t.Fatal(err)
	}
	contents, err := os.ReadFile(filepath.Join(out, "mintkeep-linux-amd64.contents.txt"))
	if err != nil {
		t.Fatal(err)
	}
	modules := regexp.MustCompile(`(?m)^\tdep\t(\S+)\t(\S+)`).FindAllStringSubmatch(string(contents), -1)
	if len(modules) < 8 {
		t.Errorf("%d modules in %s", len(modules), contents)
	}
	want := []string{"\nGo, https", "\nSQLite, https", "\nmusl, https", "Permission is hereby granted"}
	for _, m := range modules {
		want = append(want, "\n"+m[1]+" "+m[2]+"\n")
	}
	for _, text := range want {
		if !bytes.Contains(notices, []byte(text)) {
			t.Errorf("the notices lack %q", text)
		}
	}
}

// checkPackage installs the package in an empty system, and sets it up by its own
// example: a token is issued, verified and revoked.
func checkPackage(t *testing.T, deb string) {
	tools.Root(t) // chroot
	bare := t.TempDir()
	for _, d := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/mintkeep", "etc", "tmp"} {
		if err := os.MkdirAll(filepath.Join(bare, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(bare, "var/lib/dpkg/status"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, exec.Command("dpkg", "--root="+bare, "--install", deb))
	example, err := os.ReadFile(filepath.Join(bare, "usr/share/doc/mintkeep/examples/mintkeep.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bare, "etc/mintkeep.conf"), example, 0o644); err != nil {
		t.Fatal(err)
	}
	mintkeep := func(args ...string) *exec.Cmd {
		c := exec.Command("chroot", append([]string{bare, "/usr/bin/mintkeep", "-config", "/etc/mintkeep.conf"}, args...)...)
		c.Env = []string{}
		return c
	}
	if out := run(t, mintkeep("init")); !strings.Contains(out, "It trusts https://example.com/auth/") {
		t.Errorf("init: %s", out)
	}
	token := strings.TrimSpace(run(t, mintkeep("token", "mint", "-me", "https://example.com/", "-client", "https://app.example/", "-scope", "create")))
	address := serveInside(t, mintkeep("serve", "-listen", "127.0.0.1:0"))
	if status, body := verifyAt(t, address, token); status != 200 || !strings.Contains(body, `"scope":"create"`) {
		t.Errorf("verification: %d %s", status, body)
	}
	run(t, mintkeep("token", "revoke", "-all"))
	if status, body := verifyAt(t, address, token); status != 401 {
		t.Errorf("after the revocation: %d %s", status, body)
	}
	for _, f := range []string{"usr/share/man/man1/mintkeep.1.gz", "usr/lib/systemd/system/mintkeep.service", "usr/share/doc/mintkeep/copyright",
		"usr/share/bash-completion/completions/mintkeep", "usr/share/doc/mintkeep/hosts.md"} {
		if info, err := os.Stat(filepath.Join(bare, f)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", f, err)
		}
	}
	unit, _ := os.ReadFile(filepath.Join(bare, "usr/lib/systemd/system/mintkeep.service"))
	if !bytes.Contains(unit, []byte("ExecStart=/usr/bin/mintkeep ")) {
		t.Errorf("the unit starts another program: %s", unit)
	}
}

// serveInside starts the server and returns its address.
func serveInside(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	line := make([]byte, 200)
	n, err := stdout.Read(line)
	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(string(line[:n]))
	if address == "" {
		t.Fatalf("serve says %q: %v", line[:n], err)
	}
	return address
}

func verifyAt(t *testing.T, address, token string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequest("GET", address+"/token", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	client := http.Client{Timeout: 20 * time.Second}
	reply, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	return reply.StatusCode, fmt.Sprint(string(text), err)
}
