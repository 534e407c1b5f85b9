package deploy

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mintkeep/test/wire"
)

// command runs as the owner.
func (h *host) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Dir = h.dir
	c.Env = []string{"PATH=" + os.Getenv("PATH")}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if h.owner != nil {
		uid, _ := strconv.ParseUint(h.owner.Uid, 10, 32)
		gid, _ := strconv.ParseUint(h.owner.Gid, 10, 32)
		c.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return c
}

// mintkeep runs a verb on the host.
func (h *host) mintkeep(args ...string) string {
	h.t.Helper()
	return strings.TrimSpace(run(h.t, h.command(h.path("bin/mintkeep"), append(args, "-db", h.path("mintkeep/tokens.db"))...)))
}

// start starts a server, waits until it listens at the address (a path or
// host:port) and stops it and its children at the end.
func (h *host) start(c *exec.Cmd, address string) *os.Process {
	h.t.Helper()
	name := filepath.Base(c.Path)
	log, err := os.CreateTemp(h.path("run"), name+"-*.out")
	if err != nil {
		h.t.Fatal(err)
	}
	defer log.Close()
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		h.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { c.Wait(); close(ended) }()
	h.t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(15 * time.Second):
			h.t.Errorf("%s did not end", name)
		}
		syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		if h.t.Failed() {
			h.logs.Do(h.showLogs)
		}
	})
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial(network, address); err == nil {
			conn.Close()
			return c.Process
		}
		select {
		case <-ended:
			h.t.Fatalf("%v ended at once", c.Args)
		default:
		}
		if time.Now().After(until) {
			h.t.Fatalf("%v does not listen at %s", c.Args, address)
		}
	}
}

// startHTTP starts a server at the host's own port.
func (h *host) startHTTP(c *exec.Cmd) *os.Process {
	h.t.Helper()
	return h.start(c, fmt.Sprintf("127.0.0.1:%d", h.port))
}

// serve starts `mintkeep serve`, which wants a database to be there.
func (h *host) serve(address string, flags ...string) *os.Process {
	h.t.Helper()
	config := h.conf()
	if _, err := os.Stat(h.path("mintkeep/tokens.db")); err != nil {
		run(h.t, h.command(h.path("bin/mintkeep"), "init", "-config", config))
	}
	return h.start(h.command(h.path("bin/mintkeep"), append([]string{"serve", "-config", config, "-listen", address}, flags...)...), address)
}

func (h *host) showLogs() {
	files, _ := filepath.Glob(h.path("run/*"))
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil || len(b) == 0 {
			continue
		}
		h.t.Logf("%s:\n%s", filepath.Base(f), b[max(0, len(b)-4000):])
	}
}

// fastCGI starts `mintkeep fcgi` and, beside it, hello on sockets of their own.
func (h *host) fastCGI() (socket, helloSocket string) {
	h.t.Helper()
	socket, helloSocket = h.path("run/fcgi.sock"), h.path("run/hello.sock")
	h.start(h.command(h.path("bin/mintkeep"), "fcgi", "-config", h.conf(), "-listen", "unix:"+socket), socket)
	h.start(h.command(h.hello("bin/hello"), helloSocket), helloSocket)
	return socket, helloSocket
}

// processes are the pids that run the host's program now.
func (h *host) processes() []int {
	var all []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if exe, err := os.Readlink("/proc/" + e.Name() + "/exe"); err == nil && exe == h.path("bin/mintkeep") {
			all = append(all, pid)
		}
	}
	return all
}

// memory says how much memory the program has: each process that stays, or the
// peak of one that answers a single request.
func (h *host) memory(token string) string {
	h.t.Helper()
	var all []string
	for _, pid := range h.processes() {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, rest, _ := strings.Cut(string(b), "VmRSS:")
		kb, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		if n, err := strconv.Atoi(kb); err == nil {
			all = append(all, fmt.Sprintf("%.1f MB", float64(n)/1024))
		}
	}
	if len(all) > 0 {
		return "memory of the process " + strings.Join(all, ", ")
	}
	c := h.cgi("bin/mintkeep", "GET", 0, "HTTP_AUTHORIZATION=Bearer "+token)
	c.Path, c.Args = filepath.Join(scratch, "peak"), append([]string{"peak"}, c.Args...)
	kb, err := strconv.Atoi(strings.TrimSpace(run(h.t, c)))
	if err != nil {
		h.t.Error(err)
	}
	return fmt.Sprintf("peak memory of a CGI process %.1f MB", float64(kb)/1024)
}

// cgi is a program as a web server's CGI child, for a test without server;
// length is that of the request's body.
func (h *host) cgi(name, method string, length int, env ...string) *exec.Cmd {
	c := h.command(h.path(name))
	c.Env = append(c.Env, "GATEWAY_INTERFACE=CGI/1.1", "SERVER_PROTOCOL=HTTP/1.1", "REQUEST_METHOD="+method,
		"REQUEST_URI=/auth/token.cgi", "SCRIPT_NAME=/auth/token.cgi", "HTTP_HOST=127.0.0.1", "REMOTE_ADDR=127.0.0.1",
		"MINTKEEP_DATABASE="+h.path("mintkeep/tokens.db"), "MINTKEEP_URL="+h.base)
	if length > 0 {
		c.Env = append(c.Env, "CONTENT_TYPE=application/x-www-form-urlencoded", "CONTENT_LENGTH="+strconv.Itoa(length))
	}
	c.Env = append(c.Env, env...)
	return c
}

// reply runs what cgi made with a body.
func (h *host) reply(c *exec.Cmd, body string) *wire.Reply {
	h.t.Helper()
	var stderr bytes.Buffer
	c.Stderr = &stderr
	r, err := wire.CGI(c, body)
	if err != nil {
		h.t.Fatalf("%v: %v\n%s", c.Args, err, &stderr)
	}
	return r
}
