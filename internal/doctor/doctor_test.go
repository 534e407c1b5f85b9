package doctor

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
)

// Faults that a real machine cannot be made to have in a test are planted in
// the values that the checks are given. The others are in the program's tests.

// healthy is a site on which Inside finds nothing.
func healthy(t *testing.T) *Site {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	file := filepath.Join(dir, "tokens.db")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite3", file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.Exec(`CREATE TABLE t (x); PRAGMA user_version = 1`); err != nil {
		t.Fatal(err)
	}
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		w.Write([]byte(`{"error":"invalid_grant"}`))
	}))
	t.Cleanup(endpoint.Close)
	s := &Site{About: "a test", Database: file, KeyFile: filepath.Join(dir, "mintkeep.key"), URL: "http://127.0.0.1:1/token",
		Journal: "rollback", DB: db, Schema: 1, Now: time.Now, Client: http.DefaultClient,
		Settings: func(context.Context) (Settings, error) {
			return Settings{Endpoints: []string{endpoint.URL}, Admins: []string{"https://you.example/"}}, nil
		},
		Shown:    func(string) error { return nil },
		Key:      func(context.Context) error { return nil },
		Kept:     func(context.Context) []Finding { return nil },
		Public:   func(host string) bool { return host == "public.example" },
		TLSRoots: func() (string, error) { return "system", nil }}
	s.System()
	s.Statfs = func(string) (Volume, error) { return Volume{Type: 0xef53, Free: 1 << 30}, nil }
	s.Getrlimit = func(int) (uint64, bool) { return 1<<64 - 1, true }
	return s
}

func print(findings []Finding) string {
	var b strings.Builder
	Print(&b, findings, false)
	return b.String()
}

func TestInsideHealthy(t *testing.T) {
	for _, f := range healthy(t).Inside(t.Context()) {
		if f.Level != OK {
			t.Errorf("on a healthy site: %v", f)
		}
	}
}

func TestInsidePlanted(t *testing.T) {
	on := func(v Volume) func(*Site) {
		return func(s *Site) { s.Statfs = func(string) (Volume, error) { return v, nil } }
	}
	settings := func(st Settings, err error) func(*Site) {
		return func(s *Site) { s.Settings = func(context.Context) (Settings, error) { return st, err } }
	}
	limited := func(number int, to uint64) func(*Site) {
		return func(s *Site) {
			s.Getrlimit = func(n int) (uint64, bool) {
				if n == number {
					return to, true
				}
				return 1 << 40, true
			}
		}
	}
	for name, test := range map[string]struct {
		plant func(*Site)
		level Level
		want  string
	}{
		"NFS":              {on(Volume{Type: 0x6969, Free: 1 << 30}), Warn, "is on NFS"},
		"SMB":              {on(Volume{Type: 0xfe534d42, Free: 1 << 30}), Warn, "is on SMB"},
		"FUSE":             {on(Volume{Type: 0x65735546, Free: 1 << 30}), Warn, "is on FUSE"},
		"WAL on NFS":       {func(s *Site) { on(Volume{Type: 0x6969, Free: 1 << 30})(s); s.Journal = "wal" }, Fail, "destroys it"},
		"read-only":        {on(Volume{Free: 1 << 30, ReadOnly: true}), Fail, "read-only"},
		"disk full":        {on(Volume{Free: 4096}), Fail, "the disk is full (4 KB left)"},
		"disk nearly full": {on(Volume{Free: 2 << 20}), Warn, "nearly full"},
		"no statfs":        {func(s *Site) { s.Statfs = func(string) (Volume, error) { return Volume{}, fs.ErrPermission } }, Warn, "cannot be looked at"},
		"low RLIMIT_AS":    {limited(rlimitAS, 64<<20), Warn, "(RLIMIT_AS) is limited to 64 MB"},
		"low RLIMIT_DATA":  {limited(rlimitData, 32<<20), Warn, "(RLIMIT_DATA) is limited to 32 MB"},
		"low RLIMIT_NPROC": {limited(6, 8), Warn, "(RLIMIT_NPROC) is limited to 8"},
		"wrong owner":      {func(s *Site) { s.UID++ }, Warn, "and this process runs as user"},
		"document root": {func(s *Site) {
			s.Roots = []string{"/srv"}
			s.Shown = func(string) error { return errors.New("shown\nhint: move") }
		}, Fail, "shown  → move"},
		"no roots":          {func(s *Site) { s.TLSRoots = func() (string, error) { return "built-in", nil } }, Warn, "no TLS roots"},
		"bad ca_file":       {func(s *Site) { s.TLSRoots = func() (string, error) { return "", fs.ErrNotExist } }, Fail, "no TLS roots"},
		"clock ahead":       {func(s *Site) { s.Now = func() time.Time { return time.Now().Add(2 * time.Minute) } }, Warn, "s fast, compared"},
		"clock an hour off": {func(s *Site) { s.Now = func() time.Time { return time.Now().Add(-time.Hour) } }, Fail, "s slow, compared"},
		"older schema":      {func(s *Site) { s.Schema = 2 }, OK, "first request brings it to 2"},
		"newer schema":      {func(s *Site) { s.Schema = 0 }, Fail, "newer mintkeep"},
		"public endpoint":   {settings(Settings{Endpoints: []string{"http://public.example:1/"}}, nil), Fail, "signs anybody in"},
		"no endpoint":       {settings(Settings{}, nil), Fail, "no authorization endpoint"},
		"two faults":        {settings(Settings{}, errors.Join(errors.New("one\nhint: a"), errors.New("two\nhint: b"))), Fail, "two  → b"},
		"WAL under CGI": {func(s *Site) {
			s.DB.Exec(`PRAGMA journal_mode = WAL`)
			s.OneShot, s.Journal = true, "wal"
		}, Warn, "slower for CGI"},
		"WAL file on NFS": {func(s *Site) {
			s.DB.Exec(`PRAGMA journal_mode = WAL`)
			on(Volume{Type: 0x6969, Free: 1 << 30})(s)
		}, Fail, "keeps a WAL, which NFS destroys"},
		"folder shut":           {func(s *Site) { s.Database = "/proc/self/tokens.db" }, Fail, "no file can be written beside"},
		"in docroot, no url":    {func(s *Site) { s.InRoot, s.URL = true, "" }, Fail, "not known at which address"},
		"in docroot, not asked": {func(s *Site) { s.InRoot, s.Roots = true, []string{filepath.Dir(s.Database)} }, Fail, "does not refuse http://127.0.0.1:1/tokens.db"},
	} {
		t.Run(name, func(t *testing.T) {
			s := healthy(t)
			test.plant(s)
			findings := s.Inside(t.Context())
			if !slices.ContainsFunc(findings, func(f Finding) bool {
				return f.Level == test.level && strings.Contains(print([]Finding{f}), test.want)
			}) {
				t.Errorf("no %s %q in\n%s", test.level, test.want, print(findings))
			}
		})
	}
}

// Answers of authorization endpoints to a code that nobody ever got.
func TestEndpointVerdict(t *testing.T) {
	for name, test := range map[string]struct {
		status     int
		body, want string
	}{
		"Selfauth":          {400, "<h1>Error: Verification Failed</h1>", "ok"},
		"old Selfauth":      {200, "<h1>Error: Verification Failed</h1>", "ok"},
		"JSON":              {400, `{"error":"invalid_grant"}`, "ok"},
		"JSON 401":          {401, `{"error":"invalid_client"}`, "ok"},
		"login page":        {200, "<form>", "fail"},
		"JSON 200, no me":   {200, `{}`, "fail"},
		"yes":               {200, `{"me":"https://you.example/"}`, "fail"},
		"not found":         {404, `{"error":"not_found"}`, "fail"},
		"redirect":          {302, "", "fail"},
		"filter":            {403, "<h1>Forbidden", "fail"},
		"broken":            {500, "", "fail"},
		"bad request, HTML": {400, "<h1>Bad Request", "warn"},
	} {
		a := &answer{status: test.status, body: []byte(test.body), header: make(http.Header)}
		if got := a.verdict("https://you.example/auth/"); string(got.Level) != test.want || (got.Level != OK && got.Do == "") {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestLikely(t *testing.T) {
	s := &Site{URL: "https://you.example/auth/token.cgi", Script: "/home/you/public_html/auth/token.cgi", Database: "/home/you/public_html/x/db.sqlite"}
	got := s.likely("https://me.example/~you/")
	for _, want := range []string{"https://you.example/x/db.sqlite", "https://you.example/tokens.db", "https://you.example/auth/tokens.db",
		"https://you.example/mintkeep/tokens.db", "https://me.example/~you/tokens.db", "https://me.example/tokens.db", "https://me.example/db.sqlite"} {
		if !slices.Contains(got, want) {
			t.Errorf("no %s in %v", want, got)
		}
	}
	s.Database = "/home/you/data/tokens.db" // beside the document root
	if got := s.computed(s.Database); !slices.Equal(got, []string{"https://you.example/data/tokens.db"}) {
		t.Errorf("computed %v", got)
	}
}

func TestPrintKeepsLines(t *testing.T) {
	if got := print([]Finding{warn("do\x1b[2J", "a\nok    b\r")}); got != "warn  a ok    b   → do [2J\n" {
		t.Errorf("got %q", got)
	}
}

func TestProfileScheme(t *testing.T) {
	for asked, want := range map[string]Level{"https://you.example/": "", "http://you.example/": Fail, "http://127.0.0.1/": ""} {
		if got := secure(asked, asked); got.Level != want {
			t.Errorf("%s: %v", asked, got)
		}
	}
	if got := secure("http://you.example/", "https://you.example/"); got.Level != Warn {
		t.Errorf("redirected: %v", got)
	}
}

// The package rests on the ground alone. Its reader of pages is the endpoint's, with
// the libraries that this starts (rule 11 of the house), so it costs nothing beside it.
func TestCostsNothing(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	rooms := []string{"mintkeep/internal/doctor", "mintkeep/internal/discover", "mintkeep/internal/oauth", "mintkeep/internal/secret"}
	for _, p := range strings.Fields(string(out)) {
		room := strings.HasPrefix(p, "mintkeep") && !slices.Contains(rooms, p)
		if room || p == "html/template" || strings.Contains(p, "sqlite") {
			t.Errorf("imports %s", p)
		}
	}
}
