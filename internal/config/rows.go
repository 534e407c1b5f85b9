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
	rows, err := db.QueryContext(ctx, `SELECT setting_name, setting_value FROM settings ORDER BY rowid`)
	if err != nil {
		return nil, fmt.Errorf("reading the settings: %w", err)
	}
	defer rows.Close()
	var all []Row
	for rows.Next() {
		var r Row
		if err := rows.Scan(&r.Name, &r.Value); err != nil {
			return nil, fmt.Errorf("reading the settings: %w", err)
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// Add checks a value and adds a row for it, if there is none yet.
func (s Setting) Add(ctx context.Context, db store.Querier, value string) error {
	stored, err := s.Stored(value)
	if err != nil {
		return &ValueError{s.Name, err}
	}
	_, err = db.ExecContext(ctx, `INSERT INTO settings (setting_name, setting_value) VALUES (?, ?) ON CONFLICT DO NOTHING`, s.Name, stored)
	if err != nil {
		return fmt.Errorf("writing the setting %s: %w", s.Name, err)
	}
	return nil
}

// Replace checks a value and puts it in place of every row of the setting.
func (s Setting) Replace(ctx context.Context, db *sql.DB, value string) error {
	stored, err := s.Stored(value)
	if err != nil {
		return &ValueError{"setting " + s.Name, err}
	}
	return store.Write(ctx, db, func(tx *sql.Tx) error {
		if err := s.Unset(ctx, tx); err != nil {
			return err
		}
		return s.Add(ctx, tx, stored)
	})
}

// Remove removes the row with a value; one that is not there is an error.
func (s Setting) Remove(ctx context.Context, db store.Querier, value string) error {
	stored, err := s.Stored(value)
	if err != nil {
		stored = value // written past the checks
	}
	r, err := db.ExecContext(ctx, `DELETE FROM settings WHERE setting_name = ? AND setting_value IN (?, ?)`, s.Name, value, stored)
	if err != nil {
		return fmt.Errorf("removing %s: %w", s.Name, err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return fmt.Errorf("%s: %s is not in the database\nhint: mintkeep setting lists what is", s.Name, value)
	}
	return nil
}

// Unset removes every row of the setting.
func (s Setting) Unset(ctx context.Context, db store.Querier) error {
	if _, err := db.ExecContext(ctx, `DELETE FROM settings WHERE setting_name = ?`, s.Name); err != nil {
		return fmt.Errorf("unsetting %s: %w", s.Name, err)
	}
	return nil
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
