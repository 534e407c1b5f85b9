// Package grant keeps what the owner has granted to apps: rows and SQL, no HTTP.
//
// One redeemed code makes one grant; access tokens, refresh tokens and codes
// belong to it and end with it. Whatever is issued or ended, is so in one
// immediate transaction together with its event, and races are decided by the
// database: whoever finds a code marked as used came second.
package grant

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"log/slog"
	"slices"
	"strings"
	"time"

	"mintkeep/internal/oauth"
	"mintkeep/internal/secret"
	"mintkeep/internal/store"
)

// Prefixes of the secrets made here. Only access tokens are accepted as a bearer.
const (
	prefixAccess  = "mka_"
	prefixRefresh = "mkr_"
	prefixCode    = "mkc_"
	prefixServer  = "mks_"
)

// Store is the rows of the inbound half. All fields are required. It keeps
// nothing in memory and may be used by many goroutines.
type Store struct {
	// DB is mintkeep's database. Every transaction begun on it is immediate.
	DB *sql.DB
	// Now is the clock of what the owner does. Requests bring their own time.
	Now func() time.Time
	// Settings reads the settings as they are at this moment.
	Settings func(context.Context) (*Settings, error)
	// Log receives warnings; it never sees a secret.
	Log *slog.Logger
}

// Settings are the rows of the settings table, parsed. A duration of 0 means never.
type Settings struct {
	Endpoints       []string      // trusted authorization endpoints
	Refused         error         // what is wrong with endpoints that are named and never asked
	Me              []string      // canonical profile URLs that get tokens; any if empty
	Admins          []string      // canonical profile URLs that see everything
	IdleLifetime    time.Duration // an access token expires after this long without use
	MaxLifetime     time.Duration // and in any case after this long
	RefreshLifetime time.Duration // a refresh token expires after this long without use
	IntrospectSelf  bool          // the introspected token authorizes its own introspection
	Direct          bool          // codes of trusted endpoints are redeemed directly
	RequirePKCE     bool          // authorization requests need a code_challenge
	DefaultForm     bool          // GET verification answers a form when no format is named
}

// Issues reports whether a person gets tokens here. php-mintoken, which may still
// be writing to the same database, does not write profile URLs in canonical form.
func (st *Settings) Issues(me string) bool {
	return len(st.Me) == 0 || slices.ContainsFunc(st.Me, func(m string) bool { return oauth.SameURL(m, me) })
}

// Site is the home page that pages for people name: the first profile that gets
// tokens, "" if anybody does or the settings are not known.
func (st *Settings) Site() string {
	if st == nil || len(st.Me) == 0 {
		return ""
	}
	return st.Me[0]
}

// expiresIn is the lifetime of a token made now, in seconds; 0 if it never expires.
func (st *Settings) expiresIn() int64 {
	d := st.IdleLifetime
	if d == 0 || st.MaxLifetime > 0 && st.MaxLifetime < d {
		d = st.MaxLifetime
	}
	return int64(d / time.Second)
}

// Request is what the rows need to know of the request that they are asked for.
type Request struct {
	Now         time.Time // read once a request
	Address     string    // the client's, as limits count it; empty if a proxy did not name it
	Settings    *Settings
	Reservation int64 // see Reserve; 0 if there is none
}

// Grant is what one redeemed code, or the owner, allowed an app.
type Grant struct {
	ID       int64
	Me       string // canonical profile URL
	ClientID string
	Scope    string
	Endpoint string // the authorization endpoint that confirmed the code, or mintedManually
	Resource oauth.Resource
}

// mintedManually is the Endpoint of a grant that the owner made without a code.
const mintedManually = "by hand"

// tx is a transaction for one request. After its first error it does nothing more,
// and everything is undone; a refusal is an error after which it is committed.
type tx struct {
	*store.Tx
	Request
	refusal *oauth.Error
}

func (s *Store) write(ctx context.Context, r Request, fn func(t *tx)) error {
	var refusal *oauth.Error
	err := store.Transact(ctx, s.DB, func(inner *store.Tx) {
		t := &tx{Tx: inner, Request: r}
		fn(t)
		if r.Reservation != 0 {
			t.Exec("giving a reservation back", `DELETE FROM refusals WHERE refusal_id = ?`, r.Reservation)
		}
		refusal = t.refusal
	})
	if err == nil && refusal != nil {
		return refusal
	}
	return err
}

// allows says what a token of the grant is good for, for an event.
func (g *Grant) allows(scope string) string {
	if g.Resource == "" {
		return scope
	}
	return strings.TrimSpace(scope + " at " + string(g.Resource))
}

func (s *Store) ownersRequest() Request { return Request{Now: s.Now().UTC()} }

// record writes an event about a grant; what is empty in it is not known.
func (t *tx) record(kind string, g *Grant, tokenID, detail string) {
	t.Record(store.Event{At: t.Now, Kind: kind, Me: g.Me, ClientID: g.ClientID, TokenID: tokenID, Address: t.Address, Detail: detail})
}

func (t *tx) insertGrant(g *Grant) {
	g.ClientID = oauth.ASCII(g.ClientID)
	g.ID = t.Insert("writing the grant", `INSERT INTO grants (me, client_id, scope, endpoint, created, resource) VALUES (?, ?, ?, ?, ?, ?)`,
		g.Me, g.ClientID, g.Scope, g.Endpoint, store.Time(t.Now), g.Resource)
}

// insertAccess makes an access token of a grant and returns it with its ID.
func (t *tx) insertAccess(g *Grant, scope string) (token secret.Secret, id string) {
	token = secret.New(prefixAccess)
	random := make([]byte, 8)
	_, _ = rand.Read(random) // never fails
	id = hex.EncodeToString(random)
	t.Exec("writing the access token",
		`INSERT INTO tokens (token_id, token_hash, auth_me, auth_client_id, auth_scope, created, grant_id) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		id, token.Hash(), g.Me, g.ClientID, scope, store.Time(t.Now), g.ID)
	return token, id
}

// end revokes everything that was issued from a grant: its access tokens now, its
// refresh tokens because every use of them looks at the grant. It reports whether
// the grant was still active.
func (t *tx) end(grantID int64, reason string) bool {
	const doing = "ending the grant"
	now := store.Time(t.Now)
	n := t.Exec(doing, `UPDATE grants SET ended = ?, end_reason = ? WHERE grant_id = ? AND ended IS NULL`, now, reason, grantID)
	t.Exec(doing, `UPDATE tokens SET revoked = ? WHERE grant_id = ? AND (revoked IS NULL OR revoked > ?)`, now, grantID, now)
	t.Exec(doing, `UPDATE refresh_tokens SET reply = NULL WHERE grant_id = ? AND reply IS NOT NULL`, grantID)
	return n == 1
}

// deleteExpired removes used codes, refusals, pending authorizations and sealed
// replies whose time is over.
func (t *tx) deleteExpired() {
	const doing = "deleting what has expired"
	before := func(age time.Duration) string { return store.Time(t.Now.Add(-age)) }
	t.Exec(doing, `DELETE FROM redeemed_codes WHERE redeemed <= ?`, before(usedCodeLife))
	t.Exec(doing, `DELETE FROM refusals WHERE refused <= ?`, before(refusalWindow))
	t.Exec(doing, `DELETE FROM authorizations WHERE created <= ?`, before(PendingLife))
	t.Exec(doing, `DELETE FROM codes WHERE created <= ?`, before(usedCodeLife))
	t.Exec(doing, `UPDATE refresh_tokens SET reply = NULL WHERE reply IS NOT NULL AND rotated < ?`, before(graceWindow))
}
