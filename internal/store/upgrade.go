package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// SchemaVersion is the user_version of a database that is up to date. It is the
// number of steps, and schema.sql sets it.
const SchemaVersion = 1

// A step brings a database from one user_version to the next: steps[v] is run
// on version v, within the one transaction of the upgrade. What schema.sql makes
// with IF NOT EXISTS needs no step; a step changes tables that are there.
type step func(context.Context, *sql.Tx, Options) error

func steps() []step {
	return []step{adoptMintoken}
}

// upgrade brings the schema to this program's version in one transaction. Many
// processes may find an old file at once: who comes second finds it done. A file
// without tables is only filled if mayBeEmpty is set.
func upgrade(ctx context.Context, db *sql.DB, o Options, mayBeEmpty bool) error {
	version, err := userVersion(ctx, db)
	if err != nil || version == SchemaVersion {
		return err
	}
	return Write(ctx, db, func(tx *sql.Tx) error {
		version, err := userVersion(ctx, tx)
		if err != nil || version == SchemaVersion {
			return err
		}
		if version > SchemaVersion {
			return fmt.Errorf("the database was made by a newer mintkeep (schema %d, this one knows %d)\nhint: upload the newer program; this one leaves the file as it is", version, SchemaVersion)
		}
		empty, err := isEmpty(ctx, tx)
		if err == nil && empty && !mayBeEmpty {
			err = errors.New("the file is empty\nhint: upload the copy again, if this is one, under another name, and rename it; or remove the file to begin anew")
		}
		for v := max(version, 0); v < SchemaVersion && err == nil && !empty; v++ {
			err = steps()[v](ctx, tx, o)
		}
		if err == nil {
			_, err = tx.ExecContext(ctx, o.Schema)
		}
		if err == nil && version < 1 && !empty {
			err = recordAdoption(ctx, tx, o.Now)
		}
		if err != nil {
			return fmt.Errorf("upgrading: %w", err)
		}
		return nil
	})
}

func userVersion(ctx context.Context, db Querier) (v int, err error) {
	err = db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&v)
	return v, err
}

func isEmpty(ctx context.Context, tx *sql.Tx) (empty bool, err error) {
	err = tx.QueryRowContext(ctx, `SELECT count(*) = 0 FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`).Scan(&empty)
	return empty, err
}

// adoptMintoken gives php-mintoken's table the columns that ours has in
// addition (its first versions had no last_use either). It refuses a file with
// other people's tables.
func adoptMintoken(ctx context.Context, tx *sql.Tx, o Options) error {
	var mintoken int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('tokens', 'settings')`).Scan(&mintoken)
	if err != nil {
		return err
	}
	if mintoken != 2 {
		return errors.New("this is not a database of mintkeep or php-mintoken\nhint: check the path in the line `database:`")
	}
	for _, column := range []string{"last_use TIMESTAMP", "grant_id INTEGER", "last_server TEXT"} {
		name, _, _ := strings.Cut(column, " ")
		var has bool
		if err := tx.QueryRowContext(ctx, `SELECT count(*) > 0 FROM pragma_table_info('tokens') WHERE name = ?`, name).Scan(&has); err != nil {
			return err
		}
		if has {
			continue
		}
		if _, err := tx.ExecContext(ctx, `ALTER TABLE tokens ADD COLUMN `+column); err != nil {
			return err
		}
	}
	return canonicalizeOwners(ctx, tx, o.CanonicalURL)
}

// canonicalizeOwners writes the `me` of php-mintoken's tokens as ours are: it
// stored what the endpoint said as it was.
func canonicalizeOwners(ctx context.Context, tx *sql.Tx, canonicalURL func(string) (string, error)) error {
	rows, err := tx.QueryContext(ctx, `SELECT DISTINCT auth_me FROM tokens`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var me string
		if err := rows.Scan(&me); err != nil {
			return err
		}
		all = append(all, me)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, me := range all {
		if same, err := canonicalURL(me); err == nil && same != me {
			if _, err := tx.ExecContext(ctx, `UPDATE tokens SET auth_me = ? WHERE auth_me = ?`, same, me); err != nil {
				return err
			}
		}
	}
	return nil
}

// recordAdoption notes that a database of php-mintoken was taken over, and how
// many of its tokens PHP still honoured though they are past their date.
func recordAdoption(ctx context.Context, tx *sql.Tx, now time.Time) error {
	n, err := OverdueMintokens(ctx, tx, now)
	if err != nil {
		return err
	}
	return Record(ctx, tx, Event{At: now, Kind: "upgraded",
		Detail: fmt.Sprintf("a database of php-mintoken; %d of its tokens are past their date, current PHP still accepted them", n)})
}

// OverdueMintokens counts the tokens of php-mintoken that are past their date:
// current PHP accepts them all the same.
func OverdueMintokens(ctx context.Context, db Querier, now time.Time) (n int, err error) {
	err = db.QueryRowContext(ctx, `SELECT count(*) FROM tokens WHERE token_hash LIKE '$2_$%' AND revoked <= ?`, Time(now)).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("counting old tokens: %w", err)
	}
	return n, nil
}
