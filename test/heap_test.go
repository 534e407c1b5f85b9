package test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mintkeep/internal/page"
	"mintkeep/test/tools"
)

// What SQLite needs in a CGI process has a bound (docs/decisions, 8). The most work that
// one request can ask of it is to take over php-mintoken's database, where every row is
// written and indexed, and to make a copy of the largest database that is handed out.
func TestHeap(t *testing.T) {
	tools.Long(t)
	bin := filepath.Join(builds(t), "mintkeep")
	database := filepath.Join(t.TempDir(), "tokens.db")
	old, err := os.ReadFile(mintokenFile)
	if err != nil {
		t.Fatal(err)
	}
	db := openDatabase(t, database)
	if _, err := db.Exec(string(old)); err != nil {
		t.Fatal(err)
	}
	fill := func(n int) {
		t.Helper()
		_, err := db.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
			INSERT INTO tokens (token_id, token_hash, auth_me, auth_client_id, auth_scope)
			SELECT lower(hex(randomblob(8))), lower(hex(randomblob(32))), 'HTTPS://You.example', 'https://app.example/', 'create' FROM n`, n)
		if err != nil {
			t.Fatal(err)
		}
	}
	fill(1_000_000)
	if out := cgiOnce(t, bin, database, "unknown", nil); !strings.Contains(out, "401") || !strings.Contains(out, "invalid_token") {
		t.Errorf("the request that takes the database over is answered with\n%s", out)
	}
	if n := value[int](t, db, `SELECT count(*) FROM tokens WHERE auth_me = 'https://you.example/'`); n < 1_000_000 {
		t.Errorf("%d tokens were taken over", n)
	}
	if _, err := db.Exec(`DELETE FROM tokens; VACUUM`); err != nil {
		t.Fatal(err)
	}
	fill(115_000) // 31 MB
	if out := downloadByCGI(t, bin, database); !strings.HasPrefix(out, "Status: 200") || !strings.Contains(out, "SQLite format 3") || len(out) < 28<<20 {
		t.Errorf("the download, %d bytes: %.500s", len(out), out)
	}
}

// downloadByCGI asks a CGI process for the copy of the database, as an owner who has
// just signed in.
func downloadByCGI(t *testing.T, bin, database string) string {
	t.Helper()
	const base, session = "https://you.example/auth/token.cgi", "a session"
	hash, now := sha256.Sum256([]byte(session)), time.Now().UTC().Format(time.DateTime)
	_, err := openDatabase(t, database).Exec(`INSERT INTO sessions VALUES (?, 'https://you.example/', '', ?, ?, '9999-12-31 00:00:00');
		INSERT OR REPLACE INTO settings VALUES ('me', 'https://you.example/')`, hex.EncodeToString(hash[:]), now, now)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin)
	cmd.Env = append(cgiEnv(database, ""), "REQUEST_METHOD=POST", "PATH_INFO=/owner/download", "REQUEST_URI=/auth/token.cgi/owner/download",
		"HTTPS=on", "MINTKEEP_URL="+base, "CONTENT_TYPE=application/x-www-form-urlencoded", "CONTENT_LENGTH=0",
		"HTTP_AUTHORIZATION=", "HTTP_COOKIE="+page.CookieName(base, page.SessionCookie)+"="+session)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
