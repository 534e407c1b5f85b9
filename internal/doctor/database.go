package doctor

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// What SQLite and the file system below it say.

// A sqlFile is the database as a file that SQLite has open.
type sqlFile struct{ *Site }

const (
	littleSpace = 8 << 20
	noSpace     = 256 << 10
)

// network names a file system on which locks depend on another machine, or on
// another program. "" for all others.
func (v Volume) network() string {
	const smb, afs = "SMB", "AFS"
	return map[uint32]string{0x6969: "NFS", 0x517b: smb, 0xfe534d42: smb, 0xff534d42: smb, 0x65735546: "FUSE", 0x0bd00bd0: "Lustre",
		0x01021997: "9p", 0x00c36400: "Ceph", 0x5346414f: afs, 0x6b414653: afs}[v.Type]
}

// volume looks at the file system, and writes for real: neither quotas nor mandatory
// access control show up anywhere else. What keeps everything from being written is
// told once, and the lock is not tried then.
func (s sqlFile) volume(ctx context.Context) []Finding {
	v, err := s.Statfs(filepath.Dir(s.Database))
	if err != nil {
		return []Finding{warn("look whether the folder exists", "the file system of the database cannot be looked at: %v", err)}
	}
	f, name := ok("the database is on a local file system"), v.network()
	switch {
	case v.ReadOnly:
		return []Finding{fail("put the database on a file system that can be written", "the file system of the database is read-only: tokens can be verified, but not issued or revoked")}
	case name != "" && s.Journal == "wal":
		f = fail("remove the line `journal: wal`", "the database is on %s, where journal: wal destroys it", name)
	case name != "":
		f = warn("move the database to a local disk if there is one; keep journal: rollback", "the database is on %s, and is as safe as that system's locks", name)
	}
	const do = "delete something else, or ask the host for more space; until then tokens verify, but none can be issued or revoked"
	switch err := tryFile(filepath.Dir(s.Database), make([]byte, 64<<10)); {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return []Finding{f, fail(do, "the disk is full (%d KB left); nothing more can be written beside the database: %v", v.Free/1024, err)}
	case err != nil:
		return []Finding{f, fail("let this user write the folder: SQLite keeps its journal beside the database", "no file can be written beside the database: %v", err)}
	case v.Free < noSpace:
		return []Finding{f, fail(do, "the disk is full (%d KB left)", v.Free/1024)}
	case v.Free < littleSpace:
		return []Finding{f, warn(do, "the disk is nearly full (%d KB left)", v.Free/1024), s.lock(ctx)}
	}
	return []Finding{f, ok("%d MB of disk are free, and files can be written beside the database", v.Free>>20), s.lock(ctx)}
}

// content reads the file through, and its schema version.
func (s sqlFile) content(ctx context.Context) []Finding {
	var said string
	var version int
	err := s.DB.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&said)
	if err == nil {
		err = s.DB.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version)
	}
	const do = "put back a copy, such as one made by `mintkeep backup` (docs/hosts.md says how)"
	f := ok("the database is undamaged")
	switch {
	case err != nil:
		return []Finding{fail(do+", or let this user read the file", "the database cannot be read: %v", err)}
	case said != "ok":
		f = fail(do, "the database is damaged: %s", said)
	}
	switch {
	case version > s.Schema:
		return []Finding{f, fail("upload the newer program", "the database was made by a newer mintkeep (schema %d, this one knows %d)", version, s.Schema)}
	case version < s.Schema:
		return []Finding{f, ok("the database has schema %d; the first request brings it to %d", version, s.Schema)}
	}
	return []Finding{f, ok("the database has schema %d, as this program writes it", version)}
}

func (s sqlFile) journal(ctx context.Context) Finding {
	var mode string
	if err := s.DB.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode); err != nil {
		return Finding{}
	}
	v, _ := s.Statfs(filepath.Dir(s.Database))
	do := "end the program, then open the database with an SQLite program and let it run: PRAGMA journal_mode=DELETE"
	if s.Journal == "wal" {
		do = "remove the line `journal: wal`; " + do
	}
	f := ok("the journal mode is %s", mode)
	switch wal := strings.EqualFold(mode, "wal"); {
	case wal && v.network() != "":
		f = fail(do, "the database keeps a WAL, which %s destroys", v.network())
	case wal && s.OneShot:
		f = warn(do, "the database keeps a WAL: slower for CGI, and with a full disk not even readable")
	case wal && s.Journal != "wal":
		f = warn(do, "the database keeps a WAL, which the configuration does not ask for")
	}
	if f.Level == OK {
		return f
	}
	return f.shell("sqlite3", s.Database, "PRAGMA journal_mode=DELETE")
}

// future finds what was written while the clock was ahead (case E9).
func (s sqlFile) future(ctx context.Context) Finding {
	var at string
	limit := s.Now().UTC().Add(time.Hour).Format(time.DateTime)
	if err := s.DB.QueryRowContext(ctx, `SELECT max(at) FROM events WHERE at > ?`, limit).Scan(&at); err != nil {
		return Finding{}
	}
	return warn("ask the host to set the clock of this machine; if it is right now, nothing is to be done",
		"the log has an entry of %s UTC, which is to come: the clock was ahead then, or is behind now", at).shell("timedatectl")
}

// lock takes the lock that every change needs, and lets it go.
func (s sqlFile) lock(ctx context.Context) Finding {
	if s.databaseFile().Level != OK {
		return Finding{}
	}
	conn, err := s.DB.Conn(ctx)
	if err == nil {
		defer conn.Close()
		_, err = conn.ExecContext(ctx, `BEGIN EXCLUSIVE; ROLLBACK`)
	}
	if err != nil {
		return fail("look for a program that holds the database open; on a network file system, move it to a local disk",
			"the database cannot be locked for writing: %v", err)
	}
	return ok("the database can be locked for writing")
}
