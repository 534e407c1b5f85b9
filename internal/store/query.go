package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Exec executes a statement. Its error begins with doing, a few words for people.
func Exec(ctx context.Context, db Querier, doing, query string, args ...any) error {
	_, err := ExecCount(ctx, db, doing, query, args...)
	return err
}

// ExecCount is Exec that returns how many rows were changed.
func ExecCount(ctx context.Context, db Querier, doing, query string, args ...any) (int64, error) {
	r, err := db.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	n, err := r.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	return n, nil
}

// Row reads the first row of a query into dest, as (*sql.Row).Scan does; found is
// false if there is none.
func Row(ctx context.Context, db Querier, doing, query string, args []any, dest ...any) (found bool, err error) {
	err = db.QueryRowContext(ctx, query, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", doing, err)
	}
	return true, nil
}

// List reads all rows of a query. scan gets (*sql.Rows).Scan for each.
func List[T any](ctx context.Context, db Querier, doing string, scan func(func(...any) error) (T, error),
	query string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return all, nil
}

// Into makes Scan read a time as ParseTime does.
func Into(t *time.Time) sql.Scanner { return timeScanner{t} }

type timeScanner struct{ t *time.Time }

// Scan reads a text or NULL.
func (s timeScanner) Scan(v any) error {
	var text sql.NullString
	if err := text.Scan(v); err != nil {
		return err
	}
	*s.t = ParseTime(text)
	return nil
}

// Tx is a transaction that remembers its first error: after it, every method does
// nothing and returns zero values, and Transact undoes everything.
type Tx struct {
	*sql.Tx
	ctx context.Context
	err error
}

// Transact is Write with a Tx, whose first error it returns.
func Transact(ctx context.Context, db *sql.DB, fn func(*Tx)) error {
	return Write(ctx, db, func(tx *sql.Tx) error {
		t := &Tx{Tx: tx, ctx: ctx}
		fn(t)
		return t.err
	})
}

// Fail makes err, if it is not nil, the error of the transaction if it has none yet.
func (t *Tx) Fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

// Context is that of the transaction.
func (t *Tx) Context() context.Context { return t.ctx }

// Exec is ExecCount in the transaction.
func (t *Tx) Exec(doing, query string, args ...any) (changed int64) {
	if t.err == nil {
		changed, t.err = ExecCount(t.ctx, t.Tx, doing, query, args...)
	}
	return changed
}

// Insert is Exec that returns the ID of the new row.
func (t *Tx) Insert(doing, query string, args ...any) (id int64) {
	t.Exec(doing, query, args...)
	t.Row(doing, `SELECT last_insert_rowid()`, nil, &id)
	return id
}

// Row is Row in the transaction.
func (t *Tx) Row(doing, query string, args []any, dest ...any) (found bool) {
	if t.err == nil {
		found, t.err = Row(t.ctx, t.Tx, doing, query, args, dest...)
	}
	return found
}

// Record is Record in the transaction.
func (t *Tx) Record(e Event) {
	if t.err == nil {
		t.err = Record(t.ctx, t.Tx, e)
	}
}
