package test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mintkeep/test/wire"
)

// How the program was started decides what it is, before any argument is looked
// at. The command line shows itself by its usage.
func TestModes(t *testing.T) {
	cgi := []string{"GATEWAY_INTERFACE=CGI/1.1", "SERVER_PROTOCOL=HTTP/1.1", "REQUEST_METHOD=GET", "REQUEST_URI=/token", "SCRIPT_FILENAME=/srv/token.cgi"}
	table := []struct {
		name  string
		env   []string
		stdin string
		args  []string
		want  string // cgi, fcgi or command
	}{
		{"terminal", nil, "null", []string{"version"}, "command"},
		{"no arguments", nil, "null", nil, "command"},
		{"a connected socket on fd 0 is not FastCGI", nil, "connected", []string{"version"}, "command"},
		{"a pipe on fd 0", nil, "pipe", []string{"version"}, "command"},
		{"a listening socket on fd 0 is FastCGI", nil, "listening", nil, "fcgi"},
		{"whatever the arguments are", nil, "listening", []string{"version"}, "fcgi"},
		{"CGI under mod_cgid: a connected socket", cgi, "connected", nil, "cgi"},
		{"CGI under mod_cgi: a pipe", cgi, "pipe", nil, "cgi"},
		{"CGI under lighttpd: /dev/null", cgi, "null", nil, "cgi"},
		{"CGI comes before a listening socket", cgi, "listening", nil, "cgi"},
		{"CGI comes before arguments", cgi, "null", []string{"version"}, "cgi"},
		{"GATEWAY_INTERFACE alone will do", []string{"REQUEST_METHOD=GET", "GATEWAY_INTERFACE=CGI/1.1"}, "null", []string{"version"}, "cgi"},
		{"SERVER_PROTOCOL alone will do", []string{"REQUEST_METHOD=GET", "SERVER_PROTOCOL=HTTP/1.0"}, "null", []string{"version"}, "cgi"},
		{"SCRIPT_FILENAME alone will do", []string{"REQUEST_METHOD=GET", "SCRIPT_FILENAME=/x"}, "null", []string{"version"}, "cgi"},
		{"REQUEST_METHOD alone is not CGI", []string{"REQUEST_METHOD=GET"}, "null", []string{"version"}, "command"},
		{"without REQUEST_METHOD it is not CGI", cgi[:2], "null", []string{"version"}, "command"},
		{"an empty REQUEST_METHOD is none", []string{"REQUEST_METHOD=", "GATEWAY_INTERFACE=CGI/1.1"}, "null", []string{"version"}, "command"},
		{"a client's headers decide nothing", []string{"HTTP_REQUEST_METHOD=GET", "HTTP_GATEWAY_INTERFACE=CGI/1.1"}, "null", []string{"version"}, "command"},
		{"another process's sockets are not ours", []string{"LISTEN_FDS=1", "LISTEN_PID=1"}, "listening", nil, "fcgi"},
	}
	binary := released(t)
	for _, row := range table {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if got := modeOf(t, binary, row.env, row.stdin, row.args); got != row.want {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
}

// modeOf starts the program and sees what it does.
func modeOf(t *testing.T, binary string, env []string, stdin string, args []string) string {
	t.Helper()
	var stdout bytes.Buffer
	cmd := exec.Command(binary, args...)
	cmd.Dir, cmd.Env, cmd.Stdout = t.TempDir(), append([]string{}, env...), &stdout
	socket := filepath.Join(t.TempDir(), "s")
	switch stdin {
	case "connected":
		ours, theirs, err := wire.Socketpair()
		if err != nil {
			t.Fatal(err)
		}
		ours.Close()
		defer theirs.Close()
		cmd.Stdin = theirs
	case "pipe":
		cmd.Stdin = strings.NewReader("")
	case "listening":
		l, f, err := listenUnix(socket)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		defer f.Close()
		cmd.Stdin = f
	}
	p, err := launch(cmd, "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	if stdin == "listening" && answersFastCGI(t, p, socket) {
		p.cmd.Process.Kill()
		<-p.ended
		return "fcgi"
	}
	if err := p.exit(t, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	switch out := stdout.String(); {
	case strings.HasPrefix(out, "Status: 503"):
		return "cgi"
	case strings.HasPrefix(out, "mintkeep "):
		return "command"
	default:
		return fmt.Sprintf("%q", out)
	}
}

// answersFastCGI reports whether a FastCGI request is answered.
func answersFastCGI(t *testing.T, p *runningProcess, socket string) bool {
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() {
		<-p.ended
		c.Close()
	}()
	a, err := wire.FastCGI(c, map[string]string{"REQUEST_METHOD": "GET", "REQUEST_URI": "/token", "SERVER_PROTOCOL": "HTTP/1.1"}, "")
	return err == nil && a.Status == http.StatusServiceUnavailable
}

// Sockets from systemd begin at fd 3 (sd_listen_fds(3)); serve and fcgi take them
// all, and leave a database behind that needs no other file.
func TestSystemdSockets(t *testing.T) {
	for _, verb := range []string{"serve", "fcgi"} {
		t.Run(verb, func(t *testing.T) {
			h := newTestHost(t, released(t), map[string]string{"serve": "http", "fcgi": "fcgi"}[verb])
			h.mustRun(t, "init", "-config", h.config(), "-journal", "wal")
			var files []*os.File
			for _, socket := range []string{"second.sock", "systemd.sock"} {
				l, f, err := listenUnix(h.path(socket))
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				defer f.Close()
				files = append(files, f)
			}
			var err error
			// systemd knows the process id that it writes; here the shell becomes the program.
			cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, h.path("bin/mintkeep"), verb, "-config", h.config(), "-journal", "wal")
			cmd.Env, cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = []string{"LISTEN_FDS=2"}, files, h.stderr, h.stderr
			h.running, err = launch(cmd, "unix", h.path("systemd.sock"))
			if err != nil {
				t.Fatal(err)
			}
			for _, socket := range []string{"systemd.sock", "second.sock"} {
				h.running.address = h.path(socket)
				if a := h.mustDo(t, get("")); a.Status != http.StatusUnauthorized {
					t.Errorf("status %d: %s", a.Status, a.Body)
				}
			}
			h.running.cmd.Process.Signal(syscall.SIGTERM)
			if err := h.running.exit(t, 10*time.Second); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(h.path("mintkeep/tokens.db-wal")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the journal is left: %v", err)
			}
		})
	}
}

// fcgi -listen unix:/path makes the socket with the mode that is asked for, and
// takes the place of a socket that nobody listens on, but of no living one.
func TestListenUnix(t *testing.T) {
	h := newTestHost(t, released(t), "fcgi")
	h.mustRun(t, "init", "-config", h.config())
	socket := h.path("f.sock")
	start := func() *runningProcess {
		cmd := exec.Command(h.path("bin/mintkeep"), "fcgi", "-listen", "unix:"+socket, "-socket-mode", "0600", "-config", h.config())
		cmd.Stdout, cmd.Stderr = h.stderr, h.stderr
		p, err := launch(cmd, "unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		for range 2000 {
			if strings.Contains(h.log(), "serving FastCGI") {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		return p
	}
	p := start()
	h.running = p
	if a := h.mustDo(t, get("")); a.Status != http.StatusUnauthorized {
		t.Errorf("status %d", a.Status)
	}
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if out, err := h.run("fcgi", "-listen", "unix:"+socket, "-config", h.config()); err == nil || !strings.Contains(out, "another program") {
		t.Errorf("a second one listens: %v %s", err, out)
	}
	p.cmd.Process.Kill() // leaves the socket file behind
	<-p.ended
	h.stderr.Truncate(0)
	h.running = start()
	if a := h.mustDo(t, get("")); a.Status != http.StatusUnauthorized {
		t.Errorf("status %d", a.Status)
	}
}
