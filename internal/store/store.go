// Package store is the SQLite file: transactions, times, events, and which of
// its errors pass by themselves. No other package imports the driver.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Querier is a database, a connection or a transaction.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Write runs fn in one transaction, which holds the write lock from the
// beginning, and commits it. Whatever fn returns as an error undoes everything.
func Write(ctx context.Context, db *sql.DB, fn func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning to write: %w", err)
	}
	defer tx.Rollback()
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// Time is t as the database holds it: UTC, to the second. Bind this text, not the
// time.Time: the driver would write it with its zone, and comparisons go wrong.
func Time(t time.Time) string { return t.UTC().Format(time.DateTime) }

// NullTime is like Time; the zero time is NULL.
func NullTime(t time.Time) sql.NullString {
	return sql.NullString{String: Time(t), Valid: !t.IsZero()}
}

// ParseTime reads what Time wrote. Anything else, NULL included, is the zero time.
func ParseTime(s sql.NullString) time.Time {
	t, err := time.Parse(time.DateTime, s.String)
	if !s.Valid || err != nil {
		return time.Time{}
	}
	return t
}

// IsTransient tells a database that is busy, full or not writable at the moment
// from a fault of the program.
func IsTransient(err error) bool {
	if transient, ok := isTransientCode(err); ok {
		return transient
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// Check reports whether the file is whole, as a copy that was put back may not be.
func Check(ctx context.Context, db Querier) error {
	said := ""
	_, err := Row(ctx, db, "checking the database", `PRAGMA quick_check(1)`, nil, &said)
	if err == nil && said != "ok" {
		err = errors.New(said)
	}
	if err != nil && !IsTransient(err) {
		err = fmt.Errorf("the database is damaged: %w\nhint: put the copy back once more, with the programs ended, "+
			"and without the files ending in -wal, -shm and -journal of the one before", err)
	}
	return err
}
