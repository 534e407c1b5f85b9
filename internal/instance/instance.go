// Package instance is one installation of mintkeep: opened when first needed, and
// one handler for everything that comes in.
package instance

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"

	"mintkeep/internal/config"
	"mintkeep/internal/oauth"
	"mintkeep/internal/owner"
	"mintkeep/internal/store"
)

// An Instance is one installation, opened when the first request needs it. If that
// fails, the next request tries again: the owner may have mended it.
type Instance struct {
	env         *Environment
	load        func() (*config.Config, error)
	longRunning bool
	site        string       // its host name, if it is one of many
	refreshing  atomic.Int64 // refreshes of kept tokens under way, also those without a request
	database    atomic.Pointer[openedFile]

	mu      sync.Mutex
	log     *slog.Logger
	config  *config.Config
	read    *config.Config // what was read last, even if it is not complete
	db      *sql.DB
	handler http.Handler
	checked string // document roots that config was checked against
}

// New returns an installation whose configuration is loaded when it is first needed.
func New(e *Environment, load func() (*config.Config, error), longRunning bool) *Instance {
	return &Instance{env: e, load: load, longRunning: longRunning, log: NewLog(e.Stderr, "")}
}

// Open returns an installation of a process that stays, opened at once, so that
// a fault is seen before the first request.
func Open(ctx context.Context, e *Environment, c *config.Config, create store.Creation) (*Instance, error) {
	db, err := e.OpenDatabase(ctx, c, true, create)
	if err != nil {
		return nil, err
	}
	s := New(e, nil, true)
	s.config, s.log, s.db = c, NewLog(e.Stderr, c.ErrorLog), db
	s.handler = s.route(db)
	return s, nil
}

// Log is where faults go.
func (s *Instance) Log() *slog.Logger { return s.log }

// ServeHTTP opens the installation if need be and answers. One that cannot be opened
// is a 503 with one fixed sentence; the cause goes to the log.
func (s *Instance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer s.recover(w)
	if c, err := s.configuration(); c != nil && isCheck(r, c) {
		if why := s.checkClosed(c); why == "" {
			s.check(w, r, c, err)
			return
		} else if err == nil && noCheck(w, r, why) {
			return
		}
	}
	handler, err := s.open(r)
	if err != nil {
		s.faultLog(r).Error("not ready", "error", err)
		s.notReady(w, r, err)
		return
	}
	handler.ServeHTTP(w, r)
}

// configuration is read until the installation could be opened with it. With an error
// comes as much of it as could be read.
func (s *Instance) configuration() (*config.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.configured()
}

// configured is configuration for who holds the lock.
func (s *Instance) configured() (c *config.Config, err error) {
	if s.config == nil {
		if s.read, err = s.load(); err != nil {
			return s.read, err
		}
		s.config = s.read
	}
	return s.config, nil
}

// faultLog is where the cause goes if the installation cannot be opened: to the error log,
// too, if so much of the configuration is known and nobody else can read it there.
func (s *Instance) faultLog(r *http.Request) *slog.Logger {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.read == nil || s.read.ErrorLog == "" {
		return s.log
	}
	logOnly := &config.Config{ErrorLog: s.read.ErrorLog, DatabaseInDocRoot: s.read.DatabaseInDocRoot}
	if logOnly.CheckDocRoot(strings.Split(documentRoots(r), "\n")...) != nil {
		return s.log
	}
	return s.named(NewLog(s.env.Stderr, s.read.ErrorLog))
}

// named is a log whose lines say which of many sites they are about.
func (s *Instance) named(log *slog.Logger) *slog.Logger {
	if s.site == "" {
		return log
	}
	return log.With("site", s.site)
}

// creation says whether a request may make the database. A site of many is made by init alone.
func (s *Instance) creation() store.Creation {
	if s.site != "" {
		return store.Never
	}
	return store.InNewFolder
}

func (s *Instance) open(r *http.Request) (http.Handler, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.configured()
	if err != nil {
		return nil, err
	}
	if roots := documentRoots(r); s.checked != roots {
		err = c.CheckDocRoot(strings.Split(roots, "\n")...)
		s.checked = roots
	}
	if err == nil && s.handler == nil {
		s.log = s.named(NewLog(s.env.Stderr, c.ErrorLog))
		s.db, err = s.env.OpenDatabase(context.WithoutCancel(r.Context()), c, s.longRunning, s.creation())
		if err == nil {
			s.handler = s.route(s.db)
			s.watch(c.Database)
		}
		// A verification in a process of its own does not pay for reading the folder.
		if err == nil && (s.longRunning || r.Header.Get("Authorization") == "") {
			owner.RemoveCopies(c.Database)
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

// An openedFile is the file of the database as it was opened.
type openedFile struct {
	path string
	info fs.FileInfo
}

// watch remembers which file was opened as the database of one of many sites, of which
// it is known with the next request whether it was replaced. Its connections may stay.
func (s *Instance) watch(path string) {
	if s.site == "" {
		return
	}
	if info, err := os.Stat(path); err == nil {
		s.database.Store(&openedFile{path, info})
		s.db.SetConnMaxLifetime(connLifeOfSite)
		s.db.SetMaxIdleConns(2)
	}
}

// Close closes the database of a process that stayed, which in WAL mode brings
// the file itself up to date. A refresh that goes on without its request is waited for.
func (s *Instance) Close() {
	s.env.hold.wait()
	s.closeDatabase()
}

func (s *Instance) closeDatabase() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db != nil {
		s.db.Close()
	}
}

// recover turns a panic into an answer: net/http/fcgi would let it end the
// process with all its requests.
func (s *Instance) recover(w http.ResponseWriter) {
	if v := recover(); v != nil {
		s.log.Error("panic", "value", fmt.Sprint(v), "stack", string(debug.Stack()))
		WriteError(w, oauth.ToError(nil, false))
	}
}
