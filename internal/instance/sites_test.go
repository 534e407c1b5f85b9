package instance

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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

// Strangers who ask for a site that has a fault fill no log: each has a line a minute.
func TestSitesTell(t *testing.T) {
	var log strings.Builder
	s, err := OpenSites(&Environment{Stderr: &log}, t.TempDir(), 2)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		s.tell("a.example", errBusySite)
		s.tell("b.example", errNoRoom)
	}
	if n := strings.Count(log.String(), "\n"); n != 2 {
		t.Errorf("%d lines:\n%s", n, log.String())
	}
	s.told["a.example"] = time.Now().Add(-time.Minute)
	s.tell("a.example", errBusySite)
	if n := strings.Count(log.String(), "site=a.example"); n != 2 {
		t.Errorf("a minute later there are %d lines about it:\n%s", n, log.String())
	}
	for i := range 2 * maxTold { // nothing can be looked at, and there are names without end
		s.tell(fmt.Sprintf("h%d.example", i), fs.ErrPermission)
	}
	if n := strings.Count(log.String(), "permission"); n > maxTold || len(s.told) > maxTold {
		t.Errorf("%d lines, %d names", n, len(s.told))
	}
}

// A site that is slow to look at holds its own place, and is not looked at twice.
func TestSitesLookAt(t *testing.T) {
	s, err := OpenSites(&Environment{Stderr: t.Output()}, t.TempDir(), 2)
	if err != nil {
		t.Fatal(err)
	}
	places, release, done := make(chan struct{}, 2), make(chan struct{}), make(chan string, 9)
	look := func(host string, wait bool) {
		s.lookAt(t.Context(), places, host, func(context.Context) {
			if wait {
				<-release
			}
			done <- host
		})
	}
	look("slow.example", true)
	look("slow.example", true)
	for range 3 {
		look("quick.example", false)
		if got := <-done; got != "quick.example" {
			t.Errorf("looked at %s", got)
		}
		for s.looks("quick.example") {
			time.Sleep(time.Millisecond)
		}
	}
	close(release)
	<-done
	select {
	case host := <-done:
		t.Errorf("%s was looked at twice", host)
	case <-time.After(20 * time.Millisecond):
	}
}

func (s *Sites) looks(host string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.looked[host]
}
