package store

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"
)

// made is a database file that another program made of a file of SQL.
func made(t *testing.T, o Options, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.Path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	execute(t, o.Path, string(text))
}

func execute(t *testing.T, path, statements string) {
	t.Helper()
	db, err := OpenAsIs(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statements); err != nil {
		t.Fatal(err)
	}
}

// opened is the database after Open, and closed at the end of the test.
func opened(t *testing.T, o Options) *sql.DB {
	t.Helper()
	db, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// shape lists the columns of every table and the names of the indexes.
func shape(t *testing.T, db Querier) string {
	t.Helper()
	line := func(scan func(...any) error) (s string, err error) {
		err = scan(&s)
		return s, err
	}
	lines, err := List(context.Background(), db, "reading the schema", line,
		`SELECT m.type || ' ' || m.name || ' ' || coalesce(c.name, '') FROM sqlite_schema m LEFT JOIN pragma_table_info(m.name) c ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func TestStepsLeadToTheVersion(t *testing.T) {
	if len(steps()) != SchemaVersion {
		t.Errorf("%d steps, and version %d", len(steps()), SchemaVersion)
	}
	o := options(t)
	if v, err := userVersion(t.Context(), opened(t, o)); err != nil || v != SchemaVersion {
		t.Errorf("schema.sql sets version %d, %v", v, err)
	}
}

// Every database of before becomes one of today, with its rows.
func TestUpgrade(t *testing.T) {
	fresh := shape(t, opened(t, options(t)))
	rows := map[string]int{"tokens": 1, "grants WHERE resource = ''": 1, "settings": 2, "resource_servers WHERE scope = ''": 1, "providers": 1,
		"connections WHERE lifetime = 0": 1, "events": 1}
	for _, test := range []struct {
		name, file string
		rows       map[string]int
	}{
		{"php-mintoken", "../../test/testdata/mintoken.sql", map[string]int{"tokens": 4, "events WHERE event = 'upgraded'": 1}},
		{"schema 1", "testdata/schema1.sql", rows},
		{"schema 2", "testdata/schema2.sql", rows},
		{"schema 3", "testdata/schema3.sql", rows}, // that of 1.0: schema.sql cannot change without a step
	} {
		for _, longRunning := range []bool{false, true} {
			t.Run(fmt.Sprint(test.name, " ", longRunning), func(t *testing.T) {
				o := options(t)
				o.LongRunning, o.Create = longRunning, Never
				made(t, o, test.file)
				db := opened(t, o)
				if got := shape(t, db); got != fresh {
					t.Errorf("the tables are\n%s\nthose of a new database\n%s", got, fresh)
				}
				if _, err := db.Exec(`INSERT INTO providers (provider_name, auth_style, created, updated) VALUES ('raw', 'header-raw', '', '')`); err != nil {
					t.Error(err)
				} else if _, err := db.Exec(`DELETE FROM providers WHERE provider_name = 'raw'`); err != nil {
					t.Error(err)
				}
				for table, want := range test.rows {
					n := 0
					if err := db.QueryRow(`SELECT count(*) FROM ` + table).Scan(&n); err != nil || n != want {
						t.Errorf("%d rows in %s, want %d, %v", n, table, want, err)
					}
				}
			})
		}
	}
}

// What is not ours, or newer than this program, stays as it is.
func TestUpgradeRefused(t *testing.T) {
	next := fmt.Sprintf("PRAGMA user_version = %d", SchemaVersion+1)
	for name, test := range map[string]struct{ statements, want string }{
		"the next version":     {"CREATE TABLE tokens (token_id); CREATE TABLE settings (setting_name); " + next, "newer mintkeep (schema 4, this one knows 3)"},
		"nothing but a number": {next, "newer mintkeep"},
		"another program's":    {"CREATE TABLE wp_posts (id)", "not a database of mintkeep or php-mintoken"},
		"a negative version":   {"CREATE TABLE wp_posts (id); PRAGMA user_version = -3", "not a database of mintkeep or php-mintoken"},
		"an empty file":        {"", "the file is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			o.Create = Never
			if err := os.WriteFile(o.Path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			execute(t, o.Path, test.statements)
			before, _ := os.ReadFile(o.Path)
			if db, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), test.want) {
				db.Close()
				t.Errorf("%v", err)
			}
			if after, _ := os.ReadFile(o.Path); string(after) != string(before) {
				t.Error("the file was changed")
			}
		})
	}
}
