package test

import (
	"errors"
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

// A slow request that is under way when the process is told to end is answered
// all the same, however often it is told: mod_fcgid repeats its SIGTERM after a
// second. Then the process ends by itself, and well.
func TestDraining(t *testing.T) {
	for _, mode := range []string{"fcgi", "http"} {
		for _, signals := range [][]syscall.Signal{
			{syscall.SIGTERM, syscall.SIGTERM, syscall.SIGTERM},
			{syscall.SIGINT, syscall.SIGTERM},
			{syscall.SIGUSR1, syscall.SIGUSR1},
		} {
			t.Run(mode+" "+signals[0].String(), func(t *testing.T) {
				t.Parallel()
				drain(t, mode, signals)
			})
		}
	}
}

func drain(t *testing.T, mode string, signals []syscall.Signal) {
	h := newTestHost(t, released(t), mode)
	h.mustRun(t, "init", "-config", h.config())
	h.mustDo(t, get("")) // the process runs
	p := h.running
	h.running = nil
	asked := make(chan struct{})
	slow := func(*http.Request) {
		close(asked)
		time.Sleep(2 * time.Second)
	}
	h.slow.Store(&slow)
	type outcome struct {
		answer *wire.Reply
		err    error
	}
	done := make(chan outcome, 1)
	code, client := h.code()
	go func() {
		a, err := p.do(h.host, redemption(code, client))
		done <- outcome{a, err}
	}()
	<-asked
	for _, s := range signals {
		if err := p.cmd.Process.Signal(s); err != nil {
			t.Fatalf("the process ended at once: %v", err)
		}
		time.Sleep(300 * time.Millisecond)
	}
	if a, err := p.do(h.host, get("")); err == nil {
		t.Errorf("a new request was taken on while draining: %d", a.Status)
	}
	o := <-done
	if o.err != nil || o.answer.Status != http.StatusOK {
		t.Fatalf("the slow request: %v %+v", o.err, o.answer)
	}
	if err := p.exit(t, 5*time.Second); err != nil {
		t.Errorf("the process ended with %v", err)
	}
	h.slow.Store(nil)
	if !h.verifies(t, pairOf(o.answer).access) { // by a new process
		t.Error("its token does not verify")
	}
}

// A request that takes longer than a draining may is given up, before mod_fcgid
// kills the process 8 seconds after its first SIGTERM; an idle process ends at once.
func TestDrainingEnds(t *testing.T) {
	h := newTestHost(t, released(t), "fcgi")
	h.mustRun(t, "init", "-config", h.config())
	h.mustDo(t, get(""))
	start := time.Now()
	h.running.cmd.Process.Signal(syscall.SIGTERM)
	if err := h.running.exit(t, 5*time.Second); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("an idle process took %v to end", took)
	}
	h.running = nil
	asked := make(chan struct{})
	hanging := func(r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}
	h.slow.Store(&hanging)
	h.mustDo(t, get(""))
	p := h.running
	go p.do(h.host, redemption(h.code()))
	<-asked
	start = time.Now()
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.exit(t, 20*time.Second)
	if took := time.Since(start); took > 7900*time.Millisecond {
		t.Errorf("the process took %v to end", took)
	}
}

// SIGHUP is no reason to end.
func TestHangup(t *testing.T) {
	h := newTestHost(t, released(t), "fcgi")
	h.mustRun(t, "init", "-config", h.config())
	h.mustDo(t, get(""))
	h.running.cmd.Process.Signal(syscall.SIGHUP)
	time.Sleep(100 * time.Millisecond)
	if a := h.mustDo(t, get("")); a.Status != http.StatusUnauthorized {
		t.Errorf("status %d", a.Status)
	}
}

// After a new program was uploaded, the process of the old one ends between
// requests, and the web server starts the new one.
func TestReplacedProgram(t *testing.T) {
	h := newTestHost(t, released(t), "fcgi")
	h.mustRun(t, "init", "-config", h.config())
	h.mustDo(t, get(""))
	program := h.path("bin/mintkeep")
	uploaded := program + ".new"
	text, err := os.ReadFile(program)
	if err == nil {
		err = writeExecutable(uploaded, string(text))
	}
	if err == nil {
		err = os.Rename(uploaded, program)
	}
	if err != nil {
		t.Fatal(err)
	}
	answered := 0
	for ; answered < 100; answered++ {
		a, err := h.running.do(h.host, get(""))
		if err != nil {
			break
		}
		if a.Status != http.StatusUnauthorized {
			t.Fatalf("status %d", a.Status)
		}
	}
	if answered == 0 || answered == 100 {
		t.Errorf("the process of the old program answered %d requests", answered)
	}
	if err := h.running.exit(t, 5*time.Second); err != nil {
		t.Errorf("it ended with %v", err)
	}
	h.running = nil
	if a := h.mustDo(t, get("")); a.Status != http.StatusUnauthorized {
		t.Errorf("the new one: %d", a.Status)
	}
}

// One that listens on a socket of its own stays: nobody would start the next.
func TestReplacedProgramStays(t *testing.T) {
	h := newTestHost(t, released(t), "fcgi")
	h.mustRun(t, "init", "-config", h.config())
	program, socket := h.path("bin/mintkeep"), h.path("own.sock")
	cmd := exec.Command(program, "fcgi", "-listen", "unix:"+socket, "-config", h.config())
	cmd.Stdout, cmd.Stderr = h.stderr, h.stderr
	p, err := launch(cmd, "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	h.running = p
	for range 2000 {
		if strings.Contains(h.log(), "serving FastCGI") {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := errors.Join(os.Rename(program, program+".old"), writeExecutable(program, "#!/bin/false\n")); err != nil {
		t.Fatal(err)
	}
	for range 30 {
		if a := h.mustDo(t, get("")); a.Status != http.StatusUnauthorized {
			t.Fatalf("status %d", a.Status)
		}
	}
}

// A file that cannot be listened on, or a database that is not there, ends a
// long-running mode at its start.
func TestServeFails(t *testing.T) {
	h := newTestHost(t, released(t), "http")
	out, err := h.run("serve", "-config", h.config(), "-listen", "127.0.0.1:0")
	exit := new(exec.ExitError)
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(out, "there is no database at "+filepath.Join(h.dir, "mintkeep/tokens.db")) {
		t.Errorf("%v: %s", err, out)
	}
	h.mustRun(t, "init", "-config", h.config())
	for _, verb := range []string{"serve", "fcgi"} {
		out, err := h.run(verb, "-config", h.config(), "-listen", "127.0.0.1:99999")
		if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.HasPrefix(out, "mintkeep: "+verb+": ") {
			t.Errorf("%s: %v: %s", verb, err, out)
		}
	}
}
