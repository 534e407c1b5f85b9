package owner_test

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/config"
	"mintkeep/internal/oauth"
)

// settingsHouse has a table of settings like the program's; me and admin count, and an
// endpoint and a `me` stand in the configuration file.
func settingsHouse(t *testing.T) *house {
	h := newHouse(t)
	url := func(s config.Setting) config.Setting {
		s.Row, s.Many, s.Check, s.Canonical = true, true, config.CheckURL, oauth.CanonicalURL
		return s
	}
	h.Table = config.Table{
		url(config.Setting{Name: "endpoint", Files: func(c *config.Config) *[]string { return &c.Endpoints }}),
		url(config.Setting{Name: "me", Files: func(c *config.Config) *[]string { return &c.Me }}),
		url(config.Setting{Name: "admin", DefaultNote: "the only me"}),
		{Name: "idle_lifetime", Title: "A token ends unused after", Row: true, Default: "90d", Check: config.CheckDuration},
		{Name: "direct", Row: true, Default: "on", Options: []string{"on", "off"}},
	}
	h.Config.File, h.Config.URL, h.Config.Me, h.Config.Endpoints = "/home/jane/auth/token.cgi", h.In.URL, []string{jane}, h.settings.Endpoints
	h.Parse = func(rows []config.Row) (*grant.Settings, error) {
		v, _, err := h.Table.Parse(rows, h.Config)
		if err != nil {
			return nil, err
		}
		st := &grant.Settings{Endpoints: v["endpoint"], Me: v["me"], Admins: v["admin"]}
		if len(st.Admins) == 0 && len(st.Me) == 1 {
			st.Admins = st.Me
		}
		return st, nil
	}
	return h
}

func (h *house) row(name string) (value string) {
	h.t.Helper()
	if err := h.In.Grants.DB.QueryRow(`SELECT coalesce(group_concat(setting_value), '') FROM settings WHERE setting_name = ?`, name).Scan(&value); err != nil {
		h.t.Fatal(err)
	}
	return value
}

func TestSettings(t *testing.T) {
	h := settingsHouse(t)
	v := h.signedIn(jane)
	here := h.In.Authorize.OwnerClient() + "/settings"
	s := v.get("/settings").shows(t, 200, "A token ends unused after", "Default: 90d", "from token.cgi", "mintkeep.key")
	valid(t, s)
	v.post("/settings", "do", "save", "idle_lifetime", "60d", "direct", "off").leads(t, here+"?done=yes")
	if h.row("idle_lifetime") != "60d" || h.row("direct") != "off" {
		t.Error("not saved")
	}
	valid(t, v.get("/settings?done=yes").shows(t, 200, "Saved."))
	valid(t, v.post("/settings", "do", "save", "idle_lifetime", "3 weeks", "direct", "on").shows(t, 400, "Not saved.", "write 90s"))
	if h.row("direct") != "off" {
		t.Error("half of it was saved")
	}
	v.post("/settings", "do", "save", "idle_lifetime", "90d", "direct", "maybe").shows(t, 400, "Not saved.")
	v.post("/settings", "do", "save", "idle_lifetime", "90d").leads(t, here+"?done=yes")
	if h.row("idle_lifetime") != "" {
		t.Error("a default has a row")
	}
	v.get("/log").shows(t, 200, "changed a setting", "idle_lifetime: 60d, before 90d")
	v.post("/settings", "do", "add", "name", "database", "value", "/x").shows(t, 400)
	v.post("/settings").shows(t, 400)
	for range 50 {
		h.exec(`INSERT INTO settings VALUES ('endpoint', 'https://' || hex(randomblob(8)) || '.example/')`)
	}
	v.post("/settings", "do", "add", "name", "endpoint", "value", "https://other.example/").shows(t, 400, "50 already")
}

// Nothing that somebody changes locks them out: a second person makes the first one an
// administrator by name, and the last one and the last sign-in page stay.
func TestSettingsKeepTheAdministrator(t *testing.T) {
	h := settingsHouse(t)
	v := h.signedIn(jane)
	v.post("/settings", "do", "add", "name", "me", "value", joe)
	if h.row("me") != joe || h.row("admin") != jane {
		t.Errorf("me %q, admin %q", h.row("me"), h.row("admin"))
	}
	v.post("/settings", "do", "add", "name", "admin", "value", joe)
	v.post("/settings", "do", "remove", "name", "admin", "value", jane).shows(t, 400, "stay an administrator")
	v.post("/settings", "do", "remove", "name", "admin", "value", joe)
	v.post("/settings", "do", "remove", "name", "me", "value", jane).shows(t, 400, "not in the database") // it stands in the file
	if h.row("admin") != jane {
		t.Errorf("admin %q", h.row("admin"))
	}
	endpoint := h.Config.Endpoints[0]
	h.Config.Endpoints = nil
	h.exec(`INSERT INTO settings VALUES ('endpoint', ?)`, endpoint)
	v.post("/settings", "do", "remove", "name", "endpoint", "value", endpoint).shows(t, 400, "nobody could sign in")
	v.post("/settings", "do", "add", "name", "endpoint", "value", h.In.URL+"/authorize").shows(t, 400, "is this token endpoint") // F1, F2
	if h.row("endpoint") != endpoint {
		t.Errorf("endpoint %q", h.row("endpoint"))
	}
}

// Cases F1, F2: a sign-in page that is never asked is reported here, too.
func TestSettingsReportWhatIsRefused(t *testing.T) {
	h := settingsHouse(t)
	v := h.signedIn(jane)
	v.get("/settings").shows(t, 200).hides(t, "is not asked")
	h.set(func(st *grant.Settings) { st.Refused = errors.New("the setting endpoint: this is the token endpoint") })
	valid(t, v.get("/settings").shows(t, 200, "A sign-in page is not asked.", "this is the token endpoint"))
}

// A browser that was left open is not enough.
func TestSettingsNeedAFreshSignIn(t *testing.T) {
	h := settingsHouse(t)
	v, w := h.signedIn(jane), h.signedIn(joe)
	w.get("/settings").shows(t, 404)
	w.post("/download").shows(t, 404)
	h.pass(10 * time.Minute)
	v.get("/settings").shows(t, 200, "Sign in again")
	for _, address := range []string{"/settings", "/download"} {
		valid(t, v.post(address, "do", "save", "idle_lifetime", "60d").shows(t, 403, "last 10 minutes", "Sign in again"))
	}
	if h.row("idle_lifetime") != "" {
		t.Error("changed")
	}
	v.get(v.toCallback(jane, "settings").String()).leads(t, h.In.Authorize.OwnerClient()+"/settings")
	v.post("/settings", "do", "save", "idle_lifetime", "60d")
	if h.row("idle_lifetime") != "60d" {
		t.Error("not changed")
	}
}

// The copy has what belongs to the owner and nothing of what is under way, and nothing
// of it stays on the disk, not even what a killed process left.
func TestDownload(t *testing.T) {
	h := settingsHouse(t)
	h.mint(jane, app, "create")
	v := h.signedIn(jane)
	h.exec(`INSERT INTO codes (code_hash, grant_id, redirect_uri, challenge, created) VALUES ('remembered-code', 1, '', '', '')`)
	killed := h.Config.Database + ".download-999999999-x"
	same := h.Config.Database + ".download-" + strconv.Itoa(os.Getpid()) + "-x" // in a container every process has the same id
	for _, file := range []string{killed, same} {
		if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chtimes(file, time.Time{}, time.Now().Add(-time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
	s := v.post("/download")
	if s.StatusCode != 200 || !strings.Contains(s.Header.Get("Content-Disposition"), "mintkeep-2026-07-01.db") || s.ContentLength != int64(len(s.text)) {
		t.Fatalf("%d %v", s.StatusCode, s.Header)
	}
	if left, _ := filepath.Glob(h.Config.Database + ".download-*"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	var hash string
	if err := h.In.Grants.DB.QueryRow(`SELECT session_hash FROM sessions`).Scan(&hash); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains([]byte(s.text), []byte(hash)) || strings.Contains(s.text, "remembered-code") {
		t.Error("the copy holds a session or a code")
	}
	file := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(file, []byte(s.text), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite3", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	h.exec(`INSERT INTO events (at, event, detail) VALUES ('2026-07-01 12:00:00', 'issued', zeroblob(34000000))`)
	v.post("/download").shows(t, 409, "the database has 32 MB")
	for query, want := range map[string]int{`SELECT count(*) FROM tokens`: 1, `SELECT count(*) FROM sessions`: 0, `SELECT count(*) FROM codes`: 0,
		`SELECT count(*) FROM authorizations`: 0, `SELECT count(*) FROM flows`: 0} {
		var n int
		if err := db.QueryRow(query).Scan(&n); err != nil || n != want {
			t.Errorf("%s: %d %v", query, n, err)
		}
	}
}
