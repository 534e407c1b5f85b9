package endpoint

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

const (
	ledgerLife    = 24 * time.Hour  // how long a redeemed code is remembered
	refusalWindow = 5 * time.Minute // refused redemptions are counted this long
	refusalLimit  = 30              // and more than this many are answered 429
)

// token is POST BASE: it tells the grants, legacy revocation and legacy
// introspection apart.
func (s *Server) token(q *request) (*reply, error) {
	switch grantType, action := q.form["grant_type"], q.form["action"]; {
	case action == "revoke":
		return s.revoke(q)
	case action != "":
		return nil, badRequest("the only action is revoke")
	case grantType == "authorization_code":
		return s.redeem(q)
	case grantType == "refresh_token":
		return s.refresh(q)
	case grantType != "":
		return nil, &Error{Status: http.StatusBadRequest, Code: "unsupported_grant_type",
			Description: "the grant types are authorization_code and refresh_token"}
	case q.form["token"] != "":
		return s.introspect(q)
	}
	return nil, badRequest("the parameter grant_type is missing")
}

// redeem exchanges an authorization code for tokens: RFC 6749 section 4.1.3,
// IndieAuth section 5.3. The order matters: the ledger is read before the
// endpoint is asked and written only after it confirmed, because clients send
// the same code again when their first attempt failed (C7).
func (s *Server) redeem(q *request) (*reply, error) {
	ask, err := q.redemption()
	if err != nil {
		return nil, err
	}
	st, err := s.Settings(q.ctx())
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(ask.code, prefixCode) {
		return s.redeemOwn(q, st, ask)
	}
	if err := s.mayRedeem(q, st, ask); err != nil {
		return nil, err
	}
	found, err := s.ask(q, st, ask)
	if err != nil {
		return nil, s.refused(q, ask, err)
	}
	if len(st.Me) > 0 && !slices.Contains(st.Me, found.me) {
		return nil, s.refused(q, ask, badGrant("this endpoint issues no tokens for "+found.me))
	}
	if found.scope == "" {
		return nil, &Error{Status: http.StatusBadRequest, Code: "invalid_scope",
			Description: found.endpoint + " granted no scope, so there is nothing a token could be used for"}
	}
	s.warnForeign(st, found)
	return s.issue(q, st, ask, found)
}

// A redemption is what the client sent, byte for byte: the authorization
// endpoint signed exactly these strings.
type redemption struct {
	code, clientID, redirectURI, verifier string
}

func (q *request) redemption() (redemption, error) {
	id, err := q.clientID()
	if err != nil {
		return redemption{}, err
	}
	r := redemption{code: q.form["code"], clientID: id, redirectURI: q.form["redirect_uri"], verifier: q.form["code_verifier"]}
	switch {
	case r.code == "":
		return r, badRequest("the parameter code is missing")
	case r.clientID == "":
		return r, badRequest("the parameter client_id is missing")
	case r.redirectURI == "":
		return r, badRequest("the parameter redirect_uri is missing")
	}
	if !strings.Contains(r.code, ":") && strings.Contains(strings.ToUpper(r.code), "%3A") {
		r.code = unescape(r.code) // encoded twice (R22)
	}
	return r, nil
}

// mayRedeem refuses what needs no endpoint to be refused.
func (s *Server) mayRedeem(q *request, st *Settings, ask redemption) error {
	if s.URL != "" && under(s.URL, ask.redirectURI) {
		return badGrant("this redirect_uri is the token endpoint's own; redeem the code that it gave you")
	}
	if !st.Direct {
		return badGrant("codes of the authorization endpoint are not accepted directly; start at this endpoint's authorize address")
	}
	if err := s.limit(q); err != nil {
		return err
	}
	return s.replayed(q, ask)
}

// under reports whether the URL is base or lies below it, however it is spelt.
func under(base, u string) bool {
	b, err1 := url.Parse(base)
	p, err2 := url.Parse(u)
	if err1 != nil || err2 != nil || !strings.EqualFold(b.Hostname(), p.Hostname()) || portOf(b) != portOf(p) && b.Scheme == p.Scheme {
		return false
	}
	prefix, at := strings.TrimSuffix(path.Clean("/"+b.Path), "/"), path.Clean("/"+p.Path)
	return at == prefix || strings.HasPrefix(at, prefix+"/")
}

// issue writes ledger, grant, tokens and event in one transaction, and only
// then answers. Of those who redeem a code at once, the transaction lets one
// through; whoever comes second ends the first one's grant.
func (s *Server) issue(q *request, st *Settings, ask redemption, found *confirmation) (*reply, error) {
	g := &grant{me: found.me, clientID: ask.clientID, scope: found.scope, endpoint: found.endpoint}
	var answer fields
	err := s.write(q.ctx(), func(tx *sql.Tx) error {
		replayed, err := s.enter(q, tx, st, ask, g)
		if err != nil || replayed {
			return err
		}
		answer, err = s.mint(q, tx, st, g, g.scope, "issued")
		return err
	})
	if err != nil {
		return nil, err
	}
	if answer == nil {
		return nil, errReplay()
	}
	return encode(s.withProfile(q, st, answer, g), q.onlyForm())
}

// sweep removes what has had its time: old ledger entries, refusals and sealed replies.
func (s *Server) sweep(ctx context.Context, tx *sql.Tx, now time.Time) error {
	for _, old := range []struct {
		statement string
		age       time.Duration
	}{
		{`DELETE FROM redeemed_codes WHERE redeemed <= ?`, ledgerLife},
		{`DELETE FROM refusals WHERE refused <= ?`, refusalWindow},
		{`DELETE FROM authorizations WHERE created <= ?`, flowLife},
		{`DELETE FROM codes WHERE created <= ?`, ledgerLife},
		{`UPDATE refresh_tokens SET reply = NULL WHERE reply IS NOT NULL AND rotated < ?`, graceWindow},
	} {
		if _, err := tx.ExecContext(ctx, old.statement, stamp(now.Add(-old.age))); err != nil {
			return fmt.Errorf("sweeping: %w", err)
		}
	}
	return nil
}

// mint makes the tokens of a grant and the answer that carries them
// (RFC 6749 section 5.1). A refresh token comes only with a token that expires.
func (s *Server) mint(q *request, tx *sql.Tx, st *Settings, g *grant, scope, kind string) (fields, error) {
	access, id, err := g.insertAccess(q.ctx(), tx, scope, q.now)
	if err != nil {
		return nil, err
	}
	answer := fields{{"access_token", string(access)}, {"token_type", "Bearer"}, {"scope", scope}, {"me", g.me}}
	if seconds := st.lifetime(); seconds > 0 {
		refresh, err := g.insertRefresh(q.ctx(), tx, id, q.now)
		if err != nil {
			return nil, err
		}
		answer = append(answer, member{"expires_in", seconds}, member{"refresh_token", string(refresh)})
	}
	return answer, s.Record(q.ctx(), tx, Event{At: q.now, Kind: kind, Me: g.me, ClientID: g.clientID,
		TokenID: id, Address: q.address, Detail: scope})
}

// limit refuses redemptions from an address that had too many refused.
func (s *Server) limit(q *request) error {
	if q.address == "" {
		return nil
	}
	var n int
	err := s.DB.QueryRowContext(q.ctx(), `SELECT count(*) FROM refusals WHERE address = ? AND refused > ? AND refused <= ?`,
		q.address, stamp(q.now.Add(-refusalWindow)), stamp(q.now.Add(time.Minute))).Scan(&n)
	if err != nil {
		return fmt.Errorf("counting refusals: %w", err)
	}
	if n < refusalLimit {
		return nil
	}
	return &Error{Status: http.StatusTooManyRequests, Code: "temporarily_unavailable", Header: map[string]string{"Retry-After": "300"},
		Description: "too many codes from this address were refused; wait five minutes"}
}

// refused counts and records a refusal by the endpoint. That it could not be
// written does not change the answer.
func (s *Server) refused(q *request, ask redemption, cause error) error {
	e := new(Error)
	if !errors.As(cause, &e) || e.Status != http.StatusBadRequest {
		return cause
	}
	err := s.write(q.ctx(), func(tx *sql.Tx) error {
		if err := s.sweep(q.ctx(), tx, q.now); err != nil {
			return err
		}
		if q.address != "" {
			_, err := tx.ExecContext(q.ctx(), `INSERT INTO refusals (address, refused) VALUES (?, ?)`, q.address, stamp(q.now))
			if err != nil {
				return fmt.Errorf("counting a refusal: %w", err)
			}
		}
		return s.Record(q.ctx(), tx, Event{At: q.now, Kind: "refused", ClientID: ask.clientID, Address: q.address, Detail: e.Description})
	})
	if err != nil {
		s.Log.Warn("refusal not recorded", "error", err)
	}
	return cause
}

// warnForeign logs an identity that lies elsewhere than its endpoint, while
// nothing says which identities to expect.
func (s *Server) warnForeign(st *Settings, found *confirmation) {
	if len(st.Me) == 0 && !related(found.me, found.endpoint) {
		s.Log.Warn("token for an identity on another host than its endpoint; name your own with: mintkeep setting me URL",
			"me", found.me, "endpoint", found.endpoint)
	}
}

func related(a, b string) bool {
	u, err1 := url.Parse(a)
	v, err2 := url.Parse(b)
	if err1 != nil || err2 != nil {
		return false
	}
	x, y := strings.TrimPrefix(u.Hostname(), "www."), strings.TrimPrefix(v.Hostname(), "www.")
	return x == y || strings.HasSuffix(x, "."+y) || strings.HasSuffix(y, "."+x)
}
