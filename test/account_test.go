package test

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mintkeep/test/wire"
)

// A host is a web host's account with the program in it, reached in one of
// three modes:
//
//	bin/mintkeep                   the program
//	public_html/auth/token.cgi     the configuration, which the kernel runs
//	mintkeep/                      for the database
type host struct {
	dir    string
	mode   string            // cgi, fcgi or http
	script string            // what the web server runs, below public_html
	env    []string          // of every process, beside what the server sets
	vars   map[string]string // variables that this server sets otherwise; "-" leaves one out
	bare   bool              // the script is run by its bare name, as suexec does
	socket string            // of FastCGI
	stderr *os.File          // what the server would write to its error log

	starting sync.Mutex // guards running in do: the first of many requests at once starts the process
	running  *runningProcess
}

const scriptPath = "/auth/token.cgi"

// newHost lays the account out.
func newHost(dir, program, mode string, env ...string) (*host, error) {
	h := &host{dir: dir, mode: mode, script: scriptPath, env: env, vars: make(map[string]string), socket: "fcgi.sock"}
	for _, folder := range []string{"bin", "public_html/auth", "mintkeep"} {
		if err := os.MkdirAll(h.path(folder), 0o755); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(h.path("server.log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	h.stderr = f
	return h, link(program, h.path("bin/mintkeep"))
}

// log is what the program wrote to stderr so far. It is a file, not a pipe: what
// was written before an answer is there when the answer is.
func (h *host) log() string {
	b, _ := os.ReadFile(h.stderr.Name())
	return string(b)
}

// link makes the program stand at a second place: a copy where a hard link
// cannot reach.
func link(program, to string) error {
	if os.Link(program, to) == nil {
		return nil
	}
	b, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	return writeExecutable(to, string(b))
}

// writeExecutable writes a file to be run. Nothing else is started meanwhile: a
// child would hold the file open for writing, and the system then runs it for
// nobody (golang.org/issue/22315).
func writeExecutable(name, text string) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(name, []byte(text), 0o755)
}

func (h *host) path(name string) string { return filepath.Join(h.dir, filepath.FromSlash(name)) }

// configure writes the configuration as people write it: an executable text file.
func (h *host) configure(lines ...string) error {
	text := "#!../../bin/mintkeep cgi\n" + strings.Join(lines, "\n") + "\n"
	return writeExecutable(h.path("public_html"+h.script), text)
}

// do sends one request by the host's mode.
func (h *host) do(r *wire.Request) (*wire.Reply, error) {
	if h.mode == "cgi" {
		return h.cgi(r)
	}
	h.starting.Lock()
	if h.running == nil {
		p, err := h.start()
		if err != nil {
			h.starting.Unlock()
			return nil, err
		}
		h.running = p
	}
	p := h.running
	h.starting.Unlock()
	return p.do(h, r)
}

// start starts the long-running process of the host's mode.
func (h *host) start() (*runningProcess, error) {
	if h.mode == "fcgi" {
		return h.startFastCGI()
	}
	return h.startHTTP()
}

// stop ends the long-running process, if there is one.
func (h *host) stop() {
	if h.running != nil {
		h.running.cmd.Process.Kill()
		<-h.running.ended
		h.running = nil
	}
}

// A runningProcess is a long-running mode of the program.
type runningProcess struct {
	cmd     *exec.Cmd
	network string
	address string
	ended   chan struct{} // closed when the process has ended
	err     error         // then: how
}

func launch(cmd *exec.Cmd, network, address string) (*runningProcess, error) {
	p := &runningProcess{cmd: cmd, network: network, address: address, ended: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// exit waits for the process to end by itself and returns how it did.
func (p *runningProcess) exit(t testing.TB, within time.Duration) error {
	t.Helper()
	select {
	case <-p.ended:
		return p.err
	case <-time.After(within):
		p.cmd.Process.Kill()
		t.Fatalf("the process still runs after %v", within)
		return nil
	}
}

// startFastCGI runs the script as mod_fcgid does: a listening socket on file
// descriptor 0, and no variables.
func (h *host) startFastCGI() (*runningProcess, error) {
	l, f, err := listenUnix(h.path(h.socket))
	if err != nil {
		return nil, err
	}
	defer l.Close()
	defer f.Close()
	script := h.path("public_html" + h.script)
	cmd := exec.Command(script)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = filepath.Dir(script), f, h.stderr, h.stderr
	cmd.Env = append([]string{"PATH=/usr/local/bin:/usr/bin:/bin"}, h.env...)
	return launch(cmd, "unix", h.path(h.socket))
}

// listenUnix listens and returns the socket as a file for a child.
func listenUnix(name string) (*net.UnixListener, *os.File, error) {
	os.Remove(name)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nil, nil, err
	}
	l.SetUnlinkOnClose(false)
	f, err := l.File()
	return l, f, err
}

// startHTTP runs serve on a free port and waits until it says which.
func (h *host) startHTTP() (*runningProcess, error) {
	cmd := exec.Command(h.path("bin/mintkeep"), "serve", "-listen", "127.0.0.1:0", "-config", h.path("public_html"+h.script))
	cmd.Dir, cmd.Env = h.dir, append([]string{"PATH=/usr/local/bin:/usr/bin:/bin"}, h.env...)
	before := len(h.log())
	cmd.Stdout, cmd.Stderr = h.stderr, h.stderr
	p, err := launch(cmd, "tcp", "")
	if err != nil {
		return nil, err
	}
	serving := regexp.MustCompile(`msg="serving [^"]*" address=(\S+)`)
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); time.Sleep(2 * time.Millisecond) {
		if m := serving.FindStringSubmatch(h.log()[before:]); m != nil {
			p.address = m[1]
			return p, nil
		}
		select {
		case <-p.ended:
			return nil, fmt.Errorf("serve ended: %w\n%s", errors.Join(p.err), h.log()[before:])
		default:
		}
	}
	return nil, errors.New("serve does not say where it listens")
}

// do sends a request to the process.
func (p *runningProcess) do(h *host, r *wire.Request) (*wire.Reply, error) {
	c, err := net.DialTimeout(p.network, p.address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(60 * time.Second))
	if h.mode == "fcgi" {
		return wire.FastCGI(c, h.variables(r), r.Body)
	}
	return wire.HTTP(c, r)
}

// cgi runs the script for one request, as mod_cgid does.
func (h *host) cgi(r *wire.Request) (*wire.Reply, error) {
	c, err := h.startCGI(r)
	if err != nil {
		return nil, err
	}
	c.Send(r.Body)
	return c.Reply()
}

// startCGI starts the script in its folder, with Apache's variables and, for a
// query string without "=", arguments.
func (h *host) startCGI(r *wire.Request) (*wire.Child, error) {
	script := h.path("public_html" + h.script)
	cmd := exec.Command(script, wire.Words(r.Target)...)
	cmd.Dir, cmd.Stderr = filepath.Dir(script), h.stderr
	cmd.Env = append(append([]string{"PATH=/usr/local/bin:/usr/bin:/bin"}, h.env...), wire.Environ(h.variables(r))...)
	if h.bare {
		cmd.Path, cmd.Args[0] = "./"+filepath.Base(script), filepath.Base(script)
	}
	return wire.StartCGI(cmd)
}

// variables are Apache's for the request.
func (h *host) variables(r *wire.Request) map[string]string {
	root := h.path("public_html")
	location, query, _ := strings.Cut(r.Target, "?")
	if u, err := url.Parse(r.Target); err == nil && u.IsAbs() {
		location, query = u.EscapedPath(), u.RawQuery
	}
	info, _ := strings.CutPrefix(location, h.script)
	v := map[string]string{
		"GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_SOFTWARE": "Apache/2.4.71 (Unix)",
		"SERVER_NAME": "example.com", "SERVER_ADDR": "127.0.0.1", "SERVER_PORT": "443", "HTTPS": "on", "REQUEST_SCHEME": "https",
		"REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "40000", "DOCUMENT_ROOT": root, "CONTEXT_DOCUMENT_ROOT": root, "CONTEXT_PREFIX": "",
		"SCRIPT_FILENAME": h.path("public_html" + h.script), "SCRIPT_NAME": h.script,
		"REQUEST_METHOD": r.Method, "REQUEST_URI": r.Target, "QUERY_STRING": query, "HTTP_HOST": "example.com",
	}
	if info != "" && info != location {
		v["PATH_INFO"], v["PATH_TRANSLATED"] = info, root+info
	}
	for _, f := range r.Header {
		v["HTTP_"+strings.ToUpper(strings.ReplaceAll(f[0], "-", "_"))] = f[1]
	}
	if ct, ok := v["HTTP_CONTENT_TYPE"]; ok {
		v["CONTENT_TYPE"] = ct
		delete(v, "HTTP_CONTENT_TYPE")
	}
	if r.Body != "" && (h.mode == "fcgi" || r.Get("Transfer-Encoding") == "") {
		v["CONTENT_LENGTH"] = strconv.Itoa(len(r.Body)) // mod_fcgid has counted the chunks, mod_cgid has not
	}
	for name, value := range h.vars {
		if v[name] = value; value == "-" {
			delete(v, name)
		}
	}
	return v
}
