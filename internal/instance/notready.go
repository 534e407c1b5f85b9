package instance

import (
	"cmp"
	"embed"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"mintkeep/internal/config"
	"mintkeep/internal/oauth"
	"mintkeep/internal/page"
)

//go:embed pages/*.html
var pageFiles embed.FS

var templates = page.Templates(pageFiles)

// NoConfigError means that nothing says where the database is.
type NoConfigError struct{ Where string }

func (e *NoConfigError) Error() string {
	hint := "start it by a #! file as the README shows"
	if e.Where != "" {
		hint = "create " + e.Where + ", or a #! file as the README shows"
	}
	return "there is no configuration\nhint: " + hint
}

const notReadySentence = "This token endpoint is not ready for use; its owner finds the reason in the error log."

// notReady answers for an installation that cannot be opened, with one fixed sentence;
// where nothing is set up yet, with what to do.
func (s *Instance) notReady(w http.ResponseWriter, r *http.Request, cause error) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Retry-After", "60")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Accept")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	missing := new(NoConfigError)
	d := page.Page{Title: "Not ready", Heading: "This is not ready yet"}
	switch {
	case errors.As(cause, &missing) && missing.Where != "":
		d.Heading, d.Lead, d.Template = "It runs, but is not set up. Two steps are left.", "It does not know your site yet.", "set-up.html"
		folder := filepath.Join(filepath.Dir(missing.Where), "mintkeep")
		d.Data = struct{ Folder, File, Script string }{folder, missing.Where, server(r)["SCRIPT_NAME"]}
	case !wantsPage(r):
	case s.site == "" && s.nothingThere():
		d.Heading, d.Template = "It runs, but is not set up", "fault.html"
		what, hint, _ := strings.Cut(cause.Error(), "\nhint: ")
		d.Data = struct{ What, Hint string }{what, hint}
	default:
		d.Template, d.Data = "not-ready.html", notReadySentence
	}
	if d.Template == "" || d.Write(w, http.StatusServiceUnavailable, false, templates()) != nil {
		WriteError(w, &oauth.Error{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Description: notReadySentence})
	}
}

// WriteError answers before there is a token endpoint that could.
func WriteError(w http.ResponseWriter, e *oauth.Error) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	e.Reply(false).Write(w, false)
}

func wantsPage(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

// nothingThere reports whether there is nothing yet that a visitor must not learn
// about: the configuration names a database, and neither that, nor its journal, nor a
// sealing key exists. Then the owner is told in the browser what is wrong.
func (s *Instance) nothingThere() bool {
	s.mu.Lock()
	c := s.read
	s.mu.Unlock()
	if c == nil || c.Database == "" {
		return c != nil && c.File != "" && s.incomplete()
	}
	key := cmp.Or(c.KeyFile, filepath.Join(filepath.Dir(c.Database), "mintkeep.key"))
	for _, file := range []string{c.Database, c.Database + "-journal", key} {
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	return true
}

// incomplete reports whether the configuration was read whole and names no database.
func (s *Instance) incomplete() bool {
	_, err := s.load()
	return errors.Is(err, config.ErrNoDatabase)
}

// noCheck answers a browser that opened BASE/check while it is closed.
func noCheck(w http.ResponseWriter, r *http.Request, why string) bool {
	d := page.Page{Title: "Check", Heading: "Nothing is checked yet", Template: "no-check.html", Data: why}
	return wantsPage(r) && d.Write(w, http.StatusNotFound, false, templates()) == nil
}
