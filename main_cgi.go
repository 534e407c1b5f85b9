package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cgi"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cgiTimeout ends a CGI process that hangs: not every server does (fcgiwrap).
const cgiTimeout = 60 * time.Second

// serveCGI answers the one request of this process. The answer is written when
// everything it promises is committed.
func serveCGI(p *process) int {
	w := &cgiWriter{header: make(http.Header)}
	body := cgiBody(p.env, p.stdin)
	r, err := cgiRequest(p.env, body)
	if err != nil {
		newLog(p.stderr, "").Error("request not understood", "error", err)
		writeError(w, http.StatusBadRequest, "invalid_request", "the web server passed on a request that cannot be understood: "+err.Error())
		return finish(w, p.stdout, body)
	}
	newSite(p, func() (*config, error) {
		file := scriptConfig(p.args, p.getenv)
		if file == "" && p.env["MINTKEEP_DATABASE"] == "" {
			return nil, &noConfigError{where: beside(shownFolder(p.env["DOCUMENT_ROOT"]))}
		}
		c, err := readConfig(file, p.getenv, nil)
		if err != nil {
			return c, err
		}
		return c.withDefaults("")
	}, false).ServeHTTP(w, r)
	return finish(w, p.stdout, body)
}

// finish sends the answer and reads what is left of the request. Under mod_cgid
// both go through one socket, and what lies there unread at the end of the process
// takes the answer with it.
func finish(w *cgiWriter, stdout io.Writer, body io.Reader) int {
	if err := w.send(stdout); err != nil {
		return 1
	}
	if body != http.NoBody {
		io.Copy(io.Discard, io.LimitReader(body, 100<<20)) // as much as net/http/fcgi
	}
	return 0
}

// cgiRequest makes the request of RFC 3875's variables, mending what servers
// leave out: SERVER_PROTOCOL, the length of a chunked body, a plain path.
func cgiRequest(env map[string]string, body io.Reader) (*http.Request, error) {
	switch env["SERVER_PROTOCOL"] {
	case "", "HTTP/2", "HTTP/3": // not in the form of RFC 3875; H2O and Caddy
		env["SERVER_PROTOCOL"] = "HTTP/1.1"
	}
	r, err := cgi.RequestFromMap(env)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(body)
	return withFront(r, env), nil
}

// cgiBody is the body of the request. It ends a process whose body never comes
// to its end, and one that takes too long over a POST.
func cgiBody(env map[string]string, stdin io.Reader) io.Reader {
	length, _ := strconv.ParseInt(env["CONTENT_LENGTH"], 10, 64)
	chunked := env["CONTENT_LENGTH"] == "" && strings.Contains(strings.ToLower(env["HTTP_TRANSFER_ENCODING"]), "chunked")
	if length > 0 || chunked || env["REQUEST_METHOD"] == http.MethodPost {
		time.AfterFunc(cgiTimeout, func() { os.Exit(1) })
	}
	switch {
	case length > 0:
		return &wholeReader{r: stdin, left: length}
	case chunked:
		return stdin // the server took the chunks apart and closes at the end
	}
	return http.NoBody
}

// A wholeReader reads the announced number of bytes and takes fewer for an error.
type wholeReader struct {
	r    io.Reader
	left int64
}

func (w *wholeReader) Read(p []byte) (int, error) {
	if w.left <= 0 {
		return 0, io.EOF
	}
	n, err := w.r.Read(p[:min(int64(len(p)), w.left)])
	w.left -= int64(n)
	if err == io.EOF && w.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// A cgiWriter keeps the answer until it is sent.
type cgiWriter struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *cgiWriter) Header() http.Header { return w.header }

func (w *cgiWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *cgiWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

func (w *cgiWriter) send(to io.Writer) error {
	w.WriteHeader(http.StatusOK)
	if w.header.Get("Content-Type") == "" {
		w.header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "Status: %d %s\r\n", w.status, http.StatusText(w.status))
	w.header.Write(&b)
	b.WriteString("\r\n")
	b.Write(w.body.Bytes())
	_, err := to.Write(b.Bytes())
	return err
}

// frontKey carries the web server's variables with a request.
type frontKey struct{}

// withFront notes the variables of the web server in front, finds the
// Authorization header where a rewrite has renamed it, and mends the path of
// an absolute-form request line.
func withFront(r *http.Request, env map[string]string) *http.Request {
	for _, name := range []string{"REDIRECT_HTTP_AUTHORIZATION", "REDIRECT_REDIRECT_HTTP_AUTHORIZATION"} {
		if v := env[name]; v != "" && r.Header.Get("Authorization") == "" {
			r.Header.Set("Authorization", v)
		}
	}
	if host := r.URL.Host; strings.HasSuffix(host, "http:") || strings.HasSuffix(host, "https:") {
		if u, err := url.Parse("http:" + r.URL.RequestURI()); err == nil && strings.HasPrefix(r.URL.Path, "//") {
			r.URL.Host, r.URL.Path, r.URL.RawPath = u.Host, u.Path, u.RawPath
		}
	}
	return r.WithContext(context.WithValue(r.Context(), frontKey{}, env))
}

func front(r *http.Request) map[string]string {
	env, _ := r.Context().Value(frontKey{}).(map[string]string)
	return env
}

// documentRoots are the folders that the web server in front shows, a line each.
func documentRoots(r *http.Request) string {
	env := front(r)
	return env["DOCUMENT_ROOT"] + "\n" + env["CONTEXT_DOCUMENT_ROOT"]
}

// strippedBy tells a caller without Authorization header that the web server
// in front is one that removes it.
func strippedBy(r *http.Request) string {
	if !strings.Contains(front(r)["SERVER_SOFTWARE"], "Apache") {
		return ""
	}
	return `no Authorization header arrived; if you sent one, the web server removed it, and this line in .htaccess keeps it: SetEnvIf Authorization "(.+)" HTTP_AUTHORIZATION=$1`
}

// noConfigError means that nothing says where the database is.
type noConfigError struct{ where string }

func (e *noConfigError) Error() string {
	hint := "start it by a #! file as the README shows"
	if e.where != "" {
		hint = "create " + e.where + ", or a #! file as the README shows"
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
	missing := new(noConfigError)
	page := ""
	switch {
	case errors.As(cause, &missing) && missing.where != "":
		page = setUpPage(missing.where, front(r)["SCRIPT_NAME"])
	case strings.Contains(r.Header.Get("Accept"), "text/html"):
		page = "<p>" + notReadySentence + "</p>\n"
	}
	if page == "" {
		writeError(w, http.StatusServiceUnavailable, "temporarily_unavailable", notReadySentence)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	w.WriteHeader(http.StatusServiceUnavailable)
	io.WriteString(w, "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Not ready</title>\n"+page+"</html>\n")
}

// writeError answers before there is a token endpoint that could.
func writeError(w http.ResponseWriter, status int, code, description string) {
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

// newLog writes to stderr and, if one is named, to the error log.
func newLog(stderr io.Writer, file string) *slog.Logger {
	to := stderr
	if file != "" {
		to = io.MultiWriter(stderr, appendFile(file))
	}
	return slog.New(slog.NewTextHandler(to, nil))
}

// An appendFile is opened for each write: most requests write nothing. What
// cannot be written to it is still on stderr.
type appendFile string

func (name appendFile) Write(p []byte) (int, error) {
	f, err := os.OpenFile(string(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return len(p), nil
	}
	defer f.Close()
	f.Write(p)
	return len(p), nil
}
