package test

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"mintkeep/internal/doctor"
)

func TestDoctorFindsPlantedFaults(t *testing.T) {
	bin := released(t)
	for _, f := range append(append(faultsOutside(), faultsOfEndpoints()...), faultsOfFiles()...) {
		t.Run(f.name, func(t *testing.T) {
			b := newDoctorSite(t, bin)
			b.build()
			f.plant(b)
			mode, err := os.Stat(b.script)
			b.must(err)
			uid := mode.Sys().(*syscall.Stat_t).Uid
			b.install(mode.Mode().Perm())
			b.must(os.Chown(b.script, int(uid), -1))
			findings, status := b.doctor()
			if (status != 0) != doctor.Failed(findings) {
				t.Errorf("exit %d", status)
			}
			for _, got := range findings {
				if got.Level == f.level && strings.Contains(got.What, f.what) && strings.Contains(got.Do+" "+got.Shell, f.do) {
					return
				}
			}
			t.Errorf("no %s %q → %q in\n%s", f.level, f.what, f.do, shown(findings))
		})
	}
}

// A database that must lie below the document root is fine if nobody can fetch it.
func TestDoctorDatabaseInDocumentRootRefused(t *testing.T) {
	b := newDoctorSite(t, released(t))
	b.move(filepath.Join(b.root, "data", "tokens.db"))
	b.must(errors.Join(os.Chmod(b.database, 0o600), os.Chmod(filepath.Dir(b.database), 0o700)))
	b.config["database_in_docroot"] = "yes"
	b.config["errorlog"] = filepath.Join(filepath.Dir(b.database), "error.log")
	b.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/data/") {
			return false
		}
		http.Error(w, "no", http.StatusForbidden)
		return true
	}
	b.build()
	findings, status := b.doctor()
	if status != 0 || strings.Count(shown(findings), "\n") != strings.Count("\n"+shown(findings), "\nok  ") {
		t.Errorf("exit %d after\n%s", status, shown(findings))
	}
}

func TestDoctorUsage(t *testing.T) {
	bin := released(t)
	for args, status := range map[string]int{"doctor a b": 2, "doctor you.example": 2, "doctor -url x": 2, "backup": 2, "doctor -config /nowhere": 1} {
		cmd := exec.Command(bin, strings.Fields(args)...)
		if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != status {
			t.Errorf("%s: %v, want status %d", args, err, status)
		}
	}
}

// Case F11: what the system and the web server have against the file itself, one
// mistake at a time.
func TestDoctorOnAScriptF11(t *testing.T) {
	bin := released(t)
	utf16 := func(text string) string {
		out := "\xff\xfe"
		for _, c := range []byte(text) {
			out += string([]byte{c, 0})
		}
		return out
	}
	first := "#!" + bin + " cgi"
	for name, test := range map[string]struct {
		change   func(text string) string
		file     os.FileMode
		folder   os.FileMode
		what, do string
	}{
		"byte order mark":      {func(s string) string { return "\xef\xbb\xbf" + s }, 0o755, 0o755, "byte order mark", "sed -i"},
		"UTF-16":               {utf16, 0o755, 0o755, "two bytes for a character", "UTF-8"},
		"blank line first":     {func(s string) string { return "\n" + s }, 0o755, 0o755, "stands before #!", "no empty line"},
		"no first line":        {func(s string) string { return strings.Replace(s, first+"\n", "", 1) }, 0o755, 0o755, "does not begin with #!", "bin/mintkeep cgi"},
		"leads nowhere":        {func(s string) string { return strings.Replace(s, first, "#!../../bin/mintkeep cgi", 1) }, 0o755, 0o755, "leads nowhere: there is no program at /", "each ../ goes"},
		"no program":           {func(s string) string { return strings.Replace(s, first, "#!../../data/tokens.db cgi", 1) }, 0o755, 0o755, "is no program", "binary mode"},
		"leads to a folder":    {func(s string) string { return strings.Replace(s, first, "#!.. cgi", 1) }, 0o755, 0o755, "leads to the folder", "/mintkeep cgi"},
		"CR LF, no word":       {func(s string) string { return strings.Replace(s, first, "#!"+bin+"\r", 1) }, 0o755, 0o755, "ends in CR LF", "the word cgi"},
		"CR alone":             {func(s string) string { return strings.ReplaceAll(s, "\n", "\r") }, 0o755, 0o755, "line ends of old Macintoshes", "LF"},
		"env":                  {func(s string) string { return strings.Replace(s, first, "#!/usr/bin/env mintkeep cgi", 1) }, 0o755, 0o755, "starts env, not mintkeep", "first line"},
		".htaccess with mark":  {nil, 0o755, 0o755, ".htaccess begins with a byte order mark", "UTF-8"},
		"file 644":             {nil, 0o644, 0o755, "is not executable (mode 0644)", "chmod 755"},
		"file 775":             {nil, 0o775, 0o755, "can be changed by others (mode 0775)", "set the permissions of"},
		"file 777":             {nil, 0o777, 0o755, "can be changed by others (mode 0777)", "chmod 755"},
		"folder 775":           {nil, 0o755, 0o775, "auth can be changed by others (mode 0775)", "chmod 755"},
		"folder 777":           {nil, 0o755, 0o777, "auth can be changed by others (mode 0777)", "chmod 755"},
		"mark, and no program": {func(s string) string { return "\xef\xbb\xbf" + strings.Replace(s, first, "#!/nowhere/mintkeep cgi", 1) }, 0o755, 0o755, "leads nowhere", "correct the first line"},
		"empty":                {func(string) string { return "" }, 0o755, 0o755, "is empty", "upload it again"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newDoctorSite(t, bin)
			b.arguments = []string{}
			b.build()
			text, err := os.ReadFile(b.script)
			b.must(err)
			if test.change != nil {
				text = []byte(test.change(string(text)))
			}
			b.write(b.script, string(text), test.file)
			b.must(os.Chmod(filepath.Dir(b.script), test.folder))
			if name == ".htaccess with mark" {
				b.write(filepath.Join(filepath.Dir(b.script), ".htaccess"), "\ufeffOptions +ExecCGI\n", 0o644)
			}
			if name == "no program" {
				b.must(os.Chmod(b.database, 0o700))
			}
			findings, status := b.doctor()
			if status != 1 || !slices.ContainsFunc(findings, func(f doctor.Finding) bool {
				return f.Level == doctor.Fail && strings.Contains(f.What, test.what) && strings.Contains(f.Do+" "+f.Shell, test.do)
			}) {
				t.Errorf("exit %d, no %q → %q in\n%s", status, test.what, test.do, shown(findings))
			}
		})
	}
	b := newDoctorSite(t, bin) // line ends of Windows behind the word cgi do no harm
	b.build()
	text, err := os.ReadFile(b.script)
	b.must(err)
	b.write(b.script, strings.ReplaceAll(string(text), "\n", "\r\n"), 0o755)
	if findings, status := b.doctor(); status != 0 {
		t.Errorf("CR LF: exit %d\n%s", status, shown(findings))
	}
}

// Case F12: only the outbound half is set up. Case L4: php-mintoken is still there.
func TestDoctorOfHalvesF12L4(t *testing.T) {
	b := newDoctorSite(t, released(t))
	delete(b.config, "url")
	delete(b.config, "endpoint")
	delete(b.config, "me")
	b.arguments = []string{}
	b.build()
	findings, status := b.doctor()
	if text := shown(findings); status != 0 || strings.Contains(text, "warn  ") || !strings.Contains(text, "only tokens of other sites") {
		t.Errorf("exit %d\n%s", status, text)
	}
	old := filepath.Join(filepath.Dir(b.script), "endpoint.php")
	b.write(old, "<?php define('MINTOKEN_SQLITE_PATH', '…');", 0o644)
	if findings, _ := b.doctor(); !strings.Contains(shown(findings), "warn  php-mintoken's "+old+" is still there") {
		t.Errorf("nothing about mintoken in\n%s", shown(findings))
	}
	b.write(old, "#!"+b.bin+" cgi\n", 0o755) // the address was kept
	if findings, _ := b.doctor(); strings.Contains(shown(findings), "php-mintoken") {
		t.Errorf("mintkeep is taken for mintoken in\n%s", shown(findings))
	}
}

// What keeps a host from answering is said once, whatever was to be asked there.
func TestDoctorSaysOnceWhatKeepsAHostFromAnswering(t *testing.T) {
	b := newDoctorSite(t, released(t))
	b.arguments = []string{}
	b.build()
	b.sql("INSERT INTO settings VALUES ('endpoint', '" + strings.Replace(b.authorizer, "https", "HTTPS", 1) + "')") // case L8
	findings, _ := b.doctor()
	if text := shown(findings); strings.Count(text, "checks codes") != 1 {
		t.Errorf("an endpoint of file and row is not told once:\n%s", text)
	}
	b.server.Close()
	findings, status := b.doctor()
	if text := shown(findings); status != 1 || strings.Count(text, "connection refused") != 1 || strings.Count(text, "fail  ") != 1 {
		t.Errorf("exit %d after\n%s", status, text)
	}
}

// One cause is one finding: what follows from it is not told as well.
func TestDoctorSaysOnce(t *testing.T) {
	for name, plant := range map[string]func(*doctorSite){
		"disk full":         (*doctorSite).fullDisk,
		"read-only":         (*doctorSite).readOnly,
		"faulty row":        func(b *doctorSite) { b.sql("INSERT INTO settings VALUES ('idle_lifetime', 'soon')") },
		"no database":       func(b *doctorSite) { b.must(os.Remove(b.database)) },
		"no .htaccess":      func(b *doctorSite) { b.noHtaccess(); b.at("/auth/token.cgi", says(500, "text/html", "<h1>Error")) },
		"no page":           func(b *doctorSite) { b.at("/", http.NotFound) },
		"endpoint redirect": func(b *doctorSite) { b.at("/auth/", says(301, "text/html", "")) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newDoctorSite(t, released(t))
			b.arguments = []string{}
			delete(b.config, "errorlog") // it lies on the same disk
			b.build()
			plant(b)
			findings, _ := b.doctor()
			if text := shown(findings); strings.Count(text, "fail  ") != 1 || strings.Contains(text, "warn  ") {
				t.Error(text)
			}
		})
	}
}
