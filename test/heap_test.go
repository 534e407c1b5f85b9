package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mintkeep/test/tools"
)

// What SQLite needs in a CGI process has a bound (docs/decisions, 8). The most work that
// one request can ask of it is to take over php-mintoken's database: every row is written
// and indexed. With a million tokens it stays below half of the bound.
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
	_, err = db.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
		INSERT INTO tokens (token_id, token_hash, auth_me, auth_client_id, auth_scope)
		SELECT lower(hex(randomblob(8))), lower(hex(randomblob(32))), 'HTTPS://You.example', 'https://app.example/' || i, 'create' FROM n`)
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	if out := cgiOnce(t, bin, database, "unknown", nil); !strings.Contains(out, "401") || !strings.Contains(out, "invalid_token") {
		t.Errorf("the request that takes the database over is answered with\n%s", out)
	}
	db = openDatabase(t, database)
	if n := value[int](t, db, `SELECT count(*) FROM tokens WHERE auth_me = 'https://you.example/'`); n < 1_000_000 {
		t.Errorf("%d tokens were taken over", n)
	}
}
