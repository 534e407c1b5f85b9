//go:build unix

package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Modes is true: the mode of a file says who may open it.
const Modes = true

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

// SyncFolder sees to it that a file which was made or renamed is found in its folder
// after a power failure. File systems that cannot do that are as safe as they are.
func SyncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}
