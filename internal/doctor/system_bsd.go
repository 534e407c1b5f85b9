//go:build unix && !linux

package doctor

import "syscall"

const (
	rlimitAS    = syscall.RLIMIT_AS
	rlimitData  = syscall.RLIMIT_DATA
	rlimitNproc = -1
)

// statfs knows nothing elsewhere: the fields differ from system to system.
func statfs(string) (Volume, error) { return Volume{Free: 1 << 40}, nil }
