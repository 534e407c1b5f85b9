// Package doctor looks for what keeps an installation from working, and says
// what to do about it.
//
// Inside looks at what this process sees: files, limits, settings, the trusted
// endpoints. Outside looks at the live site as a client does: the token endpoint's
// answers, people's pages, what can be downloaded. Each check is a small function
// that returns one Finding; everything it needs is a field of Site.
package doctor

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"mintkeep/internal/discover"
)

// Level says how bad a finding is.
type Level string

// The levels: nothing to do; works, but not for long or not everywhere; does not work.
const (
	OK   Level = "ok"
	Warn Level = "warn"
	Fail Level = "fail"
)

// What a finding is about.
const (
	Program  = "program"
	Database = "database"
	Endpoint = "authorization endpoint"
	Web      = "your site"
)

// Finding is the outcome of one check: how bad, what, and what to do by FTP, in a
// browser or in the host's panel. Shell is for who has a shell, where that is another way.
type Finding struct {
	Group string `json:"group"`
	Level Level  `json:"level"`
	What  string `json:"what"`
	Do    string `json:"do,omitempty"`
	Shell string `json:"shell,omitempty"`
}

// Site is an installation: where its files are, and the functions and clients
// by which the checks learn about the machine and the network.
type Site struct {
	About      string   // a line on program and process, shown first
	Script     Script   // what the web server runs
	Database   string   // the SQLite file
	KeyFile    string   // the sealing keys; need not exist
	ErrorLog   string   // "" if none is kept
	URL        string   // BASE, "" if the owner set none
	Journal    string   // as configured: rollback or wal
	OneShot    bool     // a process answers one request (CGI)
	Within     bool     // this is a request itself; the web server may have no second process for ours
	InRoot     bool     // the owner allows the database below the document root
	SharedHost bool     // the owner allows the owner's pages on a host name that neighbours share
	Roots      []string // folders that the web server shows, as far as known
	UID        int      // this process's user

	down map[string]bool // hosts to which there is no connection

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
	Neighbour func(base string) bool                  // whether others have pages on the host of an address
	TLSRoots  func() (source string, err error)       // ca_file, system or built-in
	Client    *http.Client                            // follows no redirects; for the installation's own addresses
	Kept      func(context.Context) []Finding         // what is wrong with the tokens of other sites
	Home      func(ctx context.Context, me string) (*discover.Links, error)
	Fetch     func(ctx context.Context, address, accept string) (*discover.Page, error) // what a page names, which may be anywhere
}

// Settings are those that the checks need.
type Settings struct {
	Endpoints []string // trusted authorization endpoints
	Me        []string // canonical profile URLs that get tokens; any if empty
	Admins    []string // who sees everything on the owner's pages
	Direct    bool     // codes of trusted endpoints redeem directly
}

// A Volume is the file system that a folder lies on.
type Volume struct {
	Type     uint32 // statfs's f_type; 0 if unknown
	Free     uint64 // bytes that this user may still write
	ReadOnly bool
}

// Inside makes the checks of the installation that this process can see.
func (s *Site) Inside(ctx context.Context) []Finding {
	program := append([]Finding{ok("%s", s.About)}, s.Script.Findings()...)
	for i := range program {
		if s.Within && program[i].Level == Fail {
			program[i].Level = Warn // it runs
		}
	}
	program = append(append(program, s.limits()...), s.tlsRoots(), s.keyFile(ctx), s.errorLog(),
		s.owned(string(s.Script), "if this is the web server: other accounts on this machine may reach the database too, "+
			"so ask the host for suexec; if it is a command line, run it as that user"))
	f, database := sqlFile{s}, []Finding{s.databaseFile(), s.shown(), s.publicDatabase(ctx)}
	if _, err := os.Stat(filepath.Dir(s.Database)); err == nil {
		database = append(append(database, s.folderMode()), f.volume(ctx)...)
	}
	if s.databaseFile().Level == OK {
		database = append(append(database, f.content(ctx)...), s.databaseMode(), f.journal(ctx), f.future(ctx),
			s.owned(s.Database, "give the file to the user that the web server runs the program as, and run this command as that user"))
	}
	program = append(program, s.Kept(ctx)...)
	return slices.Concat(in(Program, given(program...)), in(Database, given(database...)), in(Endpoint, s.trust(ctx)))
}

// Outside makes the checks of the live site: of a profile URL and of what can be
// downloaded there; without one, of the pages of those who get tokens here.
func (s *Site) Outside(ctx context.Context, profile string) []Finding {
	st, _ := s.Settings(ctx) // its faults are Inside's
	if s.URL == "" && len(st.Endpoints) == 0 && profile == "" {
		return in(Web, []Finding{ok("there is no `url` and no `endpoint`: only tokens of other sites are kept here")})
	}
	out, works := s.base(ctx)
	pages := st.Me[:min(len(st.Me), 3)]
	if profile != "" {
		pages = []string{profile}
	}
	for _, me := range pages {
		out = append(out, s.page(ctx, st, me, works)...)
	}
	if profile != "" {
		out = append(out, s.downloads(ctx, profile))
	}
	return in(Web, out)
}

// in says what findings are about.
func in(group string, findings []Finding) []Finding {
	for i := range findings {
		findings[i].Group, findings[i].What = group, oneLine(findings[i].What)
	}
	return findings
}

// given leaves out what does not apply.
func given(findings ...Finding) []Finding {
	return slices.DeleteFunc(findings, func(f Finding) bool { return f.Level == "" })
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
		if f.Shell != "" {
			line += "  (shell: " + oneLine(f.Shell) + ")"
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// oneLine keeps what other machines wrote from faking lines, steering a terminal or
// turning the text around it.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == 0x2028 || r == 0x2029 {
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

// shell adds a command, whose arguments are quoted as a shell reads them.
func (f Finding) shell(command string, args ...string) Finding {
	plain := regexp.MustCompile(`^[\w./:+-]+$`)
	for _, a := range args {
		if !plain.MatchString(a) {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		command += " " + a
	}
	f.Shell = command
	return f
}

// chmod is what to do where the permissions of a file or folder are wrong.
func (f Finding) chmod(mode, path string) Finding {
	f.Do = "set the permissions of " + path + " to " + mode
	return f.shell("chmod "+mode, path)
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
	return []Finding{{Group: Program, Level: Fail, What: what, Do: cmp.Or(hint, "correct that")}}
}
