//go:build unix

package serve

import (
	"os"
	"syscall"
)

// endSignals are those that end a process that stays, once its requests have finished.
func endSignals() []os.Signal {
	return []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1}
}

// IsListening reports whether the file is a listening socket, by which a web
// server hands over FastCGI. A socket alone says nothing: Apache gives CGI
// programs a connected one.
func IsListening(f *os.File) bool {
	if f == nil {
		return false
	}
	c, err := f.SyscallConn()
	if err != nil {
		return false
	}
	listening := 0
	err2 := c.Control(func(fd uintptr) {
		listening, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	})
	return err == nil && err2 == nil && listening == 1
}
