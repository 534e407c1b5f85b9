package test

import (
	"bytes"
	"database/sql"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"mintkeep/keeper/keepertest"
	"mintkeep/test/wire"
)

// A killing is a series of processes that are killed at random moments of
// issuing, refreshing, revoking and fetching a kept token, and what a client knows
// after each.
type killing struct {
	*testHost
	t        testing.TB
	usual    map[string]time.Duration // how long an operation takes that nobody kills
	live     []pair                   // reached the client, and were not touched since
	revoked  []pair                   // their revocation was answered
	box      *keepertest.Provider     // gave the kept token
	key      string                   // reads it
	db       *sql.DB
	answered int
	journals int // left by a process that was killed while it wrote
	secrets  []string
}

// long is how often something is tried: a short number, or, with MINTKEEP_LONG=1
// in the environment, the full one.
func long(short, full int) int {
	if os.Getenv("MINTKEEP_LONG") == "1" {
		return full
	}
	return short
}

// SIGKILL at any moment, in every mode and with both journals: whatever token
// reached a client verifies afterwards, whatever revocation was answered holds, a
// refresh whose answer was lost can be repeated, and a kept token is not lost to a
// site that allows a retry.
func TestKill(t *testing.T) {
	kills := long(48, 168) // for each of six: 1,008 in all
	for _, mode := range []string{"cgi", "fcgi", "http"} {
		for _, journal := range []string{"rollback", "wal"} {
			t.Run(mode+" "+journal, func(t *testing.T) { killSeries(t, mode, journal, kills) })
		}
	}
}

func killSeries(t *testing.T, mode, journal string, kills int) {
	h := newTestHost(t, released(t), mode)
	h.mustConfigure(t, "journal: "+journal)
	h.mustRun(t, "init", "-config", h.config())
	k := &killing{testHost: h, t: t, usual: make(map[string]time.Duration)}
	k.connect()
	start := time.Now()
	for i := range kills {
		if i%48 == 0 {
			k.measure()
		}
		switch i % 8 {
		case 0, 2, 4:
			k.issue()
		case 1, 3:
			k.refresh()
		case 5:
			k.revoke()
		case 6, 7:
			k.fetchKept()
		}
	}
	k.check()
	t.Logf("%d kills in %v: %d answered before, %d while writing, %d pairs live, %d revoked; an issue takes %v",
		kills, time.Since(start).Round(time.Second), k.answered, k.journals, len(k.live), len(k.revoked), k.usual["issue"].Round(time.Millisecond))
	if k.answered < kills/20 || k.answered > kills-kills/20 {
		t.Errorf("%d of %d were answered: the moments were not random", k.answered, kills)
	}
}

// connect keeps a token of a provider in a box that rotates refresh tokens and
// takes the one before it once more.
func (k *killing) connect() {
	k.box = keepertest.New()
	k.box.Rotate, k.box.AllowRetry = true, true
	server := httptest.NewServer(k.box)
	k.t.Cleanup(server.Close)
	verb := func(stdin string, args ...string) string {
		c := exec.Command(k.path("bin/mintkeep"), append(args, "-config", k.config())...)
		c.Stdin = strings.NewReader(stdin)
		out, err := c.Output()
		if err != nil {
			k.t.Fatalf("%v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	verb(keepertest.ClientSecret, "provider", "add", "box", "-issuer", server.URL, "-client-id", keepertest.ClientID)
	verb(keepertest.Password, "connect", "box", "-grant", "password", "-username", keepertest.Username)
	k.key = verb("", "apikey", "add", "reader")
	k.db = k.open(k.t)
}

// kept asks for the kept token, which has to be refreshed first. A lease that a
// killed process left is over.
func (k *killing) kept() *wire.Request {
	if _, err := k.db.Exec(`UPDATE connections SET expires = '2020-01-01 00:00:00', lease_until = NULL`); err != nil {
		k.t.Fatal(err)
	}
	r := get(k.key)
	r.Target += "/keep/token?provider=box"
	return r
}

func (k *killing) fetchKept() {
	a := k.killed("kept", k.kept())
	if a == nil {
		a = k.mustDo(k.t, k.kept())
	}
	if token, _ := a.Member("access_token"); a.Status != http.StatusOK || !k.box.Active(token) {
		k.t.Errorf("the kept token after a kill: %d %s", a.Status, a.Body)
	}
}

// measure takes the time of operations that nobody kills.
func (k *killing) measure() {
	took := func(name string, r *wire.Request) *wire.Reply {
		start := time.Now()
		a := k.mustDo(k.t, r)
		k.usual[name] = time.Since(start)
		if a.Status != http.StatusOK {
			k.t.Fatalf("%s: %d %s", name, a.Status, a.Body)
		}
		return a
	}
	p := pairOf(took("issue", redemption(k.code())))
	p = pairOf(took("refresh", refreshing(p.refresh)))
	took("revoke", post("revoke", "token", p.access))
	took("kept", k.kept())
}

// killed runs the request and kills its process at a random moment. It returns
// the answer if that was complete.
func (k *killing) killed(name string, r *wire.Request) *wire.Reply {
	k.t.Helper()
	after := time.Duration(rand.Float64() * 1.3 * float64(k.usual[name]))
	var a *wire.Reply
	var err error
	if k.mode == "cgi" {
		a, err = k.killedCGI(r, after)
	} else {
		a, err = k.killedProcess(r, after)
	}
	k.lookAtJournal()
	if err != nil {
		return nil
	}
	k.answered++
	if a.Status != http.StatusOK {
		k.t.Errorf("%s: %d %s", name, a.Status, a.Body)
	}
	return a
}

func (k *killing) killedCGI(r *wire.Request, after time.Duration) (*wire.Reply, error) {
	c, err := k.startCGI(r)
	if err != nil {
		k.t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { c.Cmd.Process.Signal(syscall.SIGKILL) })
	defer timer.Stop()
	c.Send(r.Body)
	c.Wait()
	return wire.ParseCGI(c.Stdout.Bytes())
}

// killedProcess kills the process that stays; the next request starts another.
func (k *killing) killedProcess(r *wire.Request, after time.Duration) (*wire.Reply, error) {
	if k.running == nil {
		p, err := k.start()
		if err != nil {
			k.t.Fatal(err)
		}
		k.running = p
	}
	timer := time.AfterFunc(after, func() { k.running.cmd.Process.Kill() })
	a, err := k.do(r)
	timer.Stop()
	k.stop()
	return a, err
}

func (k *killing) issue() {
	code, client := k.code()
	k.secrets = append(k.secrets, code)
	if a := k.killed("issue", redemption(code, client)); a != nil {
		k.keep(pairOf(a))
	}
}

func (k *killing) keep(p pair) {
	k.live = append(k.live, p)
	k.secrets = append(k.secrets, p.access, p.refresh)
}

// take removes a random living pair, making one if there is none.
func (k *killing) take() pair {
	if len(k.live) == 0 {
		k.keep(k.mustRedeem(k.t))
	}
	i := rand.IntN(len(k.live))
	p := k.live[i]
	k.live = append(k.live[:i], k.live[i+1:]...)
	return p
}

func (k *killing) refresh() {
	p := k.take()
	a := k.killed("refresh", refreshing(p.refresh))
	if a == nil { // the client tries again
		if a = k.mustDo(k.t, refreshing(p.refresh)); a.Status != http.StatusOK {
			k.t.Errorf("refreshing again after a kill: %d %s", a.Status, a.Body)
			return
		}
	}
	k.keep(pairOf(a))
}

func (k *killing) revoke() {
	p := k.mustRedeem(k.t)
	k.secrets = append(k.secrets, p.access, p.refresh)
	if a := k.killed("revoke", post("revoke", "token", p.refresh)); a != nil {
		k.revoked = append(k.revoked, p)
	}
}

// lookAtJournal searches what a killed process left for secrets.
func (k *killing) lookAtJournal() {
	journal, err := os.ReadFile(k.path("mintkeep/tokens.db-journal"))
	if err != nil {
		return
	}
	k.journals++
	for _, s := range k.secrets {
		if s != "" && bytes.Contains(journal, []byte(s)) {
			k.t.Errorf("the journal contains a secret: %s…", s[:8])
		}
	}
}

func (k *killing) check() {
	for _, p := range k.live {
		if !k.verifies(k.t, p.access) {
			k.t.Error("a token that reached a client does not verify")
		}
	}
	for _, p := range k.revoked {
		if k.verifies(k.t, p.access) || k.mustDo(k.t, refreshing(p.refresh)).Status != http.StatusBadRequest {
			k.t.Error("a revocation that was answered does not hold")
		}
	}
	for _, p := range k.live {
		if a := k.mustDo(k.t, refreshing(p.refresh)); a.Status != http.StatusOK {
			k.t.Errorf("the refresh token of a living pair: %d %s", a.Status, a.Body)
		}
	}
	k.mustBeWhole(k.t)
	searchSecrets(k.t, k.dir, k.secrets)
}
