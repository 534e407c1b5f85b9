package tools

import (
	"os"
	"regexp"
	"syscall"
	"testing"
)

// Mount puts a small file system of this size ("256k", "1m") on a folder until
// the end of the test, which is skipped where that is not allowed.
func Mount(t *testing.T, folder, size string) {
	t.Helper()
	Root(t)
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "mode=700,size="+size); err != nil {
		Missing(t, "the right to mount: "+err.Error(), "run the tests with CAP_SYS_ADMIN")
	}
	t.Cleanup(func() { syscall.Unmount(folder, syscall.MNT_DETACH) })
}

// Remount makes the file system on a folder read-only, or writable again.
func Remount(t *testing.T, folder string, readOnly bool) {
	t.Helper()
	flags := uintptr(syscall.MS_REMOUNT)
	if readOnly {
		flags |= syscall.MS_RDONLY
	}
	if err := syscall.Mount("tmpfs", folder, "tmpfs", flags, ""); err != nil {
		t.Fatal(err)
	}
}

// OwnMounts asks for a root that is a mount itself: in a chroot, nothing can be mounted that
// one process alone sees.
func OwnMounts(t testing.TB) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || !regexp.MustCompile(`(?m)^\d+ \d+ \S+ \S+ / `).Match(mounts) {
		Missing(t, "a root that is a mount", "run the tests outside of a chroot")
	}
}
