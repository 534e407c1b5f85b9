package test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mintkeep/keeper/keepertest"
	"mintkeep/test/wire"
)

// Issue Reach: fifty callers at every expiry of a token that lives 300 s, at a site whose
// refresh tokens are good once and end the grant when they come twice: one refresh
// each time, whether the callers are processes of their own or ask two that stay. With
// MINTKEEP_LONG=1 two hundred expiries.
func TestExpiries(t *testing.T) {
	for _, ways := range []string{"processes", "processes, CGI and two that serve"} {
		t.Run(ways, func(t *testing.T) {
			clock := filepath.Join(t.TempDir(), "clock")
			t.Setenv(clockVariable, clock)
			var ahead atomic.Int64
			box := keepertest.New()
			box.Rotate, box.DetectReuse, box.Lifetime = true, true, 300*time.Second
			box.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load()) * time.Second) }
			site := httptest.NewServer(box)
			t.Cleanup(site.Close)
			k := newKeepSite(t)
			k.ok(keepertest.ClientSecret, "provider", "add", "box", "-issuer", site.URL, "-client-id", keepertest.ClientID)
			k.ok(keepertest.Password, "connect", "box", "-grant", "password", "-username", keepertest.Username)
			key, bases := k.ok("", "apikey", "add", "script"), []string{}
			if ways != "processes" {
				for range 2 {
					k.serve()
					bases = append(bases, k.base)
				}
			}
			for n := range long(8, 200) {
				ahead.Add(250) // a fifth of its life is 60 s
				if err := os.WriteFile(clock, []byte(strconv.FormatInt(ahead.Load(), 10)), 0o600); err != nil {
					t.Fatal(err)
				}
				for _, token := range k.askAtOnce(50, bases, key) { // the old one too, for its last 50 s
					if !box.Active(token) {
						t.Fatalf("expiry %d: %s is not good at the site", n, token)
					}
				}
				if got := box.Count("refresh_token"); got != n+1 {
					t.Fatalf("expiry %d: %d refreshes", n, got)
				}
			}
			k.ok("", "connections", "-check")
		})
	}
}

// askAtOnce has so many callers ask for a token, by `get` and, where somebody serves, in
// turn over HTTP and by CGI, and returns the different answers.
func (k *keepSite) askAtOnce(callers int, bases []string, key string) (tokens []string) {
	got := make([]string, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			switch {
			case len(bases) > 0 && i%2 == 0:
				got[i] = keptToken(bases[i/2%len(bases)]+"/keep/token?provider=box", key)
				return
			case len(bases) > 0 && i%4 == 1:
				got[i] = k.cgiToken(key)
				return
			}
			out, said, status := k.run("", "get", "box")
			if got[i] = out; status != 0 {
				got[i] = said
			}
		})
	}
	all.Wait()
	seen := make(map[string]bool)
	for _, token := range got {
		if !seen[token] {
			seen[token] = true
			tokens = append(tokens, token)
		}
	}
	return tokens
}

// cgiToken is the token that a script gets from a CGI process, or what went wrong.
func (k *keepSite) cgiToken(key string) string {
	cmd := exec.Command(k.bin)
	cmd.Env = append(keptEnv(k.path("tokens.db"), key), "MINTKEEP_URL=https://you.example/auth/token.cgi", clockVariable+"="+os.Getenv(clockVariable))
	c, err := wire.StartCGI(cmd)
	if err != nil {
		return err.Error()
	}
	c.Send("")
	if err := c.Wait(); err != nil {
		return err.Error()
	}
	_, body, _ := strings.Cut(strings.ReplaceAll(c.Stdout.String(), "\r\n", "\n"), "\n\n")
	if token := member(body, "access_token"); token != "" {
		return token
	}
	return c.Stdout.String()
}

// keptToken is the token that a script gets over HTTP, or what went wrong.
func keptToken(address, key string) string {
	r, err := http.NewRequest("GET", address, nil)
	if err != nil {
		return err.Error()
	}
	r.Header.Set("Authorization", "Bearer "+key)
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		return err.Error()
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if token := member(string(body), "access_token"); reply.StatusCode == http.StatusOK && err == nil {
		return token
	}
	return fmt.Sprint(reply.Status, string(body), err)
}
