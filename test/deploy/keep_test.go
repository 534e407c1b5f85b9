package deploy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"mintkeep/keeper/keepertest"
)

// keeps connects the host to a site with single-use refresh tokens and no grace,
// whose tokens end at once, and makes an API key.
func (h *host) keeps() (box *keepertest.Provider, key string) {
	h.t.Helper()
	box = keepertest.New()
	box.Rotate, box.DetectReuse, box.Lifetime = true, true, time.Second
	srv := httptest.NewServer(box)
	h.t.Cleanup(srv.Close)
	if _, err := os.Stat(h.path("mintkeep/tokens.db")); err != nil {
		h.mintkeep("init", h.auth)
	}
	h.told(keepertest.ClientSecret, "provider", "add", "box", "-issuer", srv.URL, "-client-id", keepertest.ClientID)
	h.told(keepertest.Password, "connect", "box", "-grant", "password", "-username", keepertest.Username)
	return box, h.mintkeep("apikey", "add", "reader")
}

// told runs a verb that reads a secret.
func (h *host) told(secret string, args ...string) {
	h.t.Helper()
	c := h.command(h.path("bin/mintkeep"), append(args, "-db", h.path("mintkeep/tokens.db"))...)
	c.Stdin = strings.NewReader(secret + "\n")
	run(h.t, c)
}

// kept asks for the kept token.
func (h *host) kept(ctx context.Context, key string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.base+"/keep/token?name=box", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-API-Key", key)
	return http.DefaultTransport.RoundTrip(req)
}

// Apache ends a CGI process with SIGTERM, and SIGKILL 3 s later, when the client
// has left, it took too long, or Apache restarts; mod_fcgid does so with
// processes that stay. Others send signals as well. A refresh that was sent is
// saved all the same.
func TestApacheEndsRefresh(t *testing.T) {
	rounds := 2
	if os.Getenv("MINTKEEP_LONG") == "1" {
		rounds = 20
	}
	for module, file := range map[string]string{"cgi": "cgi", "cgid": "cgi", "fcgid": "fcgi"} {
		t.Run(module, func(t *testing.T) {
			h := newHost(t, "/auth/token."+file)
			h.script("site/auth/token." + file)
			further := "Timeout 1\n"
			switch module {
			case "cgid":
				further += h.cgid()
			case "fcgid":
				further += h.fcgid() + "FcgidIOTimeout 1\nFcgidBusyTimeout 1\nFcgidBusyScanInterval 1\nFcgidErrorScanInterval 1\n"
			}
			h.install(map[string]string{"cgi": "apache-cgi.htaccess", "fcgi": "apache-fcgid.htaccess"}[file], "site/auth/.htaccess", 0o644)
			box, key := h.keeps()
			server := h.apache([]string{module}, further)
			for _, ending := range []string{"the client leaves", "a timeout", "a restart", "a graceful restart", "SIGTERM", "SIGINT", "SIGHUP"} {
				for range rounds {
					h.endedRefresh(box, key, ending, server)
				}
				t.Logf("%s: %d refreshes so far", ending, box.Count("refresh_token"))
			}
		})
	}
}

func (h *host) endedRefresh(box *keepertest.Provider, key, ending string, server *os.Process) {
	h.t.Helper()
	delay := 200 + rand.IntN(600)
	if ending == "a timeout" {
		delay += 1000
	}
	box.Set(func(p *keepertest.Provider) { p.Delay = time.Duration(delay) * time.Millisecond })
	before := box.Count("/token")
	ctx, leave := context.WithCancel(context.Background())
	answered := make(chan string, 1)
	go func() {
		res, err := h.kept(ctx, key)
		if err != nil {
			answered <- err.Error()
			return
		}
		res.Body.Close()
		answered <- res.Status
	}()
	for try := 0; box.Count("/token") == before && try < 2000; try++ {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(time.Duration(rand.IntN(delay)) * time.Millisecond)
	switch ending {
	case "the client leaves":
		leave()
	case "a restart":
		_ = server.Signal(syscall.SIGHUP)
	case "a graceful restart":
		_ = server.Signal(syscall.SIGUSR1)
	}
	if signal, ok := map[string]syscall.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT, "SIGHUP": syscall.SIGHUP}[ending]; ok {
		for _, pid := range h.processes() {
			_ = syscall.Kill(pid, signal)
		}
	}
	h.t.Log(ending, delay, <-answered)
	leave()
	box.Set(func(p *keepertest.Provider) { p.Delay = 0 })
	if n := box.Count("/token") - before; n < 1 {
		h.t.Errorf("%s: the site was asked %d times", ending, n)
	}
	h.mintkeep("get", "box")          // ends the test if the connection is lost
	for try := 0; try < 1000; try++ { // Apache is there again
		if res, err := h.kept(context.Background(), key); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	h.t.Fatal(fmt.Sprint(ending, ": no token over HTTP any more"))
}
