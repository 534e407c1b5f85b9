package grant

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"time"

	"mintkeep/internal/oauth"
	"mintkeep/internal/secret"
	"mintkeep/internal/store"
)

// PendingLife is how long an authorization request may take, from the client's
// request to our code.
const PendingLife = 10 * time.Minute

const (
	maxPending   = 1000 // at once
	maxOfAddress = 50   // of one address
)

const prefixCookie = "c"

// Pending is an authorization request that has been sent on to an upstream and
// waits for the browser to come back. Its ID is in URLs; the secret in its cookie
// ties it to one browser. The database has only their hashes.
type Pending struct {
	ID          secret.Secret
	Cookie      secret.Secret
	Endpoint    string // the upstream to which the browser was sent
	AsClient    bool   // towards it we are the client (see UpstreamKind)
	ClientID    string
	RedirectURI string
	State       sql.NullString // the client's
	Scope       string         // asked for
	Challenge   string         // S256; empty if the client sent none
	Me          string         // as the client sent it
	Resource    oauth.Resource

	// Once the upstream has said who it is:
	GrantID int64
	Person  string // who signed in, a canonical profile URL
}

const pendingColumns = `endpoint, own, client_id, redirect_uri, state, scope, challenge, me, resource, grant_id, person`

// Create stores a new pending authorization and gives it ID and cookie. An address that
// has too many loses its own oldest; if there are too many altogether, the address
// that has most loses its oldest.
func (s *Store) Create(ctx context.Context, r Request, p *Pending) error {
	p.ID, p.Cookie = secret.NewID(), secret.New(prefixCookie)
	return s.write(ctx, r, func(t *tx) {
		const doing = "storing the authorization request"
		t.deleteExpired()
		t.Exec(doing, `DELETE FROM authorizations WHERE rowid IN
			(SELECT rowid FROM authorizations WHERE address = ? ORDER BY rowid DESC LIMIT -1 OFFSET ?)`, r.Address, r.ofAddress(maxOfAddress)-1)
		t.Exec(doing, `DELETE FROM authorizations WHERE rowid IN (SELECT rowid FROM authorizations
			WHERE address = (SELECT address FROM authorizations GROUP BY address ORDER BY count(*) DESC LIMIT 1)
			ORDER BY rowid LIMIT max(0, (SELECT count(*) FROM authorizations) - ?))`, maxPending-1)
		t.Exec(doing, `INSERT INTO authorizations (flow_hash, cookie_hash, created, address, `+pendingColumns+`)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '')`, p.ID.Hash(), p.Cookie.Hash(), store.Time(r.Now), r.Address,
			p.Endpoint, p.AsClient, p.ClientID, p.RedirectURI, p.State, p.Scope, p.Challenge, p.Me, p.Resource)
	})
}

// ErrNotPending is what a browser is told that brings an authorization request
// which is unknown, expired, finished or another browser's. It has to be shown on a
// page: nothing says where the browser could go back to.
func ErrNotPending() *oauth.Error {
	e := oauth.InvalidRequest("this sign-in was not begun in this browser, has expired or is already finished; " +
		"go back to the app and begin again")
	e.Cause = errNotPending
	return e
}

var errNotPending = errors.New("the authorization request is not pending")

// IsNotPending reports whether an error is ErrNotPending.
func IsNotPending(err error) bool { return errors.Is(err, errNotPending) }

// Pending finds a pending authorization by its ID and the browser's cookie. Both
// must fit: with the ID alone, somebody else's browser has followed the link.
func (s *Store) Pending(ctx context.Context, now time.Time, id, cookie secret.Secret) (*Pending, error) {
	if !id.IsID() || !cookie.WellFormed(prefixCookie) {
		return nil, ErrNotPending()
	}
	p := &Pending{ID: id, Cookie: cookie}
	found, err := store.Row(ctx, s.DB, "looking up an authorization request",
		`SELECT `+pendingColumns+` FROM authorizations WHERE flow_hash = ? AND cookie_hash = ? AND created > ?`,
		[]any{id.Hash(), cookie.Hash(), store.Time(now.Add(-PendingLife))},
		&p.Endpoint, &p.AsClient, &p.ClientID, &p.RedirectURI, &p.State, &p.Scope, &p.Challenge, &p.Me, &p.Resource, &p.GrantID, &p.Person)
	if err == nil && !found {
		err = ErrNotPending()
	}
	return p, err
}

// Accept makes the grant of an upstream's code (ask, as it was redeemed there) and
// marks that code as used. With consent, the authorization then waits for the
// owner; else the code for the client is returned, and IssuedCode has it again. If kind is not empty, it is
// remembered as that of the upstream. A code that was used before ends its first
// grant; that is the refusal, and the authorization is still pending.
func (s *Store) Accept(ctx context.Context, r Request, p *Pending, ask TokenRequest, g *Grant, kind UpstreamKind, consent bool,
) (code secret.Secret, refusal *oauth.Error, err error) {
	err = s.write(ctx, r, func(t *tx) {
		t.stillPending(p)
		if !t.insertConfirmed(ask, g) {
			refusal, t.refusal = t.refusal, nil
			return
		}
		if kind != "" {
			t.learnUpstream(p.Endpoint, kind)
		}
		t.storePerson(p, g)
		if !consent {
			code = t.insertCode(p, g.ID)
		}
	})
	return code, refusal, err
}

// IssueCode makes the grant what the owner allowed and returns the code for the client.
// The authorization stays as long as it may: of a form that is sent twice, by a double
// click, browsers show the second answer alone, so both have the same code.
func (s *Store) IssueCode(ctx context.Context, r Request, p *Pending, scope string) (code secret.Secret, err error) {
	err = s.write(ctx, r, func(t *tx) {
		t.stillPending(p)
		if c := t.findCode(p.code().Hash()); c != nil {
			if c.used || c.ended || !t.Now.Before(c.created.Add(codeLife)) {
				t.Fail(ErrNotPending())
			}
			code = p.code()
			return
		}
		t.Exec("writing what was granted", `UPDATE grants SET scope = ? WHERE grant_id = ?`, scope, p.GrantID)
		code = t.insertCode(p, p.GrantID)
	})
	return code, err
}

// IssuedCode is the code of an authorization that has one: to a browser whose redirect was
// dropped, because somebody clicked twice. It is ErrNotPending if the code was used since
// or is too old; made is false if the owner has still to be asked.
func (s *Store) IssuedCode(ctx context.Context, now time.Time, p *Pending) (code secret.Secret, made bool, err error) {
	var fresh bool
	code = p.code()
	made, err = store.Row(ctx, s.DB, "looking up a code", `SELECT used IS NULL AND created > ? FROM codes WHERE code_hash = ?`,
		[]any{store.Time(now.Add(-codeLife)), code.Hash()}, &fresh)
	if err == nil && made && !fresh {
		err = ErrNotPending()
	}
	return code, made, err
}

// Refuse ends the authorization, and the grant that waited for the owner's consent
// if there is one.
func (s *Store) Refuse(ctx context.Context, r Request, p *Pending) error {
	return s.write(ctx, r, func(t *tx) {
		t.stillPending(p)
		t.consume(p)
		t.end(p.GrantID, "refused")
	})
}

// stillPending makes sure that no other request has changed the authorization
// since it was read: a browser that asks twice is no thief.
func (t *tx) stillPending(p *Pending) {
	var one int
	if !t.Row("looking up an authorization request",
		`SELECT 1 FROM authorizations WHERE flow_hash = ? AND grant_id = ?`, []any{p.ID.Hash(), p.GrantID}, &one) {
		t.Fail(ErrNotPending())
	}
}

// storePerson keeps the authorization, with who signed in, for as long as it may be.
func (t *tx) storePerson(p *Pending, g *Grant) {
	p.GrantID, p.Person = g.ID, g.Me
	t.Exec("storing who signed in", `UPDATE authorizations SET grant_id = ?, person = ? WHERE flow_hash = ?`, g.ID, g.Me, p.ID.Hash())
}

// consume deletes the authorization; of several requests at once, one succeeds.
func (t *tx) consume(p *Pending) {
	if t.Exec("ending an authorization request", `DELETE FROM authorizations WHERE flow_hash = ?`, p.ID.Hash()) == 0 {
		t.Fail(ErrNotPending())
	}
}

// derive makes values from the cookie that only this browser's authorization can
// know, so that the database need not keep them.
func (p *Pending) derive(purpose string) string {
	h := sha256.Sum256([]byte(purpose + " " + string(p.Cookie)))
	return base64.RawURLEncoding.EncodeToString(h[:])
}

// UpstreamState is our state towards the upstream: the ID, and the proof that this
// browser began the authorization.
func (p *Pending) UpstreamState() string { return string(p.ID) + "." + p.derive("state") }

// UpstreamVerifier is our PKCE verifier towards the upstream.
func (p *Pending) UpstreamVerifier() string { return p.derive("verifier") }

// code is the code for the client, which only this browser can have.
func (p *Pending) code() secret.Secret { return secret.Derive(prefixCode, p.Cookie, "code") }
