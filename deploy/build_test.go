package deploy

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// copySource copies the module without what is built or kept by git.
func copySource(t *testing.T, to string) {
	t.Helper()
	err := filepath.WalkDir("..", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.Join(to, strings.TrimPrefix(p, ".."))
		switch {
		case d.Name() == ".git" && d.IsDir() || d.Name() == "dist" || d.Name() == "node_modules":
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(name, 0o755)
		case !d.Type().IsRegular() || d.Name() == ".git":
			return nil
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(name, b, info.Mode().Perm())
	})
	if err == nil {
		err = os.WriteFile(filepath.Join(to, "VERSION"), []byte("1.2.3-test\n"), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Each file of this folder is one that some test starts or installs.
func TestEveryFile(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var tests []byte
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), "_test.go") {
			b, err := os.ReadFile(e.Name())
			if err != nil {
				t.Fatal(err)
			}
			tests = append(tests, b...)
		}
	}
	for _, e := range entries {
		if !e.IsDir() && !strings.HasSuffix(e.Name(), ".go") && !bytes.Contains(tests, []byte(e.Name()+`"`)) {
			t.Errorf("no test uses %s", e.Name())
		}
	}
}

// Built twice in different folders, once with nothing in the cache, the program
// is the same, byte for byte.
func TestBuildReproducible(t *testing.T) {
	need(t, "musl-tools", "musl-gcc")
	go releases["arm64"]() // the next test's, on the other processor
	var built [2][]byte
	for i, dir := range []string{filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "another", "place")} {
		copySource(t, dir)
		c := exec.Command(filepath.Join(dir, "deploy/build.sh"), filepath.Join(dir, "out"), "amd64")
		c.Env = os.Environ()
		if i == 1 {
			cache := filepath.Join(t.TempDir(), "cache")
			c.Env = append(c.Env, "GOCACHE="+cache)
		}
		run(t, c)
		file := filepath.Join(dir, "out", "mintkeep-linux-amd64")
		var err error
		if built[i], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		sums, _ := os.ReadFile(filepath.Join(dir, "out", "SHA256SUMS"))
		if want := fmt.Sprintf("%x  mintkeep-linux-amd64\n", sha256.Sum256(built[i])); string(sums) != want {
			t.Errorf("SHA256SUMS is %q, want %q", sums, want)
		}
		if out := run(t, exec.Command(file, "version")); !strings.HasPrefix(out, "mintkeep 1.2.3-test\n") {
			t.Errorf("version: %s", out)
		}
	}
	if !bytes.Equal(built[0], built[1]) {
		t.Error("the two builds differ")
	}
}

// The programs are static and leave out what describes the machine they were made on.
func TestBuildFiles(t *testing.T) {
	need(t, "musl-tools", "musl-gcc")
	need(t, "gcc-aarch64-linux-gnu", "aarch64-linux-gnu-gcc")
	need(t, "libc6-dev-arm64-cross", "/usr/aarch64-linux-gnu/lib/libc.a")
	need(t, "gcc-i686-linux-gnu", "i686-linux-gnu-gcc")
	need(t, "libc6-dev-i386-cross", "/usr/i686-linux-gnu/lib/libc.a")
	here, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	go releases["386"]()
	for _, arch := range []string{"amd64", "arm64", "386"} {
		file := program(t, arch)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes", filepath.Base(file), len(b))
		if bytes.Contains(b, []byte(here)) {
			t.Errorf("%s names the folder it was built in", arch)
		}
		for _, linker := range []string{"/ld-linux", "/ld-musl", "/lib64/ld"} {
			if bytes.Contains(b[:4096], []byte(linker)) {
				t.Errorf("%s is not static", arch)
			}
		}
	}
}

// installed is a host with a living token, and the program of the architecture.
func installed(t *testing.T, arch string) (*host, string) {
	t.Helper()
	h := newHost(t, "/auth/token.cgi")
	h.mintkeep("init", h.auth)
	token := h.mintkeep("token", "mint", "-me", "https://you.example/", "-client", client, "-scope", "create")
	h.copy(program(t, arch), "bin/other")
	return h, token
}

// limited verifies through a CGI child with so much address space, in kB.
func (h *host) limited(limit, token string) string {
	h.t.Helper()
	c := h.cgi("bin/other", "GET", "", "HTTP_AUTHORIZATION=Bearer "+token)
	c.Path, c.Args = "/bin/sh", []string{"sh", "-c", "ulimit " + limit + "; exec " + h.path("bin/other")}
	return run(h.t, c)
}

const alive = `"me":"https://you.example/"`

func TestLimits386(t *testing.T) {
	need(t, "gcc-i686-linux-gnu", "i686-linux-gnu-gcc")
	h, token := installed(t, "386")
	for _, kb := range []string{"unlimited", "1048576", "524288", "262144", "131072"} {
		for range 5 {
			if out := h.limited("-v "+kb, token); !strings.HasPrefix(out, "Status: 200 OK\r\n") || !strings.Contains(out, alive) {
				t.Errorf("ulimit -v %s: %s", kb, out)
			}
		}
	}
}

func TestLimitsAMD64(t *testing.T) {
	h, token := installed(t, "amd64")
	for _, kb := range []string{"unlimited", "2097152", "1400000"} {
		if out := h.limited("-v "+kb, token); !strings.Contains(out, alive) {
			t.Errorf("ulimit -v %s: %s", kb, out)
		}
	}
	if out := h.limited("-S -v 262144", token); !strings.Contains(out, alive) {
		t.Errorf("a soft limit alone is raised: %s", out)
	}
	for _, kb := range []string{"1200000", "1048576", "524288", "262144", "131072", "65536"} {
		out := h.limited("-v "+kb, token)
		head, body, _ := strings.Cut(out, "\r\n\r\n")
		if !strings.HasPrefix(head, "Status: 500 ") || !strings.Contains(body, "mintkeep-linux-386") ||
			!strings.Contains(head, fmt.Sprintf("Content-Length: %d", len(body))) {
			t.Errorf("ulimit -v %s: %s", kb, out)
		}
	}
	c := h.command("/bin/sh", "-c", "ulimit -v 524288; exec "+h.path("bin/other")+" version")
	if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), "hint: install the file mintkeep-linux-386") {
		t.Errorf("on the command line: %v %s", err, out)
	}
}

// Apache's own limit, RLimitMEM, and the answer that a visitor sees.
func TestLimitsApache(t *testing.T) {
	h := newHost(t, "/auth/token.cgi")
	h.script("site/auth/token.cgi")
	h.install("apache-cgi.htaccess", "site/auth/.htaccess", 0o644)
	h.apache([]string{"cgid"}, h.cgid()+"RLimitMEM 268435456 268435456\n")
	if a := get(t, h.base, "mka_x"); a.status != 500 || !strings.Contains(a.text("error_description"), "mintkeep-linux-386") {
		t.Errorf("amd64: %d %s", a.status, a.body)
	}
	h.copy(program(t, "386"), "bin/mintkeep")
	h.scenario(t)
}

func TestARM64(t *testing.T) {
	need(t, "qemu-user-static", "qemu-aarch64-static")
	need(t, "gcc-aarch64-linux-gnu", "aarch64-linux-gnu-gcc")
	h, token := installed(t, "arm64")
	c := h.cgi("bin/other", "GET", "", "HTTP_AUTHORIZATION=Bearer "+token)
	qemu, _ := exec.LookPath("qemu-aarch64-static")
	c.Path, c.Args = qemu, []string{qemu, h.path("bin/other")}
	if out := run(t, c); !strings.HasPrefix(out, "Status: 200 OK\r\n") || !strings.Contains(out, alive) {
		t.Error(out)
	}
	c = h.cgi("bin/other", "POST", h.code().Encode())
	c.Path, c.Args = qemu, []string{qemu, h.path("bin/other")}
	if out := run(t, c); !strings.Contains(out, `"access_token":"mka_`) {
		t.Error(out)
	}
}
