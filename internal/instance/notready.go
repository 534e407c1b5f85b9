package instance

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"path/filepath"
	"strings"
)

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

// notReady answers for a site that cannot be opened, with one fixed sentence;
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
	page := ""
	switch {
	case errors.As(cause, &missing) && missing.Where != "":
		page = setUpPage(missing.Where, server(r)["SCRIPT_NAME"])
	case strings.Contains(r.Header.Get("Accept"), "text/html"):
		page = "<p>" + notReadySentence + "</p>\n"
	}
	if page == "" {
		WriteError(w, http.StatusServiceUnavailable, "temporarily_unavailable", notReadySentence)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	w.WriteHeader(http.StatusServiceUnavailable)
	io.WriteString(w, "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Not ready</title>\n"+page+"</html>\n")
}

// WriteError answers before there is a token endpoint that could.
func WriteError(w http.ResponseWriter, status int, code, description string) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.Encode(map[string]string{"error": code, "error_description": description})
}

func setUpPage(where, script string) string {
	config := fmt.Sprintf("database: mintkeep/tokens.db\nurl: https://example.com%s\nendpoint: https://example.com/auth/\nme: https://example.com/\n", script)
	return "<h1>mintkeep runs, but is not set up</h1>\n" +
		"<p>Create an empty folder <code>" + html.EscapeString(filepath.Join(filepath.Dir(where), "mintkeep")) +
		"</code> and, beside it, the text file <code>" + html.EscapeString(where) + "</code> with these lines, " +
		"your own addresses in place of example.com:</p>\n<pre>" + html.EscapeString(config) + "</pre>\n" +
		"<p>Then reload this page.</p>\n"
}
