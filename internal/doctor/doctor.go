// Package doctor looks for what keeps an installation from working, and says
// what to do about it.
//
// Inside looks at what this process sees: files, limits, settings, the trusted
// endpoints. Outside looks at the live site as a client does: the profile page,
// the token endpoint's answers, what can be downloaded. Each check is a small
// function that returns one Finding; everything it needs is a field of Site.
package doctor

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Level says how bad a finding is.
type Level string

// The levels: nothing to do; works, but not for long or not everywhere; does not work.
const (
	OK   Level = "ok"
	Warn Level = "warn"
	Fail Level = "fail"
)

// Finding is the outcome of one check.
type Finding struct {
	Level Level  `json:"level"`
	What  string `json:"what"`
	Do    string `json:"do,omitempty"`
}

// Site is an installation: where its files are, and the functions and clients
// by which the checks learn about the machine and the network.
type Site struct {
	About    string   // a line on program and process, shown first
	Config   string   // the configuration file, "" if there is none
	Script   string   // the file that the web server runs, "" if unknown
	Database string   // the SQLite file
	KeyFile  string   // the sealing keys; need not exist
	ErrorLog string   // "" if none is kept
	URL      string   // BASE, "" if the owner set none
	Journal  string   // as configured: rollback or wal
	OneShot  bool     // a process answers one request (CGI)
	Within   bool     // this is a request itself; the web server may have no second process for ours
	InRoot   bool     // the owner allows the database below the document root
	Roots    []string // folders that the web server shows, as far as known
	UID      int      // this process's user

	DB     *sql.DB // opened without changing or creating anything
	Schema int     // the schema version that this program writes

	Now       func() time.Time
	Statfs    func(folder string) (Volume, error)
	Getrlimit func(resource int) (limit uint64, ok bool)
	Owner     func(fs.FileInfo) (uid int, ok bool)
	Settings  func(context.Context) (Settings, error) // with what could be read, and all faults joined
	Shown     func(root string) error                 // a file of ours that lies below root
	Key       func(context.Context) error             // why what is kept cannot be opened
	Public    func(host string) bool                  // an authorization endpoint that signs anybody in
	TLSRoots  func() (source string, err error)       // ca_file, system or built-in
	Client    *http.Client                            // follows no redirects
}

// Settings are those that the checks need.
type Settings struct {
	Endpoints []string // trusted authorization endpoints
	Me        []string // canonical profile URLs that get tokens; any if empty
	Direct    bool     // codes of trusted endpoints redeem directly
}

// A Volume is the file system that a folder lies on.
type Volume struct {
	Type     uint32 // statfs's f_type; 0 if unknown
	Free     uint64 // bytes that this user may still write
	ReadOnly bool
}

// A check looks at one thing. A Finding without level means that it does not apply.
type check func(context.Context) Finding

// Inside makes the checks of the installation that this process can see.
func (s *Site) Inside(ctx context.Context) []Finding {
	checks := []check{s.about, s.url, s.scriptMode, s.folderMode, s.shown, s.shownByName, s.publicDatabase,
		s.volume, s.free, s.folderWritable, s.databaseFile, s.databaseMode, s.databaseOwner, s.scriptOwner}
	if s.databaseFile(ctx).Level == OK {
		checks = append(checks, s.integrity, s.schema, s.journal, s.lock)
	}
	checks = append(checks, s.keyFile, s.errorLog, s.tlsRoots)
	return slices.Concat(run(ctx, checks), s.limits(), s.trust(ctx))
}

// Outside makes the checks of the live site that a profile URL belongs to.
func (s *Site) Outside(ctx context.Context, profile string) []Finding {
	st, _ := s.Settings(ctx) // its faults are Inside's
	p := s.profile(ctx, profile)
	base, works := s.Base(ctx)
	p.settings, p.baseWorks = st, works
	checks := []check{p.answers, p.secure, p.known}
	if p.found {
		checks = append(checks, p.tokenEndpoint, p.authorizationEndpoint, p.metadata)
	}
	return append(append(run(ctx, checks), base...), s.downloads(ctx, profile))
}

// Base asks the token endpoint at its public address, and says whether it works
// there. What depends on its answers is only looked at if it gives any.
func (s *Site) Base(ctx context.Context) (findings []Finding, works bool) {
	if s.URL == "" {
		return nil, false
	}
	post := s.basePost(ctx)
	findings = []Finding{s.baseSecure(ctx), post}
	if post.Level != OK {
		return findings, false
	}
	return append(findings, s.baseBelow(ctx), s.authorization(ctx)), true
}

func run(ctx context.Context, checks []check) []Finding {
	var out []Finding
	for _, look := range checks {
		if f := look(ctx); f.Level != "" {
			out = append(out, f)
		}
	}
	return out
}

// Failed reports whether a check failed.
func Failed(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Level == Fail })
}

// Print writes a line for each finding, in colours if w is a terminal.
func Print(w io.Writer, findings []Finding, colours bool) error {
	sign := map[Level]string{OK: "\x1b[32m", Warn: "\x1b[33m", Fail: "\x1b[1;31m"}
	for _, f := range findings {
		level := fmt.Sprintf("%-4s", f.Level)
		if colours {
			level = sign[f.Level] + level + "\x1b[0m"
		}
		line := level + "  " + oneLine(f.What)
		if f.Do != "" {
			line += "  → " + oneLine(f.Do)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// oneLine keeps what other machines wrote from faking lines or steering a terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
}

func ok(format string, args ...any) Finding {
	return Finding{Level: OK, What: fmt.Sprintf(format, args...)}
}

func warn(do, format string, args ...any) Finding {
	return Finding{Level: Warn, What: fmt.Sprintf(format, args...), Do: do}
}

func fail(do, format string, args ...any) Finding {
	return Finding{Level: Fail, What: fmt.Sprintf(format, args...), Do: do}
}

// Faults makes a failure of each error of a joined one; its hint is what to do.
func Faults(err error) []Finding {
	if err == nil {
		return nil
	}
	if many := (interface{ Unwrap() []error })(nil); errors.As(err, &many) {
		var out []Finding
		for _, e := range many.Unwrap() {
			out = append(out, Faults(e)...)
		}
		return out
	}
	what, hint, _ := strings.Cut(err.Error(), "\nhint: ")
	return []Finding{{Level: Fail, What: what, Do: hint}}
}

func (s *Site) about(context.Context) Finding { return ok("%s", s.About) }

func (s *Site) url(context.Context) Finding {
	if s.URL == "" {
		return fail("add a line `url: https://…` with the public address of the token endpoint to the configuration", "no url is set, so pages and metadata cannot name the endpoint")
	}
	return ok("url is %s", s.URL)
}
