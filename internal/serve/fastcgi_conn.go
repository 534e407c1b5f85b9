package serve

import (
	"bufio"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// A fastCGIListener counts the connections that are open.
type fastCGIListener struct {
	net.Listener
	open *atomic.Int64
}

// Accept counts the connection until it is closed. It waits while there are too
// many: net/http/fcgi would end the process.
func (l *fastCGIListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	for delay := 5 * time.Millisecond; isTemporary(err); delay = min(2*delay, time.Second) {
		time.Sleep(delay)
		c, err = l.Listener.Accept()
	}
	if err != nil {
		return nil, err
	}
	l.open.Add(1)
	return &fastCGIConn{Conn: c, r: bufio.NewReaderSize(c, 4<<10), answer: make([]byte, 0, 1<<10), open: l.open}, nil
}

func isTemporary(err error) bool {
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
