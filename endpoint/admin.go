package endpoint

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// What the owner does to tokens and resource servers, from the command line or
// the owner's pages.

// Tokens lists the access tokens, newest first.
func (s *Server) Tokens(ctx context.Context) ([]*Token, error) {
	return listTokens(ctx, s.DB, `ORDER BY tokens.created DESC, tokens.rowid DESC`)
}

func listTokens(ctx context.Context, db interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}, rest string, args ...any) ([]*Token, error) {
	rows, err := db.QueryContext(ctx, `SELECT `+tokenColumns+` FROM tokens `+rest, args...)
	if err != nil {
		return nil, fmt.Errorf("listing tokens: %w", err)
	}
	defer rows.Close()
	var all []*Token
	for rows.Next() {
		t, err := scanToken(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("listing tokens: %w", err)
		}
		all = append(all, t)
	}
	return all, rows.Err()
}

// ErrNoToken is returned when no token fits what was asked to be revoked.
var ErrNoToken = errors.New("there is no such token")

// RevokeID revokes the token with this id, or the only one whose id begins so,
// and everything issued with it; if me is not empty, only one of that person's.
func (s *Server) RevokeID(ctx context.Context, me, id string) error {
	now := s.Now().UTC()
	err := s.write(ctx, func(tx *sql.Tx) error {
		tokens, err := listTokens(ctx, tx, `WHERE substr(token_id, 1, length(?1)) = ?1 AND ?2 IN ('', auth_me)`, id, me)
		switch {
		case err != nil:
			return err
		case id == "" || len(tokens) == 0:
			return ErrNoToken
		case len(tokens) > 1:
			return errors.New("more than one token begins so; give more of the id")
		}
		return s.endGrantOf(ctx, tx, tokens[0], now)
	})
	if err != nil {
		return fmt.Errorf("revoking %q: %w", id, err)
	}
	return nil
}

// RevokeClient ends everything that a person (all if me is empty) granted to an
// app, and says how many grants and tokens of php-mintoken's that were. With and
// without the slash behind a host's name is the same app.
func (s *Server) RevokeClient(ctx context.Context, me, clientID string) (int, error) {
	canonical, bare := clientID, clientID
	if u, err := parseClientID(clientID); err == nil && (u.Path == "" || u.Path == "/") && u.RawQuery == "" {
		bare = u.Scheme + "://" + strings.ToLower(u.Host)
		canonical = bare + "/"
	}
	return s.revokeGrants(ctx, `AND ? IN ('', me) AND client_id IN (?, ?, ?)`, `AND ? IN ('', auth_me) AND auth_client_id IN (?, ?, ?)`,
		me, clientID, canonical, bare)
}

// RevokeAll ends every grant of a person (of all if me is empty), and says how
// many there were.
func (s *Server) RevokeAll(ctx context.Context, me string) (int, error) {
	return s.revokeGrants(ctx, `AND ? IN ('', me)`, `AND ? IN ('', auth_me)`, me)
}

// revokeGrants ends the living grants and the living tokens that have none, as
// far as the conditions name them. A grant may live by its refresh token alone.
func (s *Server) revokeGrants(ctx context.Context, ofGrant, ofToken string, arg ...any) (int, error) {
	now := s.Now().UTC()
	var found []*Token
	err := s.write(ctx, func(tx *sql.Tx) error {
		loose, err := listTokens(ctx, tx, `WHERE grant_id IS NULL AND (revoked IS NULL OR revoked > ?) `+ofToken, append([]any{stamp(now)}, arg...)...)
		if err != nil {
			return err
		}
		grants, err := listTokens(ctx, tx, `JOIN grants USING (grant_id) WHERE ended IS NULL `+ofGrant+` GROUP BY grant_id`, arg...)
		if err != nil {
			return err
		}
		// What was allowed a moment ago may still be a code.
		_, err = tx.ExecContext(ctx, `DELETE FROM codes WHERE used IS NULL AND grant_id IN (SELECT grant_id FROM grants WHERE ended IS NULL `+ofGrant+`)`, arg...)
		if err != nil {
			return fmt.Errorf("taking back codes: %w", err)
		}
		found = append(loose, grants...)
		for _, t := range found {
			if err := s.endGrantOf(ctx, tx, t, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("revoking tokens: %w", err)
	}
	return len(found), nil
}

// byHand is the endpoint of a grant that no endpoint confirmed.
const byHand = "by hand"

// Mint makes an access token by hand, without a code.
func (s *Server) Mint(ctx context.Context, me, clientID, scope string) (Secret, error) {
	canonical, err := CanonicalURL(me)
	if err != nil {
		return "", fmt.Errorf("minting: %w", err)
	}
	if _, err := parseClientID(clientID); err != nil {
		return "", fmt.Errorf("minting: %q is no client: %w", clientID, err)
	}
	if clientID, err = CanonicalURL(clientID); err != nil {
		return "", fmt.Errorf("minting: the client: %w", err)
	}
	for _, word := range strings.Fields(scope) {
		if !scopeToken(word) {
			return "", fmt.Errorf("minting: %q cannot be a scope", word)
		}
	}
	if scope = readScope(scope); scope == "" {
		return "", errors.New("minting: a token without scope is of no use\nhint: name at least one scope, for example create")
	}
	st, err := s.Settings(ctx)
	if err != nil {
		return "", err
	}
	if !st.Issues(canonical) {
		return "", fmt.Errorf("minting: no tokens are issued for %s\nhint: mintkeep setting me %s", canonical, canonical)
	}
	g := &grant{me: canonical, clientID: clientID, scope: scope, endpoint: byHand}
	now := s.Now().UTC()
	var secret Secret
	err = s.write(ctx, func(tx *sql.Tx) error {
		if err := g.insert(ctx, tx, now); err != nil {
			return err
		}
		var id string
		if secret, id, err = g.insertAccess(ctx, tx, scope, now); err != nil {
			return err
		}
		return s.Record(ctx, tx, Event{At: now, Kind: "made", Me: g.me, ClientID: clientID, TokenID: id, Detail: scope})
	})
	return secret, err
}

// pruneAfter is how long a dead token stays to be seen in lists.
const pruneAfter = 30 * 24 * time.Hour

// Prune removes what has been dead for more than 30 days: refresh tokens,
// tokens that no living refresh token stands for, and grants that have none
// left; what was read of pages, and events after a year. It says how many tokens went.
func (s *Server) Prune(ctx context.Context, st *Settings) (removed int, err error) {
	now := s.Now().UTC()
	err = s.write(ctx, func(tx *sql.Tx) error {
		if err := pruneRefresh(ctx, tx, st, now); err != nil {
			return err
		}
		tokens, err := listTokens(ctx, tx, `WHERE token_id NOT IN (SELECT token_id FROM refresh_tokens)`)
		if err != nil {
			return err
		}
		for _, t := range tokens {
			if at, expires := t.Expiry(st); !expires || now.Sub(at) < pruneAfter {
				continue
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM tokens WHERE token_id = ?`, t.ID); err != nil {
				return fmt.Errorf("pruning tokens: %w", err)
			}
			removed++
		}
		return pruneGrants(ctx, tx, now)
	})
	return removed, err
}

func pruneRefresh(ctx context.Context, tx *sql.Tx, st *Settings, now time.Time) error {
	long, idle := stamp(now.Add(-pruneAfter)), "" // nothing is older than the empty text
	if st.RefreshLifetime > 0 {
		idle = stamp(now.Add(-st.RefreshLifetime - pruneAfter))
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM refresh_tokens WHERE coalesce(rotated, killed) < ? OR created < ?
		OR grant_id IN (SELECT grant_id FROM grants WHERE ended < ?)`, long, idle, long)
	if err != nil {
		return fmt.Errorf("pruning refresh tokens: %w", err)
	}
	return nil
}

func pruneGrants(ctx context.Context, tx *sql.Tx, now time.Time) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM grants WHERE created < ?
		AND grant_id NOT IN (SELECT grant_id FROM tokens WHERE grant_id IS NOT NULL)
		AND grant_id NOT IN (SELECT grant_id FROM refresh_tokens)`, stamp(now.Add(-pruneAfter)))
	if err == nil {
		_, err = tx.ExecContext(ctx, `DELETE FROM events WHERE at < ?`, stamp(now.AddDate(-1, 0, 0)))
	}
	if err == nil {
		_, err = tx.ExecContext(ctx, `DELETE FROM pages WHERE tried < ?`, stamp(now.Add(-pruneAfter)))
	}
	if err != nil {
		return fmt.Errorf("pruning grants: %w", err)
	}
	return nil
}

// ResourceServer is a program that may introspect tokens.
type ResourceServer struct {
	Name    string
	Created time.Time
	LastUse time.Time // zero if never
}

// AddServer registers a resource server and returns its secret, which is not kept.
func (s *Server) AddServer(ctx context.Context, name string) (Secret, error) {
	if n := utf8.RuneCountInString(name); n < 1 || n > 100 || strings.TrimSpace(name) != name || strings.ContainsFunc(name, unicode.IsControl) {
		return "", fmt.Errorf("adding resource server %q: a name has 1 to 100 characters, with no space at its ends", name)
	}
	secret := newSecret(prefixServer)
	now := s.Now().UTC()
	err := s.write(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `INSERT INTO resource_servers (name, secret_hash, created) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING`,
			name, secret.hash(), stamp(now))
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errors.New("there is one already\nhint: remove it first to give it a new secret"))
		}
		return s.Record(ctx, tx, Event{At: now, Kind: "server added", Detail: name})
	})
	if err != nil {
		return "", fmt.Errorf("adding resource server %s: %w", name, err)
	}
	return secret, nil
}

// RemoveServer takes a resource server's right to introspect away.
func (s *Server) RemoveServer(ctx context.Context, name string) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `DELETE FROM resource_servers WHERE name = ?`, name)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errors.New("there is none of this name"))
		}
		return s.Record(ctx, tx, Event{At: s.Now().UTC(), Kind: "server removed", Detail: name})
	})
	if err != nil {
		return fmt.Errorf("removing resource server %s: %w", name, err)
	}
	return nil
}

// Servers lists the resource servers by name.
func (s *Server) Servers(ctx context.Context) ([]ResourceServer, error) {
	rows, err := s.DB.QueryContext(ctx, `SELECT name, created, last_use FROM resource_servers ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("listing resource servers: %w", err)
	}
	defer rows.Close()
	var all []ResourceServer
	for rows.Next() {
		var v ResourceServer
		var created string
		var lastUse sql.NullString
		if err := rows.Scan(&v.Name, &created, &lastUse); err != nil {
			return nil, fmt.Errorf("listing resource servers: %w", err)
		}
		v.Created, _ = parseStamp(created)
		v.LastUse, _ = parseStamp(lastUse.String)
		all = append(all, v)
	}
	return all, rows.Err()
}
