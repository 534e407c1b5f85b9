//go:build unix

package wire

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
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
	ours, theirs, err := Socketpair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	c := &Child{Cmd: cmd, stdin: ours}
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

// Socketpair makes two connected sockets that no child inherits by itself.
func Socketpair() (ours, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, err
	}
	syscall.CloseOnExec(pair[0])
	syscall.CloseOnExec(pair[1])
	return os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs"), nil
}
