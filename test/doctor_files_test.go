package test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"mintkeep/internal/doctor"
)

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
		{"D3: a connection fails", func(b *doctorSite) {
			b.sql(`INSERT INTO connections (user_id, connection_name, provider_name, grant_type, token_kind, state, last_error, created, updated)
				VALUES ('bob', 'the club', 'club', 'code', 'oauth2', 'failing', 'answered 503', '2026-01-01 00:00:00', '2026-01-01 00:00:00')`)
		}, doctor.Warn, "the connection the club of bob fails: answered 503", "mintkeep refresh 'the club' -user bob"},
		{"a revocation is not confirmed", func(b *doctorSite) {
			b.sql(`INSERT INTO connections (user_id, connection_name, provider_name, grant_type, token_kind, state, last_error, created, updated)
				VALUES ('owner', 'club', 'club', 'code', 'oauth2', 'forgetting', 'answered 503', '2026-01-01 00:00:00', '2026-01-01 00:00:00')`)
		}, doctor.Warn, "the connection club of owner is to be forgotten, and the site has not confirmed: answered 503",
			"mintkeep forget club -even-if-revoke-fails"},
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
