//go:build unix

package doctor

import (
	"io/fs"
	"syscall"
)

// The mode of a file says who may open it.
const modes = true

func owner(info fs.FileInfo) (int, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

func getrlimit(resource int) (uint64, bool) {
	var l syscall.Rlimit
	if resource < 0 || syscall.Getrlimit(resource, &l) != nil {
		return 0, false
	}
	return uint64(l.Cur), true
}
