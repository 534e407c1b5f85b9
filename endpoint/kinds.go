package endpoint

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Two kinds of authorization endpoints can stand behind the front.
//
// Selfauth and its like ask the owner which scopes an app may have and return
// them with the code's confirmation; they show the app's own client_id, and do
// not mind that the redirect leads elsewhere. Towards these the front passes the
// client's request on.
//
// The others (Indiekit, WordPress) ask only who it is, and demand that the
// redirect belongs to the client. Towards these we are the client (BASE/client),
// ask for no scope, and the front asks the owner itself (consent.go).
//
// Which kind an endpoint is, is worked out so:
//
//  1. An endpoint whose confirmation carried a scope within the last 30 days
//     (kindScoped) is of the first kind, and an answer of its without scope is
//     the owner's refusal.
//  2. Else, at most once a day, it is sent a code that cannot be right. An OAuth
//     error in JSON comes from a modern endpoint: the second kind (kindIdentity).
//     Selfauth answers with a page: first kind for now (kindUnknown).
//  3. If one of kindUnknown confirms a code without scope although scopes were
//     asked, it is the second kind after all and the owner is asked here –
//     unless the code has Selfauth's form hex:64hex:…, by which Selfauth says
//     that no box was left ticked: that is a refusal.
const (
	kindScoped   = "scoped"
	kindIdentity = "identity"
	kindUnknown  = "unknown"

	scopedLife = 30 * 24 * time.Hour
	probedLife = 24 * time.Hour
)

// ownClient reports whether we are the client towards the endpoint.
func (s *Server) ownClient(q *request, endpoint string) (bool, error) {
	kind, err := s.kind(q, endpoint)
	if err != nil || kind != "" {
		return kind == kindIdentity, err
	}
	kind, err = s.probe(q.ctx(), endpoint)
	if err != nil { // the browser may reach it all the same
		s.Log.Warn("authorization endpoint not probed", "endpoint", endpoint, "error", err)
		return false, nil
	}
	err = s.write(q.ctx(), func(tx *sql.Tx) error { return learnKind(q, tx, endpoint, kind) })
	return kind == kindIdentity, err
}

// kind is what is known of an endpoint, "" if nothing is or it is too old: people
// put other programs at old addresses.
func (s *Server) kind(q *request, endpoint string) (kind string, err error) {
	err = s.DB.QueryRowContext(q.ctx(), `SELECT kind FROM endpoint_kinds WHERE endpoint = ? AND learned > CASE kind WHEN ? THEN ? ELSE ? END`,
		endpoint, kindScoped, stamp(q.now.Add(-scopedLife)), stamp(q.now.Add(-probedLife))).Scan(&kind)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("looking up the kind of an endpoint: %w", err)
	}
	return kind, nil
}

func learnKind(q *request, tx *sql.Tx, endpoint, kind string) error {
	_, err := tx.ExecContext(q.ctx(), `INSERT INTO endpoint_kinds (endpoint, kind, learned) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET kind = excluded.kind, learned = excluded.learned`, endpoint, kind, stamp(q.now))
	if err != nil {
		return fmt.Errorf("noting the kind of an endpoint: %w", err)
	}
	return nil
}

// probe has the endpoint refuse a code, to see in which language it does so.
func (s *Server) probe(ctx context.Context, endpoint string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {"0:" + strings.Repeat("0", 64) + ":"},
		"client_id": {s.URL + "/client"}, "redirect_uri": {s.URL + "/callback"}, "code_verifier": {strings.Repeat("0", 43)}}
	resp, err := s.post(ctx, endpoint, form)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 500 {
		return "", fmt.Errorf("it answered with status %d", resp.StatusCode)
	}
	var answer struct {
		Error string `json:"error"`
	}
	if json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(&answer) == nil && answer.Error != "" && resp.StatusCode >= 400 {
		return kindIdentity, nil
	}
	return kindUnknown, nil
}

// post sends a form to a trusted endpoint.
func (s *Server) post(ctx context.Context, endpoint string, form url.Values) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json") // alone: Selfauth answers 406 to much else
	req.Header.Set("User-Agent", "mintkeep")
	return s.Client.Do(req)
}
