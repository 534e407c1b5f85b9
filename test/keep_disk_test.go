package test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"mintkeep/keeper/keepertest"
	"mintkeep/test/tools"
)

// However little room the disk has: either nobody is asked for a new token, or the
// token that comes is kept. A strict provider ends a connection whose new refresh
// token is lost.
func TestKeepDiskAlmostFull(t *testing.T) {
	k := &keepSite{t: t, bin: clocked(t), dir: t.TempDir()}
	tools.Mount(t, k.dir, "2m")
	k.ok("", "init", "https://you.example/auth/")
	box, _ := k.box(strictBox)
	box.Delay = 0
	saved, refused := 0, 0
	for free := 0; free <= 100; free += 4 {
		k.fill(free)
		asked := box.Count("refresh_token")
		_, said, status := k.run("", "refresh", "box")
		asked = box.Count("refresh_token") - asked
		if status == 0 {
			saved++
		} else if refused++; asked > 0 {
			t.Errorf("with %d KB left a token came and was not kept: %s", free, said)
		} else if !strings.Contains(said, "full") && !strings.Contains(said, "no space left") {
			t.Errorf("with %d KB left it is not told why: %s", free, said)
		}
		if err := os.Remove(k.path("filler")); err != nil {
			t.Fatal(err)
		}
		k.sql(`UPDATE connections SET lease_until = NULL`) // if even that could not be written
		if token, said, status := k.run("", "get", "box"); status != 0 || !box.Active(token) {
			t.Fatalf("with %d KB left it was lost: %s", free, said)
		}
	}
	if t.Logf("%d saved, %d not asked for", saved, refused); saved == 0 || refused == 0 {
		t.Error("it says nothing")
	}
	files, err := os.ReadDir(k.dir)
	if err != nil {
		t.Fatal(err)
	}
	if left := fmt.Sprint(files); strings.Contains(left, "-room") {
		t.Errorf("left behind: %s", left)
	}
}

// Nor is a first token asked for that could not be kept: the one before may end with it.
func TestConnectDiskAlmostFull(t *testing.T) {
	k := &keepSite{t: t, bin: clocked(t), dir: t.TempDir()}
	tools.Mount(t, k.dir, "2m")
	k.ok("", "init", "https://you.example/auth/")
	box, _ := k.box(nil)
	saved := 0
	for free := 0; free <= 96; free += 4 {
		k.fill(free)
		asked := box.Count("password")
		_, said, status := k.run(keepertest.Password+"\n", "connect", "box", "-grant", "password", "-username", keepertest.Username)
		if status == 0 {
			saved++
		} else if box.Count("password") > asked {
			t.Errorf("with %d KB left a token came and was not kept: %s", free, said)
		}
		if err := os.Remove(k.path("filler")); err != nil {
			t.Fatal(err)
		}
	}
	if saved == 0 {
		t.Error("it says nothing")
	}
}

// fill takes all room of the disk but so many KB.
func (k *keepSite) fill(free int) {
	k.t.Helper()
	f, err := os.Create(k.path("filler"))
	if err != nil {
		k.t.Fatal(err)
	}
	defer f.Close()
	size := int64(0)
	for err == nil {
		var n int
		n, err = f.Write(make([]byte, 4096))
		size += int64(n)
	}
	if err := f.Truncate(size - int64(free)<<10); err != nil {
		k.t.Fatal(err)
	}
}
