package grant

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"mintkeep/internal/secret"
	"mintkeep/internal/store"
)

// ResourceServer is a program that may introspect tokens.
type ResourceServer struct {
	Name    string
	Created time.Time
	LastUse time.Time // zero if never
}

// AddServer registers a resource server and returns its secret, which is not kept.
func (s *Store) AddServer(ctx context.Context, name string) (secret.Secret, error) {
	n := utf8.RuneCountInString(name)
	if n < 1 || n > 100 || strings.TrimSpace(name) != name || strings.ContainsFunc(name, unicode.IsControl) {
		return "", fmt.Errorf("adding resource server %q: a name has 1 to 100 characters, with no space at its ends", name)
	}
	password := secret.New(prefixServer)
	now := s.Now().UTC()
	err := store.Write(ctx, s.DB, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `INSERT INTO resource_servers (name, secret_hash, created) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING`,
			name, password.Hash(), store.Time(now))
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errors.New("there is one already\nhint: remove it first to give it a new secret"))
		}
		return store.Record(ctx, tx, store.Event{At: now, Kind: "server added", Detail: name})
	})
	if err != nil {
		return "", fmt.Errorf("adding resource server %s: %w", name, err)
	}
	return password, nil
}

// RemoveServer takes a resource server's right to introspect away.
func (s *Store) RemoveServer(ctx context.Context, name string) error {
	err := store.Write(ctx, s.DB, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `DELETE FROM resource_servers WHERE name = ?`, name)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errors.New("there is none of this name"))
		}
		return store.Record(ctx, tx, store.Event{At: s.Now().UTC(), Kind: "server removed", Detail: name})
	})
	if err != nil {
		return fmt.Errorf("removing resource server %s: %w", name, err)
	}
	return nil
}

// Servers lists the resource servers by name.
func (s *Store) Servers(ctx context.Context) ([]ResourceServer, error) {
	rows, err := s.DB.QueryContext(ctx, `SELECT name, created, last_use FROM resource_servers ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("listing resource servers: %w", err)
	}
	defer rows.Close()
	var all []ResourceServer
	for rows.Next() {
		var v ResourceServer
		var created, lastUse sql.NullString
		if err := rows.Scan(&v.Name, &created, &lastUse); err != nil {
			return nil, fmt.Errorf("listing resource servers: %w", err)
		}
		v.Created, v.LastUse = store.ParseTime(created), store.ParseTime(lastUse)
		all = append(all, v)
	}
	return all, rows.Err()
}

// AuthenticateServer returns the name of the resource server that has this
// secret and, if name is not empty, that name; "" if there is none.
func (s *Store) AuthenticateServer(ctx context.Context, now time.Time, name string, password secret.Secret) (string, error) {
	if !password.WellFormed(prefixServer) {
		return "", nil
	}
	var found string
	var lastUse sql.NullString
	err := s.DB.QueryRowContext(ctx, `SELECT name, last_use FROM resource_servers WHERE secret_hash = ?`, password.Hash()).
		Scan(&found, &lastUse)
	if errors.Is(err, sql.ErrNoRows) || err == nil && name != "" && name != found {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking up a resource server: %w", err)
	}
	if now.Sub(store.ParseTime(lastUse)).Abs() < time.Hour {
		return found, nil
	}
	if err := s.execBriefly(ctx, `UPDATE resource_servers SET last_use = ? WHERE name = ?`, store.Time(now), found); err != nil {
		s.Log.Warn("last use not written", "error", err)
	}
	return found, nil
}
