package test

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Issue Release: from a database of every earlier schema to today's and back again, with the
// commands of docs/versions.md as printed. In between the program finds a schema that is too
// new for it, as an older one would.
func TestUpgradeAndBack(t *testing.T) {
	blocks := regexp.MustCompile(`(?m)(?:^ {4}.*\n)+`).FindAllString(readText(t, "../docs/versions.md"), -1)
	if len(blocks) != 2 {
		t.Fatalf("docs/versions.md has commands %q", blocks)
	}
	upgrade := strings.Replace(blocks[0], "\n", "\ncmp mintkeep/tokens.db original\n", 1) // a copy changes nothing
	back := strings.Replace(blocks[1], "    bin/mintkeep doctor", "cp mintkeep/tokens.db back.db\n    bin/mintkeep doctor", 1)
	for schema, file := range []string{mintokenFile, "../internal/store/testdata/schema1.sql", "../internal/store/testdata/schema2.sql"} {
		t.Run(fmt.Sprint("schema ", schema), func(t *testing.T) {
			a := upgraded{t, t.TempDir()}
			a.make(file)
			out, err := a.sh(upgrade)
			if err != nil || !strings.Contains(out, " live\n") {
				t.Errorf("the upgrade: %v\n%s", err, out)
			}
			a.version("before.db", schema)
			a.version("mintkeep/tokens.db", 3)
			a.sql("mintkeep/tokens.db", "PRAGMA user_version = 4")
			out, err = a.sh("bin/mintkeep token list -config public_html/auth/token.cgi")
			if err == nil || !strings.Contains(out, "hint: upload the newer program, or put back the copy made before it") {
				t.Errorf("a schema that is too new: %v\n%s", err, out)
			}
			a.version("mintkeep/tokens.db", 4)
			out, err = a.sh(back + "bin/mintkeep token list -config public_html/auth/token.cgi")
			if err != nil || !strings.Contains(out, "codes and sign-ins of before are refused") || !strings.Contains(out, " live\n") {
				t.Errorf("the way back: %v\n%s", err, out)
			}
			a.version("back.db", schema)
		})
	}
}

// An upgraded account has the folders that the README makes.
type upgraded struct {
	t   *testing.T
	dir string
}

// make fills it, with a database of before whose tokens are all but new.
func (a upgraded) make(file string) {
	a.t.Helper()
	config := "url: https://you.example/token\ndatabase: ../../mintkeep/tokens.db\n"
	out, err := a.sh("mkdir -p bin public_html/auth && mkdir -m 700 mintkeep && cp '" + released(a.t) + "' bin/mintkeep && cp bin/mintkeep mintkeep-linux-amd64\n" +
		"printf '" + config + "' > public_html/auth/token.cgi && umask 077 && : > mintkeep/tokens.db")
	if err != nil {
		a.t.Fatal(err, out)
	}
	a.sql("mintkeep/tokens.db", readText(a.t, file)+"; UPDATE tokens SET created = datetime('now', '-1 day')")
	if out, err := a.sh("cp mintkeep/tokens.db original"); err != nil {
		a.t.Fatal(err, out)
	}
}

// sh runs commands in the account and returns all that they print.
func (a upgraded) sh(commands string) (string, error) {
	c := exec.Command("sh", "-euc", commands)
	c.Dir, c.Env = a.dir, []string{"PATH=" + os.Getenv("PATH")}
	out, err := c.CombinedOutput()
	return string(out), err
}

func (a upgraded) sql(file, statements string) {
	a.t.Helper()
	db, err := sql.Open("sqlite3", filepath.Join(a.dir, file))
	if err == nil {
		defer db.Close()
		_, err = db.Exec(statements)
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a upgraded) version(file string, want int) {
	a.t.Helper()
	db, err := sql.Open("sqlite3", filepath.Join(a.dir, file))
	if err != nil {
		a.t.Fatal(err)
	}
	defer db.Close()
	got := 0
	if err := db.QueryRow(`PRAGMA user_version`).Scan(&got); err != nil || got != want {
		a.t.Errorf("%s has schema %d, want %d, %v", file, got, want, err)
	}
}
