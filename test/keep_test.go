package test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mintkeep/keeper/keepertest"
	"mintkeep/test/tools"
)

// The outbound half as its owner meets it: the real program, its verbs and
// `serve`, against providers over real HTTP.

// A keepSite is an installation with a database of its own.
type keepSite struct {
	t        testing.TB
	bin, dir string
	base     string // BASE while `serve` runs
	stderr   bytes.Buffer
	server   *os.Process // that of `serve`
}

func newKeepSite(t testing.TB) *keepSite {
	t.Helper()
	k := &keepSite{t: t, bin: clocked(t), dir: t.TempDir()} // which refreshes nothing ahead of time by itself
	k.ok("", "init", "https://you.example/auth/")
	return k
}

func (k *keepSite) path(name string) string { return filepath.Join(k.dir, name) }

// command is a verb on the site's database.
func (k *keepSite) command(stdin string, args ...string) *exec.Cmd {
	cmd := exec.Command(k.bin, append(args, "-db", k.path("tokens.db"))...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "MINTKEEP_KEY=")
	if k.base != "" {
		cmd.Env = append(cmd.Env, "MINTKEEP_URL="+k.base)
	}
	return cmd
}

// run runs a verb and returns what it printed and said, and its exit status.
func (k *keepSite) run(stdin string, args ...string) (stdout, stderr string, status int) {
	k.t.Helper()
	cmd := k.command(stdin, args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		k.t.Fatal(err)
	}
	return strings.TrimSpace(out.String()), said.String(), cmd.ProcessState.ExitCode()
}

func (k *keepSite) ok(stdin string, args ...string) string {
	k.t.Helper()
	out, said, status := k.run(stdin, args...)
	if status != 0 {
		k.t.Fatalf("mintkeep %v: status %d: %s", args, status, said)
	}
	return out
}

func (k *keepSite) fails(status int, words string, args ...string) {
	k.t.Helper()
	out, said, got := k.run("", args...)
	if got != status || !strings.Contains(said, words) {
		k.t.Errorf("mintkeep %v: status %d, %q, %q; want %d, %q", args, got, out, said, status, words)
	}
}

// serve starts `mintkeep serve` with a public URL that is reached.
func (k *keepSite) serve(flags ...string) {
	k.t.Helper()
	proxy := &httputil.ReverseProxy{}
	front := httptest.NewServer(proxy) // so that the URL is known before the program listens
	k.t.Cleanup(front.Close)
	k.serveBehind(proxy, front.URL+"/token", flags...)
}

// serveBehind starts `mintkeep serve` behind a web server that others reach as base.
func (k *keepSite) serveBehind(proxy *httputil.ReverseProxy, base string, flags ...string) {
	k.t.Helper()
	k.base = base
	cmd := k.command("", append([]string{"serve", "-listen", "127.0.0.1:0"}, flags...)...)
	said, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		k.t.Fatal(err)
	}
	k.server = cmd.Process
	address, done := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, err := said.Read(b)
			k.stderr.Write(b[:n])
			if m := regexp.MustCompile(`address=(\S+)`).FindSubmatch(b[:n]); m != nil {
				address <- string(m[1])
			}
			if err != nil {
				return
			}
		}
	}()
	k.t.Cleanup(func() { _ = cmd.Process.Kill(); <-done; _ = cmd.Wait() })
	select {
	case a := <-address:
		proxy.Rewrite = func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: a}) }
	case <-time.After(20 * time.Second):
		k.t.Fatal("serve does not listen")
	}
}

// fetch asks the site with an API key.
func (k *keepSite) fetch(method, route, key, body string) (int, string) {
	req, err := http.NewRequest(method, k.base+"/"+route, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(text)
}

func (k *keepSite) sql(query string, args ...any) {
	k.t.Helper()
	sqlIn(k.t, k.path("tokens.db"), query, args...)
}

func sqlIn(t testing.TB, file, query string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+file+"?_busy_timeout=8000")
	if err == nil {
		_, err = db.ExecContext(context.Background(), query, args...)
		db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A lost sealing key is a fault of ours, in every answer: nothing looks as if
// nothing had ever been kept.
func TestKeepLostKey(t *testing.T) {
	k := newKeepSite(t)
	k.ok("sk-secret\n", "connect", "openai")
	key := k.ok("", "apikey", "add", "reader")
	k.serve()
	if err := os.Rename(k.path("mintkeep.key"), k.path("elsewhere")); err != nil {
		t.Fatal(err)
	}
	for _, route := range []string{"keep/token?name=openai", "v2/users/owner/tokens/openai"} {
		if status, body := k.fetch("GET", route, key, ""); status != http.StatusInternalServerError || strings.Contains(body, "sk-secret") {
			t.Errorf("%s: %d %s", route, status, body)
		}
		if status, body := k.fetch("GET", route, "mkk_guessed", ""); status != http.StatusUnauthorized {
			t.Errorf("%s, a stranger: %d %s", route, status, body)
		}
	}
	k.fails(1, "put it back", "get", "openai")
	k.fails(1, "put back the key file", "connect", "openai")
	k.fails(1, "put it back", "connections", "-check")
	if err := os.Rename(k.path("elsewhere"), k.path("mintkeep.key")); err != nil {
		t.Fatal(err)
	}
	if status, body := k.fetch("GET", "keep/token?name=openai", key, ""); status != http.StatusOK || member(body, "access_token") != "sk-secret" {
		t.Errorf("with the key: %d %s", status, body)
	}
}

func (k *keepSite) expire() {
	k.t.Helper()
	k.sql(`UPDATE connections SET expires = '2020-01-01 00:00:00'`)
}

// box registers a provider in a box and connects to it with its password.
func (k *keepSite) box(change func(*keepertest.Provider)) (*keepertest.Provider, *gate) {
	k.t.Helper()
	box := keepertest.New()
	if change != nil {
		change(box)
	}
	srv := httptest.NewServer(box)
	k.t.Cleanup(srv.Close)
	g := newGate(k.t, srv.URL)
	k.ok(keepertest.ClientSecret+"\n", "provider", "add", "box", "-issuer", srv.URL, "-client-id", keepertest.ClientID, "-scope", "read write")
	k.ok("", "provider", "set", "box", "-token-url", g.URL+"/token")
	k.ok(keepertest.Password+"\n", "connect", "box", "-grant", "password", "-username", keepertest.Username)
	return box, g
}

// Fifty processes and fifty requests want an expired token at once: one
// refresh request goes out, and everybody gets the same new token.
func oneRefresh(t *testing.T, k *keepSite, g *gate, name string, active func(string) bool) {
	t.Helper()
	key := k.ok("", "apikey", "add", "reader")
	k.serve()
	g.set("", 400*time.Millisecond)
	before := g.count("refresh_token")
	k.expire()
	var all sync.WaitGroup
	tokens := make([]string, 100)
	start := make(chan struct{})
	for i := range 50 {
		all.Go(func() {
			<-start
			out, said, _ := k.run("", "get", name)
			tokens[i] = out + said
		})
		all.Go(func() {
			<-start
			status, body := k.fetch("GET", "keep/token?name="+name, key, "")
			if tokens[50+i] = member(body, "access_token"); status != http.StatusOK {
				tokens[50+i] = body
			}
		})
	}
	close(start)
	all.Wait()
	for i, token := range tokens {
		if token != tokens[0] {
			t.Errorf("caller %d: %q, and the first got %q", i, token, tokens[0])
		}
	}
	if n := g.count("refresh_token") - before; n != 1 {
		t.Errorf("%d refresh requests reached the provider", n)
	}
	if !active(tokens[0]) {
		t.Errorf("the provider does not know %q", tokens[0])
	}
}

func member(body, name string) string {
	m := regexp.MustCompile(`"` + name + `":"([^"]*)"`).FindStringSubmatch(body)
	if m == nil {
		return ""
	}
	return m[1]
}

func TestKeepOneRefresh(t *testing.T) {
	k := newKeepSite(t)
	box, g := k.box(func(b *keepertest.Provider) { b.Rotate, b.DetectReuse = true, true })
	oneRefresh(t, k, g, "box", box.Active)
}

// killed runs `get` and kills it: before the provider has the request, before
// its answer is out, or when it is.
func (k *keepSite) killed(g *gate, moment, name string) {
	k.t.Helper()
	k.sql(`UPDATE connections SET expires = '2020-01-01 00:00:00' WHERE connection_name = ?`, name)
	for len(g.answered) > 0 {
		<-g.answered
	}
	g.set(moment, 0)
	cmd := k.command("", "get", name)
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	wait := g.reached
	if moment == "" {
		wait = g.answered
	}
	select {
	case <-wait:
	case <-time.After(20 * time.Second):
		k.t.Error("the provider was not asked")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	g.set("", 0)
}

// The process that refreshes is killed. From a provider that allows a retry
// nothing is lost; a strict one's refusal is told as what it is. The callers
// wait for the dead process's lease to end.
func TestKeepKilled(t *testing.T) {
	for _, moment := range []string{"request", "answer", ""} {
		for _, strict := range []bool{false, true} {
			t.Run("before "+moment+map[bool]string{false: ", retry allowed", true: ", strict"}[strict], func(t *testing.T) {
				t.Parallel()
				k := newKeepSite(t)
				box, g := k.box(func(b *keepertest.Provider) { b.Rotate, b.DetectReuse, b.AllowRetry = true, strict, !strict })
				k.killed(g, moment, "box")
				out, said, status := k.run("", "get", "box")
				t.Logf("status %d %s", status, said)
				switch {
				case status == 0 && box.Active(out):
				case strict && moment != "request" && strings.Contains(said, "hint: connect again: mintkeep connect box"):
					if _, _, status := k.run("", "connections", "-check"); status != 1 {
						t.Errorf("connections -check: status %d", status)
					}
					k.ok(keepertest.Password, "connect", "box", "-grant", "password", "-username", keepertest.Username)
					k.ok("", "get", "box")
				default:
					t.Errorf("status %d, %q, %q", status, out, said)
				}
			})
		}
	}
}

// What root makes with a verb belongs to the service whose folder it lies in.
func TestRootMakesForTheService(t *testing.T) {
	tools.Root(t) // a folder is given to another user
	const service = 65534
	k := &keepSite{t: t, bin: clocked(t), dir: t.TempDir()} // which refreshes nothing ahead of time by itself
	if err := os.Chown(k.dir, service, service); err != nil {
		t.Fatal(err)
	}
	k.ok("", "init", "https://you.example/auth/")
	k.ok("sk-x\n", "connect", "openai")
	k.ok("", "key", "rotate")
	for _, name := range []string{"tokens.db", "mintkeep.key"} {
		info, err := os.Stat(k.path(name))
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != service || info.Mode().Perm() != 0o600 {
			t.Errorf("%s belongs to user %d, mode %04o", name, owner.Uid, info.Mode().Perm())
		}
	}
}
