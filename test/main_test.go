// Package test drives the program as the world does: as a CGI child, over
// FastCGI and over HTTP, from the command line, with real clients and browsers.
// README.md describes the language of the scripts.
package test

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mintkeep/test/tools"
)

// built is the folder for what the tests of one run compile.
var built string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "mintkeep-built")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	built = dir
	flag.Parse()
	flag.Set("test.parallel", "8") // the parallel tests wait more than they compute
	tools.ReadSources("..")
	status := m.Run()
	os.RemoveAll(dir)
	tools.Report()
	os.Exit(status)
}

// clockVariable names a file with the seconds that the program's clock is ahead
// (internal/instance/clock_testclock.go).
const clockVariable = "MINTKEEP_TEST_CLOCK"

// testClock is the same clock in the test's own process. It is read anew each
// time, so that a script can move the clock of a running process.
func testClock(file string) func() time.Time {
	return func() time.Time {
		text, _ := os.ReadFile(file)
		ahead, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		return time.Now().Add(time.Duration(ahead) * time.Second)
	}
}

// goBuild compiles a package of this module.
func goBuild(out, pkg string, flags ...string) error {
	args := append([]string{"build", "-buildvcs=false", "-o", out}, flags...)
	if b, err := exec.Command("go", append(args, pkg)...).CombinedOutput(); err != nil {
		return fmt.Errorf("compiling %s: %w\n%s", pkg, err, b)
	}
	return nil
}

// The program is compiled once a run: as it is released, and with a clock that
// tests can move. Under -race both are compiled with it.
var (
	buildReleased = sync.OnceValues(func() (string, error) { return build("released") })
	buildClocked  = sync.OnceValues(func() (string, error) { return build("clocked", "-tags", "testclock") })
)

func build(name string, flags ...string) (string, error) {
	if raceEnabled {
		flags = append(flags, "-race")
	}
	program := filepath.Join(built, name, "mintkeep")
	return program, goBuild(program, "..", flags...)
}

// released is the program as users have it.
func released(t testing.TB) string {
	t.Helper()
	program, err := buildReleased()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// clocked is the program with a clock that tests can move.
func clocked(t testing.TB) string {
	t.Helper()
	program, err := buildClocked()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// nodeModules asks for the packages of testdata/clients.
func nodeModules(t testing.TB, packages ...string) {
	t.Helper()
	const how = "apt-get install nodejs npm && npm ci --prefix test/testdata/clients"
	for _, p := range append(packages, ".package-lock.json") {
		if _, err := os.Stat("testdata/clients/node_modules/" + p); err != nil {
			tools.Missing(t, "npm package "+p, how)
		}
	}
	if _, err := exec.LookPath("node"); err != nil {
		tools.Missing(t, "node", how)
	}
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
