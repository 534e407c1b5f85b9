package deploy

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// An examined is one of the doctor's.
type examined struct{ Level, What, Do, Shell string }

// finds runs the doctor on the host and wants a finding of the level whose words have
// those wanted; it returns what to do.
func (h *host) finds(t *testing.T, level, what, do string) string {
	t.Helper()
	c := exec.Command(h.path("bin/mintkeep"), "doctor", "-json", "-config", h.path("site/auth/token.cgi"))
	out, _ := c.Output()
	var all []examined
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, f := range all {
		if f.Level == level && strings.Contains(f.What, what) && strings.Contains(f.Do+" "+f.Shell, do) {
			return f.Do
		}
	}
	t.Errorf("no %s %q → %q in %s", level, what, do, out)
	return ""
}

// F8, F11, L6: what the doctor says of mistakes under the real server, and that doing
// what it says helps.
func TestDoctorUnderApacheF8F11L6(t *testing.T) {
	h := newHost(t, "/auth/token.cgi")
	h.script("site/auth/token.cgi")
	h.apache([]string{"cgid", "rewrite"}, h.cgid())
	h.finds(t, "fail", "there is no .htaccess in "+h.path("site/auth"), "htaccess.txt")
	h.install("apache-cgi.htaccess", "site/auth/.htaccess", 0o644)
	h.finds(t, "ok", "the token endpoint answers", "")
	h.chmod("site/auth/token.cgi", 0o644)
	h.finds(t, "fail", "token.cgi is not executable (mode 0644)", "chmod 755")
	h.chmod("site/auth/token.cgi", 0o755)
	h.edit("site/auth/token.cgi", func(s string) string { return "\ufeff" + s })
	h.finds(t, "fail", "begins with a byte order mark", "UTF-8")
	h.edit("site/auth/token.cgi", func(s string) string { return strings.TrimPrefix(s, "\ufeff") })
	do := h.finds(t, "warn", "find no metadata at "+wellKnown, "RewriteRule")
	_, lines, _ := strings.Cut(do, ": ")
	h.write("site/.htaccess", strings.Replace(lines, ", and below it: ", "\n", 1)+"\n", 0o644)
	h.finds(t, "ok", "programs that know the issuer alone find the metadata", "")
}

// F13: doctor fails unless the server refuses to hand out the database.
func TestDoctorUnderApacheF13(t *testing.T) {
	h := newHost(t, "/auth/token.cgi")
	h.install("token.cgi", "site/auth/token.cgi", 0o755, append(h.urls("https://example.com/auth/token.cgi"),
		"database: ../../mintkeep/tokens.db\n", "database: ../mintkeep/tokens.db\ndatabase_in_docroot: yes\n")...)
	h.install("apache-cgi.htaccess", "site/auth/.htaccess", 0o644)
	h.folder("site/mintkeep", 0o711)
	h.install("private.htaccess", "site/mintkeep/.htaccess", 0o644)
	h.apache([]string{"cgid"}, h.cgid())
	get(t, h.base, "x").want(t, "verify", 401)
	h.chmod("site/mintkeep/tokens.db", 0o644)
	h.finds(t, "ok", "the web server refuses to show the database", "")
	if err := os.Remove(h.path("site/mintkeep/.htaccess")); err != nil {
		t.Fatal(err)
	}
	h.finds(t, "fail", "the web server does not refuse http://127.0.0.1", "private.htaccess")
}
