package endpoint

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// graceWindow is how long a rotated refresh token gives the same answer again,
// and how long the access token it replaced lives on.
const graceWindow = 30 * time.Second

// A refreshRow is a refresh token's row with its grant.
type refreshRow struct {
	hash      string
	tokenID   string
	created   time.Time
	rotated   time.Time // zero while it was never used
	successor string
	killed    bool
	reply     []byte
	ended     bool // its grant is over
	grant     grant
}

// insertRefresh mints a refresh token of the grant.
func (g *grant) insertRefresh(ctx context.Context, tx *sql.Tx, tokenID string, now time.Time) (Secret, error) {
	secret := newSecret(prefixRefresh)
	_, err := tx.ExecContext(ctx, `INSERT INTO refresh_tokens (refresh_hash, grant_id, token_id, created) VALUES (?, ?, ?, ?)`,
		secret.hash(), g.id, tokenID, stamp(now))
	if err != nil {
		return "", fmt.Errorf("writing the refresh token: %w", err)
	}
	return secret, nil
}

func findRefresh(ctx context.Context, tx *sql.Tx, hash string) (*refreshRow, error) {
	r := &refreshRow{hash: hash}
	var created string
	var rotated, successor, killed, ended sql.NullString
	err := tx.QueryRowContext(ctx, `SELECT r.token_id, r.created, r.rotated, r.successor, r.killed, r.reply,
			g.grant_id, g.me, g.client_id, g.scope, g.endpoint, g.ended
		FROM refresh_tokens r JOIN grants g USING (grant_id) WHERE r.refresh_hash = ?`, hash).
		Scan(&r.tokenID, &created, &rotated, &successor, &killed, &r.reply,
			&r.grant.id, &r.grant.me, &r.grant.clientID, &r.grant.scope, &r.grant.endpoint, &ended)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking up a refresh token: %w", err)
	}
	r.created, _ = parseStamp(created)
	r.rotated, _ = parseStamp(rotated.String)
	r.successor, r.killed, r.ended = successor.String, killed.Valid, ended.Valid
	return r, nil
}

// refresh is the refresh grant (RFC 6749 section 6). Every use rotates; what
// happens to a token that comes again is decided in one immediate transaction.
func (s *Server) refresh(q *request) (*reply, error) {
	secret := Secret(q.form["refresh_token"])
	if secret == "" {
		return nil, badRequest("the parameter refresh_token is missing")
	}
	clientID, err := q.clientID()
	if err != nil {
		return nil, err
	}
	if secret.wellFormed(prefixAccess) {
		return nil, badGrant("this is an access token; the refresh token was given with it")
	}
	if !secret.wellFormed(prefixRefresh) {
		return nil, badGrant("the refresh token is malformed: it was cut or changed on its way")
	}
	st, err := s.Settings(q.ctx())
	if err != nil {
		return nil, err
	}
	var answer fields
	var refusal *Error
	var row *refreshRow
	err = s.write(q.ctx(), func(tx *sql.Tx) (err error) {
		row, err = findRefresh(q.ctx(), tx, secret.hash())
		if err != nil {
			return err
		}
		if refusal = row.usable(q, st, clientID); refusal != nil {
			return nil
		}
		answer, refusal, err = s.present(q, tx, st, secret, row)
		return err
	})
	if err != nil {
		return nil, err
	}
	if refusal != nil {
		return nil, refusal
	}
	return encode(s.withProfile(q, st, answer, &grant{me: row.grant.me, scope: answer.text("scope")}), q.onlyForm())
}

// usable refuses a refresh token that gives nothing, whether used before or not.
func (r *refreshRow) usable(q *request, st *Settings, clientID string) *Error {
	switch {
	case r == nil:
		return badGrant("the refresh token is unknown")
	case r.ended:
		return badGrant("the refresh token was revoked")
	case st.RefreshLifetime > 0 && !q.now.Before(r.created.Add(st.RefreshLifetime)):
		return badGrant("the refresh token has expired; sign in again")
	case clientID != "" && !sameClient(clientID, r.grant.clientID):
		return badGrant("the refresh token was issued to another client_id")
	case len(st.Me) > 0 && !slices.Contains(st.Me, r.grant.me):
		return badGrant("this endpoint issues no tokens for " + r.grant.me)
	}
	return nil
}

func sameClient(a, b string) bool {
	x, err1 := CanonicalURL(a)
	y, err2 := CanonicalURL(b)
	return a == b || err1 == nil && err2 == nil && x == y
}

// present decides what a refresh token is worth: new tokens, the same answer
// again, new tokens in place of a reply that was lost, or the end of the family.
func (s *Server) present(q *request, tx *sql.Tx, st *Settings, secret Secret, r *refreshRow) (fields, *Error, error) {
	if r.killed {
		return nil, errReuse(), s.endReused(q, tx, r)
	}
	if r.rotated.IsZero() {
		return s.rotate(q, tx, st, secret, r)
	}
	next, err := findRefresh(q.ctx(), tx, r.successor)
	if err != nil {
		return nil, nil, err
	}
	if next == nil || !next.rotated.IsZero() || next.killed {
		return nil, errReuse(), s.endReused(q, tx, r)
	}
	if q.now.Sub(r.rotated) <= graceWindow && r.reply != nil {
		answer, err := openReply(secret, r.reply)
		return answer, nil, err
	}
	answer, refusal, err := s.rotate(q, tx, st, secret, r)
	if err == nil && refusal == nil {
		err = next.kill(q.ctx(), tx, q.now)
	}
	return answer, refusal, err
}

func errReuse() *Error {
	return badGrant("the refresh token was used before; everything issued with it is revoked now, so sign in again")
}

func (s *Server) endReused(q *request, tx *sql.Tx, r *refreshRow) error {
	if _, err := r.grant.end(q.ctx(), tx, q.now, "reuse"); err != nil {
		return err
	}
	return s.Record(q.ctx(), tx, Event{At: q.now, Kind: "reuse", Me: r.grant.me, ClientID: r.grant.clientID, Address: q.address,
		TokenID: r.tokenID, Detail: "a refresh token was presented after its successor had been used; its tokens are revoked"})
}

// kill takes back a successor that nobody has used, with its access token.
func (r *refreshRow) kill(ctx context.Context, tx *sql.Tx, now time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE refresh_tokens SET killed = ?, reply = NULL WHERE refresh_hash = ?`, stamp(now), r.hash)
	if err == nil {
		err = revokeAt(ctx, tx, r.tokenID, now)
	}
	if err != nil {
		return fmt.Errorf("taking back an unused refresh token: %w", err)
	}
	return nil
}

// revokeAt lets an access token die at the given moment, or earlier if it was to.
func revokeAt(ctx context.Context, tx *sql.Tx, tokenID string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE tokens SET revoked = ? WHERE token_id = ? AND (revoked IS NULL OR revoked > ?)`, stamp(at), tokenID, stamp(at))
	return err
}

// rotate mints the successor and seals the answer into the row of the token
// that was presented, so that a lost answer can be given again.
func (s *Server) rotate(q *request, tx *sql.Tx, st *Settings, secret Secret, r *refreshRow) (fields, *Error, error) {
	scope := narrow(r.grant.scope, q.form["scope"])
	if scope == "" {
		return nil, &Error{Status: http.StatusBadRequest, Code: "invalid_scope",
			Description: "the scope asked for goes beyond the one granted: " + r.grant.scope}, nil
	}
	if err := s.sweep(q.ctx(), tx, q.now); err != nil {
		return nil, nil, err
	}
	access, id, err := r.grant.insertAccess(q.ctx(), tx, scope, q.now)
	if err != nil {
		return nil, nil, err
	}
	next, err := r.grant.insertRefresh(q.ctx(), tx, id, q.now)
	if err != nil {
		return nil, nil, err
	}
	answer := fields{{"access_token", string(access)}, {"token_type", "Bearer"}, {"scope", scope}, {"me", r.grant.me}, {"refresh_token", string(next)}}
	if seconds := st.lifetime(); seconds > 0 {
		answer = append(answer, member{"expires_in", seconds})
	}
	if err := r.succeed(q.ctx(), tx, secret, next, answer, q.now); err != nil {
		return nil, nil, err
	}
	return answer, nil, s.Record(q.ctx(), tx, Event{At: q.now, Kind: "refreshed", Me: r.grant.me, ClientID: r.grant.clientID,
		TokenID: id, Address: q.address, Detail: scope})
}

// succeed marks the presented token as rotated, and forgets the answer that led
// to it: it is in use now.
func (r *refreshRow) succeed(ctx context.Context, tx *sql.Tx, secret, next Secret, answer fields, now time.Time) error {
	sealed, err := sealReply(secret, answer)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE refresh_tokens SET rotated = ?, successor = ?, reply = ? WHERE refresh_hash = ?`,
		stamp(now), next.hash(), sealed, r.hash)
	if err == nil {
		_, err = tx.ExecContext(ctx, `UPDATE refresh_tokens SET reply = NULL WHERE successor = ? AND grant_id = ?`, r.hash, r.grant.id)
	}
	if err == nil {
		err = revokeAt(ctx, tx, r.tokenID, now.Add(graceWindow))
	}
	if err != nil {
		return fmt.Errorf("rotating the refresh token: %w", err)
	}
	return nil
}

// narrow returns the scope asked for if the granted one contains all of it, the
// granted one if none is asked for, and "" if it would widen.
func narrow(granted, asked string) string {
	if strings.TrimSpace(asked) == "" {
		return granted
	}
	have, want := strings.Fields(granted), strings.Fields(readScope(asked))
	for _, w := range strings.Fields(asked) {
		if !slices.Contains(have, w) {
			return ""
		}
	}
	return strings.Join(want, " ")
}

// replyCipher derives a key that only the holder of the refresh token has.
func replyCipher(secret Secret) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "mintkeep refresh reply", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func sealReply(secret Secret, answer fields) ([]byte, error) {
	plain, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("sealing the answer: %w", err)
	}
	aead, err := replyCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("sealing the answer: %w", err)
	}
	return aead.Seal(nil, nil, plain, []byte(secret.hash())), nil
}

func openReply(secret Secret, sealed []byte) (fields, error) {
	aead, err := replyCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("opening the sealed answer: %w", err)
	}
	plain, err := aead.Open(nil, nil, sealed, []byte(secret.hash()))
	if err != nil {
		return nil, fmt.Errorf("opening the sealed answer: %w", err)
	}
	var answer fields
	if err := json.Unmarshal(plain, &answer); err != nil {
		return nil, fmt.Errorf("reading the sealed answer: %w", err)
	}
	return answer, nil
}
