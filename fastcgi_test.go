package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// The web server's side of FastCGI, as much of it as one request needs
// (FastCGI specification 1.0, sections 3 and 5).

const (
	fcgiBegin  = 1
	fcgiEnd    = 3
	fcgiParams = 4
	fcgiStdin  = 5
	fcgiStdout = 6
	fcgiStderr = 7
)

// fastCGI sends one request on a connection of its own and reads the answer.
func fastCGI(c net.Conn, vars map[string]string, body string) (*wireAnswer, error) {
	var b bytes.Buffer
	record(&b, fcgiBegin, []byte{0, 1, 0, 0, 0, 0, 0, 0}) // responder, do not keep the connection
	var params bytes.Buffer
	for name, value := range vars {
		length(&params, len(name))
		length(&params, len(value))
		params.WriteString(name + value)
	}
	stream(&b, fcgiParams, params.Bytes())
	stream(&b, fcgiStdin, []byte(body))
	go c.Write(b.Bytes()) // the answer may come before all of it is read
	return readFastCGI(c)
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

func readFastCGI(r io.Reader) (*wireAnswer, error) {
	var stdout bytes.Buffer
	for {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return nil, fmt.Errorf("the FastCGI answer breaks off after %q: %w", stdout.String(), err)
		}
		content := make([]byte, int(head[4])<<8|int(head[5]))
		if _, err := io.ReadFull(r, content); err != nil {
			return nil, err
		}
		if _, err := io.CopyN(io.Discard, r, int64(head[6])); err != nil {
			return nil, err
		}
		switch head[1] {
		case fcgiStdout:
			stdout.Write(content)
		case fcgiStderr:
			return nil, fmt.Errorf("FastCGI stderr: %q", content)
		case fcgiEnd:
			if !bytes.Equal(content[:5], make([]byte, 5)) {
				return nil, errors.New("the FastCGI request did not end well")
			}
			return parseCGI(stdout.Bytes())
		}
	}
}
