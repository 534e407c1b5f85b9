package test

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mintkeep/keeper/keepertest"
	"mintkeep/test/tools"
)

// Issue Release, part 4: built for Windows with Debian's compiler, the verbs for the tokens
// of other sites do their work under wine.
func TestWindows(t *testing.T) {
	tools.Long(t) // SQLite is compiled once more
	cc := tools.Path(t, "x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64")
	wine := tools.Path(t, "wine", "wine wine64")
	dir := t.TempDir()
	program := filepath.Join(dir, "mintkeep.exe")
	build := exec.Command("go", "build", "-o", program, "..")
	build.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=1", "CC="+cc, "CGO_CFLAGS=-O0") // it need not be fast
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	library := filepath.Join(dir, "wine/drive_c/windows/system32/bcryptprimitives.dll")
	if out, err := wineCommand(dir, "wineboot", "-i").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(func() { wineCommand(dir, "wineserver", "-k", "-w").Run() })
	if _, err := os.Stat(library); err != nil {
		runTool(t, ".", cc, "-shared", "-o", library, "testdata/wine/bcryptprimitives.c")
	}
	box := keepertest.New()
	site := httptest.NewServer(box)
	t.Cleanup(site.Close)
	place := filepath.Join(dir, "Ada Lovelace", "säfe") // as folders of people are called
	if err := os.MkdirAll(place, 0o700); err != nil {
		t.Fatal(err)
	}
	config := "url: https://example.com/token\r\nendpoint: https://example.com/auth/\r\nme: https://example.com/\r\ndatabase: tokens.db\r\n"
	if err := os.WriteFile(filepath.Join(place, "mintkeep.conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(input string, want string, args ...string) string {
		t.Helper()
		c := wineCommand(dir, wine, append([]string{program}, args...)...)
		c.Dir, c.Stdin = place, strings.NewReader(input)
		c.Env = append(c.Env, "MINTKEEP_KEY=", "MINTKEEP_CONFIG="+windowsPath(place)+`\mintkeep.conf`)
		var said strings.Builder
		c.Stderr = &said
		out, err := c.Output()
		if err != nil || !strings.Contains(string(out), want) {
			t.Fatalf("mintkeep %v: %v\n%s%s", args, err, out, &said)
		}
		return strings.TrimSpace(string(out))
	}
	run("", "windows", "version")
	run("", "It trusts https://example.com/auth/", "init")
	run(keepertest.ClientSecret, "", "provider", "add", "club", "-issuer", site.URL, "-client-id", keepertest.ClientID)
	run("", "", "connect", "club", "-grant", "client_credentials")
	if token := run("", "", "get", "club"); !box.Active(token) {
		t.Errorf("get says %q", token)
	}
	run("", "", "key", "rotate")
	run("", "", "backup", "copy.db")
	run("", "club", "connections")
	run("", "", "refresh", "club")
	token := run("", "", "get", "club", "-config", windowsPath(place)+`\mintkeep.conf`)
	run("", "revoked", "forget", "club")
	if box.Active(token) {
		t.Error("a forgotten token is alive")
	}
}

// wineCommand runs a program with a Windows of its own in the folder.
func wineCommand(dir, name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), "WINEPREFIX="+filepath.Join(dir, "wine"), "WINEDEBUG=-all")
	return c
}

// windowsPath is what wine calls a file.
func windowsPath(file string) string { return `Z:` + strings.ReplaceAll(file, "/", `\`) }
