package test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mintkeep/keeper"
	"mintkeep/keeper/keepertest"
	"mintkeep/test/tools"
)

// Issue Reach, 6: the programs of docs/keeping.md run as printed; the one in Go is built
// outside of the module, with a replace line.
func TestDocPrograms(t *testing.T) {
	site := httptest.NewServer(keepertest.New())
	t.Cleanup(site.Close)
	k := newKeepSite(t)
	k.ok(keepertest.ClientSecret, "provider", "add", "club", "-issuer", site.URL, "-client-id", keepertest.ClientID)
	k.ok("", "connect", "club", "-grant", "client_credentials")
	want := fmt.Sprint(len(k.ok("", "get", "club")))
	programs := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)```(go|php|python)\n(.*?)```").FindAllStringSubmatch(readText(t, "../docs/keeping.md"), -1) {
		programs[m[1]] = m[2]
	}
	bin := t.TempDir()
	if err := os.Symlink(k.bin, filepath.Join(bin, "mintkeep")); err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, file, program string, args ...string) {
		t.Helper()
		if err := os.WriteFile(k.path(file), []byte(program), 0o600); err != nil || program == "" {
			t.Fatal("docs/keeping.md has no such program", err)
		}
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = k.dir
		cmd.Env = append(os.Environ(), "MINTKEEP_KEY=", "GOFLAGS=-mod=mod", "PATH="+bin+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%v: %v: %q, want %s", args, err, out, want)
		}
	}
	t.Run("no database", func(t *testing.T) {
		if _, err := keeper.Open(t.Context(), k.path("nothing.db")); err == nil || !strings.Contains(err.Error(), "hint: `mintkeep init`") {
			t.Error(err)
		}
	})
	t.Run("python", func(t *testing.T) {
		run(t, "example.py", programs["python"], tools.Path(t, "python3", "python3"), "example.py")
	})
	t.Run("php", func(t *testing.T) {
		run(t, "example.php", programs["php"], tools.Path(t, "php", "php-cli"), "example.php")
	})
	t.Run("go", func(t *testing.T) {
		root, err := filepath.Abs("..")
		if err != nil {
			t.Fatal(err)
		}
		// What the module requires, the program does; the sums are the module's.
		mod := "module outside\n\nreplace mintkeep => " + root + "\n\nrequire mintkeep v0.0.0\n"
		mod += regexp.MustCompile(`(?m)^module .*$`).ReplaceAllString(readText(t, "../go.mod"), "")
		for name, text := range map[string]string{"go.mod": mod, "go.sum": readText(t, "../go.sum")} {
			if err := os.WriteFile(k.path(name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		run(t, "main.go", programs["go"], "go", "run", ".")
	})
}
