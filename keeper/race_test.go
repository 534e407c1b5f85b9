package keeper_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"mintkeep/keeper"
)

func TestRaceOneRefresh(t *testing.T) {
	h := newHouse(t)
	h.box.Rotate, h.box.DetectReuse = true, true
	h.box.Delay = 300 * time.Millisecond
	h.provider()
	h.connect()
	h.clock.pass(2 * time.Hour)
	var wg sync.WaitGroup
	tokens, errs := make([]string, 50), make([]error, 50)
	for i := range 50 {
		wg.Go(func() {
			k := open(h.path) // as if it were a process: its own database handle
			defer k.DB.Close()
			k.Now = h.clock.now
			token, err := k.Token(context.Background(), "owner", "box", 5*time.Minute)
			tokens[i], errs[i] = string(token.AccessToken), err
		})
	}
	wg.Wait()
	for i := range tokens {
		check(t, errs[i])
		equal(t, "token", tokens[i], tokens[0])
	}
	equal(t, "good at the provider", h.box.Active(tokens[0]), true)
	equal(t, "refresh requests", h.box.Count("refresh_token"), 1)
}

// A minimum lifetime that the provider's tokens never have must not make every
// waiting caller refresh in its turn.
func TestRaceMinTTLTooLong(t *testing.T) {
	h := newHouse(t)
	h.box.Delay = 200 * time.Millisecond
	h.provider()
	h.connect()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := h.Token(context.Background(), "owner", "box", 48*time.Hour); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := h.box.Count("refresh_token"); n != 1 {
		t.Errorf("%d refresh requests", n)
	}
	// Nor may callers one after the other, before a good part of its life is over.
	for range 3 {
		_, err := h.Token(context.Background(), "owner", "box", 48*time.Hour)
		check(t, err)
	}
	equal(t, "refresh requests", h.box.Count("refresh_token"), 1)
	h.clock.pass(20 * time.Minute)
	_, err := h.Token(context.Background(), "owner", "box", 48*time.Hour)
	check(t, err)
	equal(t, "refresh requests after a third of its life", h.box.Count("refresh_token"), 2)
}

func process(t *testing.T, role string, h *house, lease string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	check(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "KEEPER_TEST_ROLE="+role, "KEEPER_TEST_DB="+h.path, "KEEPER_TEST_LEASE="+lease)
	return cmd
}

// realTime puts the house on the real clock, for tests with other processes.
func realTime(h *house) {
	h.Now, h.box.Now = time.Now, time.Now
}

func expire(h *house) {
	h.t.Helper()
	_, err := h.DB.Exec(`UPDATE connections SET expires = '2020-01-01 00:00:00'`)
	check(h.t, err)
}

func TestProcessesOneRefresh(t *testing.T) {
	h := newHouse(t)
	realTime(h)
	h.box.Rotate, h.box.DetectReuse, h.box.Delay = true, true, 300*time.Millisecond
	h.provider()
	h.connect()
	expire(h)
	var wg sync.WaitGroup
	out, errs := make([]string, 50), make([]error, 50)
	for i := range 50 {
		wg.Go(func() {
			b, err := process(t, "token", h, "").Output()
			out[i], errs[i] = strings.TrimSpace(string(b)), err
		})
	}
	wg.Wait()
	for i := range out {
		if errs[i] != nil || out[i] != out[0] {
			t.Fatalf("process %d: %q %v, want %q", i, out[i], errs[i], out[0])
		}
	}
	equal(t, "good at the provider", h.box.Active(out[0]), true)
	equal(t, "refresh requests", h.box.Count("refresh_token"), 1)
}

// The refreshing process is killed before, during and after the provider's
// answer. A provider that allows a retry loses nothing; from a strict one the
// owner hears that a person must connect again.
func TestKilledWhileRefreshing(t *testing.T) {
	for _, retry := range []bool{true, false} {
		for _, delay := range []time.Duration{4, 12, 40, 120, 200, 280, 360} {
			h := newHouse(t)
			realTime(h)
			h.box.Rotate, h.box.DetectReuse, h.box.AllowRetry, h.box.Delay = true, !retry, retry, 150*time.Millisecond
			h.provider()
			h.connect()
			expire(h)
			cmd := process(t, "token", h, "1s")
			check(t, cmd.Start())
			time.Sleep(delay * time.Millisecond)
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			time.Sleep(200 * time.Millisecond)
			h.Lease = 10 * time.Second // a slow machine, too, asks within it
			token, err := h.token()
			t.Logf("retry allowed %v, killed after %dms: %d refresh requests, %v", retry, delay, h.box.Count("refresh_token"), err)
			switch {
			case err == nil:
				equal(t, "good at the provider", h.box.Active(string(token.AccessToken)), true)
			case retry:
				t.Errorf("killed after %dms: %v", delay, err)
			default:
				wants(t, err, keeper.ErrReauthorize, "connect again")
			}
		}
	}
}
