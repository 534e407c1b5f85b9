package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mintkeep/test/tools"
)

// A broken installation, one mistake in each (cases F6, F8 and L4), and the
// sentence of deploy/why.php that names the cause and what to do.
type mistake struct {
	name   string
	broken func(t *testing.T, dir string)
	want   []string
}

func mistakes() []mistake {
	script := func(change func(string) string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { edit(t, dir+"/site/auth/token.cgi", change) }
	}
	chmod := func(name string, mode os.FileMode) func(*testing.T, string) {
		return func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, name), mode)) }
	}
	program := func(change func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			edit(t, dir+"/bin/mintkeep", func(s string) string { return string(change([]byte(s))) })
		}
	}
	const bom = "\xef\xbb\xbf"
	return []mistake{
		{"F6 byte order mark in token.cgi", script(func(s string) string { return bom + s }), []string{"token.cgi begins with a byte order mark", "UTF-8"}},
		{"F6 UTF-16", script(func(string) string { return "\xff\xfe#\x00!\x00" }), []string{"UTF-16"}},
		{"F6 byte order mark in .htaccess", func(t *testing.T, dir string) {
			edit(t, dir+"/site/auth/.htaccess", func(s string) string { return bom + s })
		}, []string{".htaccess begins with a byte order mark"}},
		{"F6 644", chmod("site/auth/token.cgi", 0o644), []string{"token.cgi has the permissions 644", "not be executed", "755"}},
		{"F6 775", chmod("site/auth/token.cgi", 0o775), []string{"token.cgi has the permissions 775", "Others may change it", "755"}},
		{"F6 777", chmod("site/auth/token.cgi", 0o777), []string{"token.cgi has the permissions 777", "755"}},
		{"F6 folder 777", chmod("site/auth", 0o777), []string{"this folder has the permissions 777", "755"}},
		{"folder 775 further up", chmod("bin", 0o775), []string{"/bin has the permissions 775", "chmod 755"}},
		{"F6 program 644", chmod("bin/mintkeep", 0o644), []string{"the program has the permissions 644", "755"}},
		{"program 666", chmod("bin/mintkeep", 0o666), []string{"the program has the permissions 666", "755"}},
		{"F6 wrong path", script(func(s string) string { return strings.Replace(s, "../../bin/mintkeep", "../bin/mintkeep", 1) }),
			[]string{"there is no program at ../bin/mintkeep", "/site/bin", "correct the first line"}},
		{"program under another name", func(t *testing.T, dir string) {
			must(t, os.Rename(dir+"/bin/mintkeep", dir+"/bin/mintkeep-linux-amd64"))
		}, []string{"there is no program at ../../bin/mintkeep", "The folder is there"}},
		{"path names a folder", script(func(s string) string { return strings.Replace(s, "bin/mintkeep cgi", "bin cgi", 1) }), []string{"names a folder"}},
		{"backslashes", script(func(s string) string { return strings.Replace(s, "../../bin/mintkeep", `..\..\bin\mintkeep`, 1) }), []string{"backslash"}},
		{"empty first line", script(func(s string) string { return "\n" + s }), []string{"does not begin with #!"}},
		{"CRLF without the word cgi", script(func(s string) string {
			return strings.ReplaceAll(strings.Replace(s, " cgi\n", "\n", 1), "\n", "\r\n")
		}), []string{"end as on Windows", "write the word cgi"}},
		{"F6 program cut", program(func(b []byte) []byte { return b[:len(b)/2] }), []string{"and should have", "binary mode"}},
		{"program cut to nothing", program(func(b []byte) []byte { return b[:20] }), []string{"only 20 bytes", "binary mode"}},
		{"F6 program in text mode", program(func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) }), []string{"changed on its way", "binary mode"}},
		{"text mode the other way", program(func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")) }), []string{"binary mode"}},
		{"F6 another processor", program(func(b []byte) []byte { b[18] = 183; return b }), []string{"is for the processor arm64", "mintkeep-linux-amd64"}},
		{"a page in the program's place", program(func([]byte) []byte { return []byte("<!doctype html>") }), []string{"not one for Linux"}},
		{"a program for Windows", program(func(b []byte) []byte { copy(b, "MZ"); return b }), []string{"not one for Linux"}},
		{"F8 no .htaccess", func(t *testing.T, dir string) { must(t, os.Remove(dir+"/site/auth/.htaccess")) }, []string{"no .htaccess", "apache-cgi.htaccess"}},
		{".htaccess that cannot be read", chmod("site/auth/.htaccess", 0o600), []string{".htaccess has the permissions 600", "644"}},
		{"F6 no database folder", func(t *testing.T, dir string) { must(t, os.Remove(dir+"/mintkeep")) }, []string{"folder of the database is missing", "/mintkeep", "700"}},
		{"database folder 777", chmod("mintkeep", 0o777), []string{"folder of the database has the permissions 777"}},
		{"database in what the web shows", script(func(s string) string { return strings.Replace(s, "../../mintkeep/tokens.db", "tokens.db", 1) }), []string{"lies in what the web shows"}},
		{"Token.cgi", func(t *testing.T, dir string) {
			must(t, os.Rename(dir+"/site/auth/token.cgi", dir+"/site/auth/Token.CGI"))
		}, []string{"no token.cgi", "Token.CGI"}},
		{"token.cgi.txt", func(t *testing.T, dir string) {
			must(t, os.Rename(dir+"/site/auth/token.cgi", dir+"/site/auth/token.cgi.txt"))
		}, []string{"no token.cgi", "token.cgi.txt"}},
		{"L4 php-mintoken left behind", func(t *testing.T, dir string) {
			must(t, os.WriteFile(dir+"/site/auth/endpoint.php", []byte("<?php // token_hash"), 0o644))
		}, []string{"endpoint.php is still here", "does not carry them out"}},
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func edit(t *testing.T, file string, change func(string) string) {
	t.Helper()
	b, err := os.ReadFile(file)
	must(t, err)
	info, err := os.Stat(file)
	must(t, err)
	must(t, os.WriteFile(file, []byte(change(string(b))), info.Mode()))
}

// installation is a healthy one, as a person uploads it.
func installation(t *testing.T, binary string) string {
	dir := t.TempDir()
	for _, d := range []string{"site/auth", "bin"} {
		must(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	must(t, os.Mkdir(dir+"/mintkeep", 0o700))
	for _, f := range []struct {
		from, to string
		mode     os.FileMode
	}{
		{files + "/token.cgi", "site/auth/token.cgi", 0o755}, {files + "/apache-cgi.htaccess", "site/auth/.htaccess", 0o644},
		{files + "/why.php", "site/auth/why.php", 0o644}, {binary, "bin/mintkeep", 0o755},
	} {
		b, err := os.ReadFile(f.from)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, f.to), b, f.mode))
	}
	return dir
}

// why opens why.php as a web server would and returns the page.
func why(t *testing.T, php []string, dir string) string {
	t.Helper()
	c := exec.Command(php[0], php[1:]...)
	c.Env = []string{"PATH=/usr/bin:/bin", "GATEWAY_INTERFACE=CGI/1.1", "REQUEST_METHOD=GET", "REDIRECT_STATUS=200", "SCRIPT_NAME=/auth/why.php",
		"SCRIPT_FILENAME=" + dir + "/site/auth/why.php", "DOCUMENT_ROOT=" + dir + "/site"}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	page := string(out)
	if strings.Contains(page, "Warning") || strings.Contains(page, "Deprecated") || strings.Contains(page, "Fatal error") || !strings.Contains(page, "Content-Security-Policy: default-src 'none'; style-src 'sha256-") {
		t.Fatalf("the page is not whole:\n%s", page)
	}
	return page
}

var anyTag = regexp.MustCompile(`<[^>]*>`)

func TestWhyPHP(t *testing.T) {
	tools.Need(t, "php-cgi", "/usr/bin/php-cgi")
	binary := program(t, "amd64")
	php := []string{"/usr/bin/php-cgi"}
	t.Run("healthy", func(t *testing.T) {
		page := why(t, php, installation(t, binary))
		if !strings.Contains(page, "Nothing here explains an error 500.") || strings.Contains(page, "broken</b>") || strings.Contains(page, "perhaps</b>") {
			t.Error(page)
		}
	})
	for _, m := range mistakes() {
		t.Run(m.name, func(t *testing.T) {
			dir := installation(t, binary)
			m.broken(t, dir)
			said := anyTag.ReplaceAllString(why(t, php, dir), "")
			for _, want := range m.want {
				if !strings.Contains(said, want) {
					t.Errorf("no %q in:\n%s", want, said)
				}
			}
		})
	}
	t.Run("after an hour", func(t *testing.T) {
		dir := installation(t, binary)
		// The time of change cannot be set, so the page's own limit is shortened.
		edit(t, dir+"/site/auth/why.php", func(s string) string { return strings.Replace(s, "const LIFE = 3600;", "const LIFE = -1;", 1) })
		if page := why(t, php, dir); !strings.Contains(page, "Upload why.php again.") || strings.Contains(page, dir) {
			t.Error(page)
		}
	})
}

// The oldest and the newest PHP of today, from the npm package @php-wasm/cli.
func TestWhyPHPVersions(t *testing.T) {
	tools.Long(t)
	const cli = "../testdata/php/node_modules/.bin/php-wasm-cli"
	tools.Need(t, "nodejs", "node")
	if _, err := os.Stat(cli); err != nil {
		tools.Missing(t, "@php-wasm/cli", "npm ci --prefix test/testdata/php")
	}
	binary := program(t, "amd64")
	for _, version := range []string{"7.4", "8.4"} {
		t.Run(version, func(t *testing.T) {
			php := []string{"/usr/bin/env", "PHP=" + version, "PATH=" + os.Getenv("PATH"), cli}
			said := func(dir string) string {
				out, err := exec.Command(php[0], append(php[1:], dir+"/site/auth/why.php")...).CombinedOutput()
				page := string(out)
				if err != nil || strings.Contains(page, "Warning") || strings.Contains(page, "Deprecated") || !strings.HasSuffix(strings.TrimSpace(page), "</html>") {
					t.Fatalf("%v: %s", err, page)
				}
				return anyTag.ReplaceAllString(page, "")
			}
			if page := said(installation(t, binary)); !strings.Contains(page, "Nothing here explains an error 500.") {
				t.Error(page)
			}
			for _, m := range mistakes() {
				if !strings.HasPrefix(m.name, "F6 ") || m.name == "F6 another processor" {
					continue // this PHP's own processor is WebAssembly
				}
				dir := installation(t, binary)
				m.broken(t, dir)
				if page := said(dir); !strings.Contains(page, m.want[0]) {
					t.Errorf("%s: no %q in:\n%s", m.name, m.want[0], page)
				}
			}
		})
	}
}
