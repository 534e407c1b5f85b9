package test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mintkeep/test/wire"
)

// A fleet is a folder of sites and one process that serves them.
type fleet struct {
	t       testing.TB
	dir     string
	bin     string // the program
	process *exec.Cmd
	address string
	stderr  string      // a file
	dying   atomic.Bool // requests may fail
}

// newFleet is a folder without sites; start serves it.
func newFleet(t testing.TB) *fleet {
	return &fleet{t: t, dir: t.TempDir(), bin: released(t), stderr: filepath.Join(t.TempDir(), "stderr")}
}

// run runs a verb on one of the sites.
func (f *fleet) run(host string, args ...string) string {
	f.t.Helper()
	cmd := exec.Command(f.bin, append(args, "-sites", f.dir, "-site", host)...)
	cmd.Stderr = new(strings.Builder)
	out, err := cmd.Output()
	if err != nil {
		f.t.Fatalf("mintkeep %v at %s: %v %s", args, host, err, cmd.Stderr)
	}
	return strings.TrimSpace(string(out))
}

// site makes a site that trusts the endpoints, and a token of it.
func (f *fleet) site(host string, endpoints ...string) (token string) {
	f.t.Helper()
	f.run(host, append([]string{"init", "-me", "https://" + host + "/"}, endpoints...)...)
	return f.token(host)
}

func (f *fleet) token(host string) string {
	f.t.Helper()
	return f.run(host, "token", "mint", "-me", "https://"+host+"/", "-client", "https://app.example/", "-scope", "create")
}

// file is a path in the folder of a site.
func (f *fleet) file(host, name string) string { return filepath.Join(f.dir, host, name) }

// start serves the sites, as verb serve or fcgi, until the test ends.
func (f *fleet) start(verb string, flags ...string) {
	f.t.Helper()
	f.launch(append([]string{verb, "-sites", f.dir, "-listen", "127.0.0.1:0"}, flags...)...)
}

// startOne serves one site by a process of its own.
func (f *fleet) startOne(host string) {
	f.t.Helper()
	f.launch("serve", "-config", f.file(host, "mintkeep.conf"), "-listen", "127.0.0.1:0")
}

// launch starts the program, and waits until it serves.
func (f *fleet) launch(args ...string) {
	f.t.Helper()
	log, err := os.OpenFile(f.stderr, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		f.t.Fatal(err)
	}
	defer log.Close()
	f.process = exec.Command(f.bin, args...)
	f.process.Stderr = log
	if err := f.process.Start(); err != nil {
		f.t.Fatal(err)
	}
	started := f.process
	f.t.Cleanup(func() { _ = started.Process.Kill(); _ = started.Wait() })
	address := regexp.MustCompile(`msg="serving [^"]*" address=(\S+)`)
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); time.Sleep(2 * time.Millisecond) {
		if all := address.FindAllStringSubmatch(f.log(), -1); all != nil {
			f.address = all[len(all)-1][1]
			if c, err := net.Dial("tcp", f.address); err == nil {
				c.Close()
				return
			}
		}
	}
	f.t.Fatalf("it does not serve: %s", f.log())
}

func (f *fleet) log() string {
	text, _ := os.ReadFile(f.stderr)
	return string(text)
}

func (f *fleet) stop() {
	_ = f.process.Process.Kill()
	_ = f.process.Wait()
}

// ask sends a request for a host name. What fails is status 0.
func (f *fleet) ask(host string, r *wire.Request) *wire.Reply {
	f.t.Helper()
	c, err := net.Dial("tcp", f.address)
	if err != nil {
		if !f.dying.Load() {
			f.t.Error(err)
		}
		return new(wire.Reply)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	q := *r
	q.Header = append(slices.Clone(r.Header), [2]string{"Host", host})
	var a *wire.Reply
	if f.process.Args[1] == "fcgi" {
		location, query, _ := strings.Cut(q.Target, "?")
		vars := map[string]string{"REQUEST_METHOD": q.Method, "SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_URI": q.Target,
			"SCRIPT_NAME": location, "QUERY_STRING": query, "CONTENT_LENGTH": fmt.Sprint(len(q.Body))}
		for _, h := range q.Header {
			vars["HTTP_"+strings.ToUpper(strings.ReplaceAll(h[0], "-", "_"))] = h[1]
		}
		vars["CONTENT_TYPE"] = vars["HTTP_CONTENT_TYPE"]
		a, err = wire.FastCGI(c, vars, q.Body)
	} else {
		a, err = wire.HTTP(c, &q)
	}
	if err != nil && !f.dying.Load() {
		f.t.Errorf("%s %s at %s: %v", q.Method, q.Target, host, err)
	}
	if err != nil {
		return new(wire.Reply)
	}
	return a
}

// verify is the status of a verification at a site.
func (f *fleet) verify(host, token string) int {
	f.t.Helper()
	return f.ask(host, &wire.Request{Method: "GET", Target: "/token", Header: [][2]string{{"Authorization", "Bearer " + token}}}).Status
}

// is expects the status of a verification.
func (f *fleet) is(status int, host, token string) {
	f.t.Helper()
	if got := f.verify(host, token); got != status {
		f.t.Errorf("verification at %s: %d, want %d\n%s", host, got, status, f.log())
	}
}

// One process serves many sites by their host names, and notices what becomes of
// their folders.
func TestSites(t *testing.T) {
	for _, verb := range []string{"serve", "fcgi"} {
		t.Run(verb, func(t *testing.T) {
			f, other := newFleet(t), newFleet(t)
			a, b := f.site("a.example"), f.site("b.example")
			f.start(verb)
			f.is(200, "a.example", a)
			f.is(200, "A.Example:8080", a)
			f.is(200, "b.example", b)
			f.is(401, "b.example", a)
			for _, host := range []string{"c.example", "example", "localhost", "127.0.0.1", ".", "..", "a.example.", ".a.example", "a..example",
				"x/../a.example", "..%2fa.example", "a.example%00", "mintkeep.conf", "a.example/.", `b.example\..\a.example`} {
				if got := f.verify(host, a); got != 404 && (got != 400 || !strings.ContainsAny(host, `/\%`)) {
					t.Errorf("at host %s: %d", host, got)
				}
			}

			c := f.site("c.example") // one that appears
			f.is(200, "c.example", c)
			if err := os.Rename(filepath.Join(f.dir, "c.example"), filepath.Join(other.dir, "c.example")); err != nil {
				t.Fatal(err)
			}
			other.start(verb) // one that moves to another machine
			other.is(200, "c.example", c)
			f.is(404, "c.example", c)

			rewrite(t, f.file("b.example", "mintkeep.conf"), "url: https://b.example/token", "url: https://b.example/other") // one that changes
			at := func(path string) int {
				return f.ask("b.example", &wire.Request{Method: "POST", Target: path + "/introspect", Body: "token=" + b,
					Header: [][2]string{{"Authorization", "Bearer " + b}, {"Content-Type", "application/x-www-form-urlencoded"}}}).Status
			}
			if got := at("/other"); got != http.StatusOK {
				t.Errorf("at its new url: %d", got)
			}

			old, err := os.ReadFile(f.file("b.example", "tokens.db")) // one whose database is put back
			if err != nil {
				t.Fatal(err)
			}
			later := f.token("b.example")
			f.is(200, "b.example", later)
			if err := errors.Join(os.WriteFile(f.file("b.example", "old.db"), old, 0o600), os.Rename(f.file("b.example", "old.db"), f.file("b.example", "tokens.db"))); err != nil {
				t.Fatal(err)
			}
			f.is(401, "b.example", later)
			f.is(200, "b.example", b)

			f.run("a.example", "token", "revoke", "-all")
			f.is(401, "a.example", a)

			f.stop()
			f.start(verb, "-max-open", "1") // each has to make room for the other
			for range 5 {
				f.is(401, "a.example", a)
				f.is(200, "b.example", b)
			}
		})
	}
}

// rewrite replaces a text in a file by a new file, as editors do.
func rewrite(t testing.TB, name, old, text string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err == nil && !strings.Contains(string(b), old) {
		err = fmt.Errorf("%s has no %q", name, old)
	}
	if err == nil {
		err = os.WriteFile(name+".new", []byte(strings.ReplaceAll(string(b), old, text)), 0o600)
	}
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		t.Fatal(err)
	}
}
