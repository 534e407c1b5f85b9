package deploy

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mintkeep/test/tools"
)

// php is why.php run by php-cgi as the owner. It must not complain.
func (h *host) why() string {
	h.t.Helper()
	c := h.command("/usr/bin/php-cgi", "-d", "error_reporting=-1", "-d", "log_errors=1")
	c.Dir = h.path("site/auth")
	c.Env = append(c.Env, "REDIRECT_STATUS=200", "REQUEST_METHOD=GET", "GATEWAY_INTERFACE=CGI/1.1", "SERVER_SOFTWARE=Apache",
		"DOCUMENT_ROOT="+h.path("site"), "SCRIPT_FILENAME="+h.path("site/auth/why.php"))
	var out, complaints bytes.Buffer
	c.Stdout, c.Stderr = &out, &complaints
	if err := c.Run(); err != nil || complaints.Len() > 0 {
		h.t.Errorf("php-cgi: %v\n%s", err, &complaints)
	}
	return out.String()
}

// A finding as the page shows it: the title, and what to do by FTP.
var finding = regexp.MustCompile(`(?s)<section class="card (bad|warn)"><h2><span class="tag">[^<]*</span> ([^<]*)</h2>(.*?)</section>`)

// wantWhy compares the page of why.php with the one mistake that was made.
func wantWhy(t *testing.T, page string, m mistake) {
	t.Helper()
	all := finding.FindAllStringSubmatch(page, -1)
	if len(all) != 1 {
		t.Errorf("%d findings, want 1: %q", len(all), all)
	}
	for _, f := range all {
		level, what, rest := f[1], html.UnescapeString(f[2]), html.UnescapeString(f[3])
		if !strings.Contains(what, m.finds) || !strings.Contains(rest, m.does) || (level == "bad") != m.broken {
			t.Errorf("it says (%s) %q and %s\nwant %q and %q", level, what, rest, m.finds, m.does)
		}
		if !strings.Contains(rest, "<h3>With FTP</h3>") || !strings.Contains(rest, "<h3>With a shell</h3><pre>") {
			t.Errorf("it does not say what to do: %s", rest)
		}
	}
	if strings.Contains(page, planted) {
		t.Error("it shows what is in a file")
	}
}

// tree is every file of a folder with mode, size and time of change.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		fmt.Fprintln(&b, path, info.Mode(), info.Size(), changed(info))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestF6WhyHealthy(t *testing.T) {
	tools.Need(t, "php-cgi", "/usr/bin/php-cgi")
	h := newHost(t, "/auth/token.cgi")
	h.healthy()
	was := tree(t, h.dir)
	page := h.why()
	if !strings.Contains(page, "<h1>All is fine here</h1>") || finding.MatchString(page) || strings.Contains(page, planted) {
		t.Error(page)
	}
	if tree(t, h.dir) != was {
		t.Error("it changed something")
	}
	head, body, _ := strings.Cut(page, "\r\n\r\n")
	m := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(body)
	sum := sha256.Sum256([]byte(m[1]))
	if want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"; !strings.Contains(head, want) {
		t.Errorf("the policy is not %q: %s", want, head)
	}
	for _, name := range []string{"Cache-Control: no-store", "X-Content-Type-Options: nosniff", "X-Robots-Tag: noindex"} {
		if !strings.Contains(head, name) {
			t.Errorf("no %s: %s", name, head)
		}
	}
	if regexp.MustCompile(`style=|<script|http`).MatchString(body) {
		t.Error("the page asks for more than it may")
	}

	// the line ends of Windows do no harm, with the word cgi
	for _, file := range []string{script, htaccess} {
		h.healthy()
		replaced(file, "\n", "\r\n")(h)
		if page := h.why(); finding.MatchString(page) {
			t.Errorf("%s with CR LF: %s", file, page)
		}
	}
	t.Run("the program for 386", func(t *testing.T) {
		h.healthy()
		h.copy(program(t, "386"), prog)
		if page := h.why(); finding.MatchString(page) {
			t.Error(page)
		}
	})
}

// Each mistake by itself.
func TestF6WhyMistakes(t *testing.T) {
	tools.Need(t, "php-cgi", "/usr/bin/php-cgi")
	h := newHost(t, "/auth/token.cgi")
	defer func() { h.t = t }()
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			h.t = t // a mistake that needs a tool skips only itself
			h.healthy()
			m.make(h)
			wantWhy(t, h.why(), m)
		})
	}
}

// What stands in names and in the first line comes out as text.
func TestF6WhyEscapes(t *testing.T) {
	tools.Need(t, "php-cgi", "/usr/bin/php-cgi")
	h := newHost(t, "/auth/token.cgi")
	for name, make := range map[string]func(*host){
		"first line": firstLine("#!<script>alert(1)</script>\"'&\x1b[31m cgi"),
		"name":       func(h *host) { h.rename(script, "site/auth/token<script>'\"&\u202e.txt") },
		"database":   replaced(script, "../../mintkeep", "../../<script>'\"&"),
		"htaccess":   func(h *host) { h.rename(htaccess, "site/auth/htaccess<script>.txt") },
	} {
		h.healthy()
		make(h)
		page := h.why()
		if strings.Contains(page, "<script") || strings.ContainsAny(page, "\x1b\u202e") || !finding.MatchString(page) {
			t.Errorf("%s: %s", name, page)
		}
	}
}

// Several mistakes at once: what is broken comes first.
func TestF6WhyTogether(t *testing.T) {
	tools.Need(t, "php-cgi", "/usr/bin/php-cgi")
	h := newHost(t, "/auth/token.cgi")
	h.healthy()
	before(script, "\xef\xbb\xbf")(h)
	mode(script, 0o644)(h)
	mode("mintkeep", 0o755)(h)
	os.Truncate(h.path(prog), 6<<20)
	page := h.why()
	var levels []string
	for _, f := range finding.FindAllStringSubmatch(page, -1) {
		levels = append(levels, f[1])
	}
	if strings.Join(levels, " ") != "bad bad bad warn" || !strings.Contains(page, "<h1>3 things are broken</h1>") {
		t.Errorf("%v: %s", levels, page)
	}
}

// A second after its hour it says one thing only. (The hour is a second here.)
func TestF6WhyHour(t *testing.T) {
	tools.Need(t, "php-cgi", "/usr/bin/php-cgi")
	h := newHost(t, "/auth/token.cgi")
	h.healthy()
	replaced("site/auth/why.php", "> 3600)", "> 1)")(h)
	if page := h.why(); !strings.Contains(page, "All is fine here") {
		t.Errorf("at once: %s", page)
	}
	time.Sleep(2500 * time.Millisecond)
	page := h.why()
	if !strings.Contains(page, "upload why.php again") || strings.Contains(page, h.dir) || strings.Contains(page, "checks passed") {
		t.Errorf("later: %s", page)
	}
}

// php.ini may forbid functions, and to look outside of the site.
func TestF6WhyRestrictedPHP(t *testing.T) {
	tools.Need(t, "php-cgi", "/usr/bin/php-cgi")
	h := newHost(t, "/auth/token.cgi")
	h.healthy()
	ini := func(settings ...string) string {
		h.write("site/auth/php.ini", strings.Join(settings, "\n")+"\n", 0o644)
		return h.why()
	}
	page := ini("disable_functions = php_uname,ini_set,ini_get,posix_geteuid,posix_getpwuid,escapeshellarg,exec")
	if !strings.Contains(page, "<h1>All is fine here</h1>") {
		t.Errorf("without some functions: %s", page)
	}
	page = ini("open_basedir = " + h.path("site"))
	if strings.Contains(page, "Broken") || !strings.Contains(html.UnescapeString(page), "The program "+h.path(prog)+" cannot be looked at from here") {
		t.Errorf("with open_basedir: %s", page)
	}
}

// token.php names program and configuration as well.
func TestF6WhyTokenPHP(t *testing.T) {
	tools.Need(t, "php-cgi", "/usr/bin/php-cgi")
	h := newHost(t, "/auth/token.php")
	set := func() {
		h.healthy()
		os.Remove(h.path(script))
		h.install("token.php", "site/auth/token.php", 0o644)
		h.install("mintkeep.conf", "mintkeep.conf", 0o644, h.urls("https://example.com/auth/token.cgi")...)
		h.install("apache-php.htaccess", htaccess, 0o644)
	}
	if set(); finding.MatchString(h.why()) {
		t.Error(h.why())
	}
	for _, m := range []mistake{
		{"no program", func(h *host) { os.Remove(h.path(prog)) }, "token.php names a program that is not there", "Upload it", true, ""},
		{"644 of the program", mode(prog, 0o644), "The program is not executable", "755", true, ""},
		{"no configuration", func(h *host) { os.Remove(h.path("mintkeep.conf")) }, "token.php names a mintkeep.conf that is not there", "Upload it", true, ""},
		{"no folder", func(h *host) { os.RemoveAll(h.path("mintkeep")) }, "The folder of the database is not there", "Make an empty folder", true, ""},
	} {
		t.Run(m.name, func(t *testing.T) {
			set()
			m.make(h)
			wantWhy(t, h.why(), m)
		})
	}
}
