package test

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"mintkeep/test/wire"
)

// A killing is a series of processes that are killed at random moments of
// issuing, refreshing and revoking, and what a client knows after each.
type killing struct {
	*testHost
	t        testing.TB
	usual    map[string]time.Duration // how long an operation takes that nobody kills
	live     []pair                   // reached the client, and were not touched since
	revoked  []pair                   // their revocation was answered
	answered int
	journals int // left by a process that was killed while it wrote
	secrets  []string
}

// SIGKILL at any moment: whatever token reached a client verifies afterwards,
// whatever revocation was answered holds, and a refresh whose answer was lost
// can be repeated.
func TestKill(t *testing.T) {
	const kills = 300
	h := newTestHost(t, released(t), "cgi")
	h.mustRun(t, "init", "-config", h.config())
	k := &killing{testHost: h, t: t, usual: make(map[string]time.Duration)}
	start := time.Now()
	for i := range kills {
		if i%50 == 0 {
			k.measure()
		}
		switch i % 6 {
		case 0, 2, 4:
			k.issue()
		case 1, 3:
			k.refresh()
		case 5:
			k.revoke()
		}
	}
	k.check()
	t.Logf("%d kills in %v: %d answered before, %d while writing, %d pairs live, %d revoked; an issue takes %v",
		kills, time.Since(start).Round(time.Second), k.answered, k.journals, len(k.live), len(k.revoked), k.usual["issue"].Round(time.Millisecond))
	if k.answered < kills/20 || k.answered > kills-kills/20 {
		t.Errorf("%d of %d were answered: the moments were not random", k.answered, kills)
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
}

// killed runs the request and kills its process at a random moment. It returns
// the answer if that was complete.
func (k *killing) killed(name string, r *wire.Request) *wire.Reply {
	k.t.Helper()
	c, err := k.startCGI(r)
	if err != nil {
		k.t.Fatal(err)
	}
	timer := time.AfterFunc(time.Duration(rand.Float64()*1.3*float64(k.usual[name])), func() { c.Cmd.Process.Signal(syscall.SIGKILL) })
	c.Send(r.Body)
	c.Wait()
	timer.Stop()
	k.lookAtJournal()
	a, err := wire.ParseCGI(c.Stdout.Bytes())
	if err != nil {
		return nil
	}
	k.answered++
	if a.Status != http.StatusOK {
		k.t.Errorf("%s: %d %s", name, a.Status, a.Body)
	}
	return a
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
