package main

import (
	"bytes"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mintkeep/endpoint/endpointtest"
)

// The same scenarios in all three modes (architecture rule 13).
func TestScenarios(t *testing.T) {
	for _, mode := range []string{"cgi", "fcgi", "http"} {
		t.Run(mode, func(t *testing.T) { runScripts(t, "testdata/scenarios", mode) })
	}
}

// What a web server starts, and how: there is no command line to complain on.
func TestStarts(t *testing.T) {
	for _, mode := range []string{"cgi", "fcgi"} {
		t.Run(mode, func(t *testing.T) { runScripts(t, "testdata/starts", mode) })
	}
}

// What only a CGI program meets.
func TestCGI(t *testing.T) { runScripts(t, "testdata/cgi", "cgi") }

// The command line.
func TestVerbs(t *testing.T) { runScripts(t, "testdata/verbs", "http") }

func runScripts(t *testing.T, dir, mode string) {
	program, err := exec.LookPath("mintkeep")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:   dir,
		Setup: func(e *testscript.Env) error { return setUp(e, program, mode) },
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "cgi", "fcgi", "http":
				return cond == mode, nil
			}
			return false, fmt.Errorf("no condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			">": request, "<": answer, "config": configure, "server": server, "code": code, "clock": clock,
			"authorization-endpoint": authorizationEndpoint, "restart": restart, "keep": keep, "secret": secret,
			"perm": perm, "sql": runSQL, "direct": direct, "logged": logged, "only": only, "basic": basic,
			"guess": guess, "fails": fails, "expand": expand,
		},
	})
}

const (
	appClient   = "https://app.example/"
	appRedirect = "https://app.example/callback"
)

// A conversation is what one script says and hears.
type conversation struct {
	host    *host
	auth    *endpointtest.Selfauth
	clock   string
	pending *wireRequest
	heard   *wireAnswer
	secrets []string
	codes   map[int64]bool         // the seconds that codes were made in
	down    atomic.Pointer[string] // how the authorization endpoint fails
}

type conversationKey struct{}

func in(ts *testscript.TestScript) *conversation {
	return ts.Value(conversationKey{}).(*conversation)
}

// setUp gives a script an account with a web host, a Selfauth next door, and
// a configuration that fits both.
func setUp(e *testscript.Env, program, mode string) error {
	t := e.T().(testing.TB)
	c := &conversation{clock: filepath.Join(e.WorkDir, "clock"), codes: make(map[int64]bool)}
	if err := os.WriteFile(c.clock, []byte("0"), 0o600); err != nil {
		return err
	}
	h, err := newHost(e.WorkDir, program, mode, clockVariable+"="+c.clock, "TZ="+os.Getenv("TZ"))
	if err != nil {
		return err
	}
	c.host = h
	c.auth = &endpointtest.Selfauth{Me: "https://you.example", Password: "password", Key: "key", Now: testClock(c.clock), Fault: c.fault}
	auth := httptest.NewServer(c.auth)
	e.Setenv("BASE", scriptPath)
	e.Setenv("AUTH", auth.URL+"/auth/")
	e.Setenv("KB64", "x="+strings.Repeat("x", 64<<10))
	e.Setenv("CLIENT", appClient)
	e.Setenv("CALLBACK", appRedirect)
	e.Setenv("CONFIG", h.path("public_html"+scriptPath))
	e.Setenv("DB", h.path("mintkeep/tokens.db"))
	tokens, err := mintokenTokens()
	if err != nil {
		return err
	}
	for name, token := range tokens {
		e.Setenv("MINTOKEN_"+name, token)
		c.secrets = append(c.secrets, token)
	}
	sqlFile, err := filepath.Abs(mintokenFile)
	if err != nil {
		return err
	}
	e.Setenv("MINTOKEN", sqlFile)
	e.Setenv(clockVariable, c.clock)
	e.Setenv("TZ", os.Getenv("TZ"))
	e.Values[conversationKey{}] = c
	e.Defer(func() {
		if c.pending != nil {
			t.Error("the last request was never sent: nobody looked at the answer")
		}
		h.stop()
		auth.Close()
		h.stderr.Close()
		searchSecrets(t, e.WorkDir, c.secrets)
	})
	return h.configure("database: ../../mintkeep/tokens.db", "url: https://example.com"+scriptPath,
		"endpoint: "+auth.URL+"/auth/", "me: https://you.example/")
}

// searchSecrets looks for every secret of a script, byte for byte, in every
// file that the program had to do with: the database, its journal, the error
// log and what went to stderr.
func searchSecrets(t testing.TB, dir string, secrets []string) {
	t.Helper()
	filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || filepath.Dir(name) == filepath.Join(dir, "bin") {
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return nil
		}
		for _, s := range secrets {
			if bytes.Contains(b, []byte(s)) {
				t.Errorf("%s contains the secret %s…", name, s[:min(len(s), 12)])
			}
		}
		return nil
	})
}

// request is a line of a request: the request line, headers, then the body,
// whose lines are joined with "&".
//
//	> POST $BASE
//	> Accept: application/json
//	> token=$ACCESS
func request(ts *testscript.TestScript, neg bool, args []string) {
	c := in(ts)
	line := strings.Join(args, " ")
	header := regexp.MustCompile(`^([A-Za-z][A-Za-z-]*): ?(.*)$`).FindStringSubmatch(line)
	switch r := c.pending; {
	case r == nil:
		if len(args) != 2 {
			ts.Fatalf("a request begins with METHOD TARGET")
		}
		c.pending = &wireRequest{method: args[0], target: args[1]}
	case header != nil && r.body == "":
		r.header = append(r.header, [2]string{header[1], header[2]})
	case r.body == "":
		r.body = line
	default:
		r.body += "&" + line
	}
}

// send sends the pending request. A body without Content-Type is a form.
func (c *conversation) send(ts *testscript.TestScript) {
	r := c.pending
	if r == nil {
		return
	}
	c.pending = nil
	if r.body != "" && r.get("Content-Type") == "" {
		r.header = append(r.header, [2]string{"Content-Type", "application/x-www-form-urlencoded"})
	}
	var err error
	if c.heard, err = c.host.do(r); err != nil {
		ts.Fatalf("%s %s: %v\n%s", r.method, r.target, err, c.host.log())
	}
	ts.Logf("[%d] %v\n%s", c.heard.status, c.heard.header, c.heard.body)
	for _, name := range []string{"access_token", "refresh_token"} {
		if v, ok := c.heard.member(name); ok {
			c.secrets = append(c.secrets, v)
		}
	}
}

// answer looks at the answer; the first sends the request.
//
//	< 200                        the status
//	< Content-Type: text/html.*  a header; "! <" says that it must be absent
//	< scope=create update        a member of the JSON object or form
//	< access_token => ACCESS     keeps a member in a variable
//	< body PATTERN               the body contains it
func answer(ts *testscript.TestScript, neg bool, args []string) {
	c := in(ts)
	c.send(ts)
	if c.heard == nil || len(args) == 0 {
		ts.Fatalf("there is no answer to look at")
	}
	fits := func(pattern, got string) bool {
		return regexp.MustCompile(`(?s)^(?:` + pattern + `)$`).MatchString(got)
	}
	line := strings.Join(args, " ")
	status, notStatus := strconv.Atoi(args[0])
	name, want, _ := strings.Cut(line, "=")
	headerName, headerWant, isHeader := strings.Cut(line, ": ")
	var found bool
	var got string
	switch {
	case notStatus == nil:
		found, got = c.heard.status == status, fmt.Sprint(c.heard.status, "\n", c.heard.body)
	case args[0] == "body":
		got = c.heard.body
		found = regexp.MustCompile(`(?s)` + strings.Join(args[1:], " ")).MatchString(got)
	case len(args) == 3 && args[1] == "=>":
		if got, found = c.heard.member(args[0]); found {
			ts.Setenv(args[2], got)
		}
	case isHeader && !strings.Contains(headerName, "="):
		values, sent := c.heard.header[http.CanonicalHeaderKey(headerName)]
		got = strings.Join(values, ", ")
		found = sent && fits(headerWant, got)
	default:
		var sent bool
		got, sent = c.heard.member(name)
		found = sent && fits(want, got)
	}
	if found == neg {
		ts.Fatalf("answer: %q", got)
	}
}

// member is a member of the JSON object or form that the answer is.
func (a *wireAnswer) member(name string) (string, bool) {
	if strings.HasPrefix(a.header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		v, err := url.ParseQuery(a.body)
		return v.Get(name), err == nil && v.Has(name)
	}
	members := make(map[string]json.RawMessage)
	if json.Unmarshal([]byte(a.body), &members) != nil || members[name] == nil {
		return "", false
	}
	var text string
	if json.Unmarshal(members[name], &text) == nil {
		return text, true
	}
	return string(members[name]), true
}

// configure writes the configuration, an argument a line, and ends the process
// that knew the old one.
func configure(ts *testscript.TestScript, neg bool, args []string) {
	in(ts).host.stop()
	ts.Check(in(ts).host.configure(args...))
}

// restart ends the long-running process; the next request starts another.
func restart(ts *testscript.TestScript, neg bool, args []string) { in(ts).host.stop() }

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
	if name := h.path("public_html" + h.script); !sameFile(name, h.path("bin/mintkeep")) {
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
func nextCode(s *endpointtest.Selfauth, used map[int64]bool, client, scope string) string {
	at := s.Now().Unix()
	for used[at] {
		at--
	}
	used[at] = true
	then := &endpointtest.Selfauth{Me: s.Me, Key: s.Key, Now: func() time.Time { return time.Unix(at, 0) }}
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
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(os.Expand(ts.ReadFile(args[0]), ts.Getenv)), 0o755))
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
