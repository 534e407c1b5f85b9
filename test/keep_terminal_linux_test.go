package test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"mintkeep/keeper/keepertest"
	"mintkeep/test/tools"
)

// A terminal is a person's: what the program writes to it and what is typed.
type terminal struct {
	t       *testing.T
	master  *os.File
	said    chan string
	so      string // far what was seen
	program chan error
}

// startTerminal runs a verb on a pseudo-terminal.
func startTerminal(t *testing.T, k *keepSite, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		tools.Missing(t, "pseudo-terminals", "/dev/ptmx")
	}
	number, unlock := uint32(0), uint32(0)
	for request, p := range map[uintptr]*uint32{syscall.TIOCGPTN: &number, syscall.TIOCSPTLCK: &unlock} {
		if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(unsafe.Pointer(p))); e != 0 {
			t.Fatal(e)
		}
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	cmd := k.command("", args...)
	cmd.Env = append(cmd.Env, "DISPLAY=", "WAYLAND_DISPLAY=")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, master: master, said: make(chan string), program: make(chan error, 1)}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			if n > 0 {
				term.said <- string(b[:n])
			}
			if err != nil { // EIO: the program has ended
				close(term.said)
				return
			}
		}
	}()
	go func() { term.program <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); master.Close() })
	return term
}

// sees waits until the terminal shows the pattern, and returns its first group.
func (s *terminal) sees(pattern string) string {
	s.t.Helper()
	fits := regexp.MustCompile(pattern)
	late := time.After(30 * time.Second)
	for {
		if m := fits.FindStringSubmatchIndex(s.so); m != nil {
			found := s.so[m[len(m)-2]:m[len(m)-1]]
			s.so = s.so[m[1]:]
			return found
		}
		select {
		case more, open := <-s.said:
			s.so += strings.ReplaceAll(more, "\r\n", "\n")
			if !open {
				s.t.Fatalf("the terminal never showed %q, but %q", pattern, s.so)
			}
		case <-late:
			s.t.Fatalf("the terminal never showed %q, but %q", pattern, s.so)
		}
	}
}

func (s *terminal) types(line string) {
	s.t.Helper()
	if _, err := s.master.WriteString(line + "\n"); err != nil {
		s.t.Fatal(err)
	}
}

// ends waits for the program and compares its status.
func (s *terminal) ends(status int) {
	s.t.Helper()
	for more := range s.said {
		s.so += more
	}
	err := <-s.program
	var exit interface{ ExitCode() int }
	got := 0
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	}
	if got != status {
		s.t.Errorf("status %d, want %d; the terminal shows %q", got, status, s.so)
	}
}

// A person registers a provider and goes through the device flow.
func TestKeepTerminal(t *testing.T) {
	for _, test := range []struct {
		name   string
		decide func(*keepertest.Provider, string)
		sees   []string
		status int
	}{
		{"success", (*keepertest.Provider).Approve, []string{`Authorized\.`, `Connected: box \(box\)`}, 0},
		{"slow down", func(b *keepertest.Provider, code string) {
			b.Set(func(b *keepertest.Provider) { b.SlowDown = 1 })
		}, []string{`The provider asks for patience; polling every 6s`}, -1},
		{"denial", (*keepertest.Provider).Deny, []string{`Authorization was denied`, `mintkeep: connecting box: authorization was denied`}, 1},
		{"expiry", (*keepertest.Provider).Expire, []string{`The code has expired`, `hint: run the same command again`}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			k := newKeepSite(t)
			box := keepertest.New()
			srv := httptest.NewServer(box)
			t.Cleanup(srv.Close)
			s := startTerminal(t, k, "provider", "add", "box")
			s.sees(`(Issuer URL: )`)
			s.types(srv.URL)
			s.sees(`(Client id: )`)
			s.types(keepertest.ClientID)
			s.sees(`(Client secret \(empty if there is none\): )`)
			s.types(keepertest.ClientSecret)
			s.sees(`(A sealing key was made)`)
			s.ends(0)
			if strings.Contains(s.so, keepertest.ClientSecret) {
				t.Error("the terminal shows the secret")
			}
			s = startTerminal(t, k, "connect", "box", "-grant", "device")
			s.sees(`(visit:          http)`)
			code := s.sees(`enter the code: (\S+)`)
			s.sees(`or simply open: (http)`)
			s.sees(`Time left: (\d+:\d\d) minutes`)
			test.decide(box, code)
			for _, pattern := range test.sees {
				s.sees("(" + pattern + ")")
			}
			if test.status < 0 { // slow_down is a word on the way
				box.Approve(code)
				s.sees(`(Connected: box)`)
				test.status = 0
			}
			s.ends(test.status)
			if out, _, status := k.run("", "get", "box"); (status == 0) != (test.status == 0) || status == 0 && !box.Active(out) {
				t.Errorf("get: %d %q", status, out)
			}
		})
	}
}

// What is missing is asked for; a password is not shown.
func TestKeepTerminalPassword(t *testing.T) {
	k := newKeepSite(t)
	box, _ := k.box(nil)
	s := startTerminal(t, k, "connect", "box", "-grant", "password", "-as", "mine")
	s.sees(`(User name: )`)
	s.types(keepertest.Username)
	s.sees(`(Password of ada: )`)
	s.types(keepertest.Password)
	s.sees(`(Connected: mine)`)
	s.ends(0)
	if strings.Contains(s.so, keepertest.Password) || !box.Active(k.ok("", "get", "mine")) {
		t.Errorf("the terminal shows %q", s.so)
	}
}
