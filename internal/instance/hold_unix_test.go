//go:build unix

package instance

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// The web server goes away in the middle of a refresh, which is a SIGPIPE, and then
// sends SIGTERM: that is what the process gets when the refresh is saved.
func TestHoldKeepsTheGraverSignal(t *testing.T) {
	for _, sent := range [][]syscall.Signal{{syscall.SIGTERM}, {syscall.SIGPIPE, syscall.SIGTERM}, {syscall.SIGTERM, syscall.SIGPIPE}} {
		got := make(chan os.Signal, 8)
		signal.Notify(got, syscall.SIGTERM)
		var h hold
		release := h.take()
		for _, s := range sent {
			raise(s)
			if s == syscall.SIGTERM {
				<-got // it is seen by whoever drains
			}
			time.Sleep(10 * time.Millisecond) // so that the next one comes after it
		}
		select {
		case s := <-got:
			t.Errorf("%v while something is held", s)
		default:
		}
		release()
		if s := <-got; s != syscall.SIGTERM {
			t.Errorf("%v after %v", s, sent)
		}
		signal.Stop(got)
	}
}
