package serve

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

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
func connectFastCGI(t *testing.T, h http.HandlerFunc) (net.Conn, *observedListener, *fastCGIServer) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	raw := &observedListener{Listener: l}
	s := &fastCGIServer{handler: h, log: slog.New(slog.DiscardHandler)}
	go s.serve(raw)
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); l.Close() })
	return c, raw, s
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
	c, _, s := connectFastCGI(t, func(w http.ResponseWriter, r *http.Request) {})
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
	waitForZero(&s.conns, drainConns)
	if n := s.conns.Load(); n != 0 {
		t.Errorf("%d connections count as open", n)
	}
}

// A brokenListener fails with each error, then gives a connection.
type brokenListener struct {
	net.Listener
	faults []error
	conns  int
}

func (l *brokenListener) Accept() (net.Conn, error) {
	if len(l.faults) > 0 {
		err := l.faults[0]
		l.faults = l.faults[1:]
		return nil, err
	}
	if l.conns++; l.conns > 1 {
		return nil, net.ErrClosed
	}
	c, _ := net.Pipe()
	return c, nil
}

func TestTooManyOpenFilesPass(t *testing.T) {
	l := &brokenListener{faults: []error{syscall.EMFILE, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.ENFILE)}}}
	if err := new(fastCGIServer).serve(l); !errors.Is(err, net.ErrClosed) || l.conns != 2 {
		t.Errorf("%d connections, then %v", l.conns, err)
	}
	l = &brokenListener{faults: []error{net.ErrClosed}}
	if err := new(fastCGIServer).serve(l); !errors.Is(err, net.ErrClosed) || l.conns != 0 {
		t.Errorf("%d connections, then %v", l.conns, err)
	}
}

// A conversation is what a web server sends, and what it gets.
type conversation struct {
	io.Reader
	bytes.Buffer
}

func (c *conversation) Read(p []byte) (int, error) { return c.Reader.Read(p) }

func (c *conversation) SetDeadline(time.Time) error { return nil }

// converse sends text to a handler that answers with the body that it got, and returns
// what comes back, a line a record: kind, id and content.
func converse(text string) (records []string, seen []string, err error) {
	conn := &conversation{Reader: iotest.OneByteReader(strings.NewReader(text))}
	c := newFastCGIConn()
	c.use(conn)
	err = c.serve(func(w http.ResponseWriter, env map[string]string, body io.Reader) {
		b, err := io.ReadAll(body)
		seen = append(seen, fmt.Sprintf("%v %q %v", env, b, err))
	})
	for b := conn.Bytes(); len(b) > 0; {
		n := int(b[4])<<8 | int(b[5])
		records = append(records, fmt.Sprintf("%d %d %q", b[1], int(b[2])<<8|int(b[3]), b[8:8+n]))
		b = b[8+n+int(b[6]):]
	}
	return records, seen, err
}

// fcgiRecord is a record with three bytes of padding.
func fcgiRecord(kind, id byte, content string) string {
	return string([]byte{1, kind, 0, id, byte(len(content) >> 8), byte(len(content)), 3, 0}) + content + "xyz"
}

// What web servers may send besides one request after the other (sections 3.3 and 5).
func TestFastCGIRecords(t *testing.T) {
	const keeps, closes = "\x00\x01\x01\x00\x00\x00\x00\x00", "\x00\x01\x00\x00\x00\x00\x00\x00"
	begin := fcgiRecord(1, 7, keeps)
	params := fcgiRecord(4, 7, "\x01\x80\x00\x00\x01ab") + fcgiRecord(4, 7, "\x02\x00xy") + fcgiRecord(4, 7, "")
	body := fcgiRecord(5, 7, "hel") + fcgiRecord(5, 7, "lo") + fcgiRecord(5, 7, "")
	whole := `map[a:b xy:] "hello" <nil>`
	status := `6 7 "Status: 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"`
	ended := []string{status, `6 7 ""`, `3 7 "\x00\x00\x00\x00\x00\x00\x00\x00"`}
	for _, tt := range []struct {
		name, text string
		records    []string
		seen       []string
		err        error
	}{
		{"nothing", "", nil, nil, io.EOF},
		{"two requests", begin + params + body + begin + params + body, slices.Concat(ended, ended), []string{whole, whole}, io.EOF},
		{"the last", fcgiRecord(1, 7, closes) + params + body + begin, ended, []string{whole}, io.EOF},
		{"a second at the same time", begin + fcgiRecord(1, 8, keeps) + fcgiRecord(4, 8, "") + params + fcgiRecord(5, 8, "not mine") + body,
			slices.Concat([]string{`3 8 "\x00\x00\x00\x00\x01\x00\x00\x00"`}, ended), []string{whole}, io.EOF},
		{"the same again", begin + begin, nil, nil, errNoFastCGI},
		{"another role", fcgiRecord(1, 7, "\x00\x02\x00\x00\x00\x00\x00\x00") + params, []string{`3 7 "\x00\x00\x00\x00\x03\x00\x00\x00"`}, nil, io.EOF},
		{"what can you do", fcgiRecord(9, 0, "\x0f\x00FCGI_MPXS_CONNS") + begin + params + body,
			slices.Concat([]string{`10 0 "\x0f\x01FCGI_MPXS_CONNS0"`}, ended), []string{whole}, io.EOF},
		{"an unknown kind", fcgiRecord(99, 7, "?") + begin + fcgiRecord(8, 7, "data") + params + body, ended, []string{whole}, io.EOF},
		{"given up before", begin + fcgiRecord(2, 7, "") + begin + params + body, slices.Concat(ended[2:], ended), []string{whole}, io.EOF},
		{"given up within", begin + params + fcgiRecord(5, 7, "hel") + fcgiRecord(2, 7, "") + begin + params + body, slices.Concat(ended, ended),
			[]string{`map[a:b xy:] "hel" ` + errAborted.Error(), whole}, io.EOF},
		{"broken off", begin + params + fcgiRecord(5, 7, "hel"), ended, []string{`map[a:b xy:] "hel" unexpected EOF`}, io.ErrUnexpectedEOF},
		{"broken off within", begin + params + fcgiRecord(5, 7, "hello")[:10], ended, []string{`map[a:b xy:] "he" unexpected EOF`}, io.ErrUnexpectedEOF},
		{"broken off before", begin + params[:5], nil, nil, io.ErrUnexpectedEOF},
		{"lengths that are too long", begin + fcgiRecord(4, 7, "\x01\x01ab\xff\xff\xff\xff\xff\xff\xff\xffcd") + fcgiRecord(4, 7, "") + body, ended,
			[]string{`map[a:b] "hello" <nil>`}, io.EOF},
		{"a length without end", begin + fcgiRecord(4, 7, "\x01\x01ab\x80") + fcgiRecord(4, 7, "") + body, ended, []string{`map[a:b] "hello" <nil>`}, io.EOF},
		{"another version", "\x02\x01\x00\x01\x00\x00\x00\x00", nil, nil, errNoFastCGI},
		{"a short beginning", fcgiRecord(1, 7, "\x00\x01"), nil, nil, errNoFastCGI},
	} {
		records, seen, err := converse(tt.text)
		if !slices.Equal(records, tt.records) || !slices.Equal(seen, tt.seen) || !errors.Is(err, tt.err) {
			t.Errorf("%s: got\n%q, the handler %q, %v, want\n%q, %q, %v", tt.name, records, seen, err, tt.records, tt.seen, tt.err)
		}
	}
}

// A body shorter than was announced is no request (section 6.2): what is missing could
// be what limits it.
func TestFastCGIBodyIsAsLongAsAnnounced(t *testing.T) {
	for announced, want := range map[string]string{"": "a=b&c=d <nil>", "7": "a=b&c=d <nil>", "3": "a=b <nil>", "9": "a=b&c=d unexpected EOF"} {
		c, _, _ := connectFastCGI(t, func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %v", b, err)
		})
		a, err := wire.FastCGI(c, map[string]string{"REQUEST_METHOD": "POST", "SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_URI": "/", "CONTENT_LENGTH": announced}, "a=b&c=d")
		if err != nil || a.Body != want {
			t.Errorf("announced %q: %v, %v", announced, a, err)
		}
	}
}

// Variables of more than 64 KB are told as such, and not kept (E1).
func TestFastCGIVariablesHaveABound(t *testing.T) {
	called := false
	c, _, _ := connectFastCGI(t, func(http.ResponseWriter, *http.Request) { called = true })
	vars := map[string]string{"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_URI": "/", "HTTP_X": strings.Repeat("x", 8<<20)}
	a, err := wire.FastCGI(c, vars, "body")
	if err != nil || a.Status != http.StatusRequestHeaderFieldsTooLarge || called {
		t.Errorf("answer %v, %v", a, err)
	}
}

// FuzzFastCGI: whatever a web server sends ends, is answered in whole records, and
// reaches no handler that could not stop reading.
func FuzzFastCGI(f *testing.F) {
	f.Add(keptRequest())
	f.Add(append(keptRequest(), wire.FastCGIRequest(map[string]string{"REQUEST_METHOD": "POST"}, "a=b", false)...))
	f.Add([]byte(fcgiRecord(1, 7, "\x00\x01\x01\x00\x00\x00\x00\x00") + fcgiRecord(4, 7, "\x01\x01ab") + fcgiRecord(4, 7, "") + fcgiRecord(5, 7, "a") + fcgiRecord(2, 7, "")))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, seen, err := converse(string(text))
		if err == nil && len(seen) == 0 {
			t.Error("the connection ended without an answer or an error")
		}
	})
}
