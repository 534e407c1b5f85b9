package owner

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"mintkeep/endpoint"
	"mintkeep/internal/page"
)

const (
	sessionIdle = 30 * 24 * time.Hour // a session ends after this long without use
	sessionLife = 90 * 24 * time.Hour // and in any case after this long
	sessionNote = time.Hour           // how often its last use is written
)

// A session is a browser in which somebody has signed in. The id, 256 random
// bits, is in its cookie alone; the database has its SHA-256.
type session struct {
	hash    string
	me      string
	admin   bool
	agent   string
	created time.Time
	lastUse time.Time
	expires time.Time
}

func hashOf(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

func randomText() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func (p *Pages) cookie(kind, value string, life time.Duration) *http.Cookie {
	return page.Cookie(p.In.URL, page.CookieName(p.In.URL, kind), value, life)
}

const sessionCookie, signInCookie = "mksession", "mksignin"

// cookieHash is the hash of the session id that a browser sent, or "".
func (p *Pages) cookieHash(r *http.Request) string {
	c, err := r.Cookie(page.CookieName(p.In.URL, sessionCookie))
	if err != nil || len(c.Value) != 43 {
		return ""
	}
	return hashOf(c.Value)
}

const sessionColumns = `session_hash, me, user_agent, created, last_use, expires`

func scanSession(scan func(...any) error) (*session, error) {
	s := &session{}
	var created, lastUse, expires string
	if err := scan(&s.hash, &s.me, &s.agent, &created, &lastUse, &expires); err != nil {
		return nil, err
	}
	s.created, s.lastUse, s.expires = moment(created), moment(lastUse), moment(expires)
	return s, nil
}

// moment reads a time of the database; what cannot be read is long ago.
func moment(s string) time.Time {
	t, _ := time.Parse(time.DateTime, s)
	return t
}

func stamp(t time.Time) string { return t.UTC().Format(time.DateTime) }

// ends is when the session ends if nobody uses it before.
func (s *session) ends() time.Time {
	if idle := s.lastUse.Add(sessionIdle); idle.Before(s.expires) {
		return idle
	}
	return s.expires
}

// sessionOf finds the living session of a request; nil if there is none. What the
// person may see is decided by the settings as they are now.
func (p *Pages) sessionOf(q *request) (*session, error) {
	hash := p.cookieHash(q.http)
	if hash == "" {
		return nil, nil
	}
	s, err := scanSession(p.In.DB.QueryRowContext(q.ctx(), `SELECT `+sessionColumns+` FROM sessions WHERE session_hash = ?`, hash).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking up a session: %w", err)
	}
	s.admin = slices.Contains(q.st.Admins, s.me)
	if !q.now.Before(s.ends()) || !s.admin && !q.st.Issues(s.me) {
		return nil, nil
	}
	if q.now.Sub(s.lastUse) >= sessionNote {
		_, err := p.In.DB.ExecContext(q.ctx(), `UPDATE sessions SET last_use = ? WHERE session_hash = ?`, stamp(q.now), s.hash)
		if err != nil { // a disk that is full must not lock the owner out
			p.In.Log.Warn("last use of a session not written", "error", err)
		}
	}
	return s, nil
}

// Admin reports whether a request comes from a signed-in administrator. It is
// for the keeper's pages.
func (p *Pages) Admin(r *http.Request) bool {
	q := &request{http: r, now: p.In.Now().UTC()}
	var err error
	if q.st, err = p.In.Settings(q.ctx()); err == nil && p.In.URL != "" {
		q.session, err = p.sessionOf(q)
	}
	if err != nil {
		p.In.Log.Error("session not read", "error", err)
	}
	return err == nil && q.admin()
}

// begin makes a new session with a new id, whatever the browser had before, and
// sweeps out what has ended.
func (p *Pages) begin(q *request, me string) (*http.Cookie, error) {
	id := randomText()
	err := p.inTx(q.ctx(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(q.ctx(), `DELETE FROM sessions WHERE session_hash = ? OR expires <= ? OR last_use <= ?`,
			p.cookieHash(q.http), stamp(q.now), stamp(q.now.Add(-sessionIdle)))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(q.ctx(), `INSERT INTO sessions (`+sessionColumns+`) VALUES (?, ?, ?, ?, ?, ?)`,
			hashOf(id), me, agent(q.http.UserAgent()), stamp(q.now), stamp(q.now), stamp(q.now.Add(sessionLife)))
		if err != nil {
			return err
		}
		return p.In.Record(q.ctx(), tx, endpoint.Event{At: q.now, Kind: "signed in", Me: me, ClientID: p.In.OwnerClient()})
	})
	if err != nil {
		return nil, fmt.Errorf("beginning a session: %w", err)
	}
	return p.cookie(sessionCookie, id, sessionLife), nil
}

// end ends sessions, as far as the condition names them.
func (p *Pages) end(q *request, condition string, arg ...any) error {
	err := p.inTx(q.ctx(), func(tx *sql.Tx) error {
		r, err := tx.ExecContext(q.ctx(), `DELETE FROM sessions WHERE `+condition, arg...)
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		if err != nil || n == 0 {
			return err
		}
		return p.In.Record(q.ctx(), tx, endpoint.Event{At: q.now, Kind: "signed out", Me: q.session.me, ClientID: p.In.OwnerClient(), Detail: many(int(n), "session", "sessions")})
	})
	if err != nil {
		return fmt.Errorf("ending sessions: %w", err)
	}
	return nil
}

// inTx runs fn in one transaction.
func (p *Pages) inTx(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := p.In.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// agent is what a browser calls itself, for the list of sessions.
func agent(s string) string {
	s = strings.ToValidUTF8(s, "")
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200])
	}
	return s
}

// browser makes a short name of it.
func browser(agent string) string {
	name, system := "", ""
	for _, b := range [][2]string{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}} {
		if name == "" && strings.Contains(agent, b[0]) {
			name = b[1]
		}
	}
	for _, s := range [][2]string{{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS X", "Mac"}, {"Linux", "Linux"}} {
		if system == "" && strings.Contains(agent, s[0]) {
			system = s[1]
		}
	}
	switch {
	case name == "" && system == "":
		return "A browser"
	case name == "" || system == "":
		return name + system
	}
	return name + " on " + system
}
