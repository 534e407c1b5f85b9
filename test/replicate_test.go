package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mintkeep/internal/demo"
	"mintkeep/keeper/keepertest"
	"mintkeep/test/tools"
	"mintkeep/test/wire"
)

var buildLitestream = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(built, "litestream")
	c := exec.Command("go", "install", "github.com/benbjohnson/litestream/cmd/litestream@v0.5.18")
	c.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=", "CGO_ENABLED=0")
	out, err := c.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return filepath.Join(bin, "litestream"), err
})

// litestream builds the real Litestream.
func litestream(t *testing.T) string {
	t.Helper()
	program, err := buildLitestream()
	if err != nil {
		t.Log(err)
		tools.Missing(t, "litestream", "the Go proxy")
	}
	return program
}

// A drill is a site that is copied by Litestream while it is in use, and what its users
// and its owner remember of it.
type drill struct {
	*fleet
	litestream, replica string
	auth                *demo.Selfauth
	box                 *keepertest.Provider
	key                 string // an API key

	mu      sync.Mutex
	issued  map[string]time.Time // access tokens, by when they were answered
	revoked map[string]time.Time // and when their revocation was
	apps    map[string]string    // token: app
	codes   int
}

const drillHost, drillConnections = "s.example", 3

func newDrill(t *testing.T, program string) *drill {
	d := &drill{fleet: newFleet(t), litestream: program, replica: t.TempDir(), auth: &demo.Selfauth{Me: "https://" + drillHost, Key: "key"},
		box: keepertest.New(), issued: make(map[string]time.Time), revoked: make(map[string]time.Time), apps: make(map[string]string)}
	d.box.Rotate, d.box.DetectReuse, d.box.Lifetime = true, true, 2*time.Second
	selfauth, box := httptest.NewServer(d.auth), httptest.NewServer(d.box)
	t.Cleanup(func() { selfauth.Close(); box.Close() })
	if err := errors.Join(os.Mkdir(d.file(drillHost, ""), 0o700), os.WriteFile(d.file(drillHost, "mintkeep.conf"),
		[]byte("database: tokens.db\njournal: wal\nurl: https://"+drillHost+"/token\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	d.run(drillHost, "init", "-me", d.auth.Me+"/", selfauth.URL+"/auth/")
	d.run(drillHost, "key", "new")
	d.run(drillHost, "provider", "add", "box", "-issuer", box.URL, "-client-id", keepertest.ClientID, "-secret-file", d.secret(keepertest.ClientSecret))
	for n := range drillConnections {
		d.run(drillHost, "connect", "box", "-as", fmt.Sprint("box", n), "-grant", "password", "-username", keepertest.Username,
			"-secret-file", d.secret(keepertest.Password))
	}
	d.key = d.run(drillHost, "apikey", "add", "scripts")
	return d
}

// secret is a file with a secret.
func (d *drill) secret(text string) string {
	name := filepath.Join(d.t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(text+"\n"), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return name
}

// work is one thing that somebody does: half of them sign in to an app, others end one,
// verify, refresh, or have the site hand out a kept token.
func (d *drill) work() {
	form := func(path string, pairs ...string) *wire.Reply {
		r := post(path, pairs...)
		r.Target = strings.Replace(r.Target, scriptPath, "/token", 1)
		return d.ask(drillHost, r)
	}
	switch n := rand.N(10); {
	case n < 5:
		d.mu.Lock()
		d.codes++
		app := fmt.Sprint("https://app.example/", d.codes)
		d.mu.Unlock()
		a := form("", "grant_type", "authorization_code", "code", d.auth.Code(app, appRedirect, "create"), "client_id", app, "redirect_uri", appRedirect)
		d.mu.Lock()
		if p := pairOf(a); a.Status == 200 {
			d.issued[p.access], d.apps[p.access] = time.Now(), app
		}
		d.mu.Unlock()
	case n < 7:
		if token := d.any(); token != "" && form("revoke", "token", token).Status == 200 {
			d.mu.Lock()
			d.revoked[token] = time.Now()
			d.mu.Unlock()
		}
	case n < 8:
		d.verify(drillHost, d.any())
	default:
		d.kept(rand.N(drillConnections))
	}
}

// any is a token that was not revoked.
func (d *drill) any() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for token := range d.issued {
		if d.revoked[token].IsZero() {
			return token
		}
	}
	return ""
}

// kept asks for one of the kept tokens.
func (d *drill) kept(n int) *wire.Reply {
	return d.ask(drillHost, &wire.Request{Method: "GET", Target: fmt.Sprint("/token/keep/token?name=box", n), Header: [][2]string{{"X-API-Key", d.key}}})
}

// disaster lets people work for a while, then kills both processes, and puts the
// database back from the replica. It returns when that was, and what doctor -restored says.
func (d *drill) disaster() (when time.Time, named []map[string]string) {
	d.t.Helper()
	d.startOne(drillHost)
	c := exec.Command(d.litestream, "replicate", d.file(drillHost, "tokens.db"), "file://"+d.replica)
	if err := c.Start(); err != nil {
		d.t.Fatal(err)
	}
	until := time.Now().Add(3*time.Second + rand.N(4*time.Second))
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for time.Now().Before(until) {
				d.work()
				time.Sleep(rand.N(20 * time.Millisecond))
			}
		})
	}
	time.Sleep(time.Until(until.Add(-time.Duration(rand.N(200)) * time.Millisecond)))
	when = time.Now()
	_ = c.Process.Kill()
	d.dying.Store(true)
	d.stop()
	_ = c.Wait()
	all.Wait()
	d.dying.Store(false)
	for _, end := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(d.file(drillHost, "tokens.db"+end))
	}
	if out, err := exec.Command(d.litestream, "restore", "-o", d.file(drillHost, "tokens.db"), "file://"+d.replica).CombinedOutput(); err != nil {
		d.t.Fatalf("restoring: %v %s", err, out)
	}
	if err := json.Unmarshal([]byte(d.run(drillHost, "doctor", "-restored", "-json")), &named); err != nil {
		d.t.Fatal(err)
	}
	d.startOne(drillHost)
	return when, named
}

// A site whose machine died is put back from Litestream's copy: what was answered more
// than two seconds before is so, and what was lost is named.
func TestReplicateDrill(t *testing.T) {
	tools.Long(t)
	program, kills := litestream(t), 10
	if os.Getenv("MINTKEEP_LONG") != "" {
		kills = 100
	}
	var tokens, lostTokens, revocations, lostRevocations, dead int
	for n := range kills {
		d := newDrill(t, program)
		when, findings := d.disaster()
		safe := when.Add(-2 * time.Second)
		named := fmt.Sprint(findings)
		for token, at := range d.issued {
			gone, revoked := d.revoked[token], d.verify(drillHost, token) != 200
			switch {
			case gone.IsZero() && revoked && at.Before(safe):
				t.Errorf("kill %d: a token that was answered %v before does not verify", n, when.Sub(at))
			case gone.IsZero() && revoked:
				lostTokens++
			case !gone.IsZero() && !revoked && gone.Before(safe):
				t.Errorf("kill %d: a revocation that was answered %v before does not hold", n, when.Sub(gone))
			case !gone.IsZero() && !revoked:
				lostRevocations++
				if !strings.Contains(named, d.apps[token]) {
					t.Errorf("kill %d: a revocation is lost, and its app is not named: %s", n, named)
				}
			}
		}
		tokens += len(d.issued)
		revocations += len(d.revoked)
		for c := range drillConnections {
			works := d.kept(c).Status == 200
			if !works {
				dead++
			}
			if !works && !slices.ContainsFunc(findings, func(f map[string]string) bool { return strings.Contains(f["what"], fmt.Sprint("connection box", c)) }) {
				t.Errorf("kill %d: connection box%d does not work, and is not named: %s", n, c, named)
			}
		}
		d.stop()
	}
	t.Logf("%d kills: %d tokens, %d of them lost; %d revocations, %d lost; %d of %d connections have to be made again",
		kills, tokens, lostTokens, revocations, lostRevocations, dead, kills*drillConnections)
}

// The configuration that the docs show for many sites, and how each is put back.
func TestReplicateSites(t *testing.T) {
	tools.Long(t)
	program, replica := litestream(t), t.TempDir()
	page := strings.NewReplacer("/var/lib/mintkeep-sites", "DIR", "/mnt/backup/mintkeep-sites", "REPLICA").Replace(readText(t, "../docs/replicate.md"))
	shown := regexp.MustCompile("(?s)```yaml\n(   dbs:\n     - dir: DIR.*?)```").FindStringSubmatch(page)
	restore := regexp.MustCompile(`(?m)^litestream restore (-o DIR.*)$`).FindStringSubmatch(page)
	if shown == nil || restore == nil {
		t.Fatal("docs/replicate.md does not show it")
	}
	f := newFleet(t)
	here := strings.NewReplacer("DIR", f.dir, "REPLICA", replica)
	config := filepath.Join(t.TempDir(), "litestream.yml")
	if err := os.WriteFile(config, []byte(here.Replace(shown[1])), 0o600); err != nil {
		t.Fatal(err)
	}
	first := f.site("bob.example")
	wal := func(host string) {
		rewrite(t, f.file(host, "mintkeep.conf"), "database:", "journal: wal\ndatabase:")
	}
	wal("bob.example")
	f.start("serve")
	f.is(200, "bob.example", first)
	c := exec.Command(program, "replicate", "-config", config)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	time.Sleep(time.Second)
	token := f.site("alice.example") // one that comes later
	wal("alice.example")
	f.is(200, "alice.example", token)
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if all, _ := filepath.Glob(filepath.Join(replica, "alice.example/tokens.db/ltx/0/*")); len(all) > 0 {
			break
		}
		if time.Now().After(until) {
			t.Fatal("a site that came later is not copied")
		}
	}
	time.Sleep(2 * time.Second)
	_ = c.Process.Kill()
	f.stop()
	for _, end := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(f.file("alice.example", "tokens.db"+end))
	}
	if out, err := exec.Command(program, append([]string{"restore"}, strings.Fields(here.Replace(restore[1]))...)...).CombinedOutput(); err != nil {
		t.Fatalf("restoring: %v %s", err, out)
	}
	f.run("alice.example", "doctor", "-restored")
	f.start("serve")
	f.is(200, "alice.example", token)
	f.is(200, "bob.example", first)
}
