package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
)

// Words are the words of a query without "=", which some servers hand over as
// arguments (RFC 3875 section 4.4).
func Words(target string) []string {
	_, query, _ := strings.Cut(target, "?")
	if query == "" || strings.Contains(query, "=") {
		return nil
	}
	var words []string
	for w := range strings.SplitSeq(query, "+") {
		if u, err := url.PathUnescape(w); err == nil {
			words = append(words, u)
		}
	}
	return words
}

// ParseCGI reads a CGI reply (RFC 3875 section 6) and takes nothing else for one.
func ParseCGI(b []byte) (*Reply, error) {
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(b)))
	header, err := r.ReadMIMEHeader()
	if err != nil {
		return nil, fmt.Errorf("no CGI reply: %w: %q", err, b)
	}
	status, _, _ := strings.Cut(header.Get("Status"), " ")
	a := &Reply{Header: http.Header(header)}
	if a.Status, err = strconv.Atoi(status); err != nil {
		return nil, fmt.Errorf("no status in the CGI reply: %q", b)
	}
	body, err := io.ReadAll(r.R)
	a.Body = string(body)
	return a, err
}

// Environ lists variables in the form of os.Environ.
func Environ(vars map[string]string) []string {
	var env []string
	for name, value := range vars {
		env = append(env, name+"="+value)
	}
	return env
}
