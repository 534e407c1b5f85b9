package endpoint

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// askTimeout bounds the conversation with all trusted endpoints together.
const askTimeout = 8 * time.Second

// A confirmation is a trusted endpoint's word about a code.
type confirmation struct {
	endpoint string
	me       string // canonical
	scope    string // may be empty
}

// errNo is a trusted endpoint's clear no.
var errNo = errors.New("the endpoint does not know the code")

// ask has the code verified by the trusted endpoints, one after the other, those
// that confirmed codes of this shape first. Any yes wins; else a fault of one of
// them is 503, because it might have said yes; else the code is invalid.
func (s *Server) ask(q *request, st *Settings, ask redemption) (*confirmation, error) {
	endpoints, err := s.endpoints(q, st, ask.code)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(q.ctx(), askTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	var fault error
	for i, endpoint := range endpoints {
		share := time.Until(deadline) / time.Duration(len(endpoints)-i)
		one, done := context.WithTimeout(ctx, share)
		found, err := s.askOne(one, endpoint, ask)
		done()
		if err == nil {
			return found, nil
		}
		if !errors.Is(err, errNo) {
			fault = fmt.Errorf("%s: %w", endpoint, err)
			s.Log.Warn("authorization endpoint failed", "endpoint", endpoint, "error", err)
		}
	}
	if fault != nil {
		return nil, unavailable("the authorization endpoint could not verify the code; try again later", fault)
	}
	return nil, badGrant("no trusted authorization endpoint confirms this code; it may have expired, or client_id or redirect_uri differ from those it was made for")
}

// endpoints are the trusted endpoints in the order of asking.
func (s *Server) endpoints(q *request, st *Settings, code string) ([]string, error) {
	if len(st.Endpoints) == 0 {
		return nil, unavailable("no authorization endpoint is trusted here yet",
			errors.New("no trusted endpoint\nhint: run `mintkeep endpoint add URL` or put `endpoint: URL` into the configuration file"))
	}
	if len(st.Endpoints) == 1 {
		return st.Endpoints, nil
	}
	rows, err := s.DB.QueryContext(q.ctx(), `SELECT endpoint FROM code_shapes WHERE shape = ? ORDER BY confirmed DESC`, shape(code))
	if err != nil {
		return nil, fmt.Errorf("reading code shapes: %w", err)
	}
	defer rows.Close()
	var order []string
	for rows.Next() {
		var endpoint string
		if err := rows.Scan(&endpoint); err != nil {
			return nil, fmt.Errorf("reading code shapes: %w", err)
		}
		if slices.Contains(st.Endpoints, endpoint) {
			order = append(order, endpoint)
		}
	}
	for _, endpoint := range st.Endpoints {
		if !slices.Contains(order, endpoint) {
			order = append(order, endpoint)
		}
	}
	return order, rows.Err()
}

func (s *Server) rememberShape(q *request, tx *sql.Tx, st *Settings, code, endpoint string) error {
	if len(st.Endpoints) < 2 {
		return nil
	}
	_, err := tx.ExecContext(q.ctx(), `INSERT INTO code_shapes (shape, endpoint, confirmed) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET confirmed = excluded.confirmed`, shape(code), endpoint, stamp(q.now))
	if err != nil {
		return fmt.Errorf("writing the code's shape: %w", err)
	}
	return nil
}

// shape is what codes of one maker have in common: runs of hex digits (h) or
// other letters (w) and what stands between them. Selfauth's is "h:h:w".
func shape(code string) string {
	isWord := func(r rune) bool {
		return r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z'
	}
	var b strings.Builder
	for code != "" && b.Len() < 32 {
		n := strings.IndexFunc(code, func(r rune) bool { return !isWord(r) })
		if n < 0 {
			n = len(code)
		}
		switch {
		case n > 0 && isHex(code[:n]):
			b.WriteByte('h')
		case n > 0:
			b.WriteByte('w')
		default:
			n = 1
			b.WriteByte(code[0])
		}
		code = code[n:]
	}
	return strings.ToValidUTF8(b.String(), "?")
}

// askOne sends the code to one endpoint, with everything the client sent and
// nothing changed. It returns errNo for a clear no, another error for a fault.
func (s *Server) askOne(ctx context.Context, endpoint string, ask redemption) (*confirmation, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {ask.code},
		"client_id": {ask.clientID}, "redirect_uri": {ask.redirectURI}}
	if ask.verifier != "" {
		form.Set("code_verifier", ask.verifier)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json") // alone: Selfauth answers 406 to much else
	req.Header.Set("User-Agent", "mintkeep")
	resp, err := s.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if len(body) > maxBody {
		return nil, errors.New("the answer is larger than 64 KiB")
	}
	found, err := readConfirmation(resp.StatusCode, resp.Header.Get("Content-Type"), body)
	if found != nil {
		found.endpoint = endpoint
	}
	return found, err
}

// readConfirmation judges an endpoint's answer. Only 200 with a usable `me` is
// a yes: Selfauth shows 200 and a login page when it did not understand.
func readConfirmation(status int, contentType string, body []byte) (*confirmation, error) {
	switch {
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed || status >= 500 || status < 200 || status >= 300 && status < 400:
		return nil, fmt.Errorf("it answered with status %d", status)
	case status != http.StatusOK:
		return nil, errNo
	}
	me, scope, err := readAnswer(contentType, body)
	if err == nil && me == "" {
		err = errors.New("it answered without me")
	}
	if err != nil && strings.Contains(string(body), "Error: Verification Failed") {
		return nil, errNo // Selfauth before it sent a status
	}
	if err != nil {
		return nil, err
	}
	canonical, err := CanonicalURL(me)
	if err != nil {
		return nil, fmt.Errorf("it answered with a me that is no profile URL: %w", err)
	}
	return &confirmation{me: canonical, scope: scope}, nil
}

// readAnswer reads me and scope from a JSON object or a form, by Content-Type,
// or by the first character where the type says neither.
func readAnswer(contentType string, body []byte) (me, scope string, err error) {
	media, _, _ := mime.ParseMediaType(contentType)
	text := strings.TrimSpace(string(body))
	switch {
	case media == "application/json" || strings.HasSuffix(media, "+json") || media != "application/x-www-form-urlencoded" && strings.HasPrefix(text, "{"):
		var answer struct {
			Me    string `json:"me"`
			Scope any    `json:"scope"`
		}
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			return "", "", fmt.Errorf("it answered with JSON that cannot be read: %w", err)
		}
		return answer.Me, readScope(answer.Scope), nil
	case media == "application/x-www-form-urlencoded" || media == "text/plain":
		v, err := url.ParseQuery(text)
		if err != nil {
			return "", "", fmt.Errorf("it answered with a form that cannot be read: %w", err)
		}
		return v.Get("me"), readScope(v.Get("scope")), nil
	}
	return "", "", fmt.Errorf("it answered with %q, neither JSON nor form", contentType)
}

// readScope turns a scope into a space-separated list of scope tokens
// (RFC 6749 section 3.3); what cannot be one is left out.
func readScope(v any) string {
	var words []string
	switch v := v.(type) {
	case string:
		words = strings.Fields(v)
	case []any:
		for _, w := range v {
			if w, ok := w.(string); ok {
				words = append(words, strings.Fields(w)...)
			}
		}
	}
	var out []string
	for _, w := range words {
		if scopeToken(w) && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return strings.Join(out, " ")
}

func scopeToken(w string) bool {
	for _, c := range []byte(w) {
		if c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return w != ""
}

// CanonicalURL is a profile URL in IndieAuth's canonical form (section 3.4): scheme
// and host in lower case, "/" where there is no path, the rest untouched. It refuses
// what is not an absolute http or https URL with a host and without user or fragment.
func CanonicalURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil {
		return "", err
	}
	scheme := strings.ToLower(u.Scheme)
	if scheme != "http" && scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return "", fmt.Errorf("%q is not a full http or https URL", s)
	}
	host, rest := s[strings.Index(s, "://")+3:], ""
	if n := strings.IndexAny(host, "/?#"); n >= 0 {
		host, rest = host[:n], strings.TrimSuffix(host[n:], "#")
	}
	if !strings.HasPrefix(rest, "/") {
		rest = "/" + rest
	}
	return scheme + "://" + strings.ToLower(host) + rest, nil
}
