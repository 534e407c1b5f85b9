package endpoint

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// askOwner shows which app asks for what, where the trusted endpoint did not.
func (s *Server) askOwner(q *request, f *flow) (*reply, error) {
	return s.consentPage(f, s.ClientName(q.ctx(), f.clientID))
}

// consent is POST BASE/consent: what the owner allowed. The flow's cookie and the
// browser's word (http.CrossOriginProtection) keep other sites from answering.
func (s *Server) consent(q *request) (*reply, error) {
	if err := s.SameSite(q.http); err != nil {
		return nil, &Error{Status: http.StatusForbidden, Code: "access_denied", Description: "this answer came from another site", Cause: err}
	}
	f, err := s.flowOf(q, Secret(q.form["flow"]))
	if err != nil {
		return nil, err
	}
	if f.grantID == 0 {
		return nil, errNoFlow()
	}
	granted := f.allowed(q.form["scope"])
	if q.form["answer"] != "allow" || f.scope != "" && granted == "" {
		return s.refuseFlow(q, f)
	}
	g := &grant{id: f.grantID, me: f.person, clientID: f.clientID, scope: granted}
	var code Secret
	err = s.write(q.ctx(), func(tx *sql.Tx) (err error) {
		if err := f.take(q, tx); err != nil {
			return err
		}
		if _, err := tx.ExecContext(q.ctx(), `UPDATE grants SET scope = ? WHERE grant_id = ?`, granted, g.id); err != nil {
			return fmt.Errorf("writing what was granted: %w", err)
		}
		code, err = g.insertCode(q, tx, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.leave(f, s.codeURL(f, code, g.me))
}

// allowed are the scopes that were both asked for and ticked.
func (f *flow) allowed(ticked string) string {
	var granted []string
	marked := strings.Fields(ticked)
	for _, word := range strings.Fields(f.scope) {
		if slices.Contains(marked, word) {
			granted = append(granted, word)
		}
	}
	return strings.Join(granted, " ")
}

func (s *Server) refuseFlow(q *request, f *flow) (*reply, error) {
	err := s.write(q.ctx(), func(tx *sql.Tx) error {
		if err := f.take(q, tx); err != nil {
			return err
		}
		g := &grant{id: f.grantID}
		_, err := g.end(q.ctx(), tx, q.now, "refused")
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.leave(f, s.faultURL(f, denied("the request was declined")))
}

// leave takes the browser from our form to the client with a page, not with a
// redirect: browsers hold every redirect that follows a form against
// form-action, also those that the client makes later.
func (s *Server) leave(f *flow, to string) (*reply, error) {
	rep, err := continuePage(to, f.redirectURI)
	if err != nil {
		return nil, err
	}
	rep.cookies = []*http.Cookie{s.dropCookie(f)}
	return rep, nil
}

// SameSite refuses a POST that another site's page made.
func (s *Server) SameSite(r *http.Request) error {
	c := http.NewCrossOriginProtection()
	if u, err := url.Parse(s.URL); err == nil && u.Host != "" { // what a proxy calls us does not matter
		if err := c.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return err
		}
	}
	return c.Check(r)
}

// KnownScopes are those that ScopeWords has words for.
func KnownScopes() []string {
	return []string{"profile", "email", "create", "draft", "update", "delete", "undelete", "media",
		"read", "follow", "mute", "block", "channels", "save"}
}

// ScopeWords says in words what a scope lets an app do.
func ScopeWords(scope string) string {
	switch scope {
	case "profile":
		return "see your name, photo and address"
	case "email":
		return "see your e-mail address"
	case "create", "post":
		return "publish posts"
	case "draft":
		return "write drafts"
	case "update":
		return "change posts"
	case "delete":
		return "delete posts"
	case "undelete":
		return "bring deleted posts back"
	case "media":
		return "upload files"
	case "read":
		return "read what you follow"
	case "follow":
		return "follow and unfollow"
	case "mute":
		return "mute people"
	case "block":
		return "block people"
	case "channels":
		return "manage channels"
	case "save":
		return "save links"
	}
	return "do what it calls"
}
