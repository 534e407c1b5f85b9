package endpoint

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// verify is GET BASE: a resource server asks what a bearer token is worth
// (IndieAuth section 6.2 in its older form, R1 to R10), or a person looks.
func (s *Server) verify(q *request) (*reply, error) {
	if !q.hasAuth && q.prefersHTML() {
		return s.page(q)
	}
	if q.bearer == "" {
		return nil, s.noBearer(q)
	}
	t, st, err := s.check(q, q.bearer, "")
	if st != nil && st.DefaultForm {
		q.answerForm = q.wantsForm(true)
	}
	if err != nil {
		return nil, bearerError(err)
	}
	answer := fields{{"me", t.Me}, {"client_id", t.ClientID}, {"scope", t.Scope},
		{"issued_at", t.Created.Unix()}, {"nonce", t.nonce()}}
	if at, expires := t.Expiry(st); expires {
		answer = append(answer, member{"exp", at.Unix()})
	}
	return encode(answer, q.answerForm)
}

// nonce is stable for a token and below 2^53, so that it survives JavaScript.
func (t *Token) nonce() uint64 {
	h := sha256.Sum256([]byte("nonce " + t.ID))
	return binary.BigEndian.Uint64(h[:]) >> 12
}

// noBearer is 401 without an error in the header (RFC 6750 section 3.1); the
// body has one, for those who read no header.
func (s *Server) noBearer(q *request) error {
	st, err := s.Settings(q.ctx())
	if err != nil {
		return err
	}
	q.answerForm = q.wantsForm(st.DefaultForm)
	e := &Error{Status: http.StatusUnauthorized, Code: "invalid_request",
		Description: "send the access token in an Authorization header: Bearer TOKEN",
		Header:      map[string]string{"WWW-Authenticate": "Bearer"}}
	if !q.hasAuth && s.Stripped != nil {
		if hint := s.Stripped(q.http); hint != "" {
			e.Description = hint
		}
	}
	return e
}

// bearerError turns a token's fault into 401 (RFC 6750 section 3.1, R6) and
// leaves every other fault ours.
func bearerError(err error) error {
	if !tokenFault(err) {
		return err
	}
	return &Error{Status: http.StatusUnauthorized, Code: "invalid_token", Description: err.Error(),
		Header: map[string]string{"WWW-Authenticate": `Bearer error="invalid_token", error_description="` + err.Error() + `"`}}
}

func tokenFault(err error) bool {
	return errors.Is(err, errMalformed) || errors.Is(err, errOtherKind) || errors.Is(err, errUnknown) || errors.Is(err, errRevoked) || errors.Is(err, errExpired) || errors.Is(err, errNotIssued)
}

// introspect is RFC 7662. It answers JSON whatever Accept says, with real
// booleans and integers (R17).
func (s *Server) introspect(q *request) (*reply, error) {
	token := Secret(q.form["token"])
	if token == "" {
		return nil, badRequest("the parameter token is missing")
	}
	st, err := s.Settings(q.ctx())
	if err != nil {
		return nil, err
	}
	server, err := s.introspector(q, st, token)
	if err != nil {
		return nil, err
	}
	t, st, err := s.check(q, token, server)
	if tokenFault(err) {
		return encode(fields{{"active", false}}, false)
	}
	if err != nil {
		return nil, err
	}
	answer := fields{{"active", true}, {"me", t.Me}, {"sub", t.Me}, {"client_id", t.ClientID}, {"scope", t.Scope},
		{"token_type", "Bearer"}, {"iat", t.Created.Unix()}, {"jti", t.ID}}
	if s.URL != "" {
		answer = append(answer, member{"iss", s.URL})
	}
	if at, expires := t.Expiry(st); expires {
		answer = append(answer, member{"exp", at.Unix()})
	}
	return encode(answer, false)
}

// introspector tells who asks: a resource server by name and secret (Basic or
// body) or by its secret as bearer, or, if the owner lets it, whoever holds the
// token itself (R16). The name is empty for the last.
func (s *Server) introspector(q *request, st *Settings, token Secret) (string, error) {
	for _, c := range q.credentials() {
		name, err := s.serverOf(q, c.secret, c.name)
		if name != "" || err != nil {
			return name, err
		}
	}
	if st.IntrospectSelf && q.bearer != "" && q.bearer.hash() == token.hash() {
		return "", nil
	}
	return "", &Error{Status: http.StatusUnauthorized, Code: "invalid_client",
		Description: "introspection needs a resource server's name and secret, made with `mintkeep server add NAME`",
		Header:      map[string]string{"WWW-Authenticate": `Basic realm="introspection"`}}
}

type credential struct {
	name   string // empty: any server
	secret Secret
}

func (q *request) credentials() []credential {
	var all []credential
	if q.basic != nil {
		all = append(all, credential{q.basic.user, q.basic.secret}, credential{q.basic.raw[0], Secret(q.basic.raw[1])})
	}
	if id, secret := q.form["client_id"], q.form["client_secret"]; id != "" && secret != "" {
		all = append(all, credential{id, Secret(secret)})
	}
	if q.bearer != "" {
		all = append(all, credential{"", q.bearer})
	}
	return all
}

// serverOf finds a resource server by its secret's hash and, if given, its name.
func (s *Server) serverOf(q *request, secret Secret, name string) (string, error) {
	if !secret.wellFormed(prefixServer) {
		return "", nil
	}
	var found string
	var lastUse sql.NullString
	err := s.DB.QueryRowContext(q.ctx(), `SELECT name, last_use FROM resource_servers WHERE secret_hash = ?`, secret.hash()).Scan(&found, &lastUse)
	if errors.Is(err, sql.ErrNoRows) || err == nil && name != "" && name != found {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking up a resource server: %w", err)
	}
	if last, _ := parseStamp(lastUse.String); q.now.Sub(last).Abs() < time.Hour {
		return found, nil
	}
	if _, err := s.execBriefly(q.ctx(), `UPDATE resource_servers SET last_use = ? WHERE name = ?`, stamp(q.now), found); err != nil {
		s.Log.Warn("last use not written", "error", err)
	}
	return found, nil
}

// revoke is RFC 7009, and action=revoke at BASE (R31): always 200, unless it
// could not be written. Any token of a grant ends the whole grant.
func (s *Server) revoke(q *request) (*reply, error) {
	token := Secret(q.form["token"])
	if token == "" && q.form["action"] == "revoke" {
		token = q.bareToken()
	}
	if token == "" {
		return nil, badRequest("the parameter token is missing")
	}
	if err := s.revokeSecret(q, token); err != nil && !tokenFault(err) {
		return nil, err
	}
	return encode(fields{}, false)
}

// bareToken finds the token that indigenous for iOS sends as a bare key. A
// mangled one is taken as well: revoking it is answered like any other.
func (q *request) bareToken() Secret {
	for _, key := range q.bare {
		secret := Secret(key)
		if _, _, old := secret.mintokenParts(); old || secret.wellFormed(prefixAccess) || secret.wellFormed(prefixRefresh) {
			return secret
		}
	}
	if len(q.bare) > 0 {
		return Secret(q.bare[0])
	}
	return ""
}

func (s *Server) revokeSecret(q *request, secret Secret) error {
	q.outlive()
	if secret.wellFormed(prefixRefresh) {
		return s.write(q.ctx(), func(tx *sql.Tx) error {
			r, err := findRefresh(q.ctx(), tx, secret.hash())
			if err != nil || r == nil {
				return err
			}
			return s.endGrantOf(q.ctx(), tx, &Token{ID: r.tokenID, GrantID: r.grant.id, Me: r.grant.me, ClientID: r.grant.clientID}, q.now)
		})
	}
	t, _, err := s.lookUp(q, secret)
	if err != nil {
		return err
	}
	return s.write(q.ctx(), func(tx *sql.Tx) error { return s.endGrantOf(q.ctx(), tx, t, q.now) })
}

// endGrantOf ends the grant of a token, or the token alone if it has none.
func (s *Server) endGrantOf(ctx context.Context, tx *sql.Tx, t *Token, now time.Time) error {
	if t.GrantID == 0 {
		if err := revokeAt(ctx, tx, t.ID, now); err != nil {
			return fmt.Errorf("revoking a token: %w", err)
		}
	} else {
		g := &grant{id: t.GrantID}
		if alive, err := g.end(ctx, tx, now, "revoked"); err != nil || !alive {
			return err
		}
	}
	return s.Record(ctx, tx, Event{At: now, Kind: "revoked", Me: t.Me, ClientID: t.ClientID, TokenID: t.ID})
}
