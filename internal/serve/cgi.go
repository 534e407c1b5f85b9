// Package serve answers requests in each way that the program can be started for
// them: as CGI for one request, over FastCGI, or over HTTP.
package serve

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cgi"
	"os"
	"strconv"
	"strings"
	"time"

	"mintkeep/internal/config"
	"mintkeep/internal/instance"
	"mintkeep/internal/oauth"
)

// cgiTimeout ends a CGI process that hangs: not every server does (fcgiwrap).
const cgiTimeout = 60 * time.Second

// IsCGI is hosting practice: RFC 3875 demands both REQUEST_METHOD and
// GATEWAY_INTERFACE, but not every server sets the second. No client can set either.
func IsCGI(env map[string]string) bool {
	return env["REQUEST_METHOD"] != "" &&
		(env["GATEWAY_INTERFACE"] != "" || env["SERVER_PROTOCOL"] != "" || env["SCRIPT_FILENAME"] != "")
}

// CGI answers the one request of this process. The answer is written when
// everything it promises is committed.
func CGI(e *instance.Environment) int {
	w := &cgiWriter{header: make(http.Header)}
	body := cgiBody(e.Env, e.Stdin)
	in := instance.New(e, func() (*config.Config, error) {
		file := config.ScriptConfig(e.Args, e.Getenv)
		return loadConfig(e, file, config.Beside(config.ShownFolder(e.Env["DOCUMENT_ROOT"])))
	}, false)
	answer(in, in.Log(), w, e.Env, body)
	return finish(w, e.Stdout, body)
}

// answer lets the handler answer the request that a web server's variables describe.
func answer(h http.Handler, log *slog.Logger, w http.ResponseWriter, env map[string]string, body io.Reader) {
	if env == nil {
		instance.WriteError(w, &oauth.Error{Status: http.StatusRequestHeaderFieldsTooLarge, Code: "invalid_request",
			Description: "the header of the request is too long"})
		return
	}
	r, err := cgiRequest(env, body)
	if err != nil {
		log.Error("request not understood", "error", err)
		instance.WriteError(w, oauth.InvalidRequest("the web server passed on a request that cannot be understood: "+err.Error()))
		return
	}
	h.ServeHTTP(w, r)
}

// loadConfig reads the configuration that a web server's start is to go by;
// missing is the file that the owner could create if nothing names a database.
func loadConfig(e *instance.Environment, file, missing string) (*config.Config, error) {
	if file == "" && e.Env["MINTKEEP_DATABASE"] == "" {
		return nil, &instance.NoConfigError{Where: missing}
	}
	c, err := e.Settings.Read(file, e.Getenv, nil)
	if err != nil {
		return c, err
	}
	return c.WithDefaults("")
}

// finish sends the answer and reads what is left of the request. Under mod_cgid
// both go through one socket, and what lies there unread at the end of the process
// takes the answer with it.
func finish(w *cgiWriter, stdout io.Writer, body io.Reader) int {
	if err := w.send(stdout); err != nil {
		return 1
	}
	if body != http.NoBody {
		io.CopyN(io.Discard, body, maxRest)
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
	if r.ContentLength > 0 {
		body = &wholeReader{r: body, left: r.ContentLength}
	}
	r.Body = io.NopCloser(body)
	return instance.WithServer(r, env), nil
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
		return io.LimitReader(stdin, length)
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
