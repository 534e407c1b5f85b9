package owner

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mintkeep/internal/oauth"
	"mintkeep/internal/store"
)

// copyMark stands in the name of a copy that is being made, before the id of the process.
const copyMark = ".download-"

// maxDownload is how large a database may be, in bytes: as CGI and under FastCGI an answer
// is held in memory, and has to be taken within a minute.
const maxDownload = 32 << 20

// copyTime is longer than a copy is being made without a word written to it. What is
// older was left, whoever has the id of its process now: in a container all have the same.
const copyTime = 10 * time.Minute

// download is POST BASE/owner/download: a copy of the database, without sessions,
// pending flows and codes. The copy lies beside the database until it is sent, since
// only there it is known that there is room and that nobody else looks.
func (p *Pages) download(q *request) (*reply, error) {
	if !isFresh(q) {
		return staleReply(p, q), nil
	}
	RemoveCopies(p.Config.Database)
	if info, err := os.Stat(p.Config.Database); err == nil && info.Size() > maxDownload {
		return nil, &oauth.Error{Status: http.StatusConflict, Description: fmt.Sprintf("the database has %d MB, and a web server passes on at most %d; "+
			"with a shell: mintkeep backup FILE; with FTP: fetch %s when nobody uses it", info.Size()>>20, maxDownload>>20, p.Config.Database)}
	}
	f, err := copyDatabase(q.ctx(), p.In.Grants.DB, p.Config.Database)
	if err != nil {
		return nil, fmt.Errorf("copying the database: %w", err)
	}
	info, err := f.Stat()
	if err == nil {
		err = store.Write(q.ctx(), p.In.Grants.DB, func(tx *sql.Tx) error {
			return store.Record(q.ctx(), tx, store.Event{At: q.now, Kind: "downloaded", Me: q.session.Me})
		})
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &reply{file: f, header: map[string]string{"Content-Type": "application/vnd.sqlite3",
		"Content-Length":      strconv.FormatInt(info.Size(), 10),
		"Content-Disposition": `attachment; filename="mintkeep-` + q.now.Format("2006-01-02") + `.db"`}}, nil
}

// copyDatabase makes the copy and opens it; its name is gone when it returns.
func copyDatabase(ctx context.Context, db *sql.DB, path string) (*os.File, error) {
	made, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+copyMark+strconv.Itoa(os.Getpid())+"-*") // 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(made.Name())
	if err := made.Close(); err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, made.Name()); err != nil {
		return nil, err
	}
	copied, err := store.OpenAsIs(made.Name(), false)
	if err != nil {
		return nil, err
	}
	_, err = copied.ExecContext(ctx, `PRAGMA journal_mode = OFF; PRAGMA secure_delete = ON;
		DELETE FROM sessions; DELETE FROM authorizations; DELETE FROM codes; DELETE FROM flows; UPDATE refresh_tokens SET reply = NULL; VACUUM`)
	if err = errors.Join(err, copied.Close()); err != nil {
		return nil, err
	}
	return os.Open(made.Name())
}

// RemoveCopies removes the copies that processes left which were killed while they made them.
func RemoveCopies(database string) {
	left, _ := filepath.Glob(strings.NewReplacer("[", "?", "*", "?", `\`, "?").Replace(database) + copyMark + "*")
	for _, file := range left {
		id, _, _ := strings.Cut(file[strings.LastIndex(file, copyMark)+len(copyMark):], "-")
		pid, err := strconv.Atoi(id)
		if err != nil {
			continue
		}
		p, err1 := os.FindProcess(pid)
		info, err2 := os.Stat(file)
		fresh := err2 == nil && time.Since(info.ModTime()) < copyTime
		if fresh && (pid == os.Getpid() || err1 == nil && p.Signal(syscall.Signal(0)) == nil) {
			continue
		}
		_ = os.Remove(file) // the next process tries again
	}
}
