package doctor

import "syscall"

const (
	rlimitAS    = syscall.RLIMIT_AS
	rlimitData  = syscall.RLIMIT_DATA
	rlimitNproc = 6 // not in package syscall
)

func statfs(folder string) (Volume, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(folder, &st); err != nil {
		return Volume{}, err
	}
	return Volume{Type: uint32(st.Type), Free: st.Bavail * uint64(st.Bsize), ReadOnly: st.Flags&1 != 0}, nil
}
