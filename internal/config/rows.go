package config

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync/atomic"

	"mintkeep/internal/store"
)

// A Row is a row of the table `settings`.
type Row struct{ Name, Value string }

// ReadRows reads the table `settings` in the order in which rows were added.
func ReadRows(ctx context.Context, db store.Querier) ([]Row, error) {
	scan := func(scan func(...any) error) (r Row, err error) {
		err = scan(&r.Name, &r.Value)
		return r, err
	}
	return store.List(ctx, db, "reading the settings", scan, `SELECT setting_name, setting_value FROM settings ORDER BY rowid`)
}

// Add checks a value and adds a row for it, if there is none yet. What is wrong
// with the value is a *ValueError.
func (s Setting) Add(ctx context.Context, db store.Querier, value string) error {
	stored, err := s.Stored(value)
	if err != nil {
		return &ValueError{s.Name, err}
	}
	return store.Exec(ctx, db, "writing the setting "+s.Name,
		`INSERT INTO settings (setting_name, setting_value) VALUES (?, ?) ON CONFLICT DO NOTHING`, s.Name, stored)
}

// Replace checks a value and puts it in place of every row of the setting. What
// is wrong with the value is a *ValueError.
func (s Setting) Replace(ctx context.Context, db *sql.DB, value string) error {
	if _, err := s.Stored(value); err != nil {
		return &ValueError{"setting " + s.Name, err}
	}
	return store.Write(ctx, db, func(tx *sql.Tx) error {
		if err := s.Unset(ctx, tx); err != nil {
			return err
		}
		return s.Add(ctx, tx, value)
	})
}

// Remove removes the row with a value; one that is not there is an error.
func (s Setting) Remove(ctx context.Context, db store.Querier, value string) error {
	stored, err := s.Stored(value)
	if err != nil {
		stored = value // somebody wrote it past the checks
	}
	n, err := store.ExecCount(ctx, db, "removing "+s.Name,
		`DELETE FROM settings WHERE setting_name = ? AND setting_value IN (?, ?)`, s.Name, value, stored)
	if err == nil && n == 0 {
		err = fmt.Errorf("%s: %s is not in the database\nhint: mintkeep setting lists what is", s.Name, value)
	}
	return err
}

// Unset removes every row of the setting.
func (s Setting) Unset(ctx context.Context, db store.Querier) error {
	return store.Exec(ctx, db, "unsetting "+s.Name, `DELETE FROM settings WHERE setting_name = ?`, s.Name)
}

// A ValueError is what is wrong with a value that somebody wants to set.
type ValueError struct {
	Name string
	Err  error
}

func (e *ValueError) Error() string { return fmt.Sprintf("%s: %v", e.Name, e.Err) }

// Memoize returns a function that reads the settings anew each time and parses
// them only if the rows are others than at the last call.
func Memoize[S any](parse func([]Row) (*S, error)) func(context.Context, store.Querier) (*S, error) {
	type parsed struct {
		rows     []Row
		settings *S
	}
	var last atomic.Pointer[parsed]
	return func(ctx context.Context, db store.Querier) (*S, error) {
		rows, err := ReadRows(ctx, db)
		if err != nil {
			return nil, err
		}
		if p := last.Load(); p != nil && slices.Equal(p.rows, rows) {
			return p.settings, nil
		}
		settings, err := parse(rows)
		if err == nil {
			last.Store(&parsed{rows, settings})
		}
		return settings, err
	}
}
