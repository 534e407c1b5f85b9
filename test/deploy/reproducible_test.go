package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mintkeep/test/tools"
)

// Issue Release: everything in a release is the same, byte for byte, when it is built again in
// another folder, time zone and language: the programs for other
// processors and Windows, the Debian package, the notices, the lists of what is in them.
func TestReleaseReproducible(t *testing.T) {
	tools.Long(t) // SQLite is compiled for three more systems
	tools.Need(t, "dpkg", "dpkg-deb")
	tools.Need(t, "gcc-mingw-w64-x86-64", "x86_64-w64-mingw32-gcc")
	program(t, "arm64") // says what it lacks
	program(t, "386")
	names := []string{"amd64", "arm64", "386", "windows", "deb"}
	here, there := t.TempDir(), filepath.Join(t.TempDir(), "another", "place")
	run(t, exec.Command(files+"/build.sh", append([]string{here}, names...)...))
	copySource(t, there)
	if err := os.WriteFile(filepath.Join(there, "deploy/VERSION"), read(t, files+"/VERSION"), 0o644); err != nil {
		t.Fatal(err)
	}
	again := exec.Command(filepath.Join(there, "deploy/build.sh"), append([]string{filepath.Join(there, "out")}, names...)...)
	again.Env = append(os.Environ(), "TZ=Asia/Tokyo", "LC_ALL=C", "HOME="+t.TempDir(),
		"GOCACHE="+goEnv(t, "GOCACHE"), "GOMODCACHE="+goEnv(t, "GOMODCACHE"))
	if os.Getenv("MINTKEEP_LONG") != "" {
		again.Env = append(again.Env, "MUSL=") // compilers of its own, so that SQLite is compiled anew; a minute or two
	}
	run(t, again)
	made, err := filepath.Glob(here + "/[^.]*")
	if err != nil || len(made) != 4*2+3 {
		t.Fatalf("a release has %q, %v", made, err)
	}
	for _, file := range made {
		if !bytes.Equal(read(t, file), read(t, filepath.Join(there, "out", filepath.Base(file)))) {
			t.Errorf("%s differs", filepath.Base(file))
		}
	}
	sums := string(read(t, here+"/SHA256SUMS"))
	if strings.Count(sums, "\n") != len(names) {
		t.Errorf("SHA256SUMS has %s", sums)
	}
	checkEveryNotice(t, here)
}

// checkEveryNotice looks for each module of each program, and for the C libraries.
func checkEveryNotice(t *testing.T, release string) {
	notices := string(read(t, release+"/NOTICES.txt"))
	contents, _ := filepath.Glob(release + "/*.contents.txt")
	for _, file := range contents {
		for line := range strings.Lines(string(read(t, file))) {
			if word := strings.Split(strings.TrimSpace(line), "\t"); word[0] == "dep" && !strings.Contains(notices, "\n"+word[1]+" "+word[2]+"\n") {
				t.Errorf("the notices lack %s %s of %s", word[1], word[2], filepath.Base(file))
			}
		}
	}
	if len(contents) != 4 || !strings.Contains(notices, "\nmingw-w64, https") {
		t.Errorf("the notices of %q lack mingw-w64", contents)
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
