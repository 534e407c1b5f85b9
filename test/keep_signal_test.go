package test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"mintkeep/keeper/keepertest"
	"mintkeep/test/tools"
	"mintkeep/test/wire"
)

// strictBox is a provider with single-use refresh tokens and no grace, which
// takes some time to answer.
func strictBox(b *keepertest.Provider) {
	b.Rotate, b.DetectReuse, b.Delay = true, true, 150*time.Millisecond
}

// A site is waited for as long as the keeper says, and no client of its own gives up
// before: a strict site has then ended the refresh token.
func TestKeepSlowSite(t *testing.T) {
	tools.Long(t)
	for _, delay := range []time.Duration{9 * time.Second, 11 * time.Second} {
		t.Run(delay.String(), func(t *testing.T) {
			t.Parallel()
			k := newKeepSite(t)
			box, g := k.box(strictBox)
			g.set("", delay)
			if _, said, status := k.run("", "refresh", "box"); status != 0 {
				t.Errorf("status %d: %s", status, said)
			}
			g.set("", 0)
			if out, said, status := k.run("", "get", "box"); status != 0 || !box.Active(out) {
				t.Errorf("lost: %s %s", out, said)
			}
		})
	}
}

var endings = []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP}

// A refresh that was sent is saved whichever signal comes at whatever moment of
// it, and however often. (deploy/keep_test.go has what web servers do.)
func TestSignalsWaitForRefresh(t *testing.T) {
	rounds := long(5, 20)
	for _, signal := range endings {
		for _, verb := range []string{"get box", "refresh box", "refresh", "CGI", "serve", "fcgi"} {
			t.Run(fmt.Sprint(signal, " ", verb), func(t *testing.T) {
				t.Parallel()
				k := newKeepSite(t)
				box, _ := k.box(strictBox)
				key := k.ok("", "apikey", "add", "reader")
				sent := 0
				for round := range rounds {
					k.expire()
					asked, before := box.Count("/token"), box.Count("refresh_token")
					cmd := k.refreshing(verb, key)
					for try := 0; round%2 == 0 && box.Count("/token") == asked && try < 4000; try++ {
						time.Sleep(5 * time.Millisecond) // every second time the site has surely been asked
					}
					time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
					for range 3 {
						_ = cmd.Process.Signal(signal)
						time.Sleep(10 * time.Millisecond)
					}
					if verb == "fcgi" {
						_ = cmd.Process.Signal(syscall.SIGTERM) // there SIGHUP ends nothing
					}
					_ = cmd.Wait()
					sent += box.Count("refresh_token") - before
					k.sql(`UPDATE connections SET lease_until = NULL`) // of a process that ended before it asked
					if out, said, status := k.run("", "get", "box"); status != 0 || !box.Active(out) {
						t.Fatalf("lost: %s %s", out, said)
					}
				}
				if t.Logf("%d of %d had asked", sent, rounds); sent < rounds/2 {
					t.Error("too few to say anything")
				}
			})
		}
	}
}

// refreshing starts a verb, a CGI process, or a process that stays and a request
// to it, whose answer nobody reads.
func (k *keepSite) refreshing(verb, key string) *exec.Cmd {
	k.t.Helper()
	cmd := k.command("", strings.Fields(verb)...)
	socket := k.path(verb + ".sock")
	stays := verb == "serve" || verb == "fcgi"
	switch {
	case verb == "CGI":
		cmd = k.cgi(key)
	case stays:
		cmd.Args = append(cmd.Args, "-listen", "unix:"+socket)
		cmd.Env = append(cmd.Env, "MINTKEEP_URL=https://you.example/token")
	}
	cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	for try := 0; stays; try++ {
		c, err := net.Dial("unix", socket)
		if err != nil && try < 2000 {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		if err != nil {
			k.t.Fatal(err)
		}
		k.t.Cleanup(func() { c.Close() })
		request := []byte("GET /token/keep/token?name=box HTTP/1.1\r\nHost: you.example\r\nX-API-Key: " + key + "\r\n\r\n")
		if verb == "fcgi" {
			vars := make(map[string]string)
			for _, v := range k.cgi(key).Env {
				name, value, _ := strings.Cut(v, "=")
				vars[name] = value
			}
			request = wire.FastCGIRequest(vars, "", true)
		}
		if _, err := c.Write(request); err != nil {
			k.t.Fatal(err)
		}
		break
	}
	return cmd
}

// cgi is the request for a kept token as a web server starts it.
func (k *keepSite) cgi(key string) *exec.Cmd {
	cmd := k.command("")
	cmd.Args = cmd.Args[:1]
	cmd.Env = append(cmd.Env, "REQUEST_METHOD=GET", "GATEWAY_INTERFACE=CGI/1.1", "SERVER_PROTOCOL=HTTP/1.1", "SERVER_NAME=you.example",
		"SERVER_PORT=443", "HTTPS=on", "SCRIPT_NAME=/token", "PATH_INFO=/keep/token", "QUERY_STRING=name=box", "REQUEST_URI=/token/keep/token?name=box",
		"HTTP_X_API_KEY="+key, "MINTKEEP_DATABASE="+k.path("tokens.db"), "MINTKEEP_URL=https://you.example/token")
	return cmd
}

// A process that stays ends when the refresh is saved for which nobody waits any
// more, and not before.
func TestSignalsWaitInProcessesThatStay(t *testing.T) {
	for _, signal := range endings {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			k := newKeepSite(t)
			box, g := k.box(strictBox)
			key := k.ok("", "apikey", "add", "reader")
			k.serve()
			k.sql(`UPDATE connections SET expires = datetime('now', '+200 seconds')`)
			g.set("", 4*time.Second)
			start := time.Now()
			status, body := k.fetch("GET", "keep/token?name=box", key, "")
			if took := time.Since(start); status != 200 || !box.Active(member(body, "access_token")) || took > 3*time.Second {
				t.Fatalf("%d %s after %v", status, body, took)
			}
			old := member(body, "access_token")
			_ = k.server.Signal(signal)
			if state, err := k.server.Wait(); err != nil || !state.Success() {
				t.Errorf("it ended with %v %v", state, err)
			}
			g.set("", 0)
			if token := k.ok("", "get", "box"); token == old || !box.Active(token) || g.count("refresh_token") != 1 {
				t.Errorf("lost after %v: %d refreshes", time.Since(start), g.count("refresh_token"))
			}
		})
	}
}

// A signal ends a process that does not refresh at once, and one that does when
// the site does not answer.
func TestSignalsEnd(t *testing.T) {
	k := newKeepSite(t)
	_, g := k.box(nil)
	for _, hold := range []string{"", "request"} {
		k.expire()
		g.set(hold, 0)
		cmd := k.command("", "get", "box")
		if hold == "" {
			cmd = k.command("", "serve", "-listen", "127.0.0.1:0")
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if hold == "request" {
			<-g.reached
		} else {
			time.Sleep(300 * time.Millisecond)
		}
		start := time.Now()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		took := time.Since(start)
		t.Logf("held back %q: %v, %v", hold, took, cmd.ProcessState)
		if took > 13*time.Second || hold == "" && took > time.Second {
			t.Errorf("held back %q: it took %v", hold, took)
		}
	}
}
