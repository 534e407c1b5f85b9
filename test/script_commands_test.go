package test

import (
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mintkeep/internal/demo"
)

// configure writes the configuration, an argument a line, and ends the process
// that knew the old one.
func configure(ts *testscript.TestScript, neg bool, args []string) {
	in(ts).host.stop()
	ts.Check(in(ts).host.configure(args...))
}

// restart ends the long-running process; the next request starts another.
func restart(ts *testscript.TestScript, neg bool, args []string) { in(ts).host.stop() }

// replace changes a text in a file, and restarts nothing.
//
//	replace OLD NEW FILE
func replace(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile(args[2])
	if !strings.Contains(text, args[0]) {
		ts.Fatalf("%s has no %q", args[2], args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(strings.Replace(text, args[0], args[1], 1)), 0o755))
}

// server sets variables of the web server otherwise, or leaves them out; alone
// it returns to Apache's, and to the documented script.
//
//	server SERVER_SOFTWARE=lighttpd -SERVER_PROTOCOL
func server(ts *testscript.TestScript, neg bool, args []string) {
	h := in(ts).host
	if len(args) == 0 {
		h.vars, h.bare, h.script = make(map[string]string), false, scriptPath
	}
	for _, a := range args {
		name, value, ok := strings.Cut(a, "=")
		switch {
		case ok:
			h.vars[name] = value
		case name == "suexec":
			h.bare = true
		default:
			h.vars[strings.TrimPrefix(name, "-")] = "-"
		}
	}
}

// direct makes the program itself the CGI script, at this path below the
// document root.
func direct(ts *testscript.TestScript, neg bool, args []string) {
	h := in(ts).host
	h.stop()
	h.script = "/auth/direct.cgi"
	name := h.path("public_html" + h.script)
	if _, err := os.Stat(name); err != nil {
		ts.Check(link(h.path("bin/mintkeep"), name))
	}
}

// code makes Selfauth sign somebody in: the code is put into a variable, and
// encoded twice into another.
//
//	code CODE create update
func code(ts *testscript.TestScript, neg bool, args []string) {
	c := in(ts)
	v := nextCode(c.auth, c.codes, appClient, strings.Join(args[1:], " "))
	c.secrets = append(c.secrets, v, strings.Split(v, ":")[1])
	ts.Setenv(args[0], v)
	ts.Setenv(args[0]+"_TWICE", url.QueryEscape(url.QueryEscape(v)))
}

// nextCode makes a code that was not made before: those that Selfauth makes in
// one second for the same app are the same, so it takes the last unused second.
func nextCode(s *demo.Selfauth, used map[int64]bool, client, scope string) string {
	at := s.Now().Unix()
	for used[at] {
		at--
	}
	used[at] = true
	then := &demo.Selfauth{Me: s.Me, Key: s.Key, Now: func() time.Time { return time.Unix(at, 0) }}
	return then.Code(client, appRedirect, scope)
}

// clock moves the clock of the program and of Selfauth: clock +31s.
func clock(ts *testscript.TestScript, neg bool, args []string) {
	c := in(ts)
	d, err := parseDuration(strings.TrimPrefix(args[0], "+"))
	ts.Check(err)
	now, err := os.ReadFile(c.clock)
	ts.Check(err)
	ahead, err := strconv.Atoi(string(now))
	ts.Check(err)
	ts.Check(os.WriteFile(c.clock, []byte(strconv.Itoa(ahead+int(d/time.Second))), 0o600))
}

// parseDuration reads 31s, 15m, 12h or 30d.
func parseDuration(v string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(v, "d"); ok {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(v)
}

// authorizationEndpoint makes Selfauth fail with a status, or "answers" again.
func authorizationEndpoint(ts *testscript.TestScript, neg bool, args []string) {
	in(ts).down.Store(&args[0])
}

func (c *conversation) fault(w http.ResponseWriter, r *http.Request) bool {
	how := c.down.Load()
	if how == nil || *how == "answers" {
		return false
	}
	status, _ := strconv.Atoi(*how)
	w.Header().Set("Location", "/elsewhere")
	w.WriteHeader(status)
	return true
}

// keep keeps what a command printed as a secret: keep SECRET.
func keep(ts *testscript.TestScript, neg bool, args []string) {
	v := strings.TrimSuffix(ts.ReadFile("stdout"), "\n")
	if v == "" || strings.ContainsAny(v, " \n") {
		ts.Fatalf("%q does not stand alone", v)
	}
	in(ts).secrets = append(in(ts).secrets, v)
	ts.Setenv(args[0], v)
}

// basic puts the credentials of a Basic header into a variable: basic BLOG blog $SECRET.
func basic(ts *testscript.TestScript, neg bool, args []string) {
	ts.Setenv(args[0], base64.StdEncoding.EncodeToString([]byte(args[1]+":"+args[2])))
}

// secret declares a text that must not be found in any file afterwards.
func secret(ts *testscript.TestScript, neg bool, args []string) {
	in(ts).secrets = append(in(ts).secrets, args...)
}

// guess redeems invented codes: guess 30 400 wants the status each time.
func guess(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	for range n {
		request(ts, false, []string{"POST", scriptPath})
		request(ts, false, []string{"grant_type=authorization_code&code=guessed&client_id=" + appClient + "&redirect_uri=" + appRedirect})
		answer(ts, false, args[1:2])
	}
}

// fails runs a command that must end with the exit status: fails 2 mintkeep token.
func fails(ts *testscript.TestScript, neg bool, args []string) {
	exit := new(exec.ExitError)
	if err := ts.Exec(args[1], args[2:]...); !errors.As(err, &exit) || strconv.Itoa(exit.ExitCode()) != args[0] {
		ts.Fatalf("%s: %v", strings.Join(args[1:], " "), err)
	}
}

// expand replaces the variables in a file, which must be run afterwards.
func expand(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(writeExecutable(ts.MkAbs(args[0]), os.Expand(ts.ReadFile(args[0]), ts.Getenv)))
}

// perm compares a file's permissions: perm 0600 FILE.
func perm(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has %s", args[1], got)
	}
}

// runSQL opens a database as any program would and executes a statement, or the
// file that is named, or compares the first column of a query.
//
//	sql $DB 'PRAGMA integrity_check' ok
func runSQL(ts *testscript.TestScript, neg bool, args []string) {
	db, err := sql.Open("sqlite3", "file:"+ts.MkAbs(args[0])+"?_busy_timeout=8000")
	ts.Check(err)
	defer db.Close()
	if strings.HasSuffix(args[1], ".sql") {
		_, err := db.Exec(ts.ReadFile(args[1]))
		ts.Check(err)
		return
	}
	if len(args) == 2 {
		_, err := db.Exec(args[1])
		ts.Check(err)
		return
	}
	var got sql.NullString
	if err := db.QueryRow(args[1]).Scan(&got); err != nil && !errors.Is(err, sql.ErrNoRows) {
		ts.Fatalf("%s: %v", args[1], err)
	}
	if got.String != args[2] {
		ts.Fatalf("%s: %q", args[1], got.String)
	}
}

// logged looks for a pattern in what the program wrote to stderr while it
// answered: the web server's error log.
func logged(ts *testscript.TestScript, neg bool, args []string) {
	text := in(ts).host.log()
	if regexp.MustCompile(args[0]).MatchString(text) == neg {
		ts.Fatalf("the log: %s", text)
	}
}

// only says what a folder must contain, and nothing else: only DIR FILE….
func only(ts *testscript.TestScript, neg bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got, want := strings.Join(names, " "), strings.Join(args[1:], " "); got != want {
		ts.Fatalf("%s contains %q", args[0], got)
	}
}
