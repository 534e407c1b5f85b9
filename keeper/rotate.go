package keeper

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// sealedColumns says which columns hold sealed values, and by which columns a
// row is known.
func sealedColumns() []struct{ table, row, columns string } {
	return []struct{ table, row, columns string }{
		{"providers", "provider_name", "client_secret"},
		{"connections", "user_id connection_name", "client_secret access_token refresh_token previous_refresh_token password extra"},
		{"flows", "flow_hash", "verifier"},
		{"revocations", "revocation_id", "client_secret token access_token"},
	}
}

// Rotate makes a new sealing key, seals every value again with it and forgets
// the old one. It returns how many values were sealed and the id of the new key.
//
// It can be killed at any moment: the key file gets the new key before the
// values do, the values change in one transaction, and the old key leaves the
// file only when no value needs it. With MINTKEEP_KEY the new key is the first
// of the several in it, and the caller takes the others out afterwards.
func (k *Keeper) Rotate(ctx context.Context) (sealed int, keyID string, err error) {
	err = k.tx(ctx, func(tx *sql.Tx) error {
		r, next, err := k.nextKey(ctx, tx)
		if err != nil {
			return err
		}
		keyID = next.id
		if sealed, err = resealAll(ctx, tx, r, next); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO sealing (one, key_id) VALUES (1, ?)
			ON CONFLICT (one) DO UPDATE SET key_id = excluded.key_id`, next.id); err != nil {
			return err
		}
		return k.record(ctx, tx, Event{Kind: "key rotated", Detail: fmt.Sprintf("%d values sealed with key %s", sealed, next.id)})
	})
	if err != nil {
		return 0, "", fmt.Errorf("rotating the sealing key: %w", err)
	}
	if err := k.dropKeys(ctx); err != nil {
		return sealed, keyID, fmt.Errorf("rotating the sealing key: removing the old one: %w", err)
	}
	return sealed, keyID, nil
}

// nextKey adds a key to the file. The write lock of tx keeps two rotations apart.
func (k *Keeper) nextKey(ctx context.Context, tx *sql.Tx) (*ring, key, error) {
	r, err := k.ring()
	if err != nil {
		return nil, key{}, err
	}
	current, err := k.sealingKey(ctx, tx, r)
	if err != nil {
		return nil, key{}, err
	}
	if r.source.Value != "" {
		if r.keys[0].id == current.id {
			return nil, key{}, &Fault{Kind: ErrRefused, What: "the key comes from MINTKEEP_KEY, which cannot be changed from here",
				Hint: `set MINTKEEP_KEY="NEW OLD", rotate, then leave only NEW`}
		}
		return r, r.keys[0], nil
	}
	next, err := freshKey()
	if err != nil {
		return nil, key{}, err
	}
	r.keys = append([]key{next}, r.keys...)
	return r, next, replaceKeys(r.source.Path, r.keys)
}

func resealAll(ctx context.Context, tx *sql.Tx, r *ring, next key) (int, error) {
	n := 0
	for _, t := range sealedColumns() {
		for _, column := range strings.Fields(t.columns) {
			done, err := resealColumn(ctx, tx, r, next, t.table, column, strings.Fields(t.row))
			if n += done; err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func resealColumn(ctx context.Context, tx *sql.Tx, r *ring, next key, table, column string, row []string) (int, error) {
	type value struct {
		rowid int64
		place place
		text  sql.NullString
	}
	rows, err := tx.QueryContext(ctx, `SELECT rowid, `+column+`, `+strings.Join(row, ", ")+` FROM `+table+` WHERE `+column+` IS NOT NULL`)
	if err != nil {
		return 0, err
	}
	values := []value{}
	for rows.Next() {
		v := value{place: place{table, column, make([]string, len(row))}}
		into := []any{&v.rowid, &v.text}
		for i := range row {
			into = append(into, &v.place.row[i])
		}
		if err := rows.Scan(into...); err != nil {
			_ = rows.Close()
			return 0, err
		}
		values = append(values, v)
	}
	if err := rows.Close(); err != nil {
		return 0, err
	}
	for i, v := range values {
		plain, err := r.open(v.text, v.place)
		if err != nil {
			return i, err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE `+table+` SET `+column+` = ? WHERE rowid = ?`, next.seal(plain, v.place), v.rowid); err != nil {
			return i, err
		}
	}
	return len(values), rows.Err()
}

// dropKeys takes every key out of the file that no value is sealed with.
func (k *Keeper) dropKeys(ctx context.Context) error {
	if k.Keys.Value != "" {
		return nil
	}
	return k.tx(ctx, func(tx *sql.Tx) error {
		k.sweep()
		keys, err := k.Keys.load()
		if err != nil {
			return err
		}
		keep := []key{}
		for _, one := range keys {
			used, err := keyUsed(ctx, tx, one.id)
			if err != nil {
				return err
			}
			if used {
				keep = append(keep, one)
			}
		}
		if len(keep) == 0 || len(keep) == len(keys) {
			return nil
		}
		return replaceKeys(k.Keys.Path, keep)
	})
}

// sweep removes half-made key files of rotations that were killed; the write
// lock is held, so none of them is still in the making.
func (k *Keeper) sweep() {
	stale, _ := filepath.Glob(k.Keys.Path + ".new-*")
	for _, path := range stale {
		_ = os.Remove(path)
	}
}

func keyUsed(ctx context.Context, tx *sql.Tx, id string) (bool, error) {
	query := `SELECT EXISTS (SELECT 1 FROM sealing WHERE key_id = ?)`
	args := []any{id}
	for _, t := range sealedColumns() {
		for _, column := range strings.Fields(t.columns) {
			query += ` OR EXISTS (SELECT 1 FROM ` + t.table + ` WHERE substr(` + column + `, 1, 14) = ?)`
			args = append(args, sealPrefix+"."+id+".")
		}
	}
	used := false
	err := tx.QueryRowContext(ctx, query, args...).Scan(&used)
	return used, err
}
