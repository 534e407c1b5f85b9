package grant

import (
	"context"
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
	doing := "adding resource server " + name
	password := secret.New(prefixServer)
	err := s.write(ctx, s.ownersRequest(), func(t *tx) {
		if t.Exec(doing, `INSERT INTO resource_servers (name, secret_hash, created) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING`,
			name, password.Hash(), store.Time(t.Now)) == 0 {
			t.Fail(errors.New(doing + ": there is one already\nhint: remove it first to give it a new secret"))
		}
		t.record("server added", &Grant{}, "", name)
	})
	return password, err
}

// RemoveServer takes a resource server's right to introspect away.
func (s *Store) RemoveServer(ctx context.Context, name string) error {
	doing := "removing resource server " + name
	return s.write(ctx, s.ownersRequest(), func(t *tx) {
		if t.Exec(doing, `DELETE FROM resource_servers WHERE name = ?`, name) == 0 {
			t.Fail(errors.New(doing + ": there is none of this name"))
		}
		t.record("server removed", &Grant{}, "", name)
	})
}

// Servers lists the resource servers by name.
func (s *Store) Servers(ctx context.Context) ([]ResourceServer, error) {
	return store.List(ctx, s.DB, "listing resource servers", func(scan func(...any) error) (v ResourceServer, err error) {
		err = scan(&v.Name, store.Into(&v.Created), store.Into(&v.LastUse))
		return v, err
	}, `SELECT name, created, last_use FROM resource_servers ORDER BY name`)
}

// AuthenticateServer returns the name of the resource server that has this
// secret and, if name is not empty, that name; "" if there is none.
func (s *Store) AuthenticateServer(ctx context.Context, now time.Time, name string, password secret.Secret) (string, error) {
	if !password.WellFormed(prefixServer) {
		return "", nil
	}
	var found string
	var lastUse time.Time
	ok, err := store.Row(ctx, s.DB, "looking up a resource server",
		`SELECT name, last_use FROM resource_servers WHERE secret_hash = ?`, []any{password.Hash()}, &found, store.Into(&lastUse))
	if err != nil || !ok || name != "" && name != found {
		return "", err
	}
	if now.Sub(lastUse).Abs() < time.Hour {
		return found, nil
	}
	if err := s.execBriefly(ctx, `UPDATE resource_servers SET last_use = ? WHERE name = ?`, store.Time(now), found); err != nil {
		s.Log.Warn("last use not written", "error", err)
	}
	return found, nil
}
