package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// options make a new database of the program's schema, as init does.
func options(t *testing.T) Options {
	t.Helper()
	schema, err := os.ReadFile("../../schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	return Options{Path: filepath.Join(t.TempDir(), "tokens.db"), Schema: string(schema), Now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC),
		LongRunning: true, Create: Always, CanonicalURL: func(u string) (string, error) { return strings.ToLower(u), nil }}
}

// A database that is taken away from a running process is not made again, empty:
// every token would be unknown.
func TestDatabaseTakenAway(t *testing.T) {
	o := options(t)
	db, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetConnMaxLifetime(time.Nanosecond) // each statement on a connection of its own
	if err := os.Rename(o.Path, o.Path+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := userVersion(t.Context(), db); !IsTransient(err) {
		t.Errorf("without the file: %v", err)
	}
	if _, err := os.Stat(o.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was made again: %v", err)
	}
	os.Rename(o.Path+".away", o.Path)
	if v, err := userVersion(t.Context(), db); err != nil || v != SchemaVersion {
		t.Errorf("with it: %d, %v", v, err)
	}
}
