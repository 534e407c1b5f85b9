package serve

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	drainHandlers = 7 * time.Second        // mod_fcgid kills 8 s after its first SIGTERM
	drainConns    = 250 * time.Millisecond // for the last answers to leave
)

// FastCGI serves until SIGTERM, SIGINT or SIGUSR1, or, where somebody will
// start the next process, until the program's file has been replaced; then it stops
// accepting and lets requests finish. Further signals are swallowed: mod_fcgid
// repeats its SIGTERM after a second.
func FastCGI(listeners []net.Listener, in Site, restarted bool) error {
	defer in.Close()
	ahead, noMore := context.WithCancel(context.Background())
	defer noMore()
	go in.RefreshAhead(ahead)
	bounds := boundsOf(in)
	boundMemory(bounds.heap)
	stop := make(chan os.Signal, 8)
	signal.Notify(stop, endSignals()...)
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
	replaced := replacement()
	s := &fastCGIServer{log: in.Log(), handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in.ServeHTTP(w, r)
		if restarted && replaced() {
			end()
		}
	})}
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { failed <- s.serve(bounds.limit(l)) }()
	}
	if err := <-failed; !stopping.Load() {
		return err
	}
	waitForZero(&s.handlers, drainHandlers)
	waitForZero(&s.conns, drainConns)
	return nil
}

// A fastCGIServer answers requests on the connections of its listeners.
type fastCGIServer struct {
	handler         http.Handler
	log             *slog.Logger
	conns, handlers atomic.Int64 // at work
	idle            sync.Pool    // of connections whose buffers are used again
}

// serve accepts connections until there is no listener any more. It waits while the
// process has too many open files.
func (s *fastCGIServer) serve(l net.Listener) error {
	for delay := time.Duration(0); ; {
		c, err := l.Accept()
		switch {
		case isTemporary(err):
			delay = min(2*delay+5*time.Millisecond, time.Second)
			time.Sleep(delay)
		case err != nil:
			return err
		default:
			delay = 0
			s.conns.Add(1)
			go s.serveConn(c)
		}
	}
}

func isTemporary(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (s *fastCGIServer) serveConn(conn net.Conn) {
	defer s.conns.Add(-1)
	defer conn.Close()
	c, ok := s.idle.Get().(*fastCGIConn)
	if !ok {
		c = newFastCGIConn()
	}
	defer s.idle.Put(c)
	c.use(conn)
	_ = c.serve(func(w http.ResponseWriter, env map[string]string, body io.Reader) {
		s.handlers.Add(1)
		defer s.handlers.Add(-1)
		answer(s.handler, s.log, w, env, body)
	}) // the web server has gone away
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
