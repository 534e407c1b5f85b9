package test

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"mintkeep/test/tools"
	"mintkeep/test/wire"
)

const many = 50 // processes at once

// One code redeemed by many processes at once: one token, and the others end
// it, because one of those who hold the code stole it.
func TestOneCodeManyProcesses(t *testing.T) {
	h := newTestHost(t, released(t), "cgi")
	h.mustRun(t, "init", "-config", h.config())
	requests := make([]*wire.Request, many)
	code, client := h.code()
	for i := range requests {
		requests[i] = redemption(code, client)
	}
	answers := h.atOnce(t, requests)
	if got, want := statuses(answers), "1×200 49×400"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	for _, a := range answers {
		if e, _ := a.Member("error"); a.Status == http.StatusBadRequest && e != "invalid_grant" {
			t.Errorf("refused with %s", a.Body)
		}
		if a.Status == http.StatusOK && h.verifies(t, pairOf(a).access) {
			t.Error("the token of a code that came again still lives")
		}
		if a.Status == http.StatusOK && h.mustDo(t, refreshing(pairOf(a).refresh)).Status != http.StatusBadRequest {
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
	h := newTestHost(t, released(t), "cgi")
	h.mustRun(t, "init", "-config", h.config())
	code, client := h.code()
	for i := range spellings(code) {
		code, client := h.code()
		spelling := spellings(code)[i]
		first := h.mustDo(t, redemption(code, client))
		again := h.mustDo(t, redemption(spelling, client))
		if first.Status != http.StatusOK || again.Status != http.StatusBadRequest {
			t.Errorf("…%s: %d, then %s: %d", code[66:], first.Status, spelling, again.Status)
		}
		if h.verifies(t, pairOf(first).access) {
			t.Errorf("the token survived that its code came again as %s", spelling)
		}
	}
	var requests []*wire.Request
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
	h := newTestHost(t, released(t), "cgi")
	h.mustRun(t, "init", "-config", h.config())
	held := h.mustRedeem(t)
	requests := make([]*wire.Request, many)
	for i := range requests {
		requests[i] = refreshing(held.refresh)
	}
	answers := h.atOnce(t, requests)
	if got, want := statuses(answers), "50×200"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	for _, a := range answers {
		if a.Body != answers[0].Body {
			t.Errorf("answers differ: %s and %s", a.Body, answers[0].Body)
		}
	}
	db := h.open(t)
	if n := value[int](t, db, `SELECT count(*) FROM events WHERE event = 'refreshed'`); n != 1 {
		t.Errorf("%d rotations", n)
	}
	if n := value[int](t, db, `SELECT count(*) FROM tokens`); n != 2 {
		t.Errorf("%d access tokens, want the old and the new", n)
	}
	next := pairOf(answers[0])
	if next.access == held.access || !h.verifies(t, next.access) || !h.verifies(t, held.access) {
		t.Error("the new token or, for 30 seconds, the old one is dead")
	}
	if a := h.mustDo(t, refreshing(next.refresh)); a.Status != http.StatusOK {
		t.Errorf("the new refresh token: %d %s", a.Status, a.Body)
	}
	h.mustBeWhole(t)
}

// Reuse after 30 seconds, also by many at once: while the successor was never
// used one rotation replaces it, once it was used the family is revoked. Here
// the clock stands still and the row is made older.
func TestLateReuseManyProcesses(t *testing.T) {
	h := newTestHost(t, released(t), "cgi")
	h.mustRun(t, "init", "-config", h.config())
	db := h.open(t)
	age := func() {
		old := time.Now().UTC().Add(-time.Minute).Format(time.DateTime)
		if _, err := db.Exec(`UPDATE refresh_tokens SET rotated = ? WHERE rotated IS NOT NULL`, old); err != nil {
			t.Fatal(err)
		}
	}
	first := h.mustRedeem(t)
	lost := pairOf(h.mustDo(t, refreshing(first.refresh))) // the answer that never arrived
	age()
	requests := make([]*wire.Request, many)
	for i := range requests {
		requests[i] = refreshing(first.refresh)
	}
	answers := h.atOnce(t, requests)
	if got, want := statuses(answers), "50×200"; got != want {
		t.Fatalf("the successor unused: %s, want %s", got, want)
	}
	second := pairOf(answers[0])
	for _, a := range answers {
		if pairOf(a) != second {
			t.Error("answers differ")
		}
	}
	// Whoever used the killed token now would end the family (E4), so it is not presented.
	live := value[int](t, db, `SELECT count(*) FROM tokens WHERE revoked IS NULL`)
	if second == lost || live != 1 || !h.verifies(t, second.access) {
		t.Errorf("the unused successor lives, or what replaced it does not: %d tokens live", live)
	}
	third := pairOf(h.mustDo(t, refreshing(second.refresh))) // now it was used
	age()
	if got, want := statuses(h.atOnce(t, requests)), "50×400"; got != want {
		t.Errorf("the successor used: %s, want %s", got, want)
	}
	if h.verifies(t, third.access) || h.mustDo(t, refreshing(third.refresh)).Status != http.StatusBadRequest {
		t.Error("the family lives")
	}
	h.mustBeWhole(t)
}

// Many processes create the database at once, under the usual umask.
func TestCreatingManyProcesses(t *testing.T) {
	h := newTestHost(t, released(t), "cgi")
	requests := make([]*wire.Request, 20)
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
	h := newTestHost(t, released(t), "cgi")
	h.load(t, mintokenFile)
	requests := make([]*wire.Request, 20)
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
	fresh := newTestHost(t, released(t), "cgi")
	fresh.mustRun(t, "init", "-config", fresh.config())
	if got, want := shapeOf(t, db), shapeOf(t, fresh.open(t)); got != want {
		t.Errorf("after the upgrade the tables are\n%s\nthose of a new database\n%s", got, want)
	}
}

// The sqlite3 shell makes the same database from schema.sql, and adds an
// endpoint to an upgraded one as php-mintoken's readme says.
func TestSQLiteShell(t *testing.T) {
	shell := tools.Path(t, "sqlite3", "sqlite3")
	h := newTestHost(t, released(t), "cgi")
	file := h.path("mintkeep/tokens.db")
	runTool(t, ".", shell, file, ".read ../schema.sql")
	fresh := newTestHost(t, released(t), "cgi")
	fresh.mustRun(t, "init", "-config", fresh.config())
	if got, want := shapeOf(t, h.open(t)), shapeOf(t, fresh.open(t)); got != want {
		t.Errorf("sqlite3 makes\n%s\ninit makes\n%s", got, want)
	}

	old := newTestHost(t, released(t), "cgi")
	old.load(t, mintokenFile)
	if err := old.configure("database: ../../mintkeep/tokens.db"); err != nil {
		t.Fatal(err)
	}
	code, client := old.code()
	if a := old.mustDo(t, redemption(code, client)); a.Status != http.StatusServiceUnavailable {
		t.Errorf("with no endpoint: %d", a.Status)
	}
	runTool(t, ".", shell, old.path("mintkeep/tokens.db"), `INSERT INTO settings VALUES ('endpoint', '`+old.authURL+`');`)
	if a := old.mustDo(t, redemption(code, client)); a.Status != http.StatusOK {
		t.Errorf("with the endpoint: %d %s", a.Status, a.Body)
	}
}

// php-mintoken's first versions had no last_use.
func TestOldestMintoken(t *testing.T) {
	tokens, err := mintokenTokens()
	if err != nil {
		t.Fatal(err)
	}
	h := newTestHost(t, released(t), "cgi")
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
