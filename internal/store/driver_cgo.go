//go:build cgo

package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/mattn/go-sqlite3"
)

const (
	// lockTurn is how long of lockWait SQLite waits at a time to begin a transaction.
	lockTurn = 20 * time.Millisecond
	// stillLocked is how long a connection waits for a lock that has just outlasted
	// lockWait: database/sql opens them one after the other for those who wait for one.
	stillLocked = 200 * time.Millisecond
)

// A busyConnector opens connections that wait for the lock to write with short,
// even intervals, up to lockWait.
//
// SQLite itself asks for a busy lock at ever longer intervals, in the end ten
// times a second. Among many processes that write one after the other those
// who have just come then win, and those who wait longest starve until their
// time is over. Here the intervals stay short.
type busyConnector struct {
	dsn      string
	driver   sqlite3.SQLiteDriver
	lockedAt atomic.Pointer[time.Time] // when a connection last waited in vain
}

// Connect opens a connection.
func (b *busyConnector) Connect(context.Context) (driver.Conn, error) {
	wait := lockWait
	if at := b.lockedAt.Load(); at != nil && time.Since(*at) < time.Second {
		wait = stillLocked
	}
	c, err := b.driver.Open(fmt.Sprintf("%s&_busy_timeout=%d", b.dsn, wait.Milliseconds()))
	if isBusy(err) {
		now := time.Now()
		b.lockedAt.Store(&now)
	}
	if err != nil {
		return nil, err
	}
	conn, ok := c.(*sqlite3.SQLiteConn)
	if !ok {
		return nil, errors.New("the SQLite driver gives another connection than it did")
	}
	if wait == lockWait {
		return busyConn{conn}, nil
	}
	return busyConn{conn}, busyConn{conn}.wait(lockWait)
}

func isBusy(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && e.Code == sqlite3.ErrBusy
}

// Driver returns the driver of SQLite.
func (b *busyConnector) Driver() driver.Driver { return &b.driver }

type busyConn struct{ *sqlite3.SQLiteConn }

// ResetSession and IsValid tell database/sql that a connection may stay after a transaction
// whose caller went away, unless it could not be rolled back. A database in memory has but one.
func (c busyConn) ResetSession(context.Context) error { return nil }

// IsValid reports whether no transaction is left open.
func (c busyConn) IsValid() bool { return c.AutoCommit() }

// BeginTx begins a transaction, which takes the lock to write.
func (c busyConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if err := c.wait(lockTurn); err != nil {
		return nil, err
	}
	until := time.Now().Add(lockWait)
	for {
		tx, err := c.SQLiteConn.BeginTx(ctx, opts)
		if isBusy(err) && ctx.Err() == nil && time.Now().Before(until) {
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
