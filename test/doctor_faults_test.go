package test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
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

func faultsOfFiles() []planted {
	return []planted{
		{"database in the document root", func(b *doctorSite) { b.move(filepath.Join(b.root, "auth", "data", "tokens.db")) }, doctor.Fail, "from where the web server may hand it", "move it"},
		{"database in public_html", func(b *doctorSite) { b.move(filepath.Join(b.root, "data", "tokens.db")) }, doctor.Fail, "from where the web server may hand it", "move it"},
		{"database in another htdocs", func(b *doctorSite) { b.move(filepath.Join(filepath.Dir(b.root), "htdocs", "data", "tokens.db")) }, doctor.Warn, "folder named htdocs", "does not show"},
		{"database in the document root, allowed, shown", func(b *doctorSite) {
			b.move(filepath.Join(b.root, "data", "tokens.db"))
			b.config["database_in_docroot"] = "yes"
		}, doctor.Fail, "does not refuse", "Require all denied"},
		{"F13: only the database is refused", func(b *doctorSite) {
			b.move(filepath.Join(b.root, "data", "tokens.db"))
			b.config["database_in_docroot"], b.config["errorlog"] = "yes", filepath.Join(b.root, "data", "error.log")
			b.write(b.config["errorlog"], "level=ERROR\n", 0o644)
			b.fault = func(w http.ResponseWriter, r *http.Request) bool {
				shut := strings.HasSuffix(r.URL.Path, ".db")
				if shut {
					http.Error(w, "no", http.StatusForbidden)
				}
				return shut
			}
		}, doctor.Fail, "does not refuse", "private.htaccess"},
		{"F7: no folder", func(b *doctorSite) { b.must(os.RemoveAll(b.data)) }, doctor.Fail, "nor the folder", "mkdir -m 700"},
		{"E5: everybody may write, in a closed folder", func(b *doctorSite) { b.must(os.Chmod(b.database, 0o602)) }, doctor.Fail, "everybody on this machine", "chmod 600"},
		{"F1: a row names this token endpoint", func(b *doctorSite) {
			b.sql("INSERT INTO settings VALUES ('endpoint', '" + b.base + "/authorize')")
		}, doctor.Fail, "is this token endpoint; name your Selfauth", "mintkeep setting -unset endpoint"},
		{"E9: written while the clock was ahead", func(b *doctorSite) {
			b.sql("INSERT INTO events (at, event) VALUES (datetime('now', '+5 hours'), 'issued')")
		}, doctor.Warn, "which is to come", "set the clock"},
		{"D3: a connection is dead", func(b *doctorSite) {
			b.sql(`INSERT INTO connections (user_id, connection_name, provider_name, grant_type, token_kind, state, last_error, created, updated)
				VALUES ('owner', 'club', 'the club', 'code', 'oauth2', 'dead', 'invalid_grant: gone', '2026-01-01 00:00:00', '2026-01-01 00:00:00')`)
		}, doctor.Warn, "the connection club of owner is dead: invalid_grant: gone", "mintkeep connect 'the club' -as club"},
		{"D10: a connection ends, with nothing to renew it", func(b *doctorSite) {
			b.sql(`INSERT INTO connections (user_id, connection_name, provider_name, grant_type, token_kind, expires, created, updated)
				VALUES ('owner', 'club', 'club', 'code', 'oauth2', datetime('now', '+2 days'), '2026-01-01 00:00:00', '2026-01-01 00:00:00')`)
		}, doctor.Warn, "the connection club of owner: it ends at", "connect again"},
		{"database 0644", func(b *doctorSite) {
			b.must(errors.Join(os.Chmod(b.database, 0o644), os.Chmod(b.data, 0o755)))
		}, doctor.Fail, "everybody on this machine can open the database (mode 0644)", "chmod 600"},
		{"folder 0755 with more in it", func(b *doctorSite) {
			b.move(filepath.Join(filepath.Dir(b.root), "tokens.db"))
			b.must(os.Chmod(filepath.Dir(b.root), 0o755))
		}, doctor.Warn, "others can look into", "a folder of its own"},
		{"folder of another user", func(b *doctorSite) {
			b.needRoot()
			b.must(errors.Join(os.Chmod(b.data, 0o777), os.Chown(b.data, 65534, 65534)))
		}, doctor.Fail, "can replace files", "chmod 700"},
		{"folder 0777", func(b *doctorSite) { b.must(os.Chmod(b.data, 0o777)) }, doctor.Fail, "can replace files", "chmod 700"},
		{"wrong owner", func(b *doctorSite) {
			b.needRoot()
			b.must(os.Chown(b.database, 65534, 65534))
		}, doctor.Warn, "belongs to user 65534", "run this command as that user"},
		{"wrong owner of the script", func(b *doctorSite) {
			b.needRoot()
			b.must(os.Chown(b.script, 65534, 65534))
		}, doctor.Warn, "token.cgi belongs to user 65534", "suexec"},
		{"database missing", func(b *doctorSite) { b.must(os.Remove(b.database)) }, doctor.Fail, "there is no database", "mintkeep init"},
		{"database is a folder", func(b *doctorSite) {
			b.must(errors.Join(os.Remove(b.database), os.Mkdir(b.database, 0o700)))
		}, doctor.Fail, "is not a file", "name a file"},
		{"database damaged", func(b *doctorSite) { b.write(b.database, strings.Repeat("<html>", 1000), 0o600) }, doctor.Fail, "cannot be read", "mintkeep backup"},
		{"database truncated", func(b *doctorSite) { b.must(os.Truncate(b.database, 8192)) }, doctor.Fail, "the database", "mintkeep backup"},
		{"database of a newer program", func(b *doctorSite) { b.sql("PRAGMA user_version = 99") }, doctor.Fail, "newer mintkeep", "upload"},
		{"database locked", func(b *doctorSite) {
			_, err := openDatabase(b.t, b.database).Exec("BEGIN IMMEDIATE")
			b.must(err)
		}, doctor.Fail, "cannot be locked", "holds the database open"},
		{"WAL not asked for", func(b *doctorSite) { b.sql("PRAGMA journal_mode = WAL") }, doctor.Warn, "keeps a WAL", "journal_mode=DELETE"},
		{"setting does not parse", func(b *doctorSite) { b.sql("INSERT INTO settings VALUES ('idle_lifetime', 'soon')") }, doctor.Fail, `"soon" is no duration`, ""},
		{"setting with two rows", func(b *doctorSite) {
			b.sql("INSERT INTO settings VALUES ('max_lifetime', '1d'), ('max_lifetime', '2d')")
		}, doctor.Fail, "2 rows", "keep one"},
		{"key file open to others", func(b *doctorSite) { b.write(filepath.Join(b.data, "mintkeep.key"), "x", 0o644) }, doctor.Fail, "key file may be opened", "chmod 600"},
		{"sealing key lost", func(b *doctorSite) { b.sql("INSERT INTO sealing VALUES (1, '0badbeef')") }, doctor.Fail, "mintkeep.key: no such file", "put it back"},
		{"sealing key of another database", func(b *doctorSite) {
			b.sql("INSERT INTO sealing VALUES (1, '0badbeef')")
			b.write(filepath.Join(b.data, "mintkeep.key"), strings.Repeat("A", 43), 0o600)
		}, doctor.Fail, "sealing key 0badbeef is not in key file", "put back the key file"},
		{"error log not writable", func(b *doctorSite) { b.config["errorlog"] = b.root }, doctor.Fail, "error log cannot be written", "errorlog"},
		{"error log in no folder", func(b *doctorSite) { b.config["errorlog"] = "/nowhere/error.log" }, doctor.Fail, "error log cannot be written", "errorlog"},
		{"script open to others", func(b *doctorSite) { b.must(os.Chmod(b.script, 0o777)) }, doctor.Fail, "can be changed by others", "chmod 755"},
		{"script not executable", func(b *doctorSite) { b.must(os.Chmod(b.script, 0o644)) }, doctor.Fail, "not executable", "chmod 755"},
		{"url not set", func(b *doctorSite) { delete(b.config, "url") }, doctor.Fail, "no url is set", "url: https://"},
		{"configuration does not parse", func(b *doctorSite) { b.config["databse"] = "x" }, doctor.Fail, `no key "databse"`, "the keys are"},
		{"ca_file without certificates", func(b *doctorSite) { b.config["ca_file"] = b.script }, doctor.Fail, "no TLS roots", "PEM"},
		{"no roots", func(b *doctorSite) {
			delete(b.config, "ca_file")
			b.env = []string{"SSL_CERT_FILE=" + os.DevNull, "SSL_CERT_DIR=/nowhere"}
		}, doctor.Warn, "no TLS roots", "ca_file"},
		{"low RLIMIT_AS", func(b *doctorSite) { b.shell = "ulimit -v 1400000;" }, doctor.Warn, "limited to 1367 MB", "linux-386"},
		{"disk full", func(b *doctorSite) { b.fullDisk() }, doctor.Fail, "the disk is full (0 KB left)", "delete"},
		{"nothing can be written", func(b *doctorSite) { b.fullDisk() }, doctor.Fail, "nothing more can be written", "more space"},
		{"read-only file system", func(b *doctorSite) { b.readOnly() }, doctor.Fail, "read-only", "can be written"},
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

func TestDoctorFindsPlantedFaults(t *testing.T) {
	bin := released(t)
	for _, f := range append(append(faultsOutside(), faultsOfEndpoints()...), faultsOfFiles()...) {
		t.Run(f.name, func(t *testing.T) {
			b := newDoctorSite(t, bin)
			b.build()
			f.plant(b)
			mode, err := os.Stat(b.script)
			b.must(err)
			uid := mode.Sys().(*syscall.Stat_t).Uid
			b.install(mode.Mode().Perm())
			b.must(os.Chown(b.script, int(uid), -1))
			findings, status := b.doctor()
			if (status != 0) != doctor.Failed(findings) {
				t.Errorf("exit %d", status)
			}
			for _, got := range findings {
				if got.Level == f.level && strings.Contains(got.What, f.what) && strings.Contains(got.Do+" "+got.Shell, f.do) {
					return
				}
			}
			t.Errorf("no %s %q → %q in\n%s", f.level, f.what, f.do, shown(findings))
		})
	}
}

// A database that must lie below the document root is fine if nobody can fetch it.
func TestDoctorDatabaseInDocumentRootRefused(t *testing.T) {
	b := newDoctorSite(t, released(t))
	b.move(filepath.Join(b.root, "data", "tokens.db"))
	b.must(errors.Join(os.Chmod(b.database, 0o600), os.Chmod(filepath.Dir(b.database), 0o700)))
	b.config["database_in_docroot"] = "yes"
	b.config["errorlog"] = filepath.Join(filepath.Dir(b.database), "error.log")
	b.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/data/") {
			return false
		}
		http.Error(w, "no", http.StatusForbidden)
		return true
	}
	b.build()
	findings, status := b.doctor()
	if status != 0 || strings.Count(shown(findings), "\n") != strings.Count("\n"+shown(findings), "\nok  ") {
		t.Errorf("exit %d after\n%s", status, shown(findings))
	}
}

func TestDoctorUsage(t *testing.T) {
	bin := released(t)
	for args, status := range map[string]int{"doctor a b": 2, "doctor you.example": 2, "doctor -url x": 2, "backup": 2, "doctor -config /nowhere": 1} {
		cmd := exec.Command(bin, strings.Fields(args)...)
		if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != status {
			t.Errorf("%s: %v, want status %d", args, err, status)
		}
	}
}

// Case F11: what the system and the web server have against the file itself, one
// mistake at a time.
func TestDoctorOnAScriptF11(t *testing.T) {
	bin := released(t)
	utf16 := func(text string) string {
		out := "\xff\xfe"
		for _, c := range []byte(text) {
			out += string([]byte{c, 0})
		}
		return out
	}
	first := "#!" + bin + " cgi"
	for name, test := range map[string]struct {
		change   func(text string) string
		file     os.FileMode
		folder   os.FileMode
		what, do string
	}{
		"byte order mark":      {func(s string) string { return "\xef\xbb\xbf" + s }, 0o755, 0o755, "byte order mark", "sed -i"},
		"UTF-16":               {utf16, 0o755, 0o755, "two bytes for a character", "UTF-8"},
		"blank line first":     {func(s string) string { return "\n" + s }, 0o755, 0o755, "stands before #!", "no empty line"},
		"no first line":        {func(s string) string { return strings.Replace(s, first+"\n", "", 1) }, 0o755, 0o755, "does not begin with #!", "bin/mintkeep cgi"},
		"leads nowhere":        {func(s string) string { return strings.Replace(s, first, "#!../../bin/mintkeep cgi", 1) }, 0o755, 0o755, "leads nowhere: there is no program at /", "each ../ goes"},
		"no program":           {func(s string) string { return strings.Replace(s, first, "#!../../data/tokens.db cgi", 1) }, 0o755, 0o755, "is no program", "binary mode"},
		"leads to a folder":    {func(s string) string { return strings.Replace(s, first, "#!.. cgi", 1) }, 0o755, 0o755, "leads to the folder", "/mintkeep cgi"},
		"CR LF, no word":       {func(s string) string { return strings.Replace(s, first, "#!"+bin+"\r", 1) }, 0o755, 0o755, "ends in CR LF", "the word cgi"},
		"CR alone":             {func(s string) string { return strings.ReplaceAll(s, "\n", "\r") }, 0o755, 0o755, "line ends of old Macintoshes", "LF"},
		"env":                  {func(s string) string { return strings.Replace(s, first, "#!/usr/bin/env mintkeep cgi", 1) }, 0o755, 0o755, "starts env, not mintkeep", "first line"},
		".htaccess with mark":  {nil, 0o755, 0o755, ".htaccess begins with a byte order mark", "UTF-8"},
		"file 644":             {nil, 0o644, 0o755, "is not executable (mode 0644)", "chmod 755"},
		"file 775":             {nil, 0o775, 0o755, "can be changed by others (mode 0775)", "set the permissions of"},
		"file 777":             {nil, 0o777, 0o755, "can be changed by others (mode 0777)", "chmod 755"},
		"folder 775":           {nil, 0o755, 0o775, "auth can be changed by others (mode 0775)", "chmod 755"},
		"folder 777":           {nil, 0o755, 0o777, "auth can be changed by others (mode 0777)", "chmod 755"},
		"mark, and no program": {func(s string) string { return "\xef\xbb\xbf" + strings.Replace(s, first, "#!/nowhere/mintkeep cgi", 1) }, 0o755, 0o755, "leads nowhere", "correct the first line"},
		"empty":                {func(string) string { return "" }, 0o755, 0o755, "is empty", "upload it again"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newDoctorSite(t, bin)
			b.arguments = []string{}
			b.build()
			text, err := os.ReadFile(b.script)
			b.must(err)
			if test.change != nil {
				text = []byte(test.change(string(text)))
			}
			b.write(b.script, string(text), test.file)
			b.must(os.Chmod(filepath.Dir(b.script), test.folder))
			if name == ".htaccess with mark" {
				b.write(filepath.Join(filepath.Dir(b.script), ".htaccess"), "\ufeffOptions +ExecCGI\n", 0o644)
			}
			if name == "no program" {
				b.must(os.Chmod(b.database, 0o700))
			}
			findings, status := b.doctor()
			if status != 1 || !slices.ContainsFunc(findings, func(f doctor.Finding) bool {
				return f.Level == doctor.Fail && strings.Contains(f.What, test.what) && strings.Contains(f.Do+" "+f.Shell, test.do)
			}) {
				t.Errorf("exit %d, no %q → %q in\n%s", status, test.what, test.do, shown(findings))
			}
		})
	}
	b := newDoctorSite(t, bin) // line ends of Windows behind the word cgi do no harm
	b.build()
	text, err := os.ReadFile(b.script)
	b.must(err)
	b.write(b.script, strings.ReplaceAll(string(text), "\n", "\r\n"), 0o755)
	if findings, status := b.doctor(); status != 0 {
		t.Errorf("CR LF: exit %d\n%s", status, shown(findings))
	}
}

// Case F12: only the outbound half is set up. Case L4: php-mintoken is still there.
func TestDoctorOfHalvesF12L4(t *testing.T) {
	b := newDoctorSite(t, released(t))
	delete(b.config, "url")
	delete(b.config, "endpoint")
	delete(b.config, "me")
	b.arguments = []string{}
	b.build()
	findings, status := b.doctor()
	if text := shown(findings); status != 0 || strings.Contains(text, "warn  ") || !strings.Contains(text, "only tokens of other sites") {
		t.Errorf("exit %d\n%s", status, text)
	}
	old := filepath.Join(filepath.Dir(b.script), "endpoint.php")
	b.write(old, "<?php define('MINTOKEN_SQLITE_PATH', '…');", 0o644)
	if findings, _ := b.doctor(); !strings.Contains(shown(findings), "warn  php-mintoken's "+old+" is still there") {
		t.Errorf("nothing about mintoken in\n%s", shown(findings))
	}
	b.write(old, "#!"+b.bin+" cgi\n", 0o755) // the address was kept
	if findings, _ := b.doctor(); strings.Contains(shown(findings), "php-mintoken") {
		t.Errorf("mintkeep is taken for mintoken in\n%s", shown(findings))
	}
}

// What keeps a host from answering is said once, whatever was to be asked there.
func TestDoctorSaysOnceWhatKeepsAHostFromAnswering(t *testing.T) {
	b := newDoctorSite(t, released(t))
	b.arguments = []string{}
	b.build()
	b.sql("INSERT INTO settings VALUES ('endpoint', '" + strings.Replace(b.authorizer, "https", "HTTPS", 1) + "')") // case L8
	findings, _ := b.doctor()
	if text := shown(findings); strings.Count(text, "checks codes") != 1 {
		t.Errorf("an endpoint of file and row is not told once:\n%s", text)
	}
	b.server.Close()
	findings, status := b.doctor()
	if text := shown(findings); status != 1 || strings.Count(text, "connection refused") != 1 || strings.Count(text, "fail  ") != 1 {
		t.Errorf("exit %d after\n%s", status, text)
	}
}

// One cause is one finding: what follows from it is not told as well.
func TestDoctorSaysOnce(t *testing.T) {
	for name, plant := range map[string]func(*doctorSite){
		"disk full":         (*doctorSite).fullDisk,
		"read-only":         (*doctorSite).readOnly,
		"faulty row":        func(b *doctorSite) { b.sql("INSERT INTO settings VALUES ('idle_lifetime', 'soon')") },
		"no database":       func(b *doctorSite) { b.must(os.Remove(b.database)) },
		"no .htaccess":      func(b *doctorSite) { b.noHtaccess(); b.at("/auth/token.cgi", says(500, "text/html", "<h1>Error")) },
		"no page":           func(b *doctorSite) { b.at("/", http.NotFound) },
		"endpoint redirect": func(b *doctorSite) { b.at("/auth/", says(301, "text/html", "")) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newDoctorSite(t, released(t))
			b.arguments = []string{}
			delete(b.config, "errorlog") // it lies on the same disk
			b.build()
			plant(b)
			findings, _ := b.doctor()
			if text := shown(findings); strings.Count(text, "fail  ") != 1 || strings.Contains(text, "warn  ") {
				t.Error(text)
			}
		})
	}
}
