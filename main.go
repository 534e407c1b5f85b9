// Mintkeep is an IndieAuth token endpoint for people with a web host: it mints
// tokens for one's own site, and keeps the tokens that other sites gave one.
//
// One binary, one SQLite file. How it was started decides what it is: a CGI
// script, a FastCGI process, or a command. See the README.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"mintkeep/endpoint"
	"mintkeep/internal/owner"
	"mintkeep/keeper"
	"mintkeep/keeper/keyring"
)

func main() { os.Exit(run(started(now))) }

// started is the process as the system started it, with the clock it is to go by.
func started(now func() time.Time) *process {
	env := make(map[string]string)
	for _, v := range os.Environ() {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	return &process{args: os.Args[1:], env: env, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, now: now}
}

// A process is what the program was started with.
type process struct {
	args   []string
	env    map[string]string
	stdin  *os.File
	stdout io.Writer
	stderr io.Writer
	now    func() time.Time
}

func (p *process) getenv(name string) string { return p.env[name] }

// run decides the mode from the environment, before any argument is looked at:
// in CGI the arguments can come from the query string. It returns the exit status.
func run(p *process) int {
	switch {
	case isCGI(p.env):
		return serveCGI(p)
	case !socketsFromSystemd(p.env) && isListening(p.stdin):
		return serveInherited(p)
	}
	return command(p)
}

// isCGI is hosting practice: RFC 3875 demands both REQUEST_METHOD and
// GATEWAY_INTERFACE, but not every server sets the second. No client can set either.
func isCGI(env map[string]string) bool {
	return env["REQUEST_METHOD"] != "" &&
		(env["GATEWAY_INTERFACE"] != "" || env["SERVER_PROTOCOL"] != "" || env["SCRIPT_FILENAME"] != "")
}

// A site is one installation, opened when the first request needs it. If that
// fails, the next request tries again: the owner may have mended it.
type site struct {
	p           *process
	load        func() (*config, error)
	longRunning bool

	mu      sync.Mutex
	log     *slog.Logger
	config  *config
	read    *config // what was read last, even if it is not complete
	db      *sql.DB
	handler http.Handler
	checked string // document roots that config was checked against
}

func newSite(p *process, load func() (*config, error), longRunning bool) *site {
	return &site{p: p, load: load, longRunning: longRunning, log: newLog(p.stderr, "")}
}

// ServeHTTP opens the site if need be and answers. A site that cannot be opened
// is a 503 with one fixed sentence; the cause goes to the log.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer s.recover(w)
	if c, err := s.configuration(); c != nil && s.checkAsked(r, c) {
		s.check(w, r, c, err)
		return
	}
	handler, err := s.open(r)
	if err != nil {
		s.faultLog(r).Error("not ready", "error", err)
		notReady(w, r, err)
		return
	}
	handler.ServeHTTP(w, r)
}

// configuration is read until the site could be opened with it. With an error
// comes as much of it as could be read.
func (s *site) configuration() (*config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, err := s.configured(); err == nil {
		return c, nil
	} else {
		return s.read, err
	}
}

func (s *site) configured() (*config, error) {
	if s.config == nil {
		c, err := s.load()
		s.read = c
		if err != nil {
			return nil, err
		}
		s.config = c
	}
	return s.config, nil
}

// faultLog is where the cause goes if the site cannot be opened: to the error log,
// too, if so much of the configuration is known and nobody else can read it there.
func (s *site) faultLog(r *http.Request) *slog.Logger {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.read == nil || s.read.errorLog == "" {
		return s.log
	}
	logOnly := &config{errorLog: s.read.errorLog, inRoot: s.read.inRoot}
	if inDocumentRoot(logOnly, strings.Split(documentRoots(r), "\n")...) != nil {
		return s.log
	}
	return newLog(s.p.stderr, s.read.errorLog)
}

func (s *site) open(r *http.Request) (http.Handler, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.configured()
	if err != nil {
		return nil, err
	}
	if roots := documentRoots(r); s.checked != roots {
		err = inDocumentRoot(c, strings.Split(roots, "\n")...)
		s.checked = roots
	}
	if err == nil && s.handler == nil {
		s.log = newLog(s.p.stderr, c.errorLog)
		s.db, err = openDatabase(context.WithoutCancel(r.Context()), c, opening{s.p.now(), s.longRunning, inNewFolder})
		if err == nil {
			s.handler = s.both(s.db)
		}
	}
	if err != nil {
		s.checked = ""
		if s.handler == nil {
			s.config = nil
		}
		return nil, err
	}
	return s.handler, nil
}

// close closes the database of a process that stayed, which in WAL mode brings
// the file itself up to date.
func (s *site) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db != nil {
		s.db.Close()
	}
}

// recover turns a panic into an answer: net/http/fcgi would let it end the
// process with all its requests.
func (s *site) recover(w http.ResponseWriter) {
	if v := recover(); v != nil {
		s.log.Error("panic", "value", fmt.Sprint(v), "stack", string(debug.Stack()))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		io.WriteString(w, `{"error":"server_error","error_description":"something is wrong here; the owner finds the cause in the error log"}`)
	}
}

// both makes the handler of an opened site: the keeper answers its own routes
// if there is an outbound half, the owner's pages theirs, the token endpoint everything
// else. What a verification pays for the others is a look at its path.
func (s *site) both(db *sql.DB) http.Handler {
	in, out := inbound(s.p, s.config, db, s.log), outbound(s.p, s.config, db, s.log)
	pages := s.pages(in, out)
	out.Admin, out.Page = pages.Admin, pages.KeeperPage
	kept := out.Handler(func(r *http.Request) string {
		route, _ := in.Below(r)
		return route
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := r.URL.Path
		if !strings.Contains(p, "/keep/") && !strings.Contains(p, "/v2/users/") && !strings.Contains(p, "/owner") {
			in.ServeHTTP(w, r)
			return
		}
		switch route, below := in.Below(r); {
		case below && keeper.Serves(route) && out.On(r.Context()):
			kept.ServeHTTP(w, r)
		case below && owner.Serves(route), !below && path.Base(p) == "owner":
			pages.ServeHTTP(w, r)
		default:
			in.ServeHTTP(w, r)
		}
	})
}

// outbound makes the keeper of an opened site.
func outbound(p *process, c *config, db *sql.DB, log *slog.Logger) *keeper.Keeper {
	return &keeper.Keeper{
		DB:     db,
		Keys:   keyring.Source{Value: keeper.Secret(p.getenv("MINTKEEP_KEY")), Path: c.keyFile},
		Now:    p.now,
		Client: trustedClient(c),
		Log:    log,
		URL:    c.url,
	}
}

// inbound makes the token endpoint of an opened site.
func inbound(p *process, c *config, db *sql.DB, log *slog.Logger) *endpoint.Server {
	return &endpoint.Server{
		DB:             db,
		URL:            c.url,
		Now:            p.now,
		SettingsColumn: settingsColumn,
		ParseSettings:  remember(func(text string) (*endpoint.Settings, error) { return parseSettingsText(text, c) }),
		Client:         trustedClient(c),
		Guarded:        guardedClient(c, nil),
		Record:         recordEvent,
		Unavailable:    unavailable,
		Stripped:       strippedBy,
		Log:            log,
	}
}
