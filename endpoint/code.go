package endpoint

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// codeLife is how long a code of the front is good. RFC 6749 section 4.1.2 allows ten minutes.
const codeLife = time.Minute

// insertCode makes the code that the client redeems for the grant.
func (g *grant) insertCode(q *request, tx *sql.Tx, f *flow) (Secret, error) {
	code := newSecret(prefixCode)
	_, err := tx.ExecContext(q.ctx(), `INSERT INTO codes (code_hash, grant_id, redirect_uri, challenge, created) VALUES (?, ?, ?, ?, ?)`,
		code.hash(), g.id, f.redirectURI, f.challenge, stamp(q.now))
	if err != nil {
		return "", fmt.Errorf("writing the code: %w", err)
	}
	return code, nil
}

// A codeRow is a code of the front with its grant.
type codeRow struct {
	hash        string
	redirectURI string
	challenge   string
	created     time.Time
	used        bool
	ended       bool // its grant is over
	grant       grant
}

func findCode(ctx context.Context, db querier, hash string) (*codeRow, error) {
	c := &codeRow{hash: hash}
	var created string
	var used, ended sql.NullString
	err := db.QueryRowContext(ctx, `SELECT c.redirect_uri, c.challenge, c.created, c.used, g.grant_id, g.me, g.client_id, g.scope, g.endpoint, g.ended
		FROM codes c JOIN grants g USING (grant_id) WHERE c.code_hash = ?`, hash).
		Scan(&c.redirectURI, &c.challenge, &created, &used, &c.grant.id, &c.grant.me, &c.grant.clientID, &c.grant.scope, &c.grant.endpoint, &ended)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking up a code: %w", err)
	}
	c.created, _ = parseStamp(created)
	c.used, c.ended = used.Valid, ended.Valid
	return c, nil
}

// fits compares what the client sends with what the code was made for, byte for
// byte. A code that came with a challenge needs its verifier, one that came
// without must come without (RFC 7636 section 4.6; OAuth 2.1 section 4.1.3: else
// PKCE could be taken out of a request).
func (c *codeRow) fits(ask redemption) *Error {
	switch {
	case c.grant.clientID != ask.clientID:
		return badGrant("the code was issued to another client_id")
	case c.redirectURI != ask.redirectURI:
		return badGrant("the code was issued for another redirect_uri")
	case c.challenge != "" && ask.verifier == "":
		return badGrant("the code_verifier is missing")
	case c.challenge == "" && ask.verifier != "":
		return badGrant("there is a code_verifier, but the request began without code_challenge")
	case c.challenge != "" && !sameText(challengeOf(ask.verifier), c.challenge):
		return badGrant("the code_verifier does not fit the code_challenge")
	}
	return nil
}

// spend redeems a code of the front and, if it is good, does what it is good for in
// the same transaction. A refusal does not spend it: some clients send the same
// code again in another way (C7). A code that was spent ends its grant.
func (s *Server) spend(q *request, st *Settings, ask redemption, use func(*sql.Tx, *grant) (*Error, error)) (*grant, error) {
	if !Secret(ask.code).wellFormed(prefixCode) {
		return nil, badGrant("the code is malformed: it was cut or changed on its way")
	}
	var c *codeRow
	var refusal *Error
	err := s.write(q.ctx(), func(tx *sql.Tx) (err error) {
		if c, err = findCode(q.ctx(), tx, Secret(ask.code).hash()); err != nil {
			return err
		}
		switch refusal = c.usable(q, st, ask); {
		case c != nil && c.used:
			return s.endReplayed(q, tx, ask, c.grant.id)
		case c != nil && refusal != nil:
			return s.Record(q.ctx(), tx, Event{At: q.now, Kind: "refused", Me: c.grant.me, ClientID: ask.clientID, Address: q.address, Detail: refusal.Description})
		case refusal != nil:
			return nil
		}
		if refusal, err = use(tx, &c.grant); err != nil || refusal != nil {
			return err
		}
		_, err = tx.ExecContext(q.ctx(), `UPDATE codes SET used = ? WHERE code_hash = ?`, stamp(q.now), c.hash)
		return err
	})
	if err != nil {
		return nil, err
	}
	if refusal != nil {
		return nil, refusal
	}
	return &c.grant, nil
}

func (c *codeRow) usable(q *request, st *Settings, ask redemption) *Error {
	switch {
	case c == nil:
		return badGrant("the code is unknown or has expired")
	case c.used:
		return errReplay()
	case c.ended:
		return badGrant("what the code stood for was revoked")
	case !q.now.Before(c.created.Add(codeLife)):
		return badGrant("the code has expired")
	}
	if fault := c.fits(ask); fault != nil {
		return fault
	}
	return nil
}

// redeemOwn is the token grant with a code of the front.
func (s *Server) redeemOwn(q *request, st *Settings, ask redemption) (*reply, error) {
	var answer fields
	g, err := s.spend(q, st, ask, func(tx *sql.Tx, g *grant) (*Error, error) {
		if !st.Issues(g.me) {
			return badGrant("this endpoint issues no tokens for " + g.me), nil
		}
		if g.scope == "" {
			return &Error{Status: http.StatusBadRequest, Code: "invalid_scope",
				Description: "no scope was asked for, so there is nothing a token could be used for; redeem the code at the authorization endpoint to learn who it is"}, nil
		}
		if err := s.sweep(q.ctx(), tx, q.now); err != nil {
			return nil, err
		}
		var err error
		answer, err = s.mint(q, tx, st, g, g.scope, "issued")
		return nil, err
	})
	if err != nil {
		return nil, err
	}
	return encode(s.withProfile(q, st, answer, g), q.onlyForm())
}

// identify is POST BASE/authorize: a code of the front for who it is, without a
// token (IndieAuth section 5.3.2). Old clients send no grant_type.
func (s *Server) identify(q *request) (*reply, error) {
	if t := q.form["grant_type"]; t != "" && t != "authorization_code" {
		return nil, &Error{Status: http.StatusBadRequest, Code: "unsupported_grant_type", Description: "the grant type is authorization_code"}
	}
	ask, err := q.redemption()
	if err != nil {
		return nil, err
	}
	st, err := s.Settings(q.ctx())
	if err != nil {
		return nil, err
	}
	g, err := s.spend(q, st, ask, func(*sql.Tx, *grant) (*Error, error) { return nil, nil })
	if err != nil {
		return nil, err
	}
	return encode(s.withProfile(q, st, fields{{"me", g.me}}, g), q.onlyForm())
}
