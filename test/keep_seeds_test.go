package test

import (
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper/keepertest"
)

const tokenKeepDatabase = `CREATE TABLE providers (id INTEGER PRIMARY KEY AUTOINCREMENT, alias TEXT UNIQUE NOT NULL, client_id TEXT NOT NULL,
	client_secret TEXT NOT NULL, auth_url TEXT NOT NULL, token_url TEXT NOT NULL, scopes TEXT);
	CREATE TABLE tokens (id INTEGER PRIMARY KEY AUTOINCREMENT, provider_id INTEGER UNIQUE, access_token TEXT, refresh_token TEXT, expires_at INTEGER);
	INSERT INTO providers VALUES (1, 'zoho', 'id', 's', 'https://accounts.zoho.eu/oauth/v2/auth', 'https://accounts.zoho.eu/oauth/v2/token', NULL);
	INSERT INTO tokens VALUES (1, 1, 'a', 'r', 4102444800);`

const storeRequest = `{"integration_key": "google", "provider": "google", "token_type": "oauth2", "token_data": {"access_token": "ya29",
	"refresh_token": "1//0dx", "token_type": "Bearer", "expires_in": 3600, "scope": "calendar", "client_id": "i", "client_secret": "s"},
	"scopes": ["calendar", "email"], "expires_at": "2100-01-16T10:00:00Z"}`

// Issue Reach: each line of the last table of docs/keeping.md does what it says.
func TestSeedTable(t *testing.T) {
	_, table, found := strings.Cut(readText(t, "../docs/keeping.md"), "| there | here |\n|---|---|\n")
	if !found {
		t.Fatal("docs/keeping.md has no such table")
	}
	box := keepertest.New()
	site := httptest.NewServer(box)
	t.Cleanup(site.Close)
	k := newKeepSite(t)
	k.ok(keepertest.ClientSecret, "provider", "add", "club", "-issuer", site.URL, "-client-id", keepertest.ClientID, "-scope", "read")
	key := k.ok("", "apikey", "add", "all", "-write")
	k.serve()
	go func() {
		for t.Context().Err() == nil {
			box.Approve("")
			time.Sleep(50 * time.Millisecond)
		}
	}()
	rows := strings.Split(strings.TrimSpace(table), "\n")
	if len(rows) < 30 {
		t.Errorf("%d rows", len(rows))
	}
	for _, row := range rows {
		there, here, _ := strings.Cut(strings.Trim(row, "| "), " | ")
		ran := strings.Contains(here, "keepertest")
		for _, code := range regexp.MustCompile("`((?:mintkeep|GET|POST|DELETE) [^`]*)`").FindAllStringSubmatch(here, -1) {
			ran = true
			k.seedRow(box, site.URL, key, there, code[1])
		}
		if !ran {
			t.Errorf("nothing to run in %s", row)
		}
	}
}

// seedRow runs one command or request of the table.
func (k *keepSite) seedRow(box *keepertest.Provider, site, key, there, command string) {
	k.t.Helper()
	k.ok(keepertest.Password, "connect", "club", "-grant", "password", "-username", keepertest.Username)
	if method, route, _ := strings.Cut(command, " /"); method != command {
		body := ""
		if strings.HasSuffix(route, "/tokens") && method == "POST" {
			body = storeRequest
		}
		if status, text := k.fetch(method, route, key, body); status/100 != 2 {
			k.t.Errorf("%s: %s: %d %s", there, command, status, text)
		}
		return
	}
	command = strings.NewReplacer("https://login.club.example", site, " ID", " "+keepertest.ClientID, `"`, "", "add club ", "add club2 ").Replace(command)
	args := strings.Fields(command)[1:]
	if i := len(args) - 1; args[i] == "FILE" {
		args[i] = k.path("file")
		switch content := "a-key-of-ones-own-of-more-than-32-characters"; {
		case strings.Contains(command, "tokenkeep"):
			args[i] = k.path("tokenkeep.sqlite")
			sqlIn(k.t, args[i], tokenKeepDatabase)
		case strings.Contains(command, "pyauthflow"):
			content = `{"f00": {"openid": {"access_token": "a", "refresh_token": "r", "client_id": "py", "issuer": "https://op.example.com"}}}`
			fallthrough
		default:
			if err := os.WriteFile(args[i], []byte(content), 0o600); err != nil {
				k.t.Fatal(err)
			}
		}
	}
	out, said, status := k.run(keepertest.ClientSecret, args...)
	if status != 0 && args[0] != "doctor" { // which finds faults in this installation
		k.t.Errorf("%s: %s: status %d, %s %s", there, command, status, out, said)
	}
}
