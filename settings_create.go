package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mintkeep/internal/store"
)

// A creation says who may make a missing database (interface 2).
type creation int

const (
	never       creation = iota // a command: a mistyped path must not become an empty database
	inNewFolder                 // a start by a web server: with an endpoint configured and an empty folder
	always                      // init
)

// ensureFile makes a missing database where that is allowed. It never makes one
// where a mistyped path is the likelier explanation.
func ensureFile(ctx context.Context, c *config, o opening) error {
	_, err := os.Stat(c.database)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("opening the database: %w\nhint: user %d, who runs this, must be able to enter its folder", err, os.Geteuid())
	}
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return wrap("opening the database", err)
	}
	if why := mayNotCreate(c, o.create); why != "" {
		if _, err := os.Stat(c.database); err == nil {
			return nil // another process was faster
		}
		return fmt.Errorf("there is no database at %s\nhint: create it with `mintkeep init`%s", c.database, why)
	}
	return wrap("creating the database", createDatabase(ctx, c, o.now))
}

// createDatabase makes the file under another name, closed to others before
// SQLite opens it, and links it to its place: it appears whole or not at all, so
// an empty file there is always somebody else's upload.
func createDatabase(ctx context.Context, c *config, now time.Time) error {
	temp := filepath.Join(filepath.Dir(c.database), "."+filepath.Base(c.database)+"-"+rand.Text())
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	store.GiveToOwner(f)
	db := sql.OpenDB(&patientConnector{dsn: dsn(&config{database: temp}, false)})
	db.SetMaxOpenConns(1)
	if err := errors.Join(f.Close(), upgrade(ctx, db, now, true), db.Close()); err != nil {
		return err
	}
	err = os.Link(temp, c.database)
	if err == nil {
		return nil
	}
	if _, there := os.Lstat(c.database); errors.Is(there, fs.ErrNotExist) {
		return os.Rename(temp, c.database) // a file system without links: of two at once, the later stays
	}
	_, err = os.Stat(c.database) // another process was faster; or a link into nowhere
	return err
}

// mayNotCreate says what else somebody can do to get a database, or "" if this
// start may make it: with an endpoint in the configuration, in a folder that holds
// nothing but hidden files and what we write ourselves before there is a database.
func mayNotCreate(c *config, create creation) string {
	switch {
	case create == always:
		return ""
	case create == never:
		return ", or correct the path"
	case len(c.endpoint) == 0:
		return "; or put `endpoint: URL` into the configuration file, and let the database lie in an existing, empty folder"
	}
	dir := filepath.Dir(c.database)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "; or correct the line `database:`, or create the folder " + dir
	}
	for _, e := range entries {
		if name := e.Name(); name[0] != '.' && name != filepath.Base(c.errorLog) && name != "check" {
			return "; or correct the line `database:`: a new database is only made in an empty folder, and " + dir + " holds " + name
		}
	}
	return ""
}
