package grant

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"mintkeep/internal/oauth"
	"mintkeep/internal/secret"
	"mintkeep/internal/store"
)

// ResourceServer is a program that may introspect tokens.
type ResourceServer struct {
	Name    string
	Created time.Time
	LastUse time.Time // zero if never

	Resource string // as its owner writes it; then it learns of tokens for that alone
	Scope    string // offered to apps that ask for none
}

// Validate says what is wrong with what the owner gave, and tidies it.
func (v *ResourceServer) Validate() error {
	n := utf8.RuneCountInString(v.Name)
	if n < 1 || n > 100 || strings.TrimSpace(v.Name) != v.Name || strings.ContainsFunc(v.Name, unicode.IsControl) {
		return errors.New("a name has 1 to 100 characters, with no space at its ends")
	}
	if v.Resource == "" && v.Scope != "" {
		return errors.New("a scope needs a resource that it is for")
	}
	for word := range strings.FieldsSeq(v.Scope) {
		if !oauth.IsScopeToken(word) {
			return fmt.Errorf("%q cannot be a scope", word)
		}
	}
	v.Scope = oauth.ParseScope(v.Scope)
	if v.Resource == "" {
		return nil
	}
	if _, err := oauth.ParseResource(v.Resource); err != nil {
		return fmt.Errorf("the resource %q cannot be one: %w", v.Resource, err)
	}
	return nil
}

// AddServer registers a resource server and returns its secret, which is not kept.
func (s *Store) AddServer(ctx context.Context, v ResourceServer) (secret.Secret, error) {
	if err := v.Validate(); err != nil {
		return "", fmt.Errorf("adding resource server %q: %w", v.Name, err)
	}
	doing := "adding resource server " + v.Name
	password := secret.New(prefixServer)
	err := s.write(ctx, s.ownersRequest(), func(t *tx) {
		if t.Exec(doing, `INSERT INTO resource_servers (name, secret_hash, created, resource, scope) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (name) DO NOTHING`, v.Name, password.Hash(), store.Time(t.Now), v.Resource, v.Scope) == 0 {
			t.Fail(errors.New(doing + ": there is one already\nhint: remove it first to give it a new secret"))
		}
		t.record("server added", &Grant{}, "", strings.TrimSpace(v.Name+" "+v.Resource))
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
		err = scan(&v.Name, store.Into(&v.Created), store.Into(&v.LastUse), &v.Resource, &v.Scope)
		return v, err
	}, `SELECT name, created, last_use, resource, scope FROM resource_servers ORDER BY name`)
}

// ServerAt is the first resource server that is registered with a resource; nil if none is.
func (s *Store) ServerAt(ctx context.Context, at oauth.Resource) (*ResourceServer, error) {
	all, err := s.Servers(ctx)
	for _, v := range all {
		if r, bad := oauth.ParseResource(v.Resource); bad == nil && r == at {
			return &v, err
		}
	}
	return nil, err
}

// AuthenticateServer returns the resource server that has this secret and, if name
// is not empty, that name; nil if there is none.
func (s *Store) AuthenticateServer(ctx context.Context, now time.Time, name string, password secret.Secret) (*ResourceServer, error) {
	if !password.WellFormed(prefixServer) {
		return nil, nil
	}
	v := new(ResourceServer)
	ok, err := store.Row(ctx, s.DB, "looking up a resource server",
		`SELECT name, last_use, resource FROM resource_servers WHERE secret_hash = ?`, []any{password.Hash()},
		&v.Name, store.Into(&v.LastUse), &v.Resource)
	if err != nil || !ok || name != "" && name != v.Name {
		return nil, err
	}
	if now.Sub(v.LastUse).Abs() < time.Hour {
		return v, nil
	}
	if err := s.execBriefly(ctx, `UPDATE resource_servers SET last_use = ? WHERE name = ?`, store.Time(now), v.Name); err != nil {
		s.Log.Warn("last use not written", "error", err)
	}
	return v, nil
}
