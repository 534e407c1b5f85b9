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

// roomToSave is more than a transaction writes that saves a kept token, with its journal.
const roomToSave = 64 << 10

// Reserve takes room on the disk beside the database, to be released just before
// something is saved that cannot be obtained again. It fails if there is not so much.
// The file has a name only while it is made, so a process that is killed leaves none
// (where a name can be taken from an open file).
func Reserve(ctx context.Context, db *sql.DB) (release func(), err error) {
	path := ""
	_, err = Row(ctx, db, "looking for the database", `SELECT file FROM pragma_database_list WHERE name = 'main'`, nil, &path)
	if err != nil || path == "" { // it is in memory
		return func() {}, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-room-*")
	if err != nil {
		return nil, noRoom(err)
	}
	removed := os.Remove(f.Name()) == nil
	release = func() {
		f.Close()
		if !removed {
			os.Remove(f.Name())
		}
	}
	room := make([]byte, roomToSave)
	rand.Read(room) // nothing that a file system could store smaller
	if _, err = f.Write(room); err == nil {
		err = f.Sync()
	}
	if err != nil {
		release()
		return nil, noRoom(err)
	}
	return release, nil
}

// noRoom has no path: it is told to those who ask for a token.
func noRoom(err error) error {
	if outer := (*fs.PathError)(nil); errors.As(err, &outer) {
		err = outer.Err
	}
	return fmt.Errorf("reserving room beside the database: %w", err)
}
