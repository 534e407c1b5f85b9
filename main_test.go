package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be the program: under the name mintkeep, or
// direct.cgi for a program that is itself the CGI script, it does what main does.
func TestMain(m *testing.M) {
	program := func() { os.Exit(run(started(testClock(os.Getenv(clockVariable))))) }
	testscript.Main(tests{m}, map[string]func(){"mintkeep": program, "direct.cgi": program})
}

// clockVariable names a file with the seconds that the program's clock is
// ahead. Only the test binary looks at it.
const clockVariable = "MINTKEEP_TEST_CLOCK"

// testClock is read anew each time, so that a script can move the clock of a
// running process.
func testClock(file string) func() time.Time {
	return func() time.Time {
		text, _ := os.ReadFile(file)
		ahead, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		return time.Now().Add(time.Duration(ahead) * time.Second)
	}
}

// buildVariable names the folder for what the tests of one run compile.
const buildVariable = "MINTKEEP_TEST_BUILD"

type tests struct{ *testing.M }

// Run gives the tests a folder to compile into.
func (t tests) Run() int {
	dir, err := os.MkdirTemp("", "mintkeep-built")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	os.Setenv(buildVariable, dir)
	return t.M.Run()
}

// build compiles the program once a run, for the tests whose subject are many
// processes: the test binary starts more slowly.
var build = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(os.Getenv(buildVariable), "mintkeep")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", binary, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("compiling the program: %w\n%s", err, out)
	}
	return binary, nil
})

func compiled(t testing.TB) string {
	t.Helper()
	file, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// systemTool finds a program that is not part of this module. Where the tests
// count (CI=true) it must be there; elsewhere the test is skipped without it.
func systemTool(t testing.TB, name, debianPackage string) string {
	t.Helper()
	file, err := exec.LookPath(name)
	if err == nil {
		return file
	}
	missing := fmt.Sprintf("%s is missing: apt-get install %s", name, debianPackage)
	if os.Getenv("CI") == "true" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// runTool runs a command that must succeed and returns what it printed.
func runTool(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Dir = dir
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, cmp.Or(stderr.String(), stdout.String()))
	}
	return stdout.String()
}
