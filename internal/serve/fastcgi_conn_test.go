package serve

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"mintkeep/test/wire"
)

// An observedListener counts the writes on its connections.
type observedListener struct {
	net.Listener
	writes atomic.Int64
}

func (l *observedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &observedConn{c, &l.writes}, err
}

type observedConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c *observedConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// connectFastCGI serves h and returns a connection to it as a web server has one.
func connectFastCGI(t *testing.T, h http.HandlerFunc) (net.Conn, *observedListener, *fastCGIListener) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	raw := &observedListener{Listener: l}
	conns := &fastCGIListener{Listener: raw, open: new(atomic.Int64)}
	go fcgi.Serve(conns, h)
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); l.Close() })
	return c, raw, conns
}

// keptRequest is a GET that leaves the connection open.
func keptRequest() []byte {
	return wire.FastCGIRequest(map[string]string{"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_URI": "/", "HTTP_HOST": "you.example"}, "", true)
}

func TestAShortAnswerOverFastCGILeavesInOnePiece(t *testing.T) {
	c, raw, _ := connectFastCGI(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, `{"me":"you"}`) })
	for n := range int64(3) { // on one connection
		c.Write(keptRequest())
		a, err := wire.ReadFastCGI(c)
		if err != nil || !strings.Contains(a.Body, `{"me":"you"}`) {
			t.Fatalf("answer %d: %v, %v", n+1, a, err)
		}
		if got := raw.writes.Load(); got != n+1 {
			t.Fatalf("%d answers took %d writes", n+1, got)
		}
	}
}

func TestALongAnswerOverFastCGIArrivesWhole(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 20_000)
	c, _, _ := connectFastCGI(t, func(w http.ResponseWriter, r *http.Request) {
		for rest := long; rest != ""; rest = rest[min(len(rest), 5000):] {
			io.WriteString(w, rest[:min(len(rest), 5000)])
			w.(http.Flusher).Flush()
		}
	})
	c.Write(keptRequest())
	a, err := wire.ReadFastCGI(c)
	if err != nil {
		t.Fatal(err)
	}
	if a.Body != long {
		t.Fatalf("%d bytes arrived of %d", len(a.Body), len(long))
	}
}

func TestFastCGIConnectionsAreCounted(t *testing.T) {
	c, _, conns := connectFastCGI(t, func(w http.ResponseWriter, r *http.Request) {})
	a, err := wire.FastCGI(c, map[string]string{"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_URI": "/"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if a.Status != http.StatusOK {
		t.Errorf("answer %v", a)
	}
	if _, err := c.Read(make([]byte, 1)); err != io.EOF { // closed after the answer
		t.Errorf("read %v", err)
	}
	waitForZero(conns.open, drainConns)
	if n := conns.open.Load(); n != 0 {
		t.Errorf("%d connections count as open", n)
	}
}

// A brokenListener fails a few times, as with too many open files.
type brokenListener struct {
	net.Listener
	faults []error
}

func (l *brokenListener) Accept() (net.Conn, error) {
	if len(l.faults) > 0 {
		err := l.faults[0]
		l.faults = l.faults[1:]
		return nil, err
	}
	c, _ := net.Pipe()
	return c, nil
}

func TestTooManyOpenFilesPass(t *testing.T) {
	l := &fastCGIListener{open: new(atomic.Int64), Listener: &brokenListener{faults: []error{syscall.EMFILE, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.ENFILE)}}}}
	if _, err := l.Accept(); err != nil {
		t.Error(err)
	}
	l = &fastCGIListener{open: new(atomic.Int64), Listener: &brokenListener{faults: []error{net.ErrClosed}}}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
