package main

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const many = 50 // processes at once

// One code redeemed by many processes at once: one token, and the others end
// it, because one of those who hold the code stole it (interface 5).
func TestOneCodeManyProcesses(t *testing.T) {
	h := newTestHost(t, compiled(t), "cgi")
	h.mustRun(t, "init", "-config", h.config())
	requests := make([]*wireRequest, many)
	code, client := h.code()
	for i := range requests {
		requests[i] = redemption(code, client)
	}
	answers := h.atOnce(t, requests)
	if got, want := statuses(answers), "1×200 49×400"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	for _, a := range answers {
		if e, _ := a.member("error"); a.status == http.StatusBadRequest && e != "invalid_grant" {
			t.Errorf("refused with %s", a.body)
		}
		if a.status == http.StatusOK && h.verifies(t, a.pair().access) {
			t.Error("the token of a code that came again still lives")
		}
		if a.status == http.StatusOK && h.mustDo(t, refreshing(a.pair().refresh)).status != http.StatusBadRequest {
			t.Error("its refresh token does")
		}
	}
	h.mustBeWhole(t)
}

// Selfauth confirms many spellings of a code; to the ledger they are one.
func TestSpellingsOfOneCode(t *testing.T) {
	spellings := func(code string) []string {
		first, rest, _ := strings.Cut(code, ":")
		_, third, _ := strings.Cut(rest, ":")
		dotted := strings.TrimSuffix(code, third) + third[:2] + "." + third[2:]
		return []string{"0" + code, "000" + code, code + "=", code + "!", dotted, strings.ToUpper(first) + ":" + rest}
	}
	h := newTestHost(t, compiled(t), "cgi")
	h.mustRun(t, "init", "-config", h.config())
	code, client := h.code()
	for i := range spellings(code) {
		code, client := h.code()
		spelling := spellings(code)[i]
		first := h.mustDo(t, redemption(code, client))
		again := h.mustDo(t, redemption(spelling, client))
		if first.status != http.StatusOK || again.status != http.StatusBadRequest {
			t.Errorf("…%s: %d, then %s: %d", code[66:], first.status, spelling, again.status)
		}
		if h.verifies(t, first.pair().access) {
			t.Errorf("the token survived that its code came again as %s", spelling)
		}
	}
	var requests []*wireRequest
	for _, spelling := range append(spellings(code), code) {
		requests = append(requests, redemption(spelling, client))
	}
	answers := h.atOnce(t, requests)
	if got, want := statuses(answers), "1×200 6×400"; got != want {
		t.Errorf("all spellings at once: %s, want %s", got, want)
	}
	if n := h.auth.Checks.Load(); n < int64(len(spellings(code))) {
		t.Errorf("Selfauth was asked %d times: it would not have confirmed these spellings", n)
	}
}

// One refresh token used by many processes at once: one rotation, and all get
// the same two tokens, byte for byte.
func TestOneRefreshManyProcesses(t *testing.T) {
	h := newTestHost(t, compiled(t), "cgi")
	h.mustRun(t, "init", "-config", h.config())
	held := h.mustRedeem(t)
	requests := make([]*wireRequest, many)
	for i := range requests {
		requests[i] = refreshing(held.refresh)
	}
	answers := h.atOnce(t, requests)
	if got, want := statuses(answers), "50×200"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	for _, a := range answers {
		if a.body != answers[0].body {
			t.Errorf("answers differ: %s and %s", a.body, answers[0].body)
		}
	}
	db := h.open(t)
	if n := value[int](t, db, `SELECT count(*) FROM events WHERE event = 'refreshed'`); n != 1 {
		t.Errorf("%d rotations", n)
	}
	if n := value[int](t, db, `SELECT count(*) FROM tokens`); n != 2 {
		t.Errorf("%d access tokens, want the old and the new", n)
	}
	next := answers[0].pair()
	if next.access == held.access || !h.verifies(t, next.access) || !h.verifies(t, held.access) {
		t.Error("the new token or, for 30 seconds, the old one is dead")
	}
	if a := h.mustDo(t, refreshing(next.refresh)); a.status != http.StatusOK {
		t.Errorf("the new refresh token: %d %s", a.status, a.body)
	}
	h.mustBeWhole(t)
}

// Reuse after 30 seconds, also by many at once: while the successor was never
// used one rotation replaces it, once it was used the family is revoked. Here
// the clock stands still and the row is made older.
func TestLateReuseManyProcesses(t *testing.T) {
	h := newTestHost(t, compiled(t), "cgi")
	h.mustRun(t, "init", "-config", h.config())
	db := h.open(t)
	age := func() {
		old := time.Now().UTC().Add(-time.Minute).Format(time.DateTime)
		if _, err := db.Exec(`UPDATE refresh_tokens SET rotated = ? WHERE rotated IS NOT NULL`, old); err != nil {
			t.Fatal(err)
		}
	}
	first := h.mustRedeem(t)
	lost := h.mustDo(t, refreshing(first.refresh)).pair() // the answer that never arrived
	age()
	requests := make([]*wireRequest, many)
	for i := range requests {
		requests[i] = refreshing(first.refresh)
	}
	answers := h.atOnce(t, requests)
	if got, want := statuses(answers), "50×200"; got != want {
		t.Fatalf("the successor unused: %s, want %s", got, want)
	}
	second := answers[0].pair()
	for _, a := range answers {
		if a.pair() != second {
			t.Error("answers differ")
		}
	}
	if second == lost || h.verifies(t, lost.access) || !h.verifies(t, second.access) {
		t.Error("the unused successor lives, or what replaced it does not")
	}
	third := h.mustDo(t, refreshing(second.refresh)).pair() // now it was used
	age()
	if got, want := statuses(h.atOnce(t, requests)), "50×400"; got != want {
		t.Errorf("the successor used: %s, want %s", got, want)
	}
	if h.verifies(t, third.access) || h.mustDo(t, refreshing(third.refresh)).status != http.StatusBadRequest {
		t.Error("the family lives")
	}
	h.mustBeWhole(t)
}

// Many processes create the database at once, under the usual umask.
// A database that is taken away from a running process is not made again, empty:
// every token would be unknown.
func TestDatabaseTakenAway(t *testing.T) {
	c := &config{database: filepath.Join(t.TempDir(), "tokens.db"), journal: "rollback"}
	db, err := openDatabase(t.Context(), c, opening{now: time.Now(), longRunning: true, create: always})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetConnMaxLifetime(time.Nanosecond) // each statement on a connection of its own
	if err := os.Rename(c.database, c.database+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := userVersion(t.Context(), db); !unavailable(err) {
		t.Errorf("without the file: %v", err)
	}
	if _, err := os.Stat(c.database); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was made again: %v", err)
	}
	os.Rename(c.database+".away", c.database)
	if v, err := userVersion(t.Context(), db); err != nil || v != schemaVersion {
		t.Errorf("with it: %d, %v", v, err)
	}
}

func TestCreatingManyProcesses(t *testing.T) {
	h := newTestHost(t, compiled(t), "cgi")
	requests := make([]*wireRequest, 20)
	for i := range requests {
		requests[i] = redemption(h.code())
	}
	if got, want := statuses(h.atOnce(t, requests)), "20×200"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if info, err := os.Stat(h.path("mintkeep/tokens.db")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	h.mustBeWhole(t)
}

// php-mintoken's database: many processes race to upgrade it, each with a
// request that counts.
func TestUpgradeManyProcesses(t *testing.T) {
	tokens, err := mintokenTokens()
	if err != nil {
		t.Fatal(err)
	}
	h := newTestHost(t, compiled(t), "cgi")
	h.load(t, mintokenFile)
	requests := make([]*wireRequest, 20)
	for i := range requests {
		requests[i] = get(tokens["LIVE"])
		if i%2 == 1 {
			requests[i] = redemption(h.code())
		}
	}
	if got, want := statuses(h.atOnce(t, requests)), "20×200"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	h.mustBeWhole(t)
	db := h.open(t)
	if n := value[int](t, db, `SELECT count(*) FROM events WHERE event = 'upgraded'`); n != 1 {
		t.Errorf("upgraded %d times", n)
	}
	if n := value[int](t, db, `SELECT count(*) FROM tokens`); n != 4+10 {
		t.Errorf("%d tokens", n)
	}
	for name, live := range map[string]bool{"LIVE": true, "LASTING": true, "EXPIRED": false, "REVOKED": false} {
		if h.verifies(t, tokens[name]) != live {
			t.Errorf("%s: live is not %v", name, live)
		}
	}
	fresh := newTestHost(t, compiled(t), "cgi")
	fresh.mustRun(t, "init", "-config", fresh.config())
	if got, want := shapeOf(t, db), shapeOf(t, fresh.open(t)); got != want {
		t.Errorf("after the upgrade the tables are\n%s\nthose of a new database\n%s", got, want)
	}
}

// The sqlite3 shell makes the same database from schema.sql, and adds an
// endpoint to an upgraded one as php-mintoken's readme says.
func TestSQLiteShell(t *testing.T) {
	shell := systemTool(t, "sqlite3", "sqlite3")
	h := newTestHost(t, compiled(t), "cgi")
	file := h.path("mintkeep/tokens.db")
	runTool(t, ".", shell, file, ".read schema.sql")
	fresh := newTestHost(t, compiled(t), "cgi")
	fresh.mustRun(t, "init", "-config", fresh.config())
	if got, want := shapeOf(t, h.open(t)), shapeOf(t, fresh.open(t)); got != want {
		t.Errorf("sqlite3 makes\n%s\ninit makes\n%s", got, want)
	}

	old := newTestHost(t, compiled(t), "cgi")
	old.load(t, mintokenFile)
	if err := old.configure("database: ../../mintkeep/tokens.db"); err != nil {
		t.Fatal(err)
	}
	code, client := old.code()
	if a := old.mustDo(t, redemption(code, client)); a.status != http.StatusServiceUnavailable {
		t.Errorf("with no endpoint: %d", a.status)
	}
	runTool(t, ".", shell, old.path("mintkeep/tokens.db"), `INSERT INTO settings VALUES ('endpoint', '`+old.authURL+`');`)
	if a := old.mustDo(t, redemption(code, client)); a.status != http.StatusOK {
		t.Errorf("with the endpoint: %d %s", a.status, a.body)
	}
}

// php-mintoken's first versions had no last_use.
func TestOldestMintoken(t *testing.T) {
	tokens, err := mintokenTokens()
	if err != nil {
		t.Fatal(err)
	}
	h := newTestHost(t, compiled(t), "cgi")
	h.load(t, mintokenFile)
	if _, err := h.open(t).Exec(`ALTER TABLE tokens DROP COLUMN last_use`); err != nil {
		t.Fatal(err)
	}
	if !h.verifies(t, tokens["LIVE"]) || h.verifies(t, tokens["REVOKED"]) {
		t.Error("tokens are not what they were")
	}
}

// load makes the database from a file of SQL.
func (h *testHost) load(t testing.TB, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.open(t).Exec(string(text)); err != nil {
		t.Fatal(err)
	}
}

// shapeOf lists tables, columns and indexes, whatever their order and spelling.
func shapeOf(t testing.TB, db *sql.DB) string {
	t.Helper()
	rows, err := db.Query(`SELECT m.type, m.name, c.name FROM sqlite_schema m LEFT JOIN pragma_table_info(m.name) c
		WHERE m.name NOT LIKE 'sqlite_%' ORDER BY 1, 2, 3`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		var kind, name string
		var column sql.NullString
		if err := rows.Scan(&kind, &name, &column); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, kind, name, column.String)
	}
	fmt.Fprintln(&b, "version", value[int](t, db, `PRAGMA user_version`))
	return b.String()
}
