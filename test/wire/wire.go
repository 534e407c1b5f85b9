// Package wire sends requests to the program as web servers and clients do:
// to a CGI child, over FastCGI, and over HTTP. All tests share it.
package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// A Request is a request as a client sends it.
type Request struct {
	Method, Target string
	Header         [][2]string
	Body           string
}

// Get returns the first header field of the name, or "".
func (r *Request) Get(name string) string {
	for _, h := range r.Header {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

// A Reply is what came back.
type Reply struct {
	Status int
	Header http.Header
	Body   string
}

// Member returns a member of the JSON object or form in the body, and whether it
// is there. What is not a JSON string is returned as JSON.
func (r *Reply) Member(name string) (string, bool) {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		v, err := url.ParseQuery(r.Body)
		return v.Get(name), err == nil && v.Has(name)
	}
	members := make(map[string]json.RawMessage)
	if json.Unmarshal([]byte(r.Body), &members) != nil || members[name] == nil {
		return "", false
	}
	var text string
	if json.Unmarshal(members[name], &text) == nil {
		return text, true
	}
	return string(members[name]), true
}

// HTTP sends a request on a connection of its own. It writes the request as it
// is, so that a test can send what net/http's client would not.
func HTTP(c net.Conn, r *Request) (*Reply, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nConnection: close\r\n", r.Method, r.Target)
	if r.Get("Host") == "" {
		b.WriteString("Host: example.com\r\n")
	}
	for _, f := range r.Header {
		fmt.Fprintf(&b, "%s: %s\r\n", f[0], f[1])
	}
	switch {
	case r.Get("Transfer-Encoding") != "":
		fmt.Fprintf(&b, "\r\n%x\r\n%s\r\n0\r\n\r\n", len(r.Body), r.Body)
	case r.Body != "":
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(r.Body), r.Body)
	default:
		b.WriteString("\r\n")
	}
	go c.Write(b.Bytes()) // the reply may come before all of it is read
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: r.Method})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return &Reply{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}, err
}
