package deploy

import (
	"bytes"
	"fmt"
	"html"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"mintkeep/test/tools"
)

// The oldest and the newest PHP, compiled for Node: the same pages, and no complaint.
func TestF6WhyVersions(t *testing.T) {
	tools.Long(t)
	node := tools.Path(t, "node", "nodejs")
	cli, err := filepath.Abs("../testdata/php/node_modules/.bin/php-wasm-cli")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(cli); err != nil {
		tools.Missing(t, "php-wasm-cli", "npm ci --prefix test/testdata/php")
	}
	h := newHost(t, "/auth/token.cgi")
	h.owner = nil // PHP runs as the test does
	some := map[string]bool{"F6 byte order mark in token.cgi": true, "F6 775 of token.cgi": true, "F6 wrong path": true, "F6 cut": true, "F6 text mode, CR LF to LF": true,
		"text mode, made UTF-8": true, "F8 no .htaccess": true, "options mixed": true, "F7 no folder": true, "token.cgi.txt": true, "L4 endpoint.php of php-mintoken": true}
	for _, version := range []string{"7.4", "8.4"} {
		why := func() string {
			c := exec.Command(node, cli, "-d", "error_reporting=-1", "-d", "log_errors=1", "why.php")
			c.Dir = h.path("site/auth")
			c.Env = append(os.Environ(), "PHP="+version, "DOCUMENT_ROOT="+h.path("site"), "SERVER_SOFTWARE=Apache")
			out, err := c.CombinedOutput()
			if err != nil || !bytes.HasPrefix(bytes.TrimSpace(out), []byte("<!doctype html>")) || !bytes.HasSuffix(bytes.TrimSpace(out), []byte("</html>")) {
				t.Errorf("PHP %s: %v\n%s", version, err, out)
			}
			return string(out)
		}
		chown := func() { // as newHost's own do for an owner
			filepath.WalkDir(h.dir, func(path string, _ fs.DirEntry, err error) error {
				if err == nil {
					os.Lchown(path, os.Getuid(), os.Getgid())
				}
				return nil
			})
		}
		h.healthy()
		chown()
		if page := why(); !strings.Contains(page, "<h1>All is fine here</h1>") && !strings.Contains(page, "does not say what it is") {
			t.Errorf("PHP %s: %s", version, page)
		}
		for _, m := range mistakes {
			if !some[m.name] {
				continue
			}
			t.Run(version+" "+m.name, func(t *testing.T) {
				h.healthy()
				m.make(h)
				wantWhy(t, finding.ReplaceAllStringFunc(why(), func(f string) string {
					if strings.Contains(f, "this host does not say what it is") { // WebAssembly is no processor
						return ""
					}
					return f
				}), m)
			})
		}
	}
}

// Apache with suexec: what each mistake looks like there, and that why.php, run by
// PHP as a CGI program of the same user, names it. Where .htaccess is the cause,
// why.php cannot be opened either, until that is renamed as the README says.
func TestF6WhyApache(t *testing.T) {
	tools.Need(t, "php-cgi", "/usr/bin/php-cgi")
	h := suexecHost(t, "/auth/token.cgi")
	h.folder("site/php-bin", 0o755)
	h.write("site/php-bin/php", "#!/bin/sh\nexec /usr/bin/php-cgi -d error_reporting=-1 -d log_errors=1\n", 0o755)
	h.apache([]string{"cgid", "suexec", "alias", "actions"}, asNobody+h.cgid()+fmt.Sprintf(`ScriptAlias /php-bin/ %s/
AddHandler run-php .php
Action run-php /php-bin/php
`, h.path("site/php-bin")))
	open := func(name string) answer {
		return get(t, strings.Replace(h.base, "token.cgi", name, 1), "")
	}
	h.healthy()
	if a := open("why.php"); a.status != 200 || !strings.Contains(a.body, "All is fine here") {
		t.Fatalf("healthy: %d %s", a.status, a.body)
	}
	send(t, h.base, nil, false, "Accept", "text/html").want(t, "page", 200)
	for _, m := range mistakes {
		if m.apache == "" {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			h.healthy()
			m.make(h)
			a := send(t, h.base, nil, false, "Accept", "text/html")
			got := strconv.Itoa(a.status)
			if strings.Contains(a.body, "#!../../bin/mintkeep") {
				got = "text"
			}
			if got != m.apache {
				t.Errorf("token.cgi: %s, want %s: %.200s", got, m.apache, a.body)
			}
			page := open("why.php")
			if page.status == 500 || page.status == 403 { // .htaccess is the cause
				h.rename(htaccess, "site/auth/htaccess.txt")
				page = open("why.php")
				text := html.UnescapeString(page.body)
				if page.status != 200 || !strings.Contains(text, strings.ReplaceAll(m.finds, ".htaccess", "htaccess.txt")) || !strings.Contains(text, m.does) {
					t.Errorf("after the renaming: %d, want %q: %s", page.status, m.finds, text)
				}
				return
			}
			wantWhy(t, page.body, m)
		})
	}
}
