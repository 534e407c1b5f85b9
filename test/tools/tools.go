// Package tools finds the programs that some tests need beside Go and a C
// compiler. A test that lacks one is skipped by itself and says what would run
// it; in continuous integration (CI=true), where every test counts, it fails.
package tools

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Missing skips a test that needs something the machine lacks. how says what
// provides it, such as "apt-get install sqlite3".
func Missing(t testing.TB, what, how string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: %s", what, how)
	}
	note(t.Name(), how)
	t.Skipf("%s is missing: %s", what, how)
}

// Need asks for programs (by name or path) or files of a Debian package.
func Need(t testing.TB, debianPackage string, files ...string) {
	t.Helper()
	for _, f := range files {
		if _, err := exec.LookPath(f); err == nil {
			continue
		}
		if _, err := os.Stat(f); err != nil {
			Missing(t, f, "apt-get install "+debianPackage)
		}
	}
}

// Path asks for a program of a Debian package and returns where it is.
func Path(t testing.TB, name, debianPackage string) string {
	t.Helper()
	Need(t, debianPackage, name)
	file, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// Root asks for the rights of root.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Missing(t, "root", "run the tests as root")
	}
}

// Long skips a test that takes longer than a quick run may; it runs under CI=true.
func Long(t testing.TB) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		return
	}
	const how = "CI=true go test ./... (this takes longer)"
	note(t.Name(), how)
	t.Skip(how)
}

// skipped are the tests that were skipped, by what would run them.
var skipped = struct {
	sync.Mutex
	tests map[string][]string
}{tests: make(map[string][]string)}

func note(test, how string) {
	skipped.Lock()
	defer skipped.Unlock()
	if !slices.Contains(skipped.tests[how], test) {
		skipped.tests[how] = append(skipped.tests[how], test)
	}
}

// Report says which tests were skipped, and what would run them, where people
// see it without -v. A TestMain calls it at its end.
func Report() {
	skipped.Lock()
	defer skipped.Unlock()
	if len(skipped.tests) == 0 {
		return
	}
	var b strings.Builder
	for _, how := range slices.Sorted(maps.Keys(skipped.tests)) {
		fmt.Fprintf(&b, "skipped, to run: %s\n\t%s\n", how, strings.Join(skipped.tests[how], " "))
	}
	if !toParent(b.String()) {
		fmt.Fprint(os.Stderr, b.String())
	}
}

// ReadSources looks at every file of the program. The go command notes what a
// test looks at, and so knows that a result it remembers is out of date: it
// cannot know of the program that these tests compile themselves.
func ReadSources(root string) {
	filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules"):
			return fs.SkipDir
		case !d.IsDir():
			os.Stat(name)
		}
		return nil
	})
}
