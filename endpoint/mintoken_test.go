package endpoint_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"mintkeep/endpoint/grant"
)

// A token as php-mintoken made it, and PHP's password_hash of its second half.
const (
	oldID    = "e631cc814a4759443bd9678b7745bdb9c086cf52a4ffc6b12309589bdfe9634a"
	oldTail  = "b6896e7ef22445d0451c16acc8adae089986a38a828ab7455212441d9ead08ba0610c9ea272fe30e72c36a48ccbd6a2c05374565fe74516a36823f38a8837119269bf0ecd295b4f3"
	oldToken = oldID + "_" + oldTail
	oldHash  = "$2y$04$K2q96pNkjdyDhcpjkX8KGeni53JGnNXAKZrMvwVmDRvOy54esWX2S"
)

// withOldToken writes the row as mintoken does. The times are its, in UTC;
// revoked may be empty.
func (h *house) withOldToken(t *testing.T, created, revoked string) {
	t.Helper()
	_, err := h.Grants.DB.Exec(`DELETE FROM tokens`)
	if err == nil {
		_, err = h.Grants.DB.Exec(`INSERT INTO tokens (token_id, token_hash, auth_me, auth_client_id, auth_scope, created, revoked)
			VALUES (?, ?, ?, ?, ?, ?, nullif(?, ''))`, oldID, oldHash, jane, clientID, scope, created, revoked)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (h *house) ago(d time.Duration) string { return h.clock.now().Add(-d).UTC().Format(time.DateTime) }

func (h *house) storedHash(t *testing.T) (s string) {
	t.Helper()
	if err := h.Grants.DB.QueryRow(`SELECT token_hash FROM tokens WHERE token_id = ?`, oldID).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestMintoken: its tokens go on, and move to the fast hash at the first check.
func TestMintoken(t *testing.T) {
	h := newHouse(t)
	h.plant(oldToken)
	h.plant(oldTail)
	h.withOldToken(t, h.ago(30*day), "")
	h.dead(oldID + "_" + mangle(oldTail))
	if h.storedHash(t) != oldHash {
		t.Error("moved by somebody who does not know the token")
	}
	a := h.verify(oldToken).want(t, http.StatusOK, "")
	if a.text("me") != jane || a.text("client_id") != clientID || a.text("scope") != scope || a.text("nonce") == "" {
		t.Error(a.body)
	}
	if hash := h.storedHash(t); len(hash) != 64 || strings.Contains(hash, "$") {
		t.Errorf("the hash is still %s", hash)
	}
	again := h.verify(oldToken).want(t, http.StatusOK, "")
	if again.text("nonce") != a.text("nonce") || again.text("issued_at") != a.text("issued_at") {
		t.Error(again.body)
	}
	h.dead(oldID + "_" + mangle(oldTail))
	h.dead(oldID + "_" + oldTail[2:])
	h.dead(oldID[2:] + "_" + oldTail)
	h.send(post+"Authorization: Bearer {{token}}\n\ntoken={{token}}", map[string]string{"token": oldToken}).want(t, http.StatusOK, "")
}

// TestMintokenSpelling: mintoken knows lower case alone, and another spelling
// must not take the token from its owner.
func TestMintokenSpelling(t *testing.T) {
	h := newHouse(t)
	h.withOldToken(t, h.ago(day), "")
	for _, other := range []string{strings.ToUpper(oldToken), oldID + "_" + strings.ToUpper(oldTail), strings.ToUpper(oldID) + "_" + oldTail} {
		h.dead(other)
		h.live(oldToken)
		h.dead(other)
		h.withOldToken(t, h.ago(day), "")
	}
}

// TestMintokenRevoked: `revoked` is obeyed, in the past and in the future.
func TestMintokenRevoked(t *testing.T) {
	h := newHouse(t)
	h.withOldToken(t, h.ago(day), h.ago(time.Second))
	h.dead(oldToken)
	h.withOldToken(t, h.ago(day), h.ago(-time.Hour))
	a := h.verify(oldToken).want(t, http.StatusOK, "")
	if a.text("exp") == "" {
		t.Error("the end is not announced:", a.body)
	}
	h.clock.pass(time.Hour - time.Second)
	h.live(oldToken)
	h.clock.pass(time.Second)
	h.dead(oldToken)
	for _, unreadable := range []string{"0", "yes", "2026-07-01T12:00:00Z", "soon"} {
		h.withOldToken(t, h.ago(day), unreadable)
		h.dead(oldToken)
	}
}

// TestMintokenExpires after idle_lifetime without use, from its making on.
func TestMintokenExpires(t *testing.T) {
	h := newHouse(t)
	h.withOldToken(t, h.ago(90*day), "")
	h.dead(oldToken)
	h.set(func(st *grant.Settings) { st.IdleLifetime = 0 })
	h.live(oldToken)
	h.set(func(st *grant.Settings) { st.IdleLifetime = 90 * day })
	h.live(oldToken)
	h.clock.pass(90 * day)
	h.dead(oldToken)
}

// TestMintokenRevoke, before and after the move, by all three ways to say it.
func TestMintokenRevoke(t *testing.T) {
	h := newHouse(t)
	for _, request := range []string{
		post + "\n\naction=revoke&token={{token}}", post + "\n\naction=revoke&{{token}}", strings.Replace(post, "/token ", "/token/revoke ", 1) + "\n\ntoken={{token}}",
	} {
		for _, moved := range []bool{false, true} {
			h.withOldToken(t, h.ago(day), "")
			if moved {
				h.live(oldToken)
			}
			for range 2 {
				h.send(request, map[string]string{"token": oldID + "_" + mangle(oldTail)}).want(t, http.StatusOK, "")
			}
			h.live(oldToken)
			h.send(request, map[string]string{"token": oldToken}).want(t, http.StatusOK, "")
			h.dead(oldToken)
		}
	}
}
