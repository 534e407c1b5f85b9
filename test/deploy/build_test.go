package deploy

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"mintkeep/test/tools"
	"mintkeep/test/wire"
)

// copySource copies the module without what is built or kept by git.
func copySource(t *testing.T, to string) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.Join(to, strings.TrimPrefix(p, root))
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
		err = os.WriteFile(filepath.Join(to, "deploy/VERSION"), []byte("1.2.3-test\n"), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Each file of deploy/ is one that some test starts or installs.
func TestEveryFile(t *testing.T) {
	sources, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var tests []byte
	for _, name := range sources {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tests = append(tests, b...)
	}
	entries, err := os.ReadDir(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !bytes.Contains(tests, []byte(e.Name()+`"`)) {
			t.Errorf("no test uses %s", e.Name())
		}
	}
}

// Built twice in different folders and time zones, once with nothing in the cache, the program
// is the same, byte for byte.
func TestBuildReproducible(t *testing.T) {
	tools.Long(t) // a minute of compiling SQLite
	tools.Need(t, "musl-tools", "musl-gcc")
	var built [2][]byte
	for i, dir := range []string{filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "another", "place")} {
		copySource(t, dir)
		c := exec.Command(filepath.Join(dir, "deploy/build.sh"), filepath.Join(dir, "out"), "amd64")
		c.Env = os.Environ()
		if i == 1 {
			cache := filepath.Join(t.TempDir(), "cache")
			c.Env = append(c.Env, "GOCACHE="+cache, "TZ=Asia/Tokyo")
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
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, arch := range []string{"amd64", "arm64", "386"} {
		t.Run(arch, func(t *testing.T) {
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
		})
	}
}

// A folder that the compilers would not take is told, instead of a program with another C library.
func TestBuildFolder(t *testing.T) {
	c := exec.Command(files+"/build.sh", filepath.Join(t.TempDir(), "a folder"), "386")
	if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), "no folder with a space") {
		t.Errorf("%v %s", err, out)
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
func (h *host) limited(limit, token string) *wire.Reply {
	h.t.Helper()
	c := h.cgi("bin/other", "GET", 0, "HTTP_AUTHORIZATION=Bearer "+token)
	c.Path, c.Args = "/bin/sh", []string{"sh", "-c", "ulimit " + limit + "; exec " + h.path("bin/other")}
	return h.reply(c, "")
}

const alive = `"me":"https://you.example/"`

func TestLimits386(t *testing.T) {
	h, token := installed(t, "386")
	for _, kb := range []string{"unlimited", "1048576", "524288", "262144", "131072"} {
		for range 5 {
			if out := h.limited("-v "+kb, token); out.Status != 200 || !strings.Contains(out.Body, alive) {
				t.Errorf("ulimit -v %s: %d %s", kb, out.Status, out.Body)
			}
		}
	}
}

func TestLimitsAMD64(t *testing.T) {
	h, token := installed(t, "amd64")
	for _, kb := range []string{"unlimited", "2097152", "1400000"} {
		if out := h.limited("-v "+kb, token); !strings.Contains(out.Body, alive) {
			t.Errorf("ulimit -v %s: %d %s", kb, out.Status, out.Body)
		}
	}
	if out := h.limited("-S -v 262144", token); !strings.Contains(out.Body, alive) {
		t.Errorf("a soft limit alone is raised: %d %s", out.Status, out.Body)
	}
	for _, kb := range []string{"1200000", "1048576", "524288", "262144", "131072", "65536"} {
		out := h.limited("-v "+kb, token)
		if out.Status != 500 || !strings.Contains(out.Body, "mintkeep-linux-386") || out.Header.Get("Content-Length") != strconv.Itoa(len(out.Body)) {
			t.Errorf("ulimit -v %s: %d %s", kb, out.Status, out.Body)
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
	t.Run("the program for 386", func(t *testing.T) {
		h.copy(program(t, "386"), "bin/mintkeep")
		h.scenario(t)
	})
}

func TestARM64(t *testing.T) {
	tools.Need(t, "qemu-user-static", "qemu-aarch64-static")
	h, token := installed(t, "arm64")
	c := h.cgi("bin/other", "GET", 0, "HTTP_AUTHORIZATION=Bearer "+token)
	qemu, _ := exec.LookPath("qemu-aarch64-static")
	c.Path, c.Args = qemu, []string{qemu, h.path("bin/other")}
	if out := h.reply(c, ""); out.Status != 200 || !strings.Contains(out.Body, alive) {
		t.Error(out)
	}
	form := h.code().Encode()
	c = h.cgi("bin/other", "POST", len(form))
	c.Path, c.Args = qemu, []string{qemu, h.path("bin/other")}
	if out := h.reply(c, form); !strings.Contains(out.Body, `"access_token":"mka_`) {
		t.Error(out)
	}
}
