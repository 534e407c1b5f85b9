package instance

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What is at work stays open, what is idle does not, and room is made for others.
func TestSitesRoom(t *testing.T) {
	dir := t.TempDir()
	for _, host := range []string{"a.example", "b.example", "c.example"} {
		if err := os.Mkdir(filepath.Join(dir, host), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, host, "mintkeep.conf"), []byte("url: https://"+host+"/token\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := OpenSites(&Environment{Stderr: t.Output()}, dir, 2)
	if err != nil {
		t.Fatal(err)
	}
	use := func(host string, want error) *openSite {
		t.Helper()
		site, err := s.use(host)
		if err != want {
			t.Fatalf("%s: %v, want %v", host, err, want)
		}
		return site
	}
	open := func(want ...string) {
		t.Helper()
		for _, host := range want {
			if !s.isOpen(host) {
				t.Errorf("%s is not open", host)
			}
		}
		if len(s.open) != len(want) {
			t.Errorf("%d are open, want %v", len(s.open), want)
		}
	}
	a, b := use("a.example", nil), use("b.example", nil)
	use("c.example", errNoRoom)
	s.release(b)
	s.release(use("c.example", nil))
	open("a.example", "c.example")
	s.closeIdle(time.Now().Add(time.Hour))
	open("a.example")
	for range requestsOfSite - 1 {
		use("a.example", nil)
	}
	use("a.example", errBusySite)
	if err := os.RemoveAll(filepath.Join(dir, "a.example")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.use("a.example"); !os.IsNotExist(err) {
		t.Errorf("a site that is gone: %v, want %v", err, fs.ErrNotExist)
	}
	open()
	for range requestsOfSite {
		s.release(a)
	}
	if len(s.leaving) > 0 {
		t.Errorf("%d are left and not closed", len(s.leaving))
	}
}
