package test

import (
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// A verification whose last use is fresh writes nothing in the folder of the
// database, not even a journal; the first one does.
func TestFreshVerificationWritesNothing(t *testing.T) {
	for _, mode := range []string{"cgi", "fcgi"} {
		t.Run(mode, func(t *testing.T) {
			h := newTestHost(t, released(t), mode)
			h.mustRun(t, "init", "-config", h.config())
			token := strings.TrimSpace(h.mustRun(t, "token", "mint", "-config", h.config(), "-me", "https://you.example/", "-client", appClient, "-scope", "create"))
			folder := watch(t, h.path("mintkeep"))
			if !h.verifies(t, token) {
				t.Fatal("the token does not verify")
			}
			if seen := folder(); !slices.Contains(seen, "tokens.db") {
				t.Fatalf("the first verification is not seen: %q", seen)
			}
			for range 5 {
				h.verifies(t, token)
			}
			if seen := folder(); len(seen) > 0 {
				t.Errorf("written: %q", seen)
			}
		})
	}
}

// watch returns a function that tells which files of a folder were made, written,
// changed or removed since it was last asked (inotify(7)).
func watch(t *testing.T, folder string) func() []string {
	t.Helper()
	fd, err := syscall.InotifyInit1(syscall.IN_NONBLOCK | syscall.IN_CLOEXEC)
	if err != nil {
		t.Fatal(os.NewSyscallError("inotify_init1", err))
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if _, err := syscall.InotifyAddWatch(fd, folder, syscall.IN_MODIFY|syscall.IN_ATTRIB|syscall.IN_CREATE|syscall.IN_DELETE|syscall.IN_MOVE); err != nil {
		t.Fatal(os.NewSyscallError("inotify_add_watch", err))
	}
	return func() (names []string) {
		events := make([]byte, 64<<10)
		n, _ := syscall.Read(fd, events)
		for events = events[:max(n, 0)]; len(events) >= syscall.SizeofInotifyEvent; {
			end := syscall.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(events[12:]))
			names = append(names, strings.TrimRight(string(events[syscall.SizeofInotifyEvent:end]), "\x00"))
			events = events[end:]
		}
		return names
	}
}
