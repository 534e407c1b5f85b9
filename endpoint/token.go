package endpoint

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Token is an access token's row. The token itself is not known.
type Token struct {
	ID       string // shown to people; not part of the token
	Me       string
	ClientID string
	Scope    string
	Created  time.Time
	LastUse  time.Time // zero if never used
	Revoked  time.Time // dead from then on, may lie in the future; zero if not revoked
	GrantID  int64     // 0 in rows that php-mintoken wrote
	Server   string    // the resource server that last introspected it

	hash string
}

// Why a token is not accepted.
var (
	errMalformed = errors.New("the token is malformed: it was cut or changed on its way")
	errOtherKind = errors.New("this is no access token, but a secret for another purpose")
	errUnknown   = errors.New("the token is unknown")
	errRevoked   = errors.New("the token was revoked")
	errExpired   = errors.New("the token has expired")
	errNotIssued = errors.New("the token is of somebody who gets no tokens here any more")
)

func stamp(t time.Time) string { return t.UTC().Format(time.DateTime) }

// parseStamp reads a time of the database. What cannot be read gives ok = false.
func parseStamp(s string) (t time.Time, ok bool) {
	t, err := time.Parse(time.DateTime, s)
	return t, err == nil
}

// The times are cast because the driver would turn columns declared TIMESTAMP
// into its own idea of a time.
const tokenColumns = `token_id, token_hash, auth_me, auth_client_id, auth_scope,
	CAST(tokens.created AS TEXT), CAST(last_use AS TEXT), CAST(revoked AS TEXT), grant_id, last_server`

func scanToken(scan func(...any) error) (*Token, error) {
	var t Token
	var created string
	var lastUse, revoked, server sql.NullString
	var grant sql.NullInt64
	if err := scan(&t.ID, &t.hash, &t.Me, &t.ClientID, &t.Scope, &created, &lastUse, &revoked, &grant, &server); err != nil {
		return nil, err
	}
	t.Created, _ = parseStamp(created)
	t.LastUse, _ = parseStamp(lastUse.String)
	if revoked.Valid {
		t.Revoked, _ = parseStamp(revoked.String)
		if t.Revoked.IsZero() { // unreadable: closed rather than open
			t.Revoked = time.Unix(0, 0)
		}
	}
	t.GrantID, t.Server = grant.Int64, server.String
	return &t, nil
}

// Expiry is the moment from which the token is dead if nobody uses it before:
// the earliest of idle time, lifetime and a revocation set in advance.
func (t *Token) Expiry(st *Settings) (at time.Time, expires bool) {
	last := t.Created
	if t.LastUse.After(last) {
		last = t.LastUse
	}
	at = earliest(at, last, st.IdleLifetime)
	at = earliest(at, t.Created, st.MaxLifetime)
	if !t.Revoked.IsZero() && (at.IsZero() || t.Revoked.Before(at)) {
		at = t.Revoked
	}
	return at, !at.IsZero()
}

func earliest(at, from time.Time, d time.Duration) time.Time {
	if end := from.Add(d); d > 0 && (at.IsZero() || end.Before(at)) {
		return end
	}
	return at
}

// Status says what the token is now: live, revoked or expired.
func (t *Token) Status(st *Settings, now time.Time) string {
	switch t.alive(st, now) {
	case nil:
		return "live"
	case errRevoked, errNotIssued:
		return "revoked"
	}
	return "expired"
}

func (t *Token) alive(st *Settings, now time.Time) error {
	if !t.Revoked.IsZero() && !now.Before(t.Revoked) {
		return errRevoked
	}
	if at, expires := t.Expiry(st); expires && !now.Before(at) {
		return errExpired
	}
	if !st.Issues(t.Me) {
		return errNotIssued
	}
	return nil
}

// lookUp reads the token and the settings: most requests are verifications, and
// this is all of the database that they need. The token is looked up by its hash,
// whatever its state; php-mintoken's by its id until its first use. The settings
// are returned with a token's fault, too.
func (s *Server) lookUp(q *request, secret Secret) (*Token, *Settings, error) {
	id, hashed, old := secret.mintokenParts()
	fault := errUnknown
	if old || secret.wellFormed(prefixAccess) {
		t, st, err := s.lookUpBy(q, `token_hash = ?`, secret.hash())
		if err == nil && t == nil && old {
			if t, st, err = s.lookUpBy(q, `token_id = ?`, id); t != nil && t.hash != secret.hash() && bcrypt.CompareHashAndPassword([]byte(t.hash), hashed) != nil {
				t = nil
			}
		}
		if err != nil || t != nil {
			return t, st, err
		}
	} else if fault = errMalformed; secret.wellFormed(prefixRefresh) || secret.wellFormed(prefixServer) || secret.wellFormed(prefixCode) {
		fault = errOtherKind
	}
	st, err := s.Settings(q.ctx())
	if err != nil {
		return nil, nil, err
	}
	return nil, st, fault
}

func (s *Server) lookUpBy(q *request, condition, key string) (*Token, *Settings, error) {
	// No cancellation: watching for it would cost more than the statement.
	row := s.DB.QueryRowContext(context.WithoutCancel(q.ctx()), `SELECT `+tokenColumns+` FROM tokens WHERE `+condition, key)
	t, err := scanToken(row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("looking up a token: %w", err)
	}
	st, err := s.Settings(q.ctx())
	return t, st, err
}

// check finds a token that is alive and notes its use.
func (s *Server) check(q *request, secret Secret, server string) (*Token, *Settings, error) {
	t, st, err := s.lookUp(q, secret)
	if err != nil {
		return nil, st, err
	}
	if err := t.alive(st, q.now); err != nil {
		return nil, st, err
	}
	s.touch(q, st, t, secret, server)
	return t, st, nil
}

// touch writes the last use, at most every hour or tenth of the idle lifetime,
// and moves php-mintoken's tokens to the fast hash. It is an effort: a full,
// busy or read-only disk must not fail a verification.
func (s *Server) touch(q *request, st *Settings, t *Token, secret Secret, server string) {
	every := time.Hour
	if st.IdleLifetime > 0 {
		every = min(every, st.IdleLifetime/10)
	}
	fresh := !t.LastUse.IsZero() && q.now.Sub(t.LastUse) < every
	if slow := strings.HasPrefix(t.hash, "$2"); fresh && !slow { // bcrypt's prefix
		return
	}
	_, err := s.execBriefly(q.ctx(), `UPDATE tokens SET last_use = ?, token_hash = ?, last_server = coalesce(?, last_server)
		WHERE token_id = ?`, stamp(q.now), secret.hash(), sql.NullString{String: server, Valid: server != ""}, t.ID)
	if err != nil {
		s.Log.Warn("last use not written", "error", err)
		return
	}
	t.LastUse = q.now
}

// execBriefly executes one statement, waiting for a lock no longer than a
// verification can afford.
func (s *Server) execBriefly(ctx context.Context, query string, args ...any) (sql.Result, error) {
	c, err := s.DB.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var usual int
	if err := c.QueryRowContext(ctx, `PRAGMA busy_timeout`).Scan(&usual); err != nil {
		return nil, err
	}
	if _, err := c.ExecContext(ctx, `PRAGMA busy_timeout = 100`); err != nil {
		return nil, err
	}
	defer c.ExecContext(context.WithoutCancel(ctx), `PRAGMA busy_timeout = `+strconv.Itoa(usual))
	return c.ExecContext(ctx, query, args...)
}

// A grant is what one redeemed code, or the owner, allowed a client.
type grant struct {
	id       int64
	me       string
	clientID string
	scope    string
	endpoint string
}

func (g *grant) insert(ctx context.Context, tx *sql.Tx, now time.Time) error {
	r, err := tx.ExecContext(ctx, `INSERT INTO grants (me, client_id, scope, endpoint, created) VALUES (?, ?, ?, ?, ?)`,
		g.me, g.clientID, g.scope, g.endpoint, stamp(now))
	if err == nil {
		g.id, err = r.LastInsertId()
	}
	if err != nil {
		return fmt.Errorf("writing the grant: %w", err)
	}
	return nil
}

// insertAccess mints an access token of the grant and returns it with its id.
func (g *grant) insertAccess(ctx context.Context, tx *sql.Tx, scope string, now time.Time) (Secret, string, error) {
	secret := newSecret(prefixAccess)
	id := make([]byte, 8)
	rand.Read(id)
	_, err := tx.ExecContext(ctx, `INSERT INTO tokens (token_id, token_hash, auth_me, auth_client_id, auth_scope, created, grant_id)
		VALUES (?, ?, ?, ?, ?, ?, ?)`, hex.EncodeToString(id), secret.hash(), g.me, g.clientID, scope, stamp(now), g.id)
	if err != nil {
		return "", "", fmt.Errorf("writing the access token: %w", err)
	}
	return secret, hex.EncodeToString(id), nil
}

// end kills everything that was issued from the grant: its access tokens now,
// its refresh tokens because they ask the grant. It reports whether the grant
// was alive.
func (g *grant) end(ctx context.Context, tx *sql.Tx, now time.Time, reason string) (bool, error) {
	r, err := tx.ExecContext(ctx, `UPDATE grants SET ended = ?, end_reason = ? WHERE grant_id = ? AND ended IS NULL`, stamp(now), reason, g.id)
	if err != nil {
		return false, fmt.Errorf("ending the grant: %w", err)
	}
	n, err := r.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("ending the grant: %w", err)
	}
	_, err = tx.ExecContext(ctx, `UPDATE tokens SET revoked = ? WHERE grant_id = ? AND (revoked IS NULL OR revoked > ?)`, stamp(now), g.id, stamp(now))
	if err == nil {
		_, err = tx.ExecContext(ctx, `UPDATE refresh_tokens SET reply = NULL WHERE grant_id = ? AND reply IS NOT NULL`, g.id)
	}
	if err != nil {
		return false, fmt.Errorf("revoking the tokens of the grant: %w", err)
	}
	return n == 1, nil
}

// write runs fn in one immediate transaction and commits it.
func (s *Server) write(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := s.DB.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning to write: %w", err)
	}
	defer tx.Rollback()
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// lifetime is what a token made now is told to live, in seconds; 0 is for ever.
func (st *Settings) lifetime() int64 {
	d := st.IdleLifetime
	if d == 0 || st.MaxLifetime > 0 && st.MaxLifetime < d {
		d = st.MaxLifetime
	}
	return int64(d / time.Second)
}
