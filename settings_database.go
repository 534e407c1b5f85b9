package main

import (
	"context"
	"database/sql"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"

	"mintkeep/endpoint"
)

//go:embed schema.sql
var schema string

// schemaVersion is the user_version that schema.sql sets.
const schemaVersion = 1

// connLife bounds how long a process that stays goes on with a connection. One
// that was opened while the disk was read-only could never write, and one to a
// file that the owner has replaced would go on reading the old one.
const connLife = 10 * time.Second

// An opening is how a database is opened.
type opening struct {
	now         time.Time
	longRunning bool
	create      creation
}

// openDatabase opens a database and brings it up to date.
func openDatabase(ctx context.Context, c *config, o opening) (*sql.DB, error) {
	current := !o.longRunning && upToDate(c.database)
	if !current {
		if err := ensureFile(ctx, c, o); err != nil {
			return nil, err
		}
	}
	db := sql.OpenDB(&patientConnector{dsn: dsn(c, o.longRunning)})
	db.SetMaxOpenConns(1)
	if o.longRunning {
		db.SetMaxOpenConns(8)
		db.SetMaxIdleConns(8)
		db.SetConnMaxLifetime(connLife)
	}
	if current {
		return db, nil
	}
	err := upgrade(ctx, db, o.now, o.create == always)
	if err == nil {
		err = setJournal(ctx, db, c, o.longRunning)
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("opening %s: %w", c.database, err)
	}
	return db, nil
}

// setJournal sets the journal mode, which stays with the file, after the file has
// been accepted as ours. A process that answers but one request leaves rollback
// as it is.
func setJournal(ctx context.Context, db *sql.DB, c *config, longRunning bool) error {
	mode := ""
	switch {
	case c.journal == "wal":
		mode = "WAL"
	case longRunning:
		mode = "DELETE"
	default:
		return nil
	}
	_, err := db.ExecContext(ctx, `PRAGMA journal_mode = `+mode)
	return wrap("setting the journal mode", err)
}

// dsn names the file and the options of each connection: never make the file,
// wait for locks, begin transactions as writers, write durably.
func dsn(c *config, longRunning bool) string {
	options := fmt.Sprintf("mode=rw&_busy_timeout=%d&_txlock=immediate&_synchronous=FULL", lockWait.Milliseconds())
	if longRunning {
		options += "&_stmt_cache_size=32"
	}
	return "file:" + (&url.URL{Path: c.database}).EscapedPath() + "?" + options
}

// upToDate reads the schema version from the file's header (SQLite's file
// format, section 1.3), which saves a process of one request a statement. It
// says no in WAL mode, where the header may be stale. Only before SQLite opens
// the file: closing it later would drop SQLite's locks.
func upToDate(database string) bool {
	h, err := readStart(database, 64)
	return err == nil && len(h) == 64 && h[18] == 1 && h[19] == 1 && binary.BigEndian.Uint32(h[60:]) == schemaVersion
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// upgrade brings the schema to this program's version in one transaction. Many
// processes may find an old file at once: who comes second finds it done.
// A file without tables is only filled by who may make a database.
func upgrade(ctx context.Context, db *sql.DB, now time.Time, mayBeEmpty bool) error {
	version, err := userVersion(ctx, db)
	if err != nil || version == schemaVersion {
		return err
	}
	return write(ctx, db, func(tx *sql.Tx) error {
		version, err := userVersion(ctx, tx)
		if err != nil || version == schemaVersion {
			return err
		}
		if version > schemaVersion {
			return fmt.Errorf("the database was made by a newer mintkeep (schema %d, this one knows %d)\nhint: upload the newer program; this one leaves the file as it is", version, schemaVersion)
		}
		adopted, err := adoptMintoken(ctx, tx, mayBeEmpty)
		if err == nil {
			_, err = tx.ExecContext(ctx, schema)
		}
		if err == nil && adopted {
			err = recordAdoption(ctx, tx, now)
		}
		return wrap("upgrading", err)
	})
}

type rowQuerier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func userVersion(ctx context.Context, db rowQuerier) (v int, err error) {
	err = db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&v)
	return v, err
}

// adoptMintoken gives php-mintoken's table the columns that ours has in
// addition (its first versions had no last_use either), if this is one. It
// refuses a file with other people's tables.
func adoptMintoken(ctx context.Context, tx *sql.Tx, mayBeEmpty bool) (adopted bool, err error) {
	var tables, mintoken int
	err = tx.QueryRowContext(ctx, `SELECT count(*), count(*) FILTER (WHERE name IN ('tokens', 'settings'))
		FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`).Scan(&tables, &mintoken)
	if err != nil || tables == 0 && mayBeEmpty {
		return false, err
	}
	if tables == 0 {
		return false, errors.New("the file is empty\nhint: upload the copy again, if this is one, under another name, and rename it; or remove the file to begin anew")
	}
	if mintoken != 2 {
		return false, errors.New("this is not a database of mintkeep or php-mintoken\nhint: check the path in the line `database:`")
	}
	for _, column := range []string{"last_use TIMESTAMP", "grant_id INTEGER", "last_server TEXT"} {
		name, _, _ := strings.Cut(column, " ")
		var has int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM pragma_table_info('tokens') WHERE name = ?`, name).Scan(&has); err != nil {
			return false, err
		}
		if has > 0 {
			continue
		}
		if _, err := tx.ExecContext(ctx, `ALTER TABLE tokens ADD COLUMN `+column); err != nil {
			return false, err
		}
	}
	return true, canonicalOwners(ctx, tx)
}

// canonicalOwners writes the `me` of php-mintoken's tokens as ours are: it took
// what the endpoint said as it was.
func canonicalOwners(ctx context.Context, tx *sql.Tx) error {
	rows, err := tx.QueryContext(ctx, `SELECT DISTINCT auth_me FROM tokens`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var me string
		if err := rows.Scan(&me); err != nil {
			return err
		}
		all = append(all, me)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, me := range all {
		if same, err := endpoint.CanonicalURL(me); err == nil && same != me {
			if _, err := tx.ExecContext(ctx, `UPDATE tokens SET auth_me = ? WHERE auth_me = ?`, same, me); err != nil {
				return err
			}
		}
	}
	return nil
}

// recordAdoption notes that a database of php-mintoken's was taken over, and
// how many of its tokens PHP still honoured though they are past their date.
func recordAdoption(ctx context.Context, tx *sql.Tx, now time.Time) error {
	n, err := mintokenLeftovers(ctx, tx, now)
	if err != nil {
		return err
	}
	return recordEvent(ctx, tx, endpoint.Event{At: now, Kind: "upgraded",
		Detail: fmt.Sprintf("a database of php-mintoken; %d of its tokens are past their date, current PHP still accepted them", n)})
}

// mintokenLeftovers counts the tokens of php-mintoken's that are past their
// date: current PHP accepts them all the same.
func mintokenLeftovers(ctx context.Context, db rowQuerier, now time.Time) (n int, err error) {
	err = db.QueryRowContext(ctx, `SELECT count(*) FROM tokens WHERE token_hash LIKE '$2_$%' AND revoked <= ?`,
		now.UTC().Format(time.DateTime)).Scan(&n)
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

// inDocumentRoot refuses a file that the web server could hand out, for this
// domain or another one. The better place it names is beside the document root.
func inDocumentRoot(c *config, roots ...string) error {
	if c.inRoot == "yes" {
		return nil
	}
	for _, root := range roots {
		if shown := shownFolder(root); shown != root {
			roots = append(roots, shown)
		}
	}
	for _, root := range roots {
		if root == "" || root == "/" {
			continue
		}
		root = filepath.Clean(root)
		realRoot, realDirs := realPath(root), make(map[string]string)
		for _, file := range []struct{ key, path string }{{"database", c.database}, {"key_file", c.keyFile}, {"errorlog", c.errorLog}} {
			dir := filepath.Dir(file.path)
			if realDirs[dir] == "" {
				realDirs[dir] = realPath(dir)
			}
			if file.path == "" || !below(root, dir) && !below(realRoot, realDirs[dir]) && !(isLink(file.path) && below(realRoot, realPath(file.path))) {
				continue
			}
			better := filepath.Join(filepath.Dir(shownFolder(root)), "mintkeep", filepath.Base(file.path))
			return fmt.Errorf("%s lies below %s, from where the web server may hand it to anybody\nhint: move it, for example to `%s: %s`", file.path, root, file.key, better)
		}
	}
	return nil
}

func isLink(file string) bool {
	info, err := os.Lstat(file)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

func below(folder, dir string) bool {
	return dir == folder || strings.HasPrefix(dir, strings.TrimSuffix(folder, "/")+"/")
}

// realPath is the path with symbolic links resolved, or as it is.
func realPath(p string) string {
	if r, err := filepath.EvalSymlinks(p); err == nil {
		return r
	}
	return filepath.Clean(p)
}
