package test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mintkeep/internal/demo"
	"mintkeep/internal/doctor"
	"mintkeep/test/wire"
)

// A doctorSite is a whole site: a home page, a Selfauth and the real program as a
// CGI script behind one https server, with places to plant faults.
type doctorSite struct {
	t                          *testing.T
	bin, root, script, data    string
	server                     *httptest.Server
	self                       *demo.Selfauth
	config                     map[string]string // lines of the #! file
	page                       string
	link                       []string // Link headers of the page
	profile                    string
	fault                      func(w http.ResponseWriter, r *http.Request) bool // answers instead
	strip                      bool                                              // the Authorization header
	shell                      string                                            // before the program, such as ulimit
	env                        []string
	arguments                  []string // in place of the profile URL
	database, base, authorizer string
}

const wellKnown = "/.well-known/oauth-authorization-server"

func newDoctorSite(t *testing.T, bin string) *doctorSite {
	t.Helper()
	dir := t.TempDir()
	b := &doctorSite{t: t, bin: bin, root: filepath.Join(dir, "public_html"), data: filepath.Join(dir, "data"),
		self: &demo.Selfauth{Me: "https://you.example/", Password: "x", Key: "k"}}
	b.script, b.database = filepath.Join(b.root, "auth", "token.cgi"), filepath.Join(b.data, "tokens.db")
	b.server = httptest.NewTLSServer(b)
	t.Cleanup(b.server.Close)
	b.profile, b.base, b.authorizer = b.server.URL+"/", b.server.URL+"/auth/token.cgi", b.server.URL+"/auth/"
	certificate := filepath.Join(dir, "ca.pem")
	b.write(certificate, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.server.Certificate().Raw})), 0o644)
	b.config = map[string]string{"database": "../../data/tokens.db", "url": b.base, "endpoint": b.authorizer,
		"me": b.profile, "ca_file": certificate, "errorlog": filepath.Join(b.data, "error.log")}
	b.page = `<link rel="authorization_endpoint" href="/auth/"><link rel="Token_Endpoint" href="/auth/token.cgi"><h1>You</h1>`
	b.link = []string{`</auth/>; rel="authorization_endpoint", </auth/token.cgi>; rel="token_endpoint"`}
	b.must(os.MkdirAll(filepath.Dir(b.script), 0o755))
	b.write(filepath.Join(filepath.Dir(b.script), ".htaccess"), "Options +ExecCGI\nAddHandler cgi-script .cgi\n", 0o644)
	if out, err := exec.Command(bin, "init", "-db", b.database).CombinedOutput(); err != nil {
		t.Fatalf("init: %v\n%s", err, out)
	}
	return b
}

func (b *doctorSite) write(file, text string, mode os.FileMode) {
	b.t.Helper()
	if err := errors.Join(os.WriteFile(file, []byte(text), mode), os.Chmod(file, mode)); err != nil {
		b.t.Fatal(err)
	}
}

// ServeHTTP is the web server.
func (b *doctorSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if b.strip {
		r.Header.Del("Authorization")
	}
	switch file := filepath.Join(b.root, r.URL.Path); {
	case b.fault != nil && b.fault(w, r):
	case strings.HasPrefix(r.URL.Path, "/auth/token.cgi"):
		(&cgi.Handler{Path: b.script, Root: "/auth/token.cgi", Dir: filepath.Dir(b.script), Stderr: io.Discard,
			Env: []string{"DOCUMENT_ROOT=" + b.root, "SERVER_SOFTWARE=Apache"}}).ServeHTTP(w, r)
	case strings.HasPrefix(r.URL.Path, wellKnown):
		r.URL.Path = strings.TrimPrefix(r.URL.Path, wellKnown) + "/metadata"
		b.ServeHTTP(w, r)
	case r.URL.Path == "/auth/":
		b.self.ServeHTTP(w, r)
	case r.URL.Path == "/":
		w.Header()["Link"] = b.link
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, b.page)
	default:
		http.ServeFile(w, r, file)
	}
}

// sql changes the database behind the program's back.
func (b *doctorSite) sql(statement string) {
	b.t.Helper()
	db := openDatabase(b.t, b.database)
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		b.t.Fatal(err)
	}
}

// install writes the #! file.
func (b *doctorSite) install(mode os.FileMode) {
	text := "#!" + b.bin + " cgi\n"
	for name, value := range b.config {
		text += name + ": " + value + "\n"
	}
	b.write(b.script, text, mode)
}

// doctor runs the command and returns what it found and its exit status.
func (b *doctorSite) doctor() ([]doctor.Finding, int) {
	b.t.Helper()
	if b.arguments == nil {
		b.arguments = []string{b.profile}
	}
	args := append([]string{"-c", b.shell + ` exec "$@"`, "sh", b.bin, "doctor", "-json", "-config", b.script}, b.arguments...)
	cmd := exec.Command("sh", args...)
	cmd.Env = append(os.Environ(), b.env...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		b.t.Fatal(err)
	}
	var findings []doctor.Finding
	if err := json.Unmarshal(out.Bytes(), &findings); err != nil {
		b.t.Fatalf("%v in\n%s%s", err, &out, &said)
	}
	return findings, cmd.ProcessState.ExitCode()
}

// check fetches BASE/check.
func (b *doctorSite) check() (int, string) {
	b.t.Helper()
	resp, err := b.server.Client().Get(b.base + "/check")
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func (b *doctorSite) build() { b.install(0o755) }

func shown(findings []doctor.Finding) string {
	var b strings.Builder
	doctor.Print(&b, findings, false)
	return b.String()
}

func TestDoctorHealthy(t *testing.T) {
	b := newDoctorSite(t, released(t))
	b.build()
	findings, status := b.doctor()
	for _, f := range findings {
		if f.Level != doctor.OK || f.Do != "" || f.Group == "" {
			t.Errorf("on a healthy site: %v", f)
		}
	}
	if status != 0 || len(findings) < 25 {
		t.Errorf("exit %d after\n%s", status, shown(findings))
	}
	if _, err := os.Stat(b.config["errorlog"]); err == nil {
		t.Error("the doctor created the error log")
	}
}

func TestCheckPage(t *testing.T) {
	b := newDoctorSite(t, released(t))
	b.build()
	if status, text := b.check(); status != http.StatusNotFound {
		t.Fatalf("without the file: %d %s", status, text)
	}
	file := filepath.Join(b.data, "check")
	b.write(file, "", 0o600)
	status, text := b.check()
	if status != http.StatusOK || !strings.Contains(text, b.database) {
		t.Errorf("got %d\n%s", status, text)
	}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "ok  ") {
			t.Errorf("on a healthy site: %s", line)
		}
	}
	if err := os.Chmod(b.data, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, text := b.check(); !strings.Contains(text, "warn  others can look into") {
		t.Errorf("nothing about the folder's mode in\n%s", text)
	}
	if err := os.Chmod(b.data, 0o711); err != nil {
		t.Fatal(err)
	}
	if _, text := b.check(); strings.Contains(text, "warn  ") {
		t.Errorf("those who may only pass through are minded in\n%s", text)
	}
	b.strip = true
	if _, text := b.check(); !strings.Contains(text, "fail  the web server removes the Authorization header") || !strings.Contains(text, "SetEnvIf") {
		t.Errorf("nothing about the header in\n%s", text)
	}
	b.strip = false
	b.config["url"] = b.server.URL + "/auth/token.php"
	b.build()
	if _, text := b.check(); !strings.Contains(text, "fail  there is nothing at "+b.config["url"]) || strings.Contains(text, "/revoke") {
		t.Errorf("not the one finding about the address in\n%s", text)
	}
	b.config["url"] = b.base + "/check"
	b.build()
	if status, text := b.check(); status == http.StatusOK {
		t.Errorf("a page that asks itself: %d\n%s", status, text)
	}
	b.write(b.script, "#!"+b.bin+" cgi\ndatabase: "+b.database+"\nurl: example.com\n", 0o755)
	if status, text := b.check(); status != http.StatusOK || !strings.HasPrefix(text, "fail  "+b.script+", line 3: ") {
		t.Errorf("the fault of the configuration is not shown: %d\n%s", status, text)
	}
	b.config["url"] = b.base
	b.build()
	for _, age := range []time.Duration{61 * time.Minute, -61 * time.Minute} {
		at := time.Now().Add(-age)
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
		if status, _ := b.check(); status != http.StatusNotFound {
			t.Errorf("with a file %v old: %d", age, status)
		}
	}
}

// Even a site that cannot be opened shows its page.
func TestCheckPageOfBrokenSite(t *testing.T) {
	b := newDoctorSite(t, released(t))
	b.config["database"] = "tokens.db"
	b.build()
	b.write(filepath.Join(filepath.Dir(b.script), "check"), "", 0o600)
	status, text := b.check()
	for _, want := range []string{"fail  there is no database at ", "lies below"} {
		if status != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("%d, no %q in\n%s", status, want, text)
		}
	}
}

// The page shows the limits of the web server's process, which no command line has.
func TestCheckPageShowsLimitsOfTheServer(t *testing.T) {
	b := newDoctorSite(t, released(t))
	b.build()
	config := filepath.Join(b.data, "mintkeep.conf")
	b.must(os.Rename(b.script, config))
	text, err := os.ReadFile(config)
	b.must(err)
	b.write(config, strings.ReplaceAll(string(text), "../../data/", ""), 0o600)
	b.write(b.script, "#!/bin/sh\nulimit -v 1400000\nMINTKEEP_CONFIG="+config+" exec "+b.bin+"\n", 0o755)
	b.write(filepath.Join(b.data, "check"), "", 0o600)
	if status, text := b.check(); status != http.StatusOK || !strings.Contains(text, "warn  address space (RLIMIT_AS) is limited to 1367 MB; less than 1400 MB can make starts fail  → ") {
		t.Errorf("%d, nothing about the limit in\n%s", status, text)
	}
}

// Under a server that stays, too; where nothing says it, the database is not looked for.
func TestCheckPageOfLongRunning(t *testing.T) {
	h := newTestHost(t, released(t), "http")
	if err := h.configure("database: ../../mintkeep/tokens.db", "url: https://you.example/auth/token"); err != nil {
		t.Fatal(err)
	}
	h.mustRun(t, "init", "-config", h.config())
	if err := os.WriteFile(h.path("mintkeep/check"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for request, want := range map[string]int{"GET /auth/token/check": 200, "GET /auth/token//check/": 200, "GET /other/check": 200,
		"POST /auth/token/check": 404, "GET /auth/token/x/check": 404, "GET /auth/token": 401, "GET /auth/token/checks": 404} {
		method, path, _ := strings.Cut(request, " ")
		if a := h.mustDo(t, &wire.Request{Method: method, Target: path}); a.Status != want {
			t.Errorf("%s: %d, want %d", request, a.Status, want)
		}
	}
}

func TestBackup(t *testing.T) {
	b := newDoctorSite(t, released(t))
	to := filepath.Join(t.TempDir(), "copy.db")
	run := func() (string, error) {
		out, err := exec.Command(b.bin, "backup", to, "-db", b.database).CombinedOutput()
		return string(out), err
	}
	if out, err := run(); err != nil || out != "" {
		t.Fatalf("there is no key to speak of: %v: %s", err, out)
	}
	if out, err := exec.Command(b.bin, "key", "new", "-db", b.database).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Remove(to); err != nil {
		t.Fatal(err)
	}
	if out, err := run(); err != nil || !strings.Contains(out, "mintkeep.key") {
		t.Fatalf("%v: %s", err, out)
	}
	if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if out, err := exec.Command(b.bin, "setting", "-db", to).CombinedOutput(); err != nil {
		t.Errorf("the copy: %v\n%s", err, out)
	}
	before, _ := os.ReadFile(to)
	if out, err := run(); err == nil || !strings.Contains(out, "exists already") {
		t.Errorf("over an old one: %v, %s", err, out)
	}
	if after, _ := os.ReadFile(to); !bytes.Equal(before, after) {
		t.Error("the old copy was changed")
	}
	b.database, to = filepath.Join(b.data, "none.db"), to+"2"
	if _, err := run(); err == nil {
		t.Error("a copy of nothing")
	}
	if _, err := os.Stat(to); err == nil {
		t.Error("a failed backup left a file")
	}
}

// Case F3: BASE/check reads the page of each `me`. It is asked for once in ten seconds,
// whoever asks; where it leads elsewhere, strangers' addresses are not reached.
func TestCheckPageReadsTheHomePageF3(t *testing.T) {
	b := newDoctorSite(t, released(t))
	asked, inside := 0, 0
	private := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		inside++
		io.WriteString(w, b.page)
	}))
	t.Cleanup(private.Close)
	b.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/" {
			asked++
		}
		return false
	}
	b.page, b.link = `<link rel="token_endpoint" href="https://tokens.indieauth.com/token">`, nil
	b.build()
	b.write(filepath.Join(b.data, "check"), "", 0o600)
	for range 3 {
		_, text := b.check()
		for _, want := range []string{"fail  " + b.profile + ": the page's token_endpoint is https://tokens.indieauth.com/token",
			`<link rel="token_endpoint" href="` + b.base + `">`, "has no rel=authorization_endpoint", `href="` + b.base + `/authorize">`} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
	}
	if asked < 1 || asked > 2 { // a slow machine may take more than ten seconds
		t.Errorf("the page was asked for %d times", asked)
	}
	b.sql("DELETE FROM pages")
	b.at("/", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, private.URL, http.StatusFound) })
	if _, text := b.check(); !strings.Contains(text, "fail  the page "+b.profile+" cannot be read") || inside != 0 {
		t.Errorf("a private address was asked %d times:\n%s", inside, text)
	}
	b.sql("DROP TABLE pages; DROP TABLE grants; PRAGMA user_version = 0") // as php-mintoken's, before the first request
	b.fault, b.page = nil, `<link rel="authorization_endpoint" href="/auth/"><link rel="token_endpoint" href="/auth/token.cgi">`
	if _, text := b.check(); strings.Contains(text, "cannot be read") || !strings.Contains(text, "ok    token_endpoint is "+b.base) {
		t.Errorf("of a database that is not upgraded yet:\n%s", text)
	}
}
