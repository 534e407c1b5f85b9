package owner

import (
	"context"
	"database/sql"
	"net/http"
	"slices"
	"strings"
	"time"

	"mintkeep/internal/page"
	"mintkeep/internal/secret"
	"mintkeep/internal/store"
)

const (
	sessionIdle = 30 * 24 * time.Hour // a session ends after this long without use
	sessionLife = 90 * 24 * time.Hour // and in any case after this long
	sessionNote = time.Hour           // how often its last use is written
)

// A session is a browser in which somebody has signed in. Its id, 256 random bits,
// is in the browser's cookie alone; the database has its SHA-256.
type session struct {
	Hash                      string
	Me                        string // canonical profile URL
	Admin                     bool
	Agent                     string // the browser's User-Agent
	Created, LastUse, Expires time.Time
}

const sessionCookie, signInCookie = page.SessionCookie, "mksignin"

func (p *Pages) cookie(kind, value string, life time.Duration) *http.Cookie {
	return page.Cookie(p.In.URL, page.CookieName(p.In.URL, kind), value, life)
}

// readCookie returns the value of a cookie that a browser sent, or "".
func (p *Pages) readCookie(r *http.Request, kind string) string {
	c, err := r.Cookie(page.CookieName(p.In.URL, kind))
	if err != nil {
		return ""
	}
	return c.Value
}

// sessionHash is the hash of the session id that a browser sent.
func (p *Pages) sessionHash(r *http.Request) string {
	return secret.Secret(p.readCookie(r, sessionCookie)).Hash()
}

const sessionColumns = `session_hash, me, user_agent, created, last_use, expires`

func scanSession(scan func(...any) error) (*session, error) {
	s := &session{}
	return s, scan(&s.Hash, &s.Me, &s.Agent, store.Into(&s.Created), store.Into(&s.LastUse), store.Into(&s.Expires))
}

// Ends is when the session ends if nobody uses it before.
func (s *session) Ends() time.Time {
	if idle := s.LastUse.Add(sessionIdle); idle.Before(s.Expires) {
		return idle
	}
	return s.Expires
}

// findSession finds the session of a request; nil if there is none, or if it has
// ended. What the person may see is decided by the settings as they are now.
func (p *Pages) findSession(q *request) (*session, error) {
	if p.readCookie(q.http, sessionCookie) == "" {
		return nil, nil
	}
	found, err := store.List(q.ctx(), p.In.Grants.DB, "looking up a session", scanSession,
		`SELECT `+sessionColumns+` FROM sessions WHERE session_hash = ?`, p.sessionHash(q.http))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	s := found[0]
	s.Admin = slices.Contains(q.st.Admins, s.Me)
	if !q.now.Before(s.Ends()) || !s.Admin && !q.st.Issues(s.Me) {
		return nil, nil
	}
	if q.now.Sub(s.LastUse).Abs() >= sessionNote {
		err := store.Exec(q.ctx(), p.In.Grants.DB, "writing the last use of a session",
			`UPDATE sessions SET last_use = ? WHERE session_hash = ?`, store.Time(q.now), s.Hash)
		if err != nil { // a disk that is full must not lock the owner out
			p.In.Log.Warn("last use of a session not written", "error", err)
		}
	}
	return s, nil
}

// Admin reports whether a request comes from a signed-in administrator. It is
// for the keeper's pages.
func (p *Pages) Admin(r *http.Request) bool {
	q := &request{http: r, now: p.In.Grants.Now().UTC()}
	var err error
	if q.st, err = p.In.Grants.Settings(q.ctx()); err == nil && p.In.URL != "" && !exposed(p) {
		q.session, err = p.findSession(q)
	}
	if err != nil {
		p.In.Log.Error("session not read", "error", err)
	}
	return err == nil && q.admin()
}

// createSession makes a session with a new id, whatever the browser had before, and
// deletes those that have ended.
func (p *Pages) createSession(q *request, me string) (*http.Cookie, error) {
	id := secret.New("")
	err := store.Write(q.ctx(), p.In.Grants.DB, func(tx *sql.Tx) error {
		err := store.Exec(q.ctx(), tx, "deleting ended sessions", `DELETE FROM sessions WHERE session_hash = ? OR expires <= ? OR last_use <= ?`,
			p.sessionHash(q.http), store.Time(q.now), store.Time(q.now.Add(-sessionIdle)))
		if err != nil {
			return err
		}
		err = store.Exec(q.ctx(), tx, "creating a session", `INSERT INTO sessions (`+sessionColumns+`) VALUES (?, ?, ?, ?, ?, ?)`,
			id.Hash(), me, agent(q.http.UserAgent()), store.Time(q.now), store.Time(q.now), store.Time(q.now.Add(sessionLife)))
		if err != nil {
			return err
		}
		return store.Record(q.ctx(), tx, store.Event{At: q.now, Kind: "signed in", Me: me, ClientID: p.In.Authorize.OwnerClient()})
	})
	if err != nil {
		return nil, err
	}
	return p.cookie(sessionCookie, string(id), sessionLife), nil
}

// deleteSessions ends the sessions that a condition in SQL names.
func (p *Pages) deleteSessions(q *request, condition string, args ...any) error {
	return store.Write(q.ctx(), p.In.Grants.DB, func(tx *sql.Tx) error {
		n, err := store.ExecCount(q.ctx(), tx, "ending sessions", `DELETE FROM sessions WHERE `+condition, args...)
		if err != nil || n == 0 {
			return err
		}
		return store.Record(q.ctx(), tx, store.Event{At: q.now, Kind: "signed out", Me: q.session.Me,
			ClientID: p.In.Authorize.OwnerClient(), Detail: plural(int(n), "session", "sessions")})
	})
}

// listSessions lists the sessions that have not ended; of one person, or of all if
// me is empty; those used last first.
func (p *Pages) listSessions(ctx context.Context, me string, now time.Time) ([]*session, error) {
	return store.List(ctx, p.In.Grants.DB, "listing sessions", scanSession, `SELECT `+sessionColumns+` FROM sessions
		WHERE ? IN ('', me) AND expires > ? AND last_use > ? ORDER BY last_use DESC`, me, store.Time(now), store.Time(now.Add(-sessionIdle)))
}

// agent is what a browser calls itself, cut to 200 characters.
func agent(s string) string {
	s = strings.ToValidUTF8(s, "")
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200])
	}
	return s
}

// Browser is a short name of the browser, such as Firefox on Linux.
func (s *session) Browser() string {
	name := firstOf(s.Agent, "Edg", "OPR/", "Firefox/", "Chrome/", "Safari/")
	system := firstOf(s.Agent, "Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux")
	known := strings.NewReplacer("Edg", "Edge", "OPR/", "Opera", "/", "", "Mac OS X", "Mac")
	switch {
	case name == "" && system == "":
		return "A browser"
	case name == "" || system == "":
		return known.Replace(name + system)
	}
	return known.Replace(name) + " on " + known.Replace(system)
}

// firstOf is the first of the words that text contains, or "".
func firstOf(text string, words ...string) string {
	for _, w := range words {
		if strings.Contains(text, w) {
			return w
		}
	}
	return ""
}
