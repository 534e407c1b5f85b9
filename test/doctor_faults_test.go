package test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"mintkeep/internal/doctor"
	"mintkeep/test/tools"
)

// A planted fault, and the finding that must come of it.
type planted struct {
	name  string
	plant func(*doctorSite)
	level doctor.Level
	what  string
	do    string
}

// at answers requests to one path.
func (b *doctorSite) at(path string, answer http.HandlerFunc) {
	b.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != path {
			return false
		}
		answer(w, r)
		return true
	}
}

func says(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		w.Write([]byte(body))
	}
}

func faultsOutside() []planted {
	return []planted{
		{"header stripped", func(b *doctorSite) { b.strip = true }, doctor.Fail, "removes the Authorization header", "SetEnvIf Authorization"},
		{"header stripped by nginx", func(b *doctorSite) {
			b.strip = true
			b.fault = func(w http.ResponseWriter, _ *http.Request) bool { w.Header().Set("Server", "nginx"); return false }
		}, doctor.Fail, "removes the Authorization header", "fastcgi_param"},
		{"database downloadable", func(b *doctorSite) { b.move(filepath.Join(b.root, "auth", "tokens.db")) }, doctor.Fail, "anybody can download", "move the database"},
		{"forgotten copy downloadable", func(b *doctorSite) {
			copyOf, err := os.ReadFile(b.database)
			b.must(err)
			b.must(os.MkdirAll(filepath.Join(b.root, "mintkeep"), 0o755))
			b.write(filepath.Join(b.root, "mintkeep", "tokens.db"), string(copyOf), 0o644)
		}, doctor.Fail, "/mintkeep/tokens.db", "move"},
		{"odd name, downloadable", func(b *doctorSite) {
			b.move(filepath.Join(b.root, "x", "y.sqlite"))
		}, doctor.Fail, "/x/y.sqlite", "move"},
		{"http redirects to https on POST", func(b *doctorSite) {
			plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, b.server.URL+r.URL.Path, http.StatusMovedPermanently)
			}))
			b.t.Cleanup(plain.Close)
			b.config["url"] = plain.URL + "/auth/token.cgi"
		}, doctor.Fail, "is redirected to https://", "final address"},
		{"metadata beside plain Selfauth", func(b *doctorSite) {
			b.link = append(b.link, `</meta>; rel=indieauth-metadata`)
			b.at("/meta", says(200, "application/json", `{"authorization_endpoint":"`+b.authorizer+`","token_endpoint":"`+b.base+`","authorization_response_iss_parameter_supported":true}`))
		}, doctor.Fail, "plain Selfauth", "remove rel=indieauth-metadata"},
		{"metadata without iss", func(b *doctorSite) {
			b.page += `<link rel=indieauth-metadata href=/meta>`
			b.at("/meta", says(200, "application/json", `{"token_endpoint":"`+b.base+`"}`))
		}, doctor.Fail, "iss parameter", "remove rel"},
		{"metadata advertised, absent", func(b *doctorSite) { b.page += `<link rel=indieauth-metadata href=/auth/none>` }, doctor.Fail, "there is none", "remove rel"},
		{"metadata advertised, direct on", func(b *doctorSite) {
			b.page += `<link rel=indieauth-metadata href=/auth/token.cgi/metadata>`
		}, doctor.Warn, "still redeemed directly", "mintkeep setting direct off"},
		{"rel missing", func(b *doctorSite) { b.page, b.link = "<h1>You</h1>", nil }, doctor.Fail, "no rel=token_endpoint", `<link rel="token_endpoint" href="https://`},
		{"authorization rel missing", func(b *doctorSite) { b.page, b.link = "<h1>You</h1>", nil }, doctor.Fail, "no rel=authorization_endpoint", "<link"},
		{"rel only in the header", func(b *doctorSite) { b.page = "<h1>You</h1>" }, doctor.Warn, "token_endpoint is only in the Link header", "too"},
		{"rel elsewhere in the header", func(b *doctorSite) {
			b.link = []string{`<https://tokens.indieauth.com/token>; rel="token_endpoint"`}
		}, doctor.Fail, "the Link header's token_endpoint is https://tokens.indieauth.com/token", "Link header"},
		{"rel elsewhere in the page", func(b *doctorSite) {
			b.page = `<link rel=token_endpoint href="https://tokens.indieauth.com/token">`
		}, doctor.Fail, "the page's token_endpoint is https://tokens.indieauth.com/token", "in place"},
		{"second token endpoint", func(b *doctorSite) {
			b.page += `<link rel=token_endpoint href="https://tokens.indieauth.com/token">`
		}, doctor.Warn, "a second token_endpoint", "remove"},
		{"unknown authorization endpoint", func(b *doctorSite) {
			b.page, b.link = `<link rel=authorization_endpoint href=/elsewhere><link rel=token_endpoint href=/auth/token.cgi>`, nil
		}, doctor.Fail, "authorization_endpoint is", "/auth/"},
		{"profile not a me", func(b *doctorSite) { b.config["me"] = "https://you.example/" }, doctor.Fail, "gets no tokens", "mintkeep setting me"},
		{"profile page missing", func(b *doctorSite) { b.profile = b.server.URL + "/nobody" }, doctor.Fail, "status 404", "correct the profile URL"},
		{"profile page in circles", func(b *doctorSite) {
			b.at("/", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) })
		}, doctor.Fail, "redirects too often", "works in a browser"},
		{"nothing at BASE", func(b *doctorSite) { b.at("/auth/token.cgi", http.NotFound) }, doctor.Fail, "there is nothing at", "`url:`"},
		{"script shown as text", func(b *doctorSite) { b.at("/auth/token.cgi", says(200, "text/plain", "#!../mintkeep cgi\n")) }, doctor.Fail, "shows the file", "ExecCGI"},
		{"program does not start", func(b *doctorSite) { b.at("/auth/token.cgi", says(500, "text/html", "<h1>Error")) }, doctor.Fail, "does not start", "permissions other than 755"},
		{"addresses below BASE lost", func(b *doctorSite) { b.at("/auth/token.cgi/revoke", http.NotFound) }, doctor.Fail, "/revoke does not lead", "hand everything below"},
		{"body lost", func(b *doctorSite) {
			b.fault = func(_ http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/auth/token.cgi" {
					r.Body, r.ContentLength = http.NoBody, 0
				}
				return false
			}
		}, doctor.Fail, "without its body", "rewrite"},
		{"F3: no page", func(b *doctorSite) { b.arguments = []string{}; b.at("/", http.NotFound) }, doctor.Fail, "cannot be read: it answered with status 404", "works in a browser"},
		{"F3: the page of each me, without being named", func(b *doctorSite) {
			b.arguments, b.page, b.link = []string{}, "<h1>You</h1>", nil
		}, doctor.Fail, "no rel=token_endpoint", `<link rel="token_endpoint" href="https://`},
		{"F3: lines of another site", func(b *doctorSite) {
			b.arguments, b.link = []string{}, nil
			b.page = `<link rel="token_endpoint" href="/auth/token.cgi"><link rel="authorization_endpoint" href="https://indieauth.com/auth">`
		}, doctor.Fail, "the page's authorization_endpoint is https://indieauth.com/auth", "/authorize\">"},
		{"E14: neighbours on the host", func(b *doctorSite) { b.config["url"] = b.server.URL + "/~you/token.cgi" }, doctor.Warn,
			"others have pages on the host of", "shared_host: yes"},
		{"E14: allowed", func(b *doctorSite) {
			b.config["url"], b.config["shared_host"] = b.server.URL+"/~you/token.cgi", "yes"
		}, doctor.Warn, "their programs receive the cookies", "a host name of your own"},
		{"F8: no .htaccess, text shown", func(b *doctorSite) {
			b.noHtaccess()
			b.at("/auth/token.cgi", says(200, "text/plain", "#!../mintkeep cgi\n"))
		}, doctor.Fail, "there is no .htaccess in", "FTP programs hide names"},
		{"F8: no .htaccess, error 500", func(b *doctorSite) {
			b.noHtaccess()
			b.at("/auth/token.cgi", says(500, "text/html", "<h1>Error"))
		}, doctor.Fail, "there is no .htaccess in", "ls -la"},
		{"F8: nginx reads no .htaccess", func(b *doctorSite) {
			b.noHtaccess()
			b.at("/auth/token.cgi", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Server", "nginx/1.26")
				says(200, "text/plain", "#!../mintkeep cgi\n")(w, r)
			})
		}, doctor.Fail, "shows the file", "ExecCGI"},
		{"L6: no metadata at the well-known address", func(b *doctorSite) { b.at(wellKnown+"/auth/token.cgi", http.NotFound) }, doctor.Warn,
			"find no metadata at " + wellKnown, `RewriteRule ^\.well-known/oauth-authorization-server/auth/token\.cgi$ /auth/token.cgi/metadata [L]`},
		{"L6: the lines of nginx", wellKnownLost("nginx/1.26"), doctor.Warn, wellKnown, `location ~ ^(/\.well-known/oauth-authorization-server)?/auth/token\.cgi(/|$) {`},
		{"L6: the lines of lighttpd", wellKnownLost("lighttpd/1.4"), doctor.Warn, wellKnown, `url.rewrite-once = ( "^/\.well-known/`},
		{"L6: the lines of Caddy", wellKnownLost("Caddy"), doctor.Warn, wellKnown, "among the paths"},
	}
}

func wellKnownLost(server string) func(*doctorSite) {
	return func(b *doctorSite) {
		b.fault = func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Server", server)
			if strings.HasPrefix(r.URL.Path, wellKnown) {
				http.NotFound(w, r)
			}
			return strings.HasPrefix(r.URL.Path, wellKnown)
		}
	}
}

func (b *doctorSite) noHtaccess() {
	b.must(os.Remove(filepath.Join(filepath.Dir(b.script), ".htaccess")))
}

func faultsOfEndpoints() []planted {
	dated := func(off time.Duration) func(*doctorSite) {
		return func(b *doctorSite) {
			b.fault = func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
				return false
			}
		}
	}
	return []planted{
		{"endpoint down", func(b *doctorSite) { b.config["endpoint"] = "https://127.0.0.1:1/auth/" }, doctor.Fail, "connection refused", "start the web server"},
		{"endpoint answers HTML", func(b *doctorSite) { b.at("/auth/", says(200, "text/html", "<h1>Login")) }, doctor.Fail, "with a page to a code check", "index.php"},
		{"endpoint not found", func(b *doctorSite) { b.at("/auth/", http.NotFound) }, doctor.Fail, "answers 404", "correct the address"},
		{"endpoint redirects", func(b *doctorSite) {
			b.at("/auth/", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/sso/", http.StatusFound) })
		}, doctor.Fail, "redirects to /sso/", "final address"},
		{"endpoint broken", func(b *doctorSite) { b.at("/auth/", says(500, "text/html", "")) }, doctor.Fail, "fails (status 500)", "error log"},
		{"endpoint behind a filter", func(b *doctorSite) { b.at("/auth/", says(403, "text/html", "Forbidden")) }, doctor.Fail, "refuses code checks", "mod_security"},
		{"endpoint confirms anything", func(b *doctorSite) { b.at("/auth/", says(200, "application/json", `{"me":"https://evil.example/"}`)) }, doctor.Fail, "made up", "endpoint remove"},
		{"endpoint's certificate unknown", func(b *doctorSite) { delete(b.config, "ca_file") }, doctor.Fail, "unknown authority", "certificate"},
		{"C3: endpoint refuses with 406", func(b *doctorSite) { b.at("/auth/", says(406, "text/html", "Not Acceptable")) }, doctor.Fail, "refuses code checks", "mod_security"},
		{"C2: PHP warns in front of the answer", func(b *doctorSite) {
			b.at("/auth/", says(200, "text/html", "<br /><b>Warning</b>:  Undefined array key in <b>/home/you/auth/index.php</b><h1>Error: Verification Failed</h1>"))
		}, doctor.Fail, "Warning:  Undefined array key in /home/you/auth/index.php", "display_errors"},
		{"L3: a Selfauth where an Indiekit was", func(b *doctorSite) {
			b.sql("INSERT INTO endpoint_kinds VALUES ('" + b.authorizer + "', 'identity', datetime('now'))")
		}, doctor.Warn, "is a Selfauth now", "DELETE FROM endpoint_kinds"},
		{"F1: the endpoint is another mintkeep", func(b *doctorSite) {
			b.at("/auth/", says(400, "application/json", `{"error":"invalid_grant","error_description":"this is a token endpoint: another mintkeep names it"}`))
		}, doctor.Fail, "is a token endpoint, and not where one signs in", "name your Selfauth"},
		{"F10: two me and no admin", func(b *doctorSite) {
			b.sql("INSERT INTO settings VALUES ('me', 'https://two.example/')")
		}, doctor.Warn, "none of them is the administrator", "admin: https://"},
		{"no endpoint", func(b *doctorSite) { delete(b.config, "endpoint") }, doctor.Fail, "no authorization endpoint is trusted", "endpoint add"},
		{"clock minutes off", dated(2 * time.Minute), doctor.Warn, "the clock is", "NTP"},
		{"clock far off", dated(-10 * time.Minute), doctor.Fail, "the clock is 10m", "NTP"},
	}
}

func (b *doctorSite) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *doctorSite) needRoot() {
	tools.Root(b.t) // files are given to another user, and file systems mounted
}

// move puts the database elsewhere.
func (b *doctorSite) move(to string) {
	b.must(os.MkdirAll(filepath.Dir(to), 0o755))
	b.must(os.Rename(b.database, to))
	b.must(os.Chmod(to, 0o644))
	b.database, b.config["database"] = to, to
}

// mount puts the data folder on a small file system of its own.
func (b *doctorSite) mount() {
	content, err := os.ReadFile(b.database)
	b.must(err)
	tools.Mount(b.t, b.data, "256k")
	b.write(b.database, string(content), 0o600)
}

func (b *doctorSite) fullDisk() {
	b.mount()
	err := os.WriteFile(filepath.Join(b.data, "mail"), make([]byte, 1<<20), 0o600)
	if !errors.Is(err, syscall.ENOSPC) {
		b.t.Fatalf("filling the disk: %v", err)
	}
}

func (b *doctorSite) readOnly() {
	b.mount()
	tools.Remount(b.t, b.data, true)
}
