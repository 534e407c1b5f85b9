//go:build cgo

package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/mattn/go-sqlite3"
)

// lockTurn is how long of lockWait SQLite waits at a time to begin a transaction.
const lockTurn = 20 * time.Millisecond

// A busyConnector opens connections that wait for the lock to write with short,
// even intervals, up to lockWait.
//
// SQLite itself asks for a busy lock at ever longer intervals, in the end ten
// times a second. Among many processes that write one after the other those
// who have just come then win, and those who wait longest starve until their
// time is over. Here the intervals stay short.
type busyConnector struct {
	dsn    string
	driver sqlite3.SQLiteDriver
}

// Connect opens a connection.
func (b *busyConnector) Connect(context.Context) (driver.Conn, error) {
	c, err := b.driver.Open(b.dsn)
	if err != nil {
		return nil, err
	}
	conn, ok := c.(*sqlite3.SQLiteConn)
	if !ok {
		return nil, errors.New("the SQLite driver gives another connection than it did")
	}
	return busyConn{conn}, nil
}

// Driver returns the driver of SQLite.
func (b *busyConnector) Driver() driver.Driver { return &b.driver }

type busyConn struct{ *sqlite3.SQLiteConn }

// BeginTx begins a transaction, which takes the lock to write.
func (c busyConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if err := c.wait(lockTurn); err != nil {
		return nil, err
	}
	until := time.Now().Add(lockWait)
	for {
		tx, err := c.SQLiteConn.BeginTx(ctx, opts)
		var e sqlite3.Error
		if errors.As(err, &e) && e.Code == sqlite3.ErrBusy && ctx.Err() == nil && time.Now().Before(until) {
			continue
		}
		if again := c.wait(lockWait); err == nil && again != nil {
			tx.Rollback()
			return nil, again
		}
		return tx, err
	}
}

func (c busyConn) wait(d time.Duration) error {
	_, err := c.Exec(fmt.Sprintf("PRAGMA busy_timeout = %d", d.Milliseconds()), nil)
	return err
}

// isTransientCode reports whether an error of SQLite's passes by itself.
// ok is false for errors of others.
func isTransientCode(err error) (transient, ok bool) {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return false, false
	}
	switch e.Code {
	case sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrFull, sqlite3.ErrIoErr, sqlite3.ErrReadonly,
		sqlite3.ErrCantOpen, sqlite3.ErrPerm, sqlite3.ErrNomem, sqlite3.ErrProtocol:
		return true, true
	}
	return false, true
}

// SQLiteVersion is the version of the SQLite library, such as 3.50.4.
func SQLiteVersion() string {
	version, _, _ := sqlite3.Version()
	return version
}
