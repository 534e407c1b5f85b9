// Package deploy starts every file of the folder deploy/ with the real server
// and sends the same requests through it.
package deploy

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mintkeep/internal/demo"
	"mintkeep/test/tools"
)

const (
	root  = "../.." // of the module
	files = root + "/deploy"
)

// scratch is the folder of everything that the tests make; others may enter it.
var scratch string

func TestMain(m *testing.M) {
	syscall.Umask(0o022)
	dir, err := os.MkdirTemp("", "mintkeep-deploy")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = dir
	os.Setenv("MUSL", filepath.Join(dir, "musl")) // one compiler for every build, and so one compilation
	tools.ReadSources(root)
	status := m.Run()
	os.RemoveAll(dir)
	tools.Report()
	os.Exit(status)
}

// releases build the program for one architecture, once, and return its path.
var releases = map[string]func() (string, error){"amd64": release("amd64"), "arm64": release("arm64"), "386": release("386")}

func release(arch string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		out := filepath.Join(scratch, "dist-"+arch)
		if b, err := exec.Command(files+"/build.sh", out, arch).CombinedOutput(); err != nil {
			return "", fmt.Errorf("build.sh: %w: %s", err, b)
		}
		return filepath.Join(out, "mintkeep-linux-"+arch), nil
	})
}

// program is the release for an architecture: amd64, arm64 or 386. The last two
// compile SQLite anew, and so are for a run that may take longer.
func program(t *testing.T, arch string) string {
	t.Helper()
	switch arch {
	case "amd64":
		tools.Need(t, "musl-tools", "musl-gcc")
	case "arm64":
		tools.Need(t, "gcc-aarch64-linux-gnu", "aarch64-linux-gnu-gcc")
		tools.Need(t, "libc6-dev-arm64-cross", "/usr/aarch64-linux-gnu/lib/libc.a")
		tools.Long(t)
	case "386":
		tools.Need(t, "gcc-i686-linux-gnu", "i686-linux-gnu-gcc")
		tools.Need(t, "libc6-dev-i386-cross", "/usr/i686-linux-gnu/lib/libc.a")
		tools.Long(t)
	}
	file, err := releases[arch]()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// helpers builds two programs of testdata: hello, which ours is measured against,
// and peak, which measures.
var helpers = sync.OnceValue(func() error {
	c := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", scratch, "../testdata/hello", "../testdata/peak")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, b)
	}
	return nil
})

// run runs a command to its end and returns what it wrote to stdout.
func run(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		t.Fatalf("%v: %v\n%s%s", c.Args, err, &stdout, &stderr)
	}
	return stdout.String()
}

// A host is what a person rents: a folder with a document root, a place for the
// program and one for the database; and a Selfauth.
type host struct {
	t     *testing.T
	dir   string // bin/, site/ (document root), mintkeep/ (database), run/
	port  int
	owner *user.User // whom the programs run as; nil: as the test
	base  string     // the token endpoint's URL
	old   string     // where php-mintoken was, "" if nowhere
	self  *demo.Selfauth
	auth  string       // Selfauth's URL
	delay atomic.Int64 // how long Selfauth takes
	codes atomic.Int64 // how many it made
	logs  sync.Once    // shown after a failure
}

// newHost makes a host whose token endpoint has the path.
func newHost(t *testing.T, path string) *host {
	t.Helper()
	owner := ""
	if os.Getuid() == 0 {
		owner = "www-data"
	}
	return newHostIn(t, scratch, owner, path)
}

func newHostIn(t *testing.T, parent, owner, path string) *host {
	t.Helper()
	dir, err := os.MkdirTemp(parent, "mintkeep-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := &host{t: t, dir: dir, port: freePort(t)}
	if owner != "" {
		if h.owner, err = user.Lookup(owner); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{".", "bin", "site", "site/auth", "site/mintoken", "mintkeep", "run"} {
		h.folder(d, 0o755)
	}
	h.folder("mintkeep", 0o700)
	h.copy(program(t, "amd64"), "bin/mintkeep")
	h.base = fmt.Sprintf("http://127.0.0.1:%d%s", h.port, path)
	h.self = &demo.Selfauth{Me: "https://you.example", Password: "x", Key: "k",
		Fault: func(http.ResponseWriter, *http.Request) bool {
			time.Sleep(time.Duration(h.delay.Load()))
			return false
		}}
	s := httptest.NewServer(h.self)
	t.Cleanup(s.Close)
	h.auth = s.URL + "/auth/"
	return h
}

// freePort finds a port below those that the kernel gives to outgoing connections.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 20000 + rand.IntN(12000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

func (h *host) path(name string) string { return filepath.Join(h.dir, name) }

func (h *host) folder(name string, mode os.FileMode) {
	h.t.Helper()
	if err := os.MkdirAll(h.path(name), mode); err != nil {
		h.t.Fatal(err)
	}
	h.own(name, mode)
}

// own gives a file to the owner.
func (h *host) own(name string, mode os.FileMode) {
	h.t.Helper()
	err := os.Chmod(h.path(name), mode)
	if err == nil && h.owner != nil {
		uid, _ := strconv.Atoi(h.owner.Uid)
		gid, _ := strconv.Atoi(h.owner.Gid)
		err = os.Chown(h.path(name), uid, gid)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) write(name, text string, mode os.FileMode) {
	h.t.Helper()
	if err := os.WriteFile(h.path(name), []byte(text), mode); err != nil {
		h.t.Fatal(err)
	}
	h.own(name, mode)
}

func (h *host) copy(from, to string) {
	h.t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(to, string(b), 0o755)
}

// hello puts the measuring program on the host.
func (h *host) hello(to string) string {
	h.t.Helper()
	if err := helpers(); err != nil {
		h.t.Fatal(err)
	}
	h.copy(filepath.Join(scratch, "hello"), to)
	return h.path(to)
}

// mark divides what a person changes in a file from the rest.
const mark = "Nothing below this line needs a change."

// edited is a file of deploy/ with changes (old, new, old, new …) in the
// lines above the mark, where alone a person may have to change something.
func edited(t *testing.T, file string, changes ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(files, file))
	if err != nil {
		t.Fatal(err)
	}
	top, rest, found := strings.Cut(string(b), mark)
	if !found {
		t.Fatalf("%s: the line %q is missing", file, mark)
	}
	for i := 0; i < len(changes); i += 2 {
		if strings.Count(top, changes[i]) != 1 {
			t.Fatalf("%s: %q must be there once above the mark", file, changes[i])
		}
		top = strings.Replace(top, changes[i], changes[i+1], 1)
	}
	return top + mark + rest
}

// install puts an edited file on the host.
func (h *host) install(file, to string, mode os.FileMode, changes ...string) {
	h.t.Helper()
	h.write(to, edited(h.t, file, changes...), mode)
}

// script installs the #! file; program and database lie where it says already.
func (h *host) script(to string) {
	h.t.Helper()
	h.install("token.cgi", to, 0o755, h.urls("https://example.com/auth/token.cgi")...)
}

// urls are the changes to a configuration file.
func (h *host) urls(base string) []string {
	return []string{"url: " + base + "\n", "url: " + h.base + "\n",
		"endpoint: https://example.com/auth/\n", "endpoint: " + h.auth + "\n",
		"me: https://example.com/\n", "me: https://you.example/\n"}
}

// conf installs daemon.conf, for the long-running modes.
func (h *host) conf() string {
	h.t.Helper()
	h.install("daemon.conf", "daemon.conf", 0o644, append(h.urls("https://example.com/token"),
		"/var/lib/mintkeep/tokens.db", h.path("mintkeep/tokens.db"))...)
	return h.path("daemon.conf")
}
