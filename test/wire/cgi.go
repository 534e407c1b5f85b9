package wire

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
	"strconv"
	"strings"
	"syscall"
)

// A Child is a CGI process that waits for its body.
type Child struct {
	Cmd    *exec.Cmd
	Stdout bytes.Buffer
	stdin  *os.File // our end of the socket
}

// StartCGI starts the command as Apache's mod_cgid does, with a connected socket
// for stdin. The command's environment must hold the variables of RFC 3875.
func StartCGI(cmd *exec.Cmd) (*Child, error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	theirs := os.NewFile(uintptr(pair[1]), "stdin")
	defer theirs.Close()
	c := &Child{Cmd: cmd, stdin: os.NewFile(uintptr(pair[0]), "body")}
	cmd.Stdin, cmd.Stdout = theirs, &c.Stdout
	if err := cmd.Start(); err != nil {
		c.stdin.Close()
		return nil, err
	}
	return c, nil
}

// Send gives the process its body; one that was killed does not take it.
func (c *Child) Send(body string) {
	io.WriteString(c.stdin, body)
	syscall.Shutdown(int(c.stdin.Fd()), syscall.SHUT_WR)
}

// Wait waits for the end of the process, after which Stdout is complete.
func (c *Child) Wait() error {
	err := c.Cmd.Wait()
	c.stdin.Close()
	return err
}

// Reply waits for the end of the process and returns its reply. It fails if
// the process did.
func (c *Child) Reply() (*Reply, error) {
	if err := c.Wait(); err != nil {
		return nil, fmt.Errorf("CGI process: %w", err)
	}
	return ParseCGI(c.Stdout.Bytes())
}

// CGI runs the command for one request.
func CGI(cmd *exec.Cmd, body string) (*Reply, error) {
	c, err := StartCGI(cmd)
	if err != nil {
		return nil, err
	}
	c.Send(body)
	return c.Reply()
}

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
