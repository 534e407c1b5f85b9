package instance

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// serverKey carries the web server's variables with a request.
type serverKey struct{}

// WithServer notes the variables of the web server in front, finds the
// Authorization header where a rewrite has renamed it, and mends the path of
// an absolute-form request line.
func WithServer(r *http.Request, env map[string]string) *http.Request {
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
	return r.WithContext(context.WithValue(r.Context(), serverKey{}, env))
}

func server(r *http.Request) map[string]string {
	env, _ := r.Context().Value(serverKey{}).(map[string]string)
	return env
}

// documentRoots are the folders that the web server in front shows, a line each:
// the two that it may name, which are missing or wrong on some hosts, and the folder
// of the script.
func documentRoots(r *http.Request) string {
	env := server(r)
	roots := env["DOCUMENT_ROOT"] + "\n" + env["CONTEXT_DOCUMENT_ROOT"]
	script := env["SCRIPT_FILENAME"]
	if info, err := os.Stat(script); filepath.IsAbs(script) && err == nil && info.Mode().IsRegular() {
		roots += "\n" + filepath.Dir(script) // Caddy names a folder here
	}
	return roots
}

// strippedBy tells a caller without Authorization header that the web server
// in front is one that removes it.
func strippedBy(r *http.Request) string {
	if !strings.Contains(server(r)["SERVER_SOFTWARE"], "Apache") {
		return ""
	}
	return `no Authorization header arrived; if you sent one, the web server removed it, and this line in .htaccess keeps it: SetEnvIf Authorization "(.+)" HTTP_AUTHORIZATION=$1`
}
