package main

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	drainHandlers = 7 * time.Second        // mod_fcgid kills 8 s after its first SIGTERM
	drainConns    = 250 * time.Millisecond // for the last answers to leave
)

// serveFastCGI serves until SIGTERM, SIGINT or SIGUSR1, or, where somebody will
// start the next process, until the program's file has been replaced; then it stops
// accepting and lets requests finish. Further signals are swallowed: mod_fcgid
// repeats its SIGTERM after a second.
func serveFastCGI(l net.Listener, s *site, restarted bool) error {
	defer s.close()
	stop := make(chan os.Signal, 8)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1)
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	var stopping atomic.Bool
	end := func() {
		stopping.Store(true)
		l.Close()
	}
	go func() {
		for range stop {
			end()
		}
	}()
	conns := &fastCGIListener{Listener: l}
	var handlers atomic.Int64
	replaced := replacement()
	err := fcgi.Serve(conns, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Add(-1)
		growStack()
		s.ServeHTTP(w, withFront(r, fcgi.ProcessEnv(r)))
		if restarted && replaced() {
			end()
		}
	}))
	if !stopping.Load() {
		return err
	}
	waitForZero(&handlers, drainHandlers)
	waitForZero(&conns.open, drainConns)
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
	name, err := os.Executable()
	if err != nil {
		return func() bool { return false }
	}
	start, err := os.Stat(name)
	if err != nil {
		return func() bool { return false }
	}
	var n atomic.Int64
	return func() bool {
		if n.Add(1)%10 != 0 {
			return false
		}
		now, err := os.Stat(name)
		return err == nil && (!os.SameFile(start, now) || !now.ModTime().Equal(start.ModTime()))
	}
}

// spendMemory lets garbage wait: net/http/fcgi takes 128 KB of buffers for each
// connection, and with the runtime's 4 MB heap a fifth of the time would go into
// collecting them. It costs 4 MB for each 100 percent: little where a web server
// starts many processes, more for the one process of a server of one's own.
func spendMemory(percent int) { debug.SetGCPercent(percent) }

// growStack makes room on the stack of a new goroutine for a whole request, while
// there is little on it that must be copied.
//
//go:noinline
func growStack() {
	var room [5 << 10]byte
	touchStack(&room)
}

//go:noinline
func touchStack(*[5 << 10]byte) {}

// A fastCGIListener knows how many of its connections are open.
type fastCGIListener struct {
	net.Listener
	open atomic.Int64
}

// Accept counts the connection until it is closed. It waits while there are too
// many: net/http/fcgi would end the process.
func (l *fastCGIListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	for delay := 5 * time.Millisecond; passing(err); delay = min(2*delay, time.Second) {
		time.Sleep(delay)
		c, err = l.Listener.Accept()
	}
	if err != nil {
		return nil, err
	}
	l.open.Add(1)
	return &fastCGIConn{Conn: c, r: bufio.NewReaderSize(c, 4<<10), answer: make([]byte, 0, 1<<10), open: &l.open}, nil
}

func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// A fastCGIConn reads and writes in large pieces. net/http/fcgi reads the eight
// bytes before a record on their own and writes each record on its own, so that
// a short answer wakes the web server four times.
type fastCGIConn struct {
	net.Conn
	r      *bufio.Reader
	answer []byte // records that wait for the end of their request
	open   *atomic.Int64
}

// Kinds of records (FastCGI 1.0, section 8).
const fastCGIStdout = 6

// maxWaiting is how many bytes of an answer wait for its end.
const maxWaiting = 16 << 10

// Read reads what the web server sent.
func (c *fastCGIConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// Write takes one whole record. What belongs to an answer waits for the record
// that ends the request; net/http/fcgi writes one at a time.
func (c *fastCGIConn) Write(record []byte) (int, error) {
	c.answer = append(c.answer, record...)
	if len(record) > 1 && record[1] == fastCGIStdout && len(c.answer) < maxWaiting {
		return len(record), nil
	}
	if err := c.flush(); err != nil {
		return 0, err
	}
	return len(record), nil
}

func (c *fastCGIConn) flush() error {
	if len(c.answer) == 0 {
		return nil
	}
	_, err := c.Conn.Write(c.answer)
	c.answer = c.answer[:0]
	return err
}

// Close sends what waits and closes the connection; net/http/fcgi does so once.
func (c *fastCGIConn) Close() error {
	c.flush()
	c.open.Add(-1)
	return c.Conn.Close()
}
