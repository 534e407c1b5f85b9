package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"net/url"
	"path/filepath"
	"syscall"
	"time"
)

// connLife bounds how long a process that stays goes on with a connection. One
// that was opened while the disk was read-only could never write, and one to a
// file that the owner has replaced would go on reading the old one.
const connLife = 10 * time.Second

// lockWait is how long a statement waits for the locks of other processes: below
// what web servers wait for an answer.
const lockWait = 8 * time.Second

// Options say how a database is opened.
type Options struct {
	// Path is the SQLite file.
	Path string
	// Schema is the SQL that makes every table that is missing.
	Schema string
	// Now is the time of an event about an upgrade.
	Now time.Time
	// LongRunning is set for a process that answers many requests.
	LongRunning bool
	// WAL asks for SQLite's write-ahead log instead of the rollback journal.
	WAL bool
	// Create says who may make a missing database.
	Create Creation
	// RefuseNew is asked before a start by a web server makes a database. It returns
	// what the owner can do instead, or "" if the database may be made.
	RefuseNew func() string
	// CanonicalURL is how profile URLs are stored; for php-mintoken's tokens.
	CanonicalURL func(string) (string, error)
}

// Open opens a database, makes it if it may, and brings its schema up to date.
func Open(ctx context.Context, o Options) (*sql.DB, error) {
	if o.Path == Memory {
		return openMemory(ctx, o)
	}
	if err := checkMode(o.Path); err != nil {
		return nil, err
	}
	current := !o.LongRunning && isCurrent(o.Path)
	if !current {
		if err := ensureFile(ctx, o); err != nil {
			return nil, err
		}
	}
	db := sql.OpenDB(&busyConnector{dsn: dsn(o)})
	db.SetMaxOpenConns(1)
	if o.LongRunning {
		db.SetMaxOpenConns(8)
		db.SetMaxIdleConns(8)
		db.SetConnMaxLifetime(connLife)
	}
	if current {
		return db, nil
	}
	err := upgrade(ctx, db, o, o.Create == Always)
	if err == nil {
		err = setJournal(ctx, db, o)
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("opening %s: %w", o.Path, err)
	}
	return db, nil
}

// OpenCurrent opens a database that is there and has this program's schema.
func OpenCurrent(ctx context.Context, path string) (*sql.DB, error) {
	db := sql.OpenDB(&busyConnector{dsn: dsn(Options{Path: path})})
	db.SetMaxOpenConns(1)
	v, err := userVersion(ctx, db)
	if err == nil && v != SchemaVersion {
		err = fmt.Errorf("it has schema %d, not %d", v, SchemaVersion)
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("opening %s: %w\nhint: `mintkeep init` with the program of this version", path, err)
	}
	return db, nil
}

// OpenAsIs opens a database without making, upgrading or setting anything, for
// the doctor, backups and foreign files. A missing file is an error of the first
// statement. With readOnly nothing can be written.
func OpenAsIs(path string, readOnly bool) (*sql.DB, error) {
	options := "?mode=rw&_busy_timeout=3000"
	if readOnly {
		options = "?mode=ro"
	}
	db, err := sql.Open("sqlite3", fileURI(path)+options)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	if !readOnly {
		db.SetMaxOpenConns(1)
	}
	return db, nil
}

// setJournal sets the journal mode, which stays with the file, after the file has
// been accepted as ours. A process that answers one request leaves the rollback
// journal as it is.
func setJournal(ctx context.Context, db *sql.DB, o Options) error {
	mode := "DELETE"
	switch {
	case o.WAL:
		mode = "WAL"
	case !o.LongRunning:
		return nil
	}
	if _, err := db.ExecContext(ctx, `PRAGMA journal_mode = `+mode); err != nil {
		return fmt.Errorf("setting the journal mode: %w", err)
	}
	return nil
}

// dsn names the file and the options of each connection: never make the file, begin
// transactions as writers, write durably.
func dsn(o Options) string {
	options := "?mode=rw&_txlock=immediate&_synchronous=FULL"
	if o.LongRunning {
		options += "&_stmt_cache_size=32"
	}
	return fileURI(o.Path) + options
}

func fileURI(path string) string {
	return "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()
}

// isCurrent reads the schema version from the file's header (SQLite's file
// format, section 1.3), which saves a process of one request a statement. It is
// false in WAL mode, where the header may be stale. It may be called only before
// SQLite opens the file: closing it later would drop SQLite's locks.
func isCurrent(path string) bool {
	f, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0) // os.Open would start a poller
	if err != nil {
		return false
	}
	defer syscall.Close(f)
	var h [64]byte
	n, _ := syscall.Read(f, h[:])
	return n == len(h) && h[18] == 1 && h[19] == 1 && binary.BigEndian.Uint32(h[60:]) == SchemaVersion
}
