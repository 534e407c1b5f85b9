package grant

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"mintkeep/internal/oauth"
	"mintkeep/internal/store"
)

// usedCodeLife is how long a used code is remembered.
const usedCodeLife = 24 * time.Hour

// codeKey is the key under which a code is remembered. Of a code in Selfauth's
// form only the signature counts: Selfauth reads the other two parts so loosely
// that one code has many spellings.
func codeKey(code string) string {
	key := "code " + code
	if signature, ok := SelfauthSignature(code); ok {
		key = "selfauth " + signature
	}
	h := sha256.Sum256([]byte(key))
	return hex.EncodeToString(h[:])
}

// SelfauthSignature is the signature in a code of Selfauth's form, hex:64hex:…
func SelfauthSignature(code string) (signature string, ok bool) {
	parts := strings.SplitN(code, ":", 3)
	if len(parts) != 3 || !isHex(parts[0]) || len(parts[1]) != 64 || !isHex(parts[1]) {
		return "", false
	}
	return strings.ToLower(parts[1]), true
}

func isHex(s string) bool {
	return s != "" && strings.Trim(strings.ToLower(s), "0123456789abcdef") == ""
}

// usedBy returns the grant that a code gave when it was redeemed, 0 if it was not.
func usedBy(ctx context.Context, db store.Querier, code string, now time.Time) (grantID int64, err error) {
	_, err = store.Row(ctx, db, "reading the used codes", `SELECT grant_id FROM redeemed_codes WHERE code_key = ? AND redeemed > ?`,
		[]any{codeKey(code), store.Time(now.Add(-usedCodeLife))}, &grantID)
	return grantID, err
}

func (t *tx) usedBy(code string) int64 {
	id, err := usedBy(t.Context(), t, code, t.Now)
	t.Fail(err)
	return id
}

func (t *tx) markUsed(code string, grantID int64) {
	t.Exec("marking the code as used", `INSERT INTO redeemed_codes (code_key, grant_id, redeemed) VALUES (?, ?, ?)`,
		codeKey(code), grantID, store.Time(t.Now))
}

// CheckReplay looks a code up before an authorization endpoint is asked about it.
// If it was used before, the grant of its first use ends, whether the client still
// waits or not, and the error is invalid_grant: one of the two who hold the code
// stole it (RFC 6749 section 4.1.2). A pending authorization, if there is one, must
// still be pending; else the browser has only asked twice, and that is the error.
func (s *Store) CheckReplay(ctx context.Context, r Request, ask TokenRequest, p *Pending) error {
	id, err := usedBy(ctx, s.DB, ask.Code, r.Now)
	if err == nil && id == 0 && p == nil { // with a pending authorization it is from after that
		err = refuseRestored(ctx, s.DB, r.Now)
	}
	if err != nil || id == 0 {
		return err
	}
	return s.write(context.WithoutCancel(ctx), r, func(t *tx) {
		if p != nil {
			t.stillPending(p)
		}
		t.endReplayed(ask, id)
	})
}

// endReplayed ends the grant that the first use of a code made, and refuses the second.
func (t *tx) endReplayed(ask TokenRequest, grantID int64) {
	t.end(grantID, "replay")
	t.record("replay", &Grant{ClientID: ask.ClientID}, "", "a code was presented again; its tokens are revoked")
	t.refusal = errReplay()
}

func errReplay() *oauth.Error {
	return oauth.InvalidGrant("the code was redeemed before; the tokens it gave are revoked now, so sign in again")
}
