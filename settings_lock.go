package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/mattn/go-sqlite3"
)

// How long a statement waits for the locks of other processes.
const (
	lockWait = 8 * time.Second       // in all: below what web servers wait for an answer
	lockTurn = 20 * time.Millisecond // of which SQLite waits so much at a time to begin a transaction
)

// A patientConnector opens connections that wait their turn to write.
//
// SQLite itself asks for a busy lock at ever longer intervals, in the end ten
// times a second. Among many processes that write one after the other those
// who have just come then win, and those who wait longest starve until their
// time is over. Here the intervals stay short.
type patientConnector struct {
	dsn    string
	driver sqlite3.SQLiteDriver
}

// Connect opens a connection.
func (p *patientConnector) Connect(context.Context) (driver.Conn, error) {
	c, err := p.driver.Open(p.dsn)
	if err != nil {
		return nil, err
	}
	conn, ok := c.(*sqlite3.SQLiteConn)
	if !ok {
		return nil, errors.New("the SQLite driver gives another connection than it did")
	}
	return patientConn{conn}, nil
}

// Driver returns the driver of SQLite.
func (p *patientConnector) Driver() driver.Driver { return &p.driver }

type patientConn struct{ *sqlite3.SQLiteConn }

// BeginTx begins a transaction, which takes the lock to write.
func (c patientConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
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

func (c patientConn) wait(d time.Duration) error {
	_, err := c.Exec(fmt.Sprintf("PRAGMA busy_timeout = %d", d.Milliseconds()), nil)
	return err
}
