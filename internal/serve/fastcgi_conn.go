package serve

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"
)

// The program's side of FastCGI 1.0, in the role of a responder. Why it is not
// net/http/fcgi's is in docs/decisions/6-fastcgi.md.

// Kinds of records (section 8).
const (
	fcgiBegin     = 1
	fcgiAbort     = 2
	fcgiEnd       = 3
	fcgiParams    = 4
	fcgiStdin     = 5
	fcgiStdout    = 6
	fcgiGetValues = 9
	fcgiValues    = 10
)

// How a request ended (section 5.5).
const (
	fcgiComplete      = 0
	fcgiCantMultiplex = 1
	fcgiUnknownRole   = 3
)

const (
	maxParams = 64 << 10  // bytes of the variables of a request
	maxRest   = 100 << 20 // bytes of a body that nobody reads; as much as net/http/fcgi
	maxRecord = 65535     // bytes in a record
	maxKept   = 32 << 10  // bytes of a buffer that is used again

	sendTimeout = 30 * time.Second // for a request to arrive, and for its answer to be taken
)

var (
	errAborted   = errors.New("the web server has given the request up")
	errNoFastCGI = errors.New("the web server does not speak FastCGI 1.0")
)

// A fastCGIConn is a connection from a web server, which sends one request after the
// other. Its Read and Write are standard input and output of the request under way.
type fastCGIConn struct {
	conn stream
	r    *bufio.Reader
	id   uint16
	open bool // a request is under way
	keep bool // the connection stays open after it

	left, padding int    // bytes of the record under way that are not read
	params        []byte // the variables of the request, as they came
	ended         error  // why there is no more standard input
	out           []byte // records that are not sent yet
}

// newFastCGIConn returns a connection that is ready for use.
func newFastCGIConn() *fastCGIConn { return &fastCGIConn{r: bufio.NewReaderSize(nil, 4<<10)} }

// A stream is what is used of a net.Conn.
type stream interface {
	io.ReadWriter
	SetDeadline(time.Time) error
}

// use makes it the connection with a web server, and keeps its buffers.
func (c *fastCGIConn) use(conn stream) {
	c.r.Reset(conn)
	*c = fastCGIConn{r: c.r, conn: conn, params: c.params, out: c.out[:0]}
}

// serve answers the requests of the connection until it ends. answer gets the web
// server's variables, nil if they are more than maxParams.
func (c *fastCGIConn) serve(answer func(w http.ResponseWriter, env map[string]string, body io.Reader)) error {
	for {
		env, err := c.request()
		switch {
		case err == nil:
			w := &cgiWriter{header: make(http.Header)}
			answer(w, env, c)
			_ = w.send(c) // into c.out
			c.record(fcgiStdout, c.id, nil)
		case err != errAborted:
			return err
		}
		c.end(c.id, fcgiComplete)
		c.hurry() // however long the answer took
		if err := c.flush(); err != nil {
			return err
		}
		// What lies unread when the connection is closed would take the answer with it.
		n, err := io.CopyN(io.Discard, c, maxRest)
		if n == maxRest || err != io.EOF && err != errAborted || !c.keep {
			return err
		}
		c.open = false
		_ = c.conn.SetDeadline(time.Time{})
	}
}

// hurry bounds how long the web server, and who is behind it, may take from now on.
func (c *fastCGIConn) hurry() { _ = c.conn.SetDeadline(time.Now().Add(sendTimeout)) }

// request reads the variables of the next request.
func (c *fastCGIConn) request() (map[string]string, error) {
	c.params, c.ended = c.params[:0], nil
	for size := 0; ; {
		if c.ended = c.next(fcgiParams); c.ended != nil {
			return nil, c.ended
		}
		switch size += c.left; {
		case c.left == 0 && size > maxParams:
			return nil, nil
		case c.left == 0:
			return pairs(string(c.params)), nil
		case size > maxParams:
			continue // the record is passed over
		}
		at := len(c.params)
		c.params = append(c.params, make([]byte, c.left)...)
		if _, err := io.ReadFull(c.r, c.params[at:]); err != nil {
			return nil, err
		}
		c.left = 0
	}
}

// pairs reads names and values (section 3.4), as far as they are whole.
func pairs(text string) map[string]string {
	all := make(map[string]string, 32)
	for {
		name, rest, ok := size(text)
		value, rest, ok2 := size(rest)
		if !ok || !ok2 || name > len(rest) || value > len(rest)-name {
			return all
		}
		all[rest[:name]], text = rest[name:name+value], rest[name+value:]
	}
}

// size reads a length of one byte, or of four if its first bit is set.
func size(text string) (n int, rest string, ok bool) {
	switch {
	case text == "" || text[0] > 127 && len(text) < 4:
		return 0, "", false
	case text[0] < 128:
		return int(text[0]), text[1:], true
	}
	return int(text[0]&127)<<24 | int(text[1])<<16 | int(text[2])<<8 | int(text[3]), text[4:], true
}

// next goes on to the next record of a kind that belongs to the request under way,
// which it begins if there is none. Other records are answered, or passed over.
func (c *fastCGIConn) next(kind byte) error {
	for {
		if err := c.flush(); err != nil {
			return err
		}
		if _, err := c.r.Discard(c.left + c.padding); err != nil {
			return err
		}
		head, err := c.r.Peek(8)
		if err == io.EOF && (c.open || len(head) > 0) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		version, came, id := head[0], head[1], binary.BigEndian.Uint16(head[2:])
		c.left, c.padding = int(binary.BigEndian.Uint16(head[4:])), int(head[6])
		if version != 1 {
			return errNoFastCGI
		}
		c.r.Discard(len(head))
		switch mine := c.open && id == c.id; {
		case came == kind && mine:
			return nil
		case came == fcgiAbort && mine:
			return errAborted
		case came == fcgiBegin:
			err = c.begin(id, mine)
		case came == fcgiGetValues:
			c.record(fcgiValues, 0, []byte("\x0f\x01FCGI_MPXS_CONNS0"))
		}
		if err != nil {
			return err
		}
	}
}

// begin reads the record that begins a request. A second one at the same time is refused.
func (c *fastCGIConn) begin(id uint16, again bool) error {
	b, err := c.r.Peek(c.left)
	switch {
	case again || len(b) != 8:
		return errors.Join(errNoFastCGI, err)
	case c.open:
		c.end(id, fcgiCantMultiplex)
	case binary.BigEndian.Uint16(b) != 1:
		c.end(id, fcgiUnknownRole)
	default:
		c.id, c.open, c.keep = id, true, b[2]&1 != 0
		c.hurry()
	}
	return nil
}

// Read reads the body of the request.
func (c *fastCGIConn) Read(p []byte) (n int, err error) {
	if c.ended == nil && c.left == 0 {
		c.ended = c.next(fcgiStdin)
		if c.ended == nil && c.left == 0 {
			c.ended = io.EOF
		}
	}
	if c.ended != nil {
		return 0, c.ended
	}
	n, c.ended = c.r.Read(p[:min(len(p), c.left)])
	c.left -= n
	if c.ended == io.EOF {
		c.ended = io.ErrUnexpectedEOF
	}
	return n, c.ended
}

// Write adds a piece of the answer to what is to be sent.
func (c *fastCGIConn) Write(p []byte) (int, error) {
	for piece := range slices.Chunk(p, maxRecord) {
		c.record(fcgiStdout, c.id, piece)
	}
	return len(p), nil
}

// end adds the record that ends a request.
func (c *fastCGIConn) end(id uint16, how byte) {
	c.record(fcgiEnd, id, []byte{0, 0, 0, 0, how, 0, 0, 0})
}

func (c *fastCGIConn) record(kind byte, id uint16, content []byte) {
	n := len(content)
	c.out = append(c.out, 1, kind, byte(id>>8), byte(id), byte(n>>8), byte(n), 0, 0)
	c.out = append(c.out, content...)
}

// flush sends what is to be sent, in one piece.
func (c *fastCGIConn) flush() (err error) {
	if len(c.out) > 0 {
		_, err = c.conn.Write(c.out)
	}
	if c.out = c.out[:0]; cap(c.out) > maxKept {
		c.out = nil
	}
	return err
}
