package serve

import (
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"mintkeep/internal/instance"
)

const (
	drainHandlers = 7 * time.Second        // mod_fcgid kills 8 s after its first SIGTERM
	drainConns    = 250 * time.Millisecond // for the last answers to leave
)

// FastCGI serves until SIGTERM, SIGINT or SIGUSR1, or, where somebody will
// start the next process, until the program's file has been replaced; then it stops
// accepting and lets requests finish. Further signals are swallowed: mod_fcgid
// repeats its SIGTERM after a second.
func FastCGI(listeners []net.Listener, in *instance.Instance, restarted bool) error {
	defer in.Close()
	boundMemory()
	stop := make(chan os.Signal, 8)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1)
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	var stopping atomic.Bool
	end := func() {
		stopping.Store(true)
		for _, l := range listeners {
			l.Close()
		}
	}
	go func() {
		for range stop {
			end()
		}
	}()
	var conns, handlers atomic.Int64
	replaced := replacement()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Add(-1)
		in.ServeHTTP(w, instance.WithServer(r, fcgi.ProcessEnv(r)))
		if restarted && replaced() {
			end()
		}
	})
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { failed <- fcgi.Serve(&fastCGIListener{Listener: bound(l), open: &conns}, handler) }()
	}
	if err := <-failed; !stopping.Load() {
		return err
	}
	waitForZero(&handlers, drainHandlers)
	waitForZero(&conns, drainConns)
	return nil
}

func waitForZero(n *atomic.Int64, atMost time.Duration) {
	for until := time.Now().Add(atMost); n.Load() > 0 && time.Now().Before(until); {
		time.Sleep(5 * time.Millisecond)
	}
}

// replacement returns a function that says, looking every tenth time, whether
// the program's file is another one than at the start.
func replacement() func() bool {
	name, err1 := os.Executable()
	start, err2 := os.Stat(name)
	var n atomic.Int64
	return func() bool {
		if err1 != nil || err2 != nil || n.Add(1)%10 != 0 {
			return false
		}
		now, err := os.Stat(name)
		return err == nil && (!os.SameFile(start, now) || !now.ModTime().Equal(start.ModTime()))
	}
}
