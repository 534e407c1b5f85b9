package main

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"
)

//go:embed schema.sql
var schema string

// schemaVersion is the user_version that schema.sql sets.
const schemaVersion = 1

// connLife bounds how long a process that stays goes on with a connection. One
// that was opened while the disk was read-only could never write, and one to a
// file that the owner has replaced would go on reading the old one.
const connLife = 10 * time.Second

// openDatabase opens an existing database and brings it up to date. create
// tells whether a missing file may be made.
func openDatabase(ctx context.Context, c *config, longRunning, create bool) (*sql.DB, error) {
	if err := ensureFile(c, create); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite3", dsn(c, longRunning))
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", c.database, err)
	}
	if !longRunning {
		db.SetMaxOpenConns(1)
	} else {
		db.SetMaxOpenConns(8)
		db.SetMaxIdleConns(8)
		db.SetConnMaxLifetime(connLife)
	}
	if err := upgrade(ctx, db); err != nil {
		db.Close()
		return nil, fmt.Errorf("opening %s: %w", c.database, err)
	}
	return db, nil
}

// dsn names the file and the options of each connection: wait for locks, begin
// transactions as writers, write durably. The journal mode is left as the file
// has it where a process answers but one request.
func dsn(c *config, longRunning bool) string {
	options := "_busy_timeout=8000&_txlock=immediate&_synchronous=FULL"
	switch {
	case c.journal == "wal":
		options += "&_journal_mode=WAL"
	case longRunning:
		options += "&_journal_mode=DELETE"
	}
	return "file:" + (&url.URL{Path: c.database}).EscapedPath() + "?" + options
}

// ensureFile makes the database file 0600 before SQLite opens it, which would
// make it readable by everybody. It never makes one where a mistyped path is
// the likelier explanation.
func ensureFile(c *config, create bool) error {
	_, err := os.Stat(c.database)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return wrap("opening the database", err)
	}
	if !create && (len(c.endpoint) == 0 || !emptyFolder(c)) {
		if _, err := os.Stat(c.database); err == nil {
			return nil // another process was faster
		}
		return fmt.Errorf("there is no database at %s\nhint: create it with `mintkeep init`; or put `endpoint: URL` into the configuration file and let the database lie in an existing, empty folder", c.database)
	}
	f, err := os.OpenFile(c.database, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return wrap("creating the database", err)
	}
	return wrap("creating the database", f.Close())
}

// emptyFolder reports whether the database's folder exists and holds nothing
// but our own files.
func emptyFolder(c *config) bool {
	entries, err := os.ReadDir(filepath.Dir(c.database))
	if err != nil {
		return false
	}
	ours := []string{filepath.Base(c.keyFile), filepath.Base(c.errorLog), "check"}
	for _, e := range entries {
		if !slices.Contains(ours, e.Name()) {
			return false
		}
	}
	return true
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// upgrade brings the schema to this program's version in one transaction. Many
// processes may find an old file at once: who comes second finds it done.
func upgrade(ctx context.Context, db *sql.DB) error {
	version, err := userVersion(ctx, db)
	if err != nil || version == schemaVersion {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("upgrading: %w", err)
	}
	defer tx.Rollback()
	version, err = userVersion(ctx, tx)
	if err != nil || version == schemaVersion {
		return err
	}
	if version > schemaVersion {
		return fmt.Errorf("the database was made by a newer mintkeep (schema %d, this one knows %d)\nhint: upload the newer program; this one leaves the file as it is", version, schemaVersion)
	}
	if err := adoptMintoken(ctx, tx); err != nil {
		return fmt.Errorf("upgrading: %w", err)
	}
	if _, err := tx.ExecContext(ctx, schema); err != nil {
		return fmt.Errorf("upgrading: %w", err)
	}
	return wrap("upgrading", tx.Commit())
}

type rowQuerier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func userVersion(ctx context.Context, db rowQuerier) (v int, err error) {
	err = db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&v)
	return v, err
}

// adoptMintoken gives php-mintoken's table the columns that ours has in
// addition. It refuses a file with other people's tables.
func adoptMintoken(ctx context.Context, tx *sql.Tx) error {
	var tables, mintoken int
	err := tx.QueryRowContext(ctx, `SELECT count(*), count(*) FILTER (WHERE name IN ('tokens', 'settings'))
		FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`).Scan(&tables, &mintoken)
	if err != nil || tables == 0 {
		return err
	}
	if mintoken != 2 {
		return errors.New("this is not a database of mintkeep or php-mintoken\nhint: check the path in the line `database:`")
	}
	for _, column := range []string{"grant_id INTEGER", "last_server TEXT"} {
		if _, err := tx.ExecContext(ctx, `ALTER TABLE tokens ADD COLUMN `+column); err != nil {
			return err
		}
	}
	return nil
}

// mintokenLeftovers counts the tokens of php-mintoken's that are past their
// date: current PHP accepts them all the same.
func mintokenLeftovers(ctx context.Context, db *sql.DB, now string) (n int, err error) {
	err = db.QueryRowContext(ctx, `SELECT count(*) FROM tokens WHERE token_hash LIKE '$2_$%' AND revoked <= ?`, now).Scan(&n)
	return n, wrap("counting old tokens", err)
}

// unavailable tells a database that is busy, full or cannot be written at the
// moment from a fault of the program.
func unavailable(err error) bool {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	}
	switch e.Code {
	case sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrFull, sqlite3.ErrIoErr, sqlite3.ErrReadonly,
		sqlite3.ErrCantOpen, sqlite3.ErrPerm, sqlite3.ErrNomem, sqlite3.ErrProtocol:
		return true
	}
	return false
}

// inDocumentRoot refuses a file that the web server could hand out. The better
// place it names is beside the document root.
func inDocumentRoot(c *config, roots ...string) error {
	if c.inRoot == "yes" {
		return nil
	}
	for _, file := range []struct{ key, path string }{{"database", c.database}, {"key_file", c.keyFile}, {"errorlog", c.errorLog}} {
		for _, root := range roots {
			if file.path == "" || root == "" || root == "/" || !within(root, file.path) {
				continue
			}
			better := filepath.Join(filepath.Dir(filepath.Clean(root)), "mintkeep", filepath.Base(file.path))
			return fmt.Errorf("%s lies below %s, from where the web server may hand it to anybody\nhint: move it, for example to `%s: %s`", file.path, root, file.key, better)
		}
	}
	return nil
}

// within reports whether the file lies below the folder, by name or by what
// symbolic links stand for.
func within(folder, file string) bool {
	real := func(p string) string {
		if r, err := filepath.EvalSymlinks(p); err == nil {
			return r
		}
		return filepath.Clean(p)
	}
	below := func(dir, p string) bool {
		return p == dir || strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/")
	}
	return below(filepath.Clean(folder), filepath.Clean(file)) || below(real(folder), filepath.Join(real(filepath.Dir(file)), filepath.Base(file)))
}
