package keyring

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mintkeep/internal/store"
	"mintkeep/keeper/internal/fault"
)

// Table says which columns of a table hold sealed values, and which identify a row.
type Table struct {
	Name         string
	Row, Columns []string
}

// Rotate makes a new sealing key, seals every value of the tables again with it
// and drops the old one. It returns how many values were sealed and the id of
// the new key.
//
// It can be killed at any moment: the key file gets the new key before the
// values do, the values change in one transaction, and the old key leaves the
// file only when no value needs it. With Source.Value the new key is the first
// of the several in it, and the caller takes the others out afterwards.
func Rotate(ctx context.Context, db *sql.DB, s Source, tables []Table, now time.Time) (sealed int, keyID string, err error) {
	err = store.Write(ctx, db, func(tx *sql.Tx) error {
		r, next, err := s.addKey(ctx, tx)
		if err != nil {
			return err
		}
		keyID = next.id
		if sealed, err = r.resealAll(ctx, tx, next, tables); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO sealing (one, key_id) VALUES (1, ?)
			ON CONFLICT (one) DO UPDATE SET key_id = excluded.key_id`, next.id); err != nil {
			return err
		}
		detail := fmt.Sprintf("%d values sealed with key %s", sealed, next.id)
		return store.Record(ctx, tx, store.Event{At: now, Kind: "key rotated", Detail: detail})
	})
	if err != nil {
		return 0, "", fmt.Errorf("rotating the sealing key: %w", err)
	}
	if err := s.dropUnused(ctx, db, tables); err != nil {
		return sealed, keyID, fmt.Errorf("rotating the sealing key: removing the old one: %w", err)
	}
	return sealed, keyID, nil
}

// addKey adds a key to the file. The write lock of tx keeps two rotations apart.
func (s Source) addKey(ctx context.Context, tx *sql.Tx) (*Keyring, Key, error) {
	r, err := s.Load()
	if err != nil {
		return nil, Key{}, err
	}
	current, err := r.Current(ctx, tx)
	if err != nil {
		return nil, Key{}, err
	}
	if s.Value != "" {
		if r.keys[0].id == current.id {
			return nil, Key{}, fault.Invalid("the key comes from MINTKEEP_KEY, which cannot be changed from here",
				`set MINTKEEP_KEY="NEW OLD", rotate, then leave only NEW`)
		}
		return r, r.keys[0], nil
	}
	next, err := randomKey()
	if err != nil {
		return nil, Key{}, err
	}
	r.keys = append([]Key{next}, r.keys...)
	return r, next, replaceFile(s.Path, r.keys)
}

func (r *Keyring) resealAll(ctx context.Context, tx *sql.Tx, next Key, tables []Table) (n int, err error) {
	for _, t := range tables {
		for _, column := range t.Columns {
			values, err := t.values(ctx, tx, column)
			if err != nil {
				return n, err
			}
			for _, v := range values {
				plain, err := r.Open(v.sealed, v.place)
				if err != nil {
					return n, err
				}
				if err := store.Exec(ctx, tx, "sealing", `UPDATE `+t.Name+` SET `+column+` = ? WHERE rowid = ?`,
					next.Seal(plain, v.place), v.rowid); err != nil {
					return n, err
				}
				n++
			}
		}
	}
	return n, nil
}

type value struct {
	rowid  int64
	place  AssociatedData
	sealed sql.NullString
}

// values reads the sealed values of a column.
func (t Table) values(ctx context.Context, tx *sql.Tx, column string) ([]value, error) {
	return store.List(ctx, tx, "reading sealed values", func(scan func(...any) error) (value, error) {
		v := value{place: AssociatedData{t.Name, column, make([]string, len(t.Row))}}
		into := []any{&v.rowid, &v.sealed}
		for i := range t.Row {
			into = append(into, &v.place.Row[i])
		}
		return v, scan(into...)
	}, `SELECT rowid, `+column+`, `+strings.Join(t.Row, ", ")+` FROM `+t.Name+` WHERE `+column+` IS NOT NULL`)
}

// dropUnused takes every key out of the file that no value is sealed with, and
// removes half-made key files of rotations that were killed. It holds the write
// lock, so that no other rotation is under way.
func (s Source) dropUnused(ctx context.Context, db *sql.DB, tables []Table) error {
	if s.Value != "" {
		return nil
	}
	return store.Write(ctx, db, func(tx *sql.Tx) error {
		stale, _ := filepath.Glob(s.Path + ".new-*")
		for _, path := range stale {
			_ = os.Remove(path)
		}
		keys, err := s.read()
		if err != nil {
			return err
		}
		needed := []Key{}
		for _, k := range keys {
			used, err := k.used(ctx, tx, tables)
			if err != nil {
				return err
			}
			if used {
				needed = append(needed, k)
			}
		}
		if len(needed) == 0 || len(needed) == len(keys) {
			return nil
		}
		return replaceFile(s.Path, needed)
	})
}

func (k Key) used(ctx context.Context, tx *sql.Tx, tables []Table) (used bool, err error) {
	query := `SELECT EXISTS (SELECT 1 FROM sealing WHERE key_id = ?)`
	args := []any{k.id}
	for _, t := range tables {
		for _, column := range t.Columns {
			query += ` OR EXISTS (SELECT 1 FROM ` + t.Name + ` WHERE substr(` + column + `, 1, 14) = ?)`
			args = append(args, sealPrefix+"."+k.id+".")
		}
	}
	err = tx.QueryRowContext(ctx, query, args...).Scan(&used)
	return used, err
}
