package endpoint

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"mintkeep/internal/page"
)

const (
	flowLife   = 10 * time.Minute // from the client's request to our code
	maxFlows   = 1000             // pending at once; the oldest make room
	maxCookies = 10               // pending at once in one browser
)

// A flow is one authorization request on its way: from the client to the front,
// to the trusted endpoint, back, and to the client again. Its id is in URLs;
// what ties it to the browser is the secret in its cookie.
type flow struct {
	id          Secret // not in the database
	cookie      Secret // not in the database
	endpoint    string // the trusted endpoint that the browser was sent to
	own         bool   // towards it we are the client (see kinds.go)
	clientID    string
	redirectURI string
	state       sql.NullString // of the client
	scope       string         // asked for
	challenge   string         // S256, or empty
	me          string         // as the client sent it
	created     time.Time

	// Once the endpoint has said who it is and the owner is asked for the scopes:
	grantID int64
	person  string // canonical profile URL
}

const flowColumns = `endpoint, own, client_id, redirect_uri, state, scope, challenge, me, created, grant_id, person`

func (f *flow) scan(row *sql.Row) error {
	var created string
	err := row.Scan(&f.endpoint, &f.own, &f.clientID, &f.redirectURI, &f.state, &f.scope, &f.challenge, &f.me, &created, &f.grantID, &f.person)
	f.created, _ = parseStamp(created)
	return err
}

// begin stores a new flow. The oldest make room when there are too many, so
// that nobody can fill the house.
func (f *flow) begin(ctx context.Context, tx *sql.Tx, now time.Time) error {
	f.id, f.cookie = newSecret("f"), newSecret("c")
	_, err := tx.ExecContext(ctx, `DELETE FROM authorizations WHERE flow_hash IN
		(SELECT flow_hash FROM authorizations ORDER BY created DESC LIMIT -1 OFFSET ?)`, maxFlows-1)
	if err == nil {
		_, err = tx.ExecContext(ctx, `INSERT INTO authorizations (flow_hash, cookie_hash, `+flowColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '')`,
			f.id.hash(), f.cookie.hash(), f.endpoint, f.own, f.clientID, f.redirectURI, f.state, f.scope, f.challenge, f.me, stamp(now))
	}
	if err != nil {
		return fmt.Errorf("storing the authorization request: %w", err)
	}
	return nil
}

// errNoFlow is shown on a page: nothing says where the browser could go back to.
func errNoFlow() *Error {
	return badRequest("this sign-in was not begun in this browser, has expired or is already finished; go back to the app and begin again")
}

// flowOf finds a pending flow by its id and the browser's cookie. Both must
// fit: with the id alone somebody else's browser has followed the link.
func (s *Server) flowOf(q *request, id Secret) (*flow, error) {
	if !id.wellFormed("f") {
		return nil, errNoFlow()
	}
	c, err := q.http.Cookie(s.cookieName(id))
	if err != nil || !Secret(c.Value).wellFormed("c") {
		return nil, errNoFlow()
	}
	f := &flow{id: id, cookie: Secret(c.Value)}
	err = f.scan(s.DB.QueryRowContext(q.ctx(), `SELECT `+flowColumns+` FROM authorizations WHERE flow_hash = ? AND cookie_hash = ? AND created > ?`,
		id.hash(), f.cookie.hash(), stamp(q.now.Add(-flowLife))))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoFlow()
	}
	if err != nil {
		return nil, fmt.Errorf("looking up an authorization request: %w", err)
	}
	return f, nil
}

// pending makes sure that no other request has carried the flow on meanwhile: a
// browser that asks twice is no thief.
func (f *flow) pending(q *request, tx *sql.Tx) error {
	var one int
	err := tx.QueryRowContext(q.ctx(), `SELECT 1 FROM authorizations WHERE flow_hash = ? AND grant_id = ?`, f.id.hash(), f.grantID).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return errNoFlow()
	}
	if err != nil {
		return fmt.Errorf("looking up an authorization request: %w", err)
	}
	return nil
}

// wait leaves the flow until the owner has said what is granted.
func (f *flow) wait(q *request, tx *sql.Tx, g *grant) error {
	_, err := tx.ExecContext(q.ctx(), `UPDATE authorizations SET grant_id = ?, person = ? WHERE flow_hash = ?`, g.id, g.me, f.id.hash())
	if err != nil {
		return fmt.Errorf("storing who signed in: %w", err)
	}
	return nil
}

// take ends the flow: of those who come at once, one gets it.
func (f *flow) take(q *request, tx *sql.Tx) error {
	r, err := tx.ExecContext(q.ctx(), `DELETE FROM authorizations WHERE flow_hash = ?`, f.id.hash())
	if err != nil {
		return fmt.Errorf("ending an authorization request: %w", err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errNoFlow())
	}
	return nil
}

// derive makes the values that only this browser's flow can know, so that the
// database need not keep them.
func (f *flow) derive(purpose string) string {
	h := sha256.Sum256([]byte(purpose + " " + string(f.cookie)))
	return base64.RawURLEncoding.EncodeToString(h[:])
}

// innerState is our state towards the trusted endpoint: the flow, and what
// proves that this browser began it.
func (f *flow) innerState() string { return string(f.id) + "." + f.derive("state") }

// innerVerifier is our PKCE verifier towards the trusted endpoint.
func (f *flow) innerVerifier() string { return f.derive("verifier") }

func (f *flow) innerChallenge() string { return challengeOf(f.innerVerifier()) }

func challengeOf(verifier string) string {
	h := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(h[:])
}

func sameText(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// innerClient is the client_id that the trusted endpoint sees.
func (s *Server) innerClient(f *flow) string {
	if f.own {
		return s.URL + "/client"
	}
	return f.clientID
}

// innerRedirect is where the trusted endpoint sends the browser. Selfauth signs
// it, so that its code fits one flow only; towards an endpoint whose client we
// are, it is what our metadata lists, and PKCE ties the code to the flow.
func (s *Server) innerRedirect(f *flow) string {
	if f.own {
		return s.URL + "/callback"
	}
	return s.URL + "/callback?flow=" + string(f.id)
}

// cookiePrefix begins the names of this installation's flow cookies.
func (s *Server) cookiePrefix() string { return page.CookieName(s.URL, "mkflow") + "_" }

// cookieName is the name of the cookie that ties a flow to the browser; one for
// each, so that tabs do not disturb each other.
func (s *Server) cookieName(flow Secret) string {
	h := sha256.Sum256([]byte(s.URL + " " + string(flow)))
	return s.cookiePrefix() + hex.EncodeToString(h[:12])
}

func (s *Server) dropCookie(f *flow) *http.Cookie {
	return page.Cookie(s.URL, s.cookieName(f.id), "", 0)
}

// cookies are those of a new flow: its own, and the end of the oldest ones if
// somebody makes this browser begin many.
func (s *Server) cookies(q *request, f *flow) []*http.Cookie {
	var out []*http.Cookie
	for _, c := range q.http.Cookies() {
		if strings.HasPrefix(c.Name, s.cookiePrefix()) {
			out = append(out, page.Cookie(s.URL, c.Name, "", 0))
		}
	}
	out = out[:max(0, len(out)-maxCookies+1)]
	return append(out, page.Cookie(s.URL, s.cookieName(f.id), string(f.cookie), flowLife))
}
