package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// cgi runs the script for one request, as mod_cgid does: a connected socket
// for stdin, the folder of the script as working directory, and a query string
// without "=" as arguments (RFC 3875 section 4.4).
func (h *host) cgi(r *wireRequest) (*wireAnswer, error) {
	c, err := h.startCGI(r)
	if err != nil {
		return nil, err
	}
	c.send(r.body)
	return c.answer()
}

// A cgiChild is a CGI process that waits for its body.
type cgiChild struct {
	cmd    *exec.Cmd
	stdin  *os.File // our end of the socket
	stdout bytes.Buffer
}

func (h *host) startCGI(r *wireRequest) (*cgiChild, error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	theirs := os.NewFile(uintptr(pair[1]), "stdin")
	defer theirs.Close()
	c := &cgiChild{stdin: os.NewFile(uintptr(pair[0]), "body")}
	script := h.path("public_html" + h.script)
	c.cmd = exec.Command(script, isIndex(r.target)...)
	c.cmd.Dir = filepath.Dir(script)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = theirs, &c.stdout, h.stderr
	c.cmd.Env = append(append([]string{"PATH=/usr/local/bin:/usr/bin:/bin"}, h.env...), environ(h.variables(r))...)
	if h.bare {
		c.cmd.Path, c.cmd.Args[0] = "./"+filepath.Base(script), filepath.Base(script)
	}
	if err := c.cmd.Start(); err != nil {
		c.stdin.Close()
		return nil, err
	}
	return c, nil
}

// send gives the process its body; one that was killed does not take it.
func (c *cgiChild) send(body string) {
	io.WriteString(c.stdin, body)
	syscall.Shutdown(int(c.stdin.Fd()), syscall.SHUT_WR)
}

func (c *cgiChild) answer() (*wireAnswer, error) {
	err := c.cmd.Wait()
	c.stdin.Close()
	if err != nil {
		return nil, fmt.Errorf("CGI process: %w", err)
	}
	return parseCGI(c.stdout.Bytes())
}

// isIndex are the words of a query without "=", which some servers hand over
// as arguments.
func isIndex(target string) []string {
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

// parseCGI reads a CGI answer (RFC 3875 section 6) and takes nothing else for one.
func parseCGI(b []byte) (*wireAnswer, error) {
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(b)))
	header, err := r.ReadMIMEHeader()
	if err != nil {
		return nil, fmt.Errorf("no CGI answer: %w: %q", err, b)
	}
	status, _, _ := strings.Cut(header.Get("Status"), " ")
	a := &wireAnswer{header: http.Header(header)}
	if a.status, err = strconv.Atoi(status); err != nil {
		return nil, fmt.Errorf("no status in the CGI answer: %q", b)
	}
	body, err := io.ReadAll(r.R)
	a.body = string(body)
	return a, err
}

// variables are Apache's for the request.
func (h *host) variables(r *wireRequest) map[string]string {
	root := h.path("public_html")
	location, query, _ := strings.Cut(r.target, "?")
	if u, err := url.Parse(r.target); err == nil && u.IsAbs() {
		location, query = u.EscapedPath(), u.RawQuery
	}
	info, _ := strings.CutPrefix(location, h.script)
	v := map[string]string{
		"GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_SOFTWARE": "Apache/2.4.71 (Unix)",
		"SERVER_NAME": "example.com", "SERVER_ADDR": "127.0.0.1", "SERVER_PORT": "443", "HTTPS": "on", "REQUEST_SCHEME": "https",
		"REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "40000", "DOCUMENT_ROOT": root, "CONTEXT_DOCUMENT_ROOT": root, "CONTEXT_PREFIX": "",
		"SCRIPT_FILENAME": h.path("public_html" + h.script), "SCRIPT_NAME": h.script,
		"REQUEST_METHOD": r.method, "REQUEST_URI": r.target, "QUERY_STRING": query, "HTTP_HOST": "example.com",
	}
	if info != "" && info != location {
		v["PATH_INFO"], v["PATH_TRANSLATED"] = info, root+info
	}
	for _, f := range r.header {
		v["HTTP_"+strings.ToUpper(strings.ReplaceAll(f[0], "-", "_"))] = f[1]
	}
	if ct, ok := v["HTTP_CONTENT_TYPE"]; ok {
		v["CONTENT_TYPE"] = ct
		delete(v, "HTTP_CONTENT_TYPE")
	}
	if r.body != "" && (h.mode == "fcgi" || r.get("Transfer-Encoding") == "") {
		v["CONTENT_LENGTH"] = strconv.Itoa(len(r.body)) // mod_fcgid has counted the chunks, mod_cgid has not
	}
	for name, value := range h.vars {
		if v[name] = value; value == "-" {
			delete(v, name)
		}
	}
	return v
}

func environ(vars map[string]string) []string {
	var env []string
	for name, value := range vars {
		env = append(env, name+"="+value)
	}
	return env
}
