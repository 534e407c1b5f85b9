//go:build unix

package instance

import (
	"os"
	"syscall"
)

// raise sends this process a signal.
func raise(s os.Signal) {
	if number, ok := s.(syscall.Signal); ok {
		_ = syscall.Kill(os.Getpid(), number)
	}
}

// openFilesLimit is how many files the process may have open. (Go has raised it as far
// as it may.)
func openFilesLimit() (uint64, bool) {
	var l syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
	return uint64(l.Cur), err == nil
}
