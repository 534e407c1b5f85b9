package instance

import (
	"embed"
	"errors"
	"net/http"
	"path/filepath"
	"strings"

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
func notReady(w http.ResponseWriter, r *http.Request, cause error) {
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
	d := page.Page{Title: "Not ready"}
	switch {
	case errors.As(cause, &missing) && missing.Where != "":
		d.Heading, d.Template = "mintkeep runs, but is not set up", "set-up.html"
		folder := filepath.Join(filepath.Dir(missing.Where), "mintkeep")
		d.Data = struct{ Folder, File, Script string }{folder, missing.Where, server(r)["SCRIPT_NAME"]}
	case strings.Contains(r.Header.Get("Accept"), "text/html"):
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
