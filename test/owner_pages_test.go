package test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"

	"mintkeep/internal/demo"
	"mintkeep/keeper/keepertest"
)

// TestManyInBrowser: every page with no, one, 13 and 200 apps and connections, with names
// that are long or run from right to left.
func TestManyInBrowser(t *testing.T) {
	for i, n := range []int{0, 1, 13, 200} {
		l := look{"many-" + strconv.Itoa(n), 1280, true, i%2 == 1}
		t.Run(l.name, func(t *testing.T) {
			k := ownedSite(t, &demo.Selfauth{Me: owned, Password: "p", Key: "k"})
			box := keepertest.New()
			srv := httptest.NewServer(box)
			t.Cleanup(srv.Close)
			k.ok(keepertest.ClientSecret+"\n", "provider", "add", "club", "-issuer", srv.URL, "-client-id", keepertest.ClientID)
			k.many(n)
			b := newBrowser(t, l)
			k.serve()
			b.enter(k)
			for _, word := range []string{"", "connections", "programs", "settings", "log", "check", "sessions", "make"} {
				b.open(k.base + "/owner/" + word)
				b.see("Sign out")
				if word == "" && n == 13 {
					b.small()
				}
				b.inspect("page-" + word)
				if _, err := b.js(`(document.querySelectorAll('details').forEach(d => d.open = true), '')`); err != nil {
					t.Fatal(err)
				}
				b.inspect("opened-" + word)
			}
		})
	}
}

// many makes so many apps and connections.
func (k *keepSite) many(n int) {
	k.t.Helper()
	names := []string{"Inkwell", "Ein Lesegerät mit einem ganz besonders langen Namen, der nicht in eine Zeile paßt", "قارئ المدونات ذو الاسم الطويل جدا",
		"Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft", "読書", "\u202ereversed"}
	states := []string{"ok", "failing", "dead", "forgetting"}
	for i := range n {
		app, name := fmt.Sprintf("https://app-%d.example/%s", i, strings.Repeat("long-path/", i%7)), names[i%len(names)]+" "+strconv.Itoa(i)
		used := time.Now().UTC().Add(-time.Duration(i*i*5) * time.Hour / 2).Format(time.DateTime)
		k.sql(`INSERT INTO grants (grant_id, me, client_id, scope, endpoint, created) VALUES (?, ?, ?, 'create update media read follow', 'x', ?)`,
			i+1, owned, app, used)
		k.sql(`INSERT INTO tokens (token_id, token_hash, auth_me, auth_client_id, auth_scope, created, last_use, grant_id)
			VALUES ('id' || ?1, 'h' || ?1, ?2, ?3, substr('create update media read follow channels', 1, 6 + (?1 % 3) * 7), datetime('now', '-60 days'), ?4, ?1)`,
			i+1, owned, app, used)
		k.sql(`INSERT INTO pages VALUES ('client', ?, ?, '2099-01-01 00:00:00', '2099-01-01 00:00:00')`, app, name)
		k.sql(`INSERT INTO connections (user_id, connection_name, provider_name, grant_type, token_kind, state, last_error, scope, created, updated, last_use)
			VALUES ('owner', ?1, 'club', 'authorization_code', 'oauth2', ?2, 'HTTP 400: invalid_grant', 'read write', ?3, ?3, ?3)`,
			name, states[i%len(states)], used)
		k.sql(`INSERT INTO events (at, event, client_id, connection) VALUES (?1, 'issued', ?2, NULL), (?1, ?3, NULL, 'owner/' || ?4)`,
			used, app, states[i%len(states)], name)
	}
	k.sql(`INSERT INTO resource_servers (name, secret_hash, created, resource) VALUES ('notes', 'x', '2026-01-01 00:00:00', 'https://notes.you.example/mcp')`)
}

// enter signs in to the owner's pages.
func (b *browser) enter(k *keepSite) {
	b.t.Helper()
	b.open(k.base + "/owner")
	b.see("there is no other password")
	b.press("Sign in as " + owned)
	b.see("Application:")
	b.password()
	b.see("Sign out")
}

// small asserts what 13 apps may take: 1,300 px on a desktop, 40 KB.
func (b *browser) small() {
	b.t.Helper()
	said, err := b.js(`document.documentElement.scrollHeight + ' ' + performance.getEntriesByType('navigation')[0].decodedBodySize`)
	var height, size int
	if _, scan := fmt.Sscan(said, &height, &size); err != nil || scan != nil || height > 1300 || size > 40<<10 || size == 0 {
		b.t.Errorf("13 apps: %s (height, bytes) %v", said, err)
	}
	b.t.Logf("13 apps take %d px and %d bytes", height, size)
}

// TestSettingsInBrowser: an owner with FTP alone changes settings, adds a site that
// checks access, and downloads a backup.
func TestSettingsInBrowser(t *testing.T) {
	for _, l := range looks() {
		t.Run(l.name, func(t *testing.T) {
			k := ownedSite(t, &demo.Selfauth{Me: owned, Password: "p", Key: "k"})
			b := newBrowser(t, l)
			k.serve()
			b.enter(k)
			b.press("Settings")
			b.see("A token ends unused after", "Default: 90d")
			b.inspect("settings")
			b.fill("#idle_lifetime", "3 weeks")
			b.fill("#direct", "off")
			b.press("Save")
			b.see("Not saved.")
			b.inspect("settings-fault")
			b.fill("#idle_lifetime", "21d")
			b.fill("#direct", "off")
			b.press("Save")
			b.see("Saved.")
			if got := k.ok("", "setting", "idle_lifetime") + k.ok("", "setting", "direct"); got != "21doff" {
				t.Errorf("settings: %q", got)
			}
			b.fill("#admin", owned)
			b.press("Add to admin")
			b.see("Saved.", "Remove")
			b.press("Sites and keys")
			b.see("Sites that check access")
			b.fill("#server", "notes")
			b.press("Add the site")
			b.see("Secret of notes")
			b.press("Settings")
			b.see("Your data")
			b.download(t)
		})
	}
}

// download takes the database as a file and looks into it.
func (b *browser) download(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	err := chromedp.Do(b.ctx, chromedp.Func(func(ctx context.Context, s *chromedp.Target) error {
		_, err := cdp.Call(ctx, s, cdpbrowser.SetDownloadBehavior, cdpbrowser.SetDownloadBehaviorParams{Behavior: "allow", DownloadPath: dir})
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
	b.on(`[...document.querySelectorAll('button')].find(e => e.innerText == 'Download the database')`, `e.click()`)
	var files []string
	for end := time.Now().Add(20 * time.Second); len(files) == 0 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		files, _ = filepath.Glob(filepath.Join(dir, "mintkeep-*.db"))
	}
	if len(files) != 1 {
		entries, _ := os.ReadDir(dir)
		t.Fatalf("no file was downloaded: %v", entries)
	}
	db, err := sql.Open("sqlite3", "file:"+files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var servers, sessions int
	if err := db.QueryRow(`SELECT (SELECT count(*) FROM resource_servers), (SELECT count(*) FROM sessions)`).Scan(&servers, &sessions); err != nil || servers != 1 || sessions != 0 {
		t.Errorf("the copy has %d sites and %d sessions: %v", servers, sessions, err)
	}
}
