package endpoint

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// The replay ledger: codes of trusted endpoints that were redeemed, for a day.

// codeKey is the ledger's key of a code. Of a code in Selfauth's form only the
// signature counts, for Selfauth reads the other two parts so loosely that one
// code has many spellings.
func codeKey(code string) string {
	key := "code " + code
	if signature, ok := selfauthPart(code); ok {
		key = "selfauth " + signature
	}
	h := sha256.Sum256([]byte(key))
	return hex.EncodeToString(h[:])
}

// selfauthPart is the signature in a code of Selfauth's form, hex:64hex:….
func selfauthPart(code string) (signature string, ok bool) {
	parts := strings.SplitN(code, ":", 3)
	if len(parts) != 3 || !isHex(parts[0]) || len(parts[1]) != 64 || !isHex(parts[1]) {
		return "", false
	}
	return strings.ToLower(parts[1]), true
}

func isHex(s string) bool {
	return s != "" && strings.Trim(strings.ToLower(s), "0123456789abcdef") == ""
}

// querier is a database or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// ledger returns the grant that the code gave when it was redeemed, 0 if it was not.
func (ask redemption) ledger(q *request, db querier) (grantID int64, err error) {
	err = db.QueryRowContext(q.ctx(), `SELECT grant_id FROM redeemed_codes WHERE code_key = ? AND redeemed > ?`,
		codeKey(ask.code), stamp(q.now.Add(-ledgerLife))).Scan(&grantID)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("reading the replay ledger: %w", err)
	}
	return grantID, nil
}

// replayed looks the code up before the endpoint is asked. A hit ends the grant that
// the first redemption made: one of the two who hold the code stole it.
func (s *Server) replayed(q *request, ask redemption) error {
	id, err := ask.ledger(q, s.DB)
	if err != nil || id == 0 {
		return err
	}
	q.outlive()
	if err := s.write(q.ctx(), func(tx *sql.Tx) error { return s.endReplayed(q, tx, ask, id) }); err != nil {
		return err
	}
	return errReplay()
}

func errReplay() *Error {
	return badGrant("the code was redeemed before; the tokens it gave are revoked now, so sign in again")
}

func (s *Server) endReplayed(q *request, tx *sql.Tx, ask redemption, grantID int64) error {
	g := grant{id: grantID}
	if _, err := g.end(q.ctx(), tx, q.now, "replay"); err != nil {
		return err
	}
	return s.Record(q.ctx(), tx, Event{At: q.now, Kind: "replay", ClientID: ask.clientID, Address: q.address,
		Detail: "a code was presented again; its tokens are revoked"})
}

// enter makes the grant of a code that an endpoint confirmed and writes the code
// into the ledger; if it stands there already, the first grant ends.
func (s *Server) enter(q *request, tx *sql.Tx, st *Settings, ask redemption, g *grant) (replayed bool, err error) {
	if err := s.sweep(q.ctx(), tx, q.now); err != nil {
		return false, err
	}
	earlier, err := ask.ledger(q, tx)
	if err != nil {
		return false, err
	}
	if earlier != 0 {
		return true, s.endReplayed(q, tx, ask, earlier)
	}
	if err := g.insert(q.ctx(), tx, q.now); err != nil {
		return false, err
	}
	if err := ask.enterLedger(q, tx, g); err != nil {
		return false, err
	}
	return false, s.rememberShape(q, tx, st, ask.code, g.endpoint)
}

func (ask redemption) enterLedger(q *request, tx *sql.Tx, g *grant) error {
	_, err := tx.ExecContext(q.ctx(), `INSERT INTO redeemed_codes (code_key, grant_id, redeemed) VALUES (?, ?, ?)`,
		codeKey(ask.code), g.id, stamp(q.now))
	if err != nil {
		return fmt.Errorf("writing the replay ledger: %w", err)
	}
	return nil
}
