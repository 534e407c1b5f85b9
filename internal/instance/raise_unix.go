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
