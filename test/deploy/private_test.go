package deploy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
)

// ask sends a path as it is (package net/http would clean it).
func (h *host) ask(t *testing.T, path string) (status int, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", h.port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// F13: everything that FTP reaches is shown. With private.htaccess the token
// endpoint works and nothing in the folder of the database can be opened; if the
// host forbids the line, it answers 500 instead, which keeps the files as well.
func TestF13PrivateFolder(t *testing.T) {
	const compat = "access_compat"
	for _, c := range []struct {
		name     string
		override string
		modules  []string
		change   func(string) string
		status   int
	}{
		{"Require", "AuthConfig Limit FileInfo Options", nil, nil, 403},
		{"all allowed", "All", []string{compat}, nil, 403},
		{"the words of Apache 2.2", "All", []string{compat}, func(s string) string { return strings.ReplaceAll(s, "mod_authz_core.c", "mod_nothing.c") }, 403},
		{"the line is forbidden", "FileInfo Options", nil, nil, 500},
		{"with CR LF", "All", []string{compat}, func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t, "/auth/token.cgi")
			h.install("token.cgi", "site/auth/token.cgi", 0o755, append(h.urls("https://example.com/auth/token.cgi"),
				"database: ../../mintkeep/tokens.db\n", "database: ../mintkeep/tokens.db\ndatabase_in_docroot: yes\nerrorlog: ../mintkeep/error.log\n")...)
			h.install("apache-cgi.htaccess", "site/auth/.htaccess", 0o644)
			h.folder("site/mintkeep", 0o711)
			h.install("private.htaccess", "site/mintkeep/.htaccess", 0o644)
			if c.change != nil {
				h.edit("site/mintkeep/.htaccess", c.change)
			}
			h.apache(append([]string{"cgid"}, c.modules...), h.cgid()+fmt.Sprintf("<Directory %s>\n  AllowOverride %s\n</Directory>\n", h.path("site/mintkeep"), c.override))
			h.private(t, c.status)
		})
	}
}

// private redeems a code and then tries to open every file of the folder.
func (h *host) private(t *testing.T, status int) {
	t.Helper()
	token := h.redeem(t)
	get(t, h.base, token).want(t, "verify", 200)
	if b, err := os.ReadFile(h.path("site/mintkeep/tokens.db")); err != nil || !strings.HasPrefix(string(b), "SQLite format 3") {
		t.Fatalf("there is no database: %v", err)
	}
	for _, name := range []string{"mintkeep.key", "tokens.db-journal", "tokens.db-wal", "check", "error.log"} {
		h.write("site/mintkeep/"+name, planted, 0o644)
	}
	h.chmod("site/mintkeep/tokens.db", 0o644) // the server could read it
	for _, path := range []string{"/", "/tokens.db", "/tokens.db/", "/tokens.db/x", "/./tokens.db", "/%74okens.db", "/tokens.db?x", "/tokens.db-journal", "/tokens.db-wal",
		"/mintkeep.key", "/error.log", "/check", "/.htaccess", "/../mintkeep/tokens.db", "//tokens.db"} {
		got, body := h.ask(t, "/mintkeep"+path)
		if got != status && got != 404 && !(path == "/.htaccess" && got == 403) || strings.Contains(body, planted) || strings.Contains(body, "SQLite format") {
			t.Errorf("/mintkeep%s: %d %.100s, want %d", path, got, body, status)
		}
	}
	os.Remove(h.path("site/mintkeep/.htaccess"))
	if got, body := h.ask(t, "/mintkeep/tokens.db"); got != 200 || !strings.HasPrefix(body, "SQLite format 3") {
		t.Errorf("without the file the database is not shown (%d), so this test shows nothing", got)
	}
}
