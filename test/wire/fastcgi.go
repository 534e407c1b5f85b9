package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// The web server's side of FastCGI, as much of it as one request needs
// (FastCGI specification 1.0, sections 3 and 5).

// Kinds of records (section 8).
const (
	fcgiBegin  = 1
	fcgiEnd    = 3
	fcgiParams = 4
	fcgiStdin  = 5
	fcgiStdout = 6
	fcgiStderr = 7
)

// FastCGI sends one request on a connection of its own and reads the reply.
func FastCGI(c net.Conn, vars map[string]string, body string) (*Reply, error) {
	go c.Write(FastCGIRequest(vars, body, false)) // the reply may come before all of it is read
	return ReadFastCGI(c)
}

// FastCGIRequest is a request as it goes over the connection; keep asks the
// program to leave the connection open after it.
func FastCGIRequest(vars map[string]string, body string, keep bool) []byte {
	var b, params bytes.Buffer
	begin := make([]byte, 8)
	begin[1] = 1 // responder
	if keep {
		begin[2] = 1
	}
	record(&b, fcgiBegin, begin)
	for name, value := range vars {
		length(&params, len(name))
		length(&params, len(value))
		params.WriteString(name + value)
	}
	stream(&b, fcgiParams, params.Bytes())
	stream(&b, fcgiStdin, []byte(body))
	return b.Bytes()
}

func record(b *bytes.Buffer, kind byte, content []byte) {
	b.Write([]byte{1, kind, 0, 1, byte(len(content) >> 8), byte(len(content)), 0, 0})
	b.Write(content)
}

// stream writes records and the empty one that ends them.
func stream(b *bytes.Buffer, kind byte, content []byte) {
	for len(content) > 0 {
		n := min(len(content), 65535)
		record(b, kind, content[:n])
		content = content[n:]
	}
	record(b, kind, nil)
}

func length(b *bytes.Buffer, n int) {
	if n < 128 {
		b.WriteByte(byte(n))
		return
	}
	b.Write(binary.BigEndian.AppendUint32(nil, uint32(n)|1<<31))
}

// ReadFastCGI reads the reply to one request. It fails if the program wrote to
// its error stream or did not end the request well.
func ReadFastCGI(r io.Reader) (*Reply, error) {
	out, err := FastCGIOutput(r)
	if err != nil {
		return nil, err
	}
	return ParseCGI(out)
}

// FastCGIOutput is ReadFastCGI for those who look at the bytes themselves. It
// reads nothing beyond the end of the request if r is a *bufio.Reader.
func FastCGIOutput(r io.Reader) ([]byte, error) {
	in, ok := r.(*bufio.Reader)
	if !ok {
		in = bufio.NewReader(r)
	}
	var stdout []byte
	for {
		var head [8]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return stdout, fmt.Errorf("the FastCGI reply breaks off after %q: %w", stdout, err)
		}
		content := make([]byte, int(head[4])<<8|int(head[5]))
		if _, err := io.ReadFull(in, content); err != nil {
			return stdout, err
		}
		if _, err := in.Discard(int(head[6])); err != nil {
			return stdout, err
		}
		switch head[1] {
		case fcgiStdout:
			stdout = append(stdout, content...)
		case fcgiStderr:
			return stdout, fmt.Errorf("FastCGI stderr: %q", content)
		case fcgiEnd:
			if !bytes.Equal(content[:5], make([]byte, 5)) {
				return stdout, errors.New("the FastCGI request did not end well")
			}
			return stdout, nil
		}
	}
}
