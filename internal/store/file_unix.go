//go:build unix

package store

import (
	"os"
	"path/filepath"
	"syscall"
)

// GiveToOwner gives a file that root makes to the owner of its folder, as SQLite
// does with its journals: a service that runs as that user is to open it. For
// other users it does nothing.
func GiveToOwner(f *os.File) {
	folder, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil || os.Geteuid() != 0 {
		return
	}
	if owner, ok := folder.Sys().(*syscall.Stat_t); ok {
		_ = f.Chown(int(owner.Uid), int(owner.Gid)) // if it fails, opening the file says so
	}
}
