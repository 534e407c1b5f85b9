package grant

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"

	"mintkeep/internal/oauth"
	"mintkeep/internal/secret"
	"mintkeep/internal/store"
)

// Token is an access token's row. The token itself is not known.
type Token struct {
	ID       string // shown to people; not part of the token
	Me       string
	ClientID string
	Scope    string
	Created  time.Time
	LastUse  time.Time // zero if never used
	Revoked  time.Time // revoked from then on, may lie in the future; zero if not revoked
	GrantID  int64     // 0 in rows that php-mintoken wrote, until they are revoked here
	Ended    bool      // its grant has ended: revoked whatever the clock says
	Server   string    // the resource server that last introspected it
	Resource oauth.Resource

	hash string
}

// TokenError says why a token is not accepted.
type TokenError string

// Error is one line for whoever presented the token.
func (e TokenError) Error() string { return string(e) }

const (
	errOtherKind  TokenError = "this is no access token, but a secret for another purpose"
	errUnknown    TokenError = "the token is unknown"
	errRevoked    TokenError = "the token was revoked"
	errExpired    TokenError = "the token has expired"
	errNoResource TokenError = "this token is for the site, and for no resource"
	errNotIssued  TokenError = "the token is of somebody who gets no tokens here any more"
)

// malformed is what is said of a token or code of ours that is not whole.
func malformed(name string, s secret.Secret, prefix string) string {
	said := "the " + name + " is malformed: it was cut or changed on its way"
	if how := oauth.Mangled(name, string(s)); how != "" {
		return said + how
	}
	if n := len(secret.New(prefix)); len(s) != n && strings.HasPrefix(string(s), prefix) {
		said += fmt.Sprintf("; it has %d characters of %d", len(s), n)
	}
	return said
}

// IsTokenError tells a fault of the token from a fault of this program.
func IsTokenError(err error) bool {
	var e TokenError
	return errors.As(err, &e)
}

// The times are cast because the driver would turn columns declared TIMESTAMP
// into its own idea of a time. Of the grant there is one text, whether it has ended and
// its resource: a subquery, which costs less than a join.
const tokenColumns = `token_id, token_hash, auth_me, auth_client_id, auth_scope,
	CAST(tokens.created AS TEXT), CAST(last_use AS TEXT), CAST(revoked AS TEXT), revoked IS NOT NULL,
	coalesce(grant_id, 0), coalesce(last_server, ''),
	coalesce((SELECT (ended IS NOT NULL) || resource FROM grants WHERE grants.grant_id = tokens.grant_id), '0')
	FROM tokens `

func scanToken(scan func(...any) error) (*Token, error) {
	var t Token
	var revoked bool
	ended := "0"
	err := scan(&t.ID, &t.hash, &t.Me, &t.ClientID, &t.Scope, store.Into(&t.Created), store.Into(&t.LastUse), store.Into(&t.Revoked),
		&revoked, &t.GrantID, &t.Server, &ended)
	t.Ended, t.Resource = ended[0] == '1', oauth.Resource(ended[1:])
	if revoked && t.Revoked.IsZero() { // unreadable: closed rather than open
		t.Revoked = time.Unix(0, 0)
	}
	return &t, err
}

// Expiry is the moment from which the token is not accepted if nobody uses it
// before: the earliest of idle lifetime, maximum lifetime and a revocation set in
// advance. It is zero if the token never expires.
func (t *Token) Expiry(st *Settings) time.Time {
	lastUse, at := t.LastUse, t.Revoked
	if t.Created.After(lastUse) {
		lastUse = t.Created
	}
	if end := lastUse.Add(st.IdleLifetime); st.IdleLifetime > 0 && (at.IsZero() || end.Before(at)) {
		at = end
	}
	if end := t.Created.Add(st.MaxLifetime); st.MaxLifetime > 0 && (at.IsZero() || end.Before(at)) {
		at = end
	}
	return at
}

// Status says what the token is now: live, revoked or expired.
func (t *Token) Status(st *Settings, now time.Time) string {
	switch t.validate(st, now) {
	case nil:
		return "live"
	case errRevoked, errNotIssued:
		return "revoked"
	}
	return "expired"
}

func (t *Token) validate(st *Settings, now time.Time) error {
	switch past := !t.Revoked.IsZero() && !now.Before(t.Revoked); {
	case past && t.GrantID == 0: // php-mintoken writes the end of every token there in advance (case L7)
		return errExpired
	case past || t.Ended:
		return errRevoked
	}
	if at := t.Expiry(st); !at.IsZero() && !now.Before(at) {
		return errExpired
	}
	if !st.Issues(t.Me) {
		return errNotIssued
	}
	return nil
}

// Verify finds an access token that is accepted now for a resource and records its
// use, by the named resource server if server is not empty. A TokenError says why a
// token is not accepted.
func (s *Store) Verify(ctx context.Context, r Request, token secret.Secret, server string, at oauth.Resource) (*Token, error) {
	t, err := s.find(ctx, token)
	if err != nil {
		return nil, err
	}
	if err := t.validate(r.Settings, r.Now); err != nil {
		if err == errRevoked && !t.Ended {
			s.revokeIfKilled(ctx, r, t)
		}
		return nil, err
	}
	switch {
	case t.Resource == at:
	case t.Resource == "":
		return nil, errNoResource
	default:
		return nil, TokenError("this token is for " + string(t.Resource))
	}
	s.recordUse(ctx, r, t, token, server)
	return t, nil
}

// find reads an access token, whatever its state, by its hash; php-mintoken's by
// its ID until its first use.
func (s *Store) find(ctx context.Context, token secret.Secret) (*Token, error) {
	id, hashed, old := mintokenParts(token)
	if !old && !token.WellFormed(prefixAccess) {
		if token.WellFormed(prefixRefresh) || token.WellFormed(prefixServer) || token.WellFormed(prefixCode) {
			return nil, errOtherKind
		}
		return nil, TokenError(malformed("token", token, prefixAccess))
	}
	t, err := s.findBy(ctx, `token_hash = ?`, token.Hash())
	if err == nil && t == nil && old {
		t, err = s.findBy(ctx, `token_id = ?`, id)
		if t != nil && t.hash != token.Hash() && bcrypt.CompareHashAndPassword([]byte(t.hash), hashed) != nil {
			t = nil
		}
	}
	if err == nil && t == nil {
		err = errUnknown
	}
	return t, err
}

func (s *Store) findBy(ctx context.Context, condition, key string) (*Token, error) {
	// No cancellation: watching for it would cost more than the statement.
	t, err := scanToken(s.DB.QueryRowContext(context.WithoutCancel(ctx), `SELECT `+tokenColumns+`WHERE `+condition, key).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking up a token: %w", err)
	}
	return t, nil
}

// recordUse writes the last use, at most every hour or tenth of the idle lifetime,
// and replaces the bcrypt hashes of php-mintoken. A failure is only logged: a full,
// busy or read-only disk must not fail a verification.
func (s *Store) recordUse(ctx context.Context, r Request, t *Token, token secret.Secret, server string) {
	every := time.Hour
	if r.Settings.IdleLifetime > 0 {
		every = min(every, r.Settings.IdleLifetime/10)
	}
	recent := !t.LastUse.IsZero() && r.Now.Sub(t.LastUse).Abs() < every // the clock may have been ahead
	if slow := strings.HasPrefix(t.hash, "$2"); recent && !slow {       // bcrypt's prefix
		return
	}
	err := s.execBriefly(ctx, `UPDATE tokens SET last_use = ?, token_hash = ?, last_server = coalesce(?, last_server)
		WHERE token_id = ?`, store.Time(r.Now), token.Hash(), sql.NullString{String: server, Valid: server != ""}, t.ID)
	if err != nil {
		s.Log.Warn("last use not written", "error", err)
		return
	}
	t.LastUse = r.Now
}

// execBriefly executes one statement and waits at most 0.1 s for a lock.
func (s *Store) execBriefly(ctx context.Context, query string, args ...any) error {
	c, err := s.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	var usual int
	if err := c.QueryRowContext(ctx, `PRAGMA busy_timeout`).Scan(&usual); err != nil {
		return err
	}
	if _, err := c.ExecContext(ctx, `PRAGMA busy_timeout = 100`); err != nil {
		return err
	}
	defer func() {
		_, _ = c.ExecContext(context.WithoutCancel(ctx), `PRAGMA busy_timeout = `+strconv.Itoa(usual))
	}()
	_, err = c.ExecContext(ctx, query, args...)
	return err
}

// mintokenParts splits php-mintoken's tokens: the row's ID and the bytes of which
// its bcrypt hash was made, both as hex with "_" between. Only its own lower case
// is taken: the fast hash knows one spelling.
func mintokenParts(token secret.Secret) (id string, hashed []byte, ok bool) {
	id, tail, found := strings.Cut(string(token), "_")
	if !found || len(id) != 64 || strings.ToLower(string(token)) != string(token) {
		return "", nil, false
	}
	if _, err := hex.DecodeString(id); err != nil {
		return "", nil, false
	}
	hashed, err := hex.DecodeString(tail)
	if err != nil || len(hashed) == 0 || len(hashed) > 72 {
		return "", nil, false
	}
	return id, hashed, true
}
