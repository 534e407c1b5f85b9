package instance

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// longestHold is how long a signal waits: as long as a provider may take to
// answer, and some seconds to save the answer.
const longestHold = 15 * time.Second

// A hold puts off the end of the process while a refresh is under way: a rotated
// token that is not saved is a lost connection. The zero value is ready.
type hold struct {
	mu   sync.Mutex
	held int
	none chan struct{} // closed when nothing is held any more; nil if nothing ever was
}

// take makes SIGINT, SIGTERM and SIGHUP wait until release is called, for
// longestHold at most. SIGPIPE waits too: when the web server has gone away, a
// line for its log must not end the process.
func (h *hold) take() (release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held++; h.held == 1 {
		h.none = make(chan struct{})
		asked := make(chan os.Signal, 8)
		for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE} {
			if !signal.Ignored(s) { // as under nohup
				signal.Notify(asked, s)
			}
		}
		go putOff(asked, h.none)
	}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.held--; h.held == 0 {
			close(h.none)
		}
	}
}

// putOff sends the process the signal that came, once nothing is held. It does
// then what it does without a hold: it ends the process, or makes one that stays
// drain, which it has begun.
func putOff(asked chan os.Signal, none <-chan struct{}) {
	came := await(asked, none)
	signal.Stop(asked)
	for len(asked) > 0 {
		came = graver(came, <-asked)
	}
	if came != nil {
		raise(came)
	}
}

// await returns the gravest signal that came until nothing was held any more, or in
// longestHold from the first one on; nil if none came.
func await(asked <-chan os.Signal, none <-chan struct{}) (came os.Signal) {
	var latest <-chan time.Time
	for {
		select {
		case s := <-asked:
			if latest == nil {
				latest = time.After(longestHold)
			}
			came = graver(came, s)
		case <-none:
			return came
		case <-latest:
			return came
		}
	}
}

// graver is the signal that counts of two that came: SIGPIPE ends nothing by itself.
func graver(first, second os.Signal) os.Signal {
	if first == nil || first == syscall.SIGPIPE {
		return second
	}
	return first
}

// wait returns when nothing is held, or after longestHold.
func (h *hold) wait() {
	h.mu.Lock()
	none := h.none
	h.mu.Unlock()
	if none == nil {
		return
	}
	select {
	case <-none:
	case <-time.After(longestHold):
	}
}
