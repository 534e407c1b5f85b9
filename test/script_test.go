package test

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mintkeep/internal/demo"
	"mintkeep/test/wire"
)

// The same scenarios in all three modes.
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

// The same scripts with the program as it is released, except those that move
// its clock.
func TestReleased(t *testing.T) {
	for dir, mode := range map[string]string{"scenarios": "cgi", "starts": "fcgi", "cgi": "cgi", "verbs": "http"} {
		t.Run(dir, func(t *testing.T) {
			files := slices.DeleteFunc(scripts(t, "testdata/"+dir), func(file string) bool {
				text, err := os.ReadFile(file)
				return err != nil || regexp.MustCompile(`(?m)^clock `).Match(text)
			})
			runFiles(t, files, released(t), mode)
		})
	}
}

// The clock that the scripts move is none of the released program's.
func TestReleasedIgnoresClock(t *testing.T) {
	const ahead = 365 * 24 * time.Hour
	for program, want := range map[string]time.Duration{released(t): 0, clocked(t): ahead} {
		h := newTestHost(t, program, "cgi")
		file := h.path("clock")
		if err := os.WriteFile(file, []byte(strconv.Itoa(int(ahead/time.Second))), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv(clockVariable, file)
		h.mustRun(t, "init", "-config", h.config())
		h.mustRun(t, "token", "mint", "-config", h.config(), "-me", "https://you.example/", "-client", appClient, "-scope", "create")
		at, err := time.Parse(time.DateTime, value[string](t, h.open(t), `SELECT strftime('%Y-%m-%d %H:%M:%S', max(at)) FROM events`))
		if off := time.Until(at) - want; err != nil || off.Abs() > time.Minute {
			t.Errorf("%s: the event is off by %v, %v", program, off, err)
		}
	}
}

// runScripts runs a folder of scripts in a mode, with the clock that they move.
func runScripts(t *testing.T, dir, mode string) {
	runFiles(t, scripts(t, dir), clocked(t), mode)
}

func scripts(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(dir + "/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts in %s: %v", dir, err)
	}
	return files
}

func runFiles(t *testing.T, files []string, program, mode string) {
	testscript.Run(t, testscript.Params{
		Files: files,
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
			"authorization-endpoint": authorizationEndpoint, "restart": restart, "replace": replace, "keep": keep, "secret": secret,
			"perm": perm, "sql": runSQL, "direct": direct, "logged": logged, "only": only, "basic": basic,
			"guess": guess, "fails": fails, "expand": expand, "box": box, "type": typed, "front": goThroughFront, "person": person,
			"mintkeep": mintkeep,
		},
	})
}

// mintkeep runs the program: mintkeep token list.
func mintkeep(ts *testscript.TestScript, neg bool, args []string) {
	if err := ts.Exec("mintkeep", args...); (err == nil) == neg {
		ts.Fatalf("mintkeep %s: %v", strings.Join(args, " "), err)
	}
}

const (
	appClient   = "https://app.example/"
	appRedirect = "https://app.example/callback"
)

// quickRace takes away the second that a program built with -race waits at its end.
const quickRace = "GORACE=atexit_sleep_ms=0"

// A conversation is what one script says and hears.
type conversation struct {
	host    *host
	auth    *demo.Selfauth
	clock   string
	pending *wire.Request
	heard   *wire.Reply
	secrets []string
	codes   map[int64]bool         // the seconds that codes were made in
	down    atomic.Pointer[string] // how the authorization endpoint fails
	box     *scriptBox             // of the outbound half
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
	h, err := newHost(e.WorkDir, program, mode, clockVariable+"="+c.clock, "TZ="+os.Getenv("TZ"), quickRace)
	if err != nil {
		return err
	}
	c.host = h
	c.auth = &demo.Selfauth{Me: "https://you.example", Password: "password", Key: "key", Now: testClock(c.clock), Fault: c.fault}
	auth := httptest.NewServer(c.auth)
	e.Setenv("PATH", h.path("bin")+":"+e.Getenv("PATH"))
	e.Setenv("BASE", scriptPath)
	e.Setenv("AUTH", auth.URL+"/auth/")
	e.Setenv("KB64", "x="+strings.Repeat("x", 64<<10))
	e.Setenv("CLIENT", appClient)
	e.Setenv("CALLBACK", appRedirect)
	e.Setenv("ME", "https://you.example/")
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
	e.Vars = append(e.Vars, quickRace)
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
		"endpoint: "+auth.URL+"/auth/", "me: https://you.example/", "errorlog: ../../error.log")
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
		c.pending = &wire.Request{Method: args[0], Target: args[1]}
	case header != nil && r.Body == "":
		r.Header = append(r.Header, [2]string{header[1], header[2]})
	case r.Body == "":
		r.Body = line
	default:
		r.Body += "&" + line
	}
}

// send sends the pending request. A body without Content-Type is a form.
func (c *conversation) send(ts *testscript.TestScript) {
	r := c.pending
	if r == nil {
		return
	}
	c.pending = nil
	if r.Body != "" && r.Get("Content-Type") == "" {
		r.Header = append(r.Header, [2]string{"Content-Type", "application/x-www-form-urlencoded"})
	}
	var err error
	if c.heard, err = c.host.do(r); err != nil {
		ts.Fatalf("%s %s: %v\n%s", r.Method, r.Target, err, c.host.log())
	}
	ts.Logf("[%d] %v\n%s", c.heard.Status, c.heard.Header, c.heard.Body)
	for _, name := range []string{"access_token", "refresh_token"} {
		if v, ok := c.heard.Member(name); ok {
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
		found, got = c.heard.Status == status, fmt.Sprint(c.heard.Status, "\n", c.heard.Body)
	case args[0] == "body":
		got = c.heard.Body
		found = regexp.MustCompile(`(?s)` + strings.Join(args[1:], " ")).MatchString(got)
	case len(args) == 3 && args[1] == "=>":
		if got, found = c.heard.Member(args[0]); found {
			ts.Setenv(args[2], got)
		}
	case isHeader && !strings.Contains(headerName, "="):
		values, sent := c.heard.Header[http.CanonicalHeaderKey(headerName)]
		got = strings.Join(values, ", ")
		found = sent && fits(headerWant, got)
	default:
		var sent bool
		got, sent = c.heard.Member(name)
		found = sent && fits(want, got)
	}
	if found == neg {
		ts.Fatalf("answer: %q", got)
	}
}
