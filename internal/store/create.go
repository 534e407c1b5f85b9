package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A Creation says who may make a missing database (interface 2).
type Creation int

// The kinds of Creation.
const (
	Never       Creation = iota // a command: a mistyped path must not become an empty database
	InNewFolder                 // a start by a web server, if RefuseNew has no objection
	Always                      // init
)

// checkMode refuses a database that everybody on the machine may write: they could
// name an endpoint of their own. Group members may: on some hosts the web server is one.
func checkMode(path string) error {
	info, err := os.Stat(path)
	if err != nil || !Modes || info.Mode().Perm()&0o002 == 0 {
		return nil // what is missing is told where it is opened
	}
	return fmt.Errorf("%s may be written by others (mode %04o)\nhint: by FTP, set its permissions to 600; by shell: chmod 600 %s", path, info.Mode().Perm(), path)
}

// ensureFile makes a missing database where that is allowed. It never makes one
// where a mistyped path is the likelier explanation.
func ensureFile(ctx context.Context, o Options) error {
	_, err := os.Stat(o.Path)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("opening the database: %w\nhint: user %d, who runs this, must be able to enter its folder", err, os.Geteuid())
	}
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("opening the database: %w", err)
	}
	refusal := ""
	switch o.Create {
	case Never:
		refusal = ", or correct the path"
	case InNewFolder:
		refusal = o.RefuseNew()
	}
	if refusal != "" {
		if _, err := os.Stat(o.Path); err == nil {
			return nil // another process was faster
		}
		return fmt.Errorf("there is no database at %s\nhint: create it with `mintkeep init`%s", o.Path, refusal)
	}
	if err := createFile(ctx, o); err != nil {
		return fmt.Errorf("creating the database: %w", err)
	}
	return nil
}

// createFile makes the file under another name, closed to others before SQLite
// opens it, and links it to its place: it appears whole or not at all, so an
// empty file there is always somebody else's upload.
func createFile(ctx context.Context, o Options) error {
	temp := filepath.Join(filepath.Dir(o.Path), "."+filepath.Base(o.Path)+"-"+rand.Text())
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	GiveToOwner(f)
	db := sql.OpenDB(&busyConnector{dsn: dsn(Options{Path: temp})})
	db.SetMaxOpenConns(1)
	if err := errors.Join(f.Close(), upgrade(ctx, db, o, true), db.Close()); err != nil {
		return err
	}
	err = os.Link(temp, o.Path)
	if err == nil {
		return nil
	}
	if _, there := os.Lstat(o.Path); errors.Is(there, fs.ErrNotExist) {
		return os.Rename(temp, o.Path) // a file system without links: of two at once, the later stays
	}
	_, err = os.Stat(o.Path) // another process was faster; or a link into nowhere
	return err
}
