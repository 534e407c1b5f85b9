package endpoint

import (
	"database/sql"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// callback is GET BASE/callback: the trusted endpoint sends the browser back. Its
// code is redeemed at once, server to server, and the browser goes on to the
// client with a code of ours. Without the cookie of the flow nothing happens at
// all; with it, every failure is told to the client.
func (s *Server) callback(q *request) (*reply, error) {
	st, err := s.fronted(q)
	if err != nil {
		return nil, err
	}
	id, _, _ := strings.Cut(q.form["state"], ".")
	f, err := s.flowOf(q, Secret(id))
	if err != nil {
		return nil, err
	}
	if !sameText(q.form["state"], f.innerState()) || !f.own && q.form["flow"] != id {
		return nil, errNoFlow()
	}
	if f.grantID != 0 { // reloaded while the owner is asked
		return s.askOwner(q, f)
	}
	if fault := q.form["error"]; fault != "" || q.form["code"] == "" {
		return s.finish(q, f, innerFault(fault))
	}
	found, err := s.confirm(q, st, f)
	if fault := asError(err); fault != nil {
		return s.finish(q, f, fault)
	}
	if err != nil {
		return nil, err
	}
	return s.proceed(q, st, f, found)
}

// innerFault is what the trusted endpoint says went wrong (RFC 6749 section 4.1.2.1).
func innerFault(code string) *Error {
	switch code {
	case "access_denied":
		return denied("the request was declined")
	case "temporarily_unavailable":
		return &Error{Code: code, Description: "the authorization endpoint is busy; try again later"}
	case "invalid_scope":
		return &Error{Code: code, Description: "the authorization endpoint does not grant this scope"}
	}
	return &Error{Code: "server_error", Description: "the authorization endpoint did not complete the request"}
}

func denied(why string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "access_denied", Description: why}
}

// confirm redeems the trusted endpoint's code, at that endpoint alone, as any
// other code: limit, ledger, question.
func (s *Server) confirm(q *request, st *Settings, f *flow) (*confirmation, error) {
	if !slices.Contains(st.Endpoints, f.endpoint) {
		return nil, denied("the authorization endpoint is no longer trusted")
	}
	if err := s.limit(q); err != nil {
		return nil, err
	}
	ask := s.innerRedemption(q, f)
	if err := s.replayedIn(q, f, ask); err != nil {
		return nil, err
	}
	only := *st
	only.Endpoints = []string{f.endpoint}
	found, err := s.ask(q, &only, ask)
	if err != nil {
		return nil, s.refused(q, ask, err)
	}
	if !st.Issues(found.me) && (f.clientID != s.OwnerClient() || !slices.Contains(st.Admins, found.me)) {
		return nil, s.refused(q, ask, denied("this site issues no tokens for "+found.me))
	}
	s.warnForeign(st, found)
	return found, nil
}

// replayedIn looks the inner code up in the ledger. If it stands there because
// this very flow has come to its end meanwhile, the browser has only asked twice.
func (s *Server) replayedIn(q *request, f *flow, ask redemption) error {
	id, err := ask.ledger(q, s.DB)
	if err != nil || id == 0 {
		return err
	}
	err = s.write(q.ctx(), func(tx *sql.Tx) error {
		if err := f.pending(q, tx); err != nil {
			return err
		}
		return s.endReplayed(q, tx, ask, id)
	})
	if err != nil {
		return err
	}
	return errReplay()
}

// Issues reports whether a person gets tokens here. php-mintoken, which may still
// be writing beside us, does not write profile URLs as we do.
func (st *Settings) Issues(me string) bool {
	if len(st.Me) == 0 || slices.Contains(st.Me, me) {
		return true
	}
	same, err := CanonicalURL(me)
	return err == nil && slices.Contains(st.Me, same)
}

func (s *Server) innerRedemption(q *request, f *flow) redemption {
	return redemption{code: q.form["code"], clientID: s.innerClient(f), redirectURI: s.innerRedirect(f), verifier: f.innerVerifier()}
}

// proceed decides by the endpoint's kind (kinds.go) who says which scopes are
// granted: the endpoint has, or the owner is asked here.
func (s *Server) proceed(q *request, st *Settings, f *flow, found *confirmation) (*reply, error) {
	kind, err := s.kind(q, f.endpoint)
	if err != nil {
		return nil, err
	}
	learned, asked := "", f.own
	_, ofSelfauth := selfauthPart(q.form["code"])
	switch {
	case f.own, f.scope == "":
		found.scope = ""
	case found.scope != "":
		learned = kindScoped
	case kind == kindScoped || ofSelfauth:
		return s.finish(q, f, denied("no scope was granted"))
	default:
		learned, asked = kindIdentity, true
	}
	if f.clientID == s.OwnerClient() {
		asked = false // our own pages; nothing is granted
	}
	return s.accept(q, st, f, found, learned, asked)
}

// accept enters the inner code in the ledger, and either makes our code or
// leaves the flow to wait for the owner's consent.
func (s *Server) accept(q *request, st *Settings, f *flow, found *confirmation, learned string, asked bool) (*reply, error) {
	g := &grant{me: found.me, clientID: f.clientID, scope: found.scope, endpoint: found.endpoint}
	var code Secret
	replayed := false
	err := s.write(q.ctx(), func(tx *sql.Tx) (err error) {
		if err := f.pending(q, tx); err != nil {
			return err
		}
		if replayed, err = s.enter(q, tx, st, s.innerRedemption(q, f), g); err != nil || replayed {
			return err
		}
		if learned != "" {
			if err := learnKind(q, tx, f.endpoint, learned); err != nil {
				return err
			}
		}
		if asked {
			return f.wait(q, tx, g)
		}
		if err := f.take(q, tx); err != nil {
			return err
		}
		code, err = g.insertCode(q, tx, f)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case replayed:
		return s.finish(q, f, errReplay())
	case asked:
		f.grantID, f.person = g.id, g.me
		return s.askOwner(q, f)
	}
	rep := redirect(http.StatusFound, s.codeURL(f, code, g.me))
	rep.cookies = []*http.Cookie{s.dropCookie(f)}
	return rep, nil
}

// codeURL carries our code to the client. Clients of the time before PKCE get
// me as well, as they did then.
func (s *Server) codeURL(f *flow, code Secret, me string) string {
	v := url.Values{"code": {string(code)}}
	if f.challenge == "" && f.me != "" {
		v.Set("me", me)
	}
	return s.answer(f, v)
}

// finish ends the flow and tells the client why.
func (s *Server) finish(q *request, f *flow, fault *Error) (*reply, error) {
	if err := s.write(q.ctx(), func(tx *sql.Tx) error { return f.take(q, tx) }); err != nil {
		return nil, err
	}
	if fault.Status >= 500 || frontCode(fault) == "server_error" {
		s.Log.Error("sign-in failed", "client_id", f.clientID, "endpoint", f.endpoint, "error", fault.Error())
	}
	rep := s.back(f, fault)
	rep.cookies = []*http.Cookie{s.dropCookie(f)}
	return rep, nil
}
