package demo

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// How long what Selfauth signs stays good.
const (
	CodeLife = 5 * time.Minute // an authorization code
	FormLife = 2 * time.Minute // the _csrf field of the login form
)

// Selfauth is an authorization endpoint for one person, to be mounted at any one URL. It answers as the PHP program of
// that name does (https://github.com/Inklings-io/selfauth), with the habits a token endpoint has to live with: a code can
// be redeemed again and again for five minutes, many spellings of one code verify, PKCE is ignored, `me` comes back as it
// was typed at set-up, and failures are HTML. Set the fields before its first request; from then on it may be used
// concurrently.
type Selfauth struct {
	Me       string // returned as it stands, so give it the slash it should have, or lack
	Password string // what the login form accepts; empty refuses every login
	Key      string // signs codes and forms

	Now func() time.Time // nil means time.Now

	// Fault, if set, sees every request before Selfauth does, its body still unread, and reports whether it answered.
	Fault func(w http.ResponseWriter, r *http.Request) bool

	// Checks counts the requests that carried a code to verify, whatever became of them, those answered by Fault
	// included.
	Checks atomic.Int64
}

// ServeHTTP verifies a code when the body has a field of that name; everything else it takes for an authorization
// request, with or without a password.
func (s *Selfauth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, rewind := readBody(r)
	post := bodyFields(r, body)
	code := post.text("code", looksLikeCode)
	if code.sent {
		s.Checks.Add(1)
	}
	if s.Fault != nil {
		rewind()
		if s.Fault(w, r) {
			return
		}
	}
	switch {
	case s.Me == "" || s.Key == "":
		errorPage(w, http.StatusBadRequest, "Configuration Error", "This Selfauth needs Me and Key.")
	case code.sent:
		s.verify(w, r, code, post)
	default:
		s.authorize(w, r, post)
	}
}

// Code mints a code as a completed login would, good for CodeLife. An empty scope makes an identification code.
func (s *Selfauth) Code(clientID, redirectURI, scope string) string {
	return s.sign(s.now(), CodeLife, s.Me+redirectURI+clientID, scope)
}

func (s *Selfauth) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// verify answers a token endpoint, or a client that only wants to know who signed in.
func (s *Selfauth) verify(w http.ResponseWriter, r *http.Request, code input, post fields) {
	redirectURI := post.text("redirect_uri", validURL)
	clientID := post.text("client_id", validURL)
	if !code.ok || !redirectURI.ok || !clientID.ok ||
		!s.signed(s.now(), s.Me+redirectURI.value+clientID.value, code.value) {
		errorPage(w, http.StatusBadRequest, "Verification Failed", "Given Code Was Invalid")
		return
	}
	answer := fields{{"me", s.Me}}
	if part := strings.SplitN(code.value, ":", 3)[2]; part != "" {
		// A third part of nothing but junk is not empty: it yields a scope that is there and is "".
		answer = append(answer, field{"scope", base64URLDecode(part)})
	}
	accept := strings.Join(r.Header.Values("Accept"), ", ")
	json, jsonNamed := quality("application/json", accept)
	form, formNamed := quality("application/x-www-form-urlencoded", accept)
	switch {
	case !jsonNamed && !formNamed:
		errorPage(w, http.StatusNotAcceptable, "No Accepted Response Types", "Ask for JSON or for a form.")
	case json >= form:
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, jsonEncode(answer))
	default:
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded")
		fmt.Fprint(w, buildQuery(answer))
	}
}

// A request is an authorization request whose parameters passed.
type request struct {
	me, clientID, redirectURI, scope string
	state                            input
}

// signedText is what the form's _csrf field vouches for.
func (q request) signedText() string { return q.clientID + q.redirectURI + q.state.value }

// parseRequest reads an authorization request from the query. The second result says what is wrong with it, or is "".
func parseRequest(query string) (request, string) {
	get := parseFields(query)
	me := get.text("me", validURL)
	clientID := get.text("client_id", validURL)
	redirectURI := get.text("redirect_uri", validURL)
	state := get.text("state", validState)
	responseType := get.text("response_type", validResponseType)
	scope := get.text("scope", validScope)
	isCode := responseType.value == "code"
	switch {
	case !me.ok:
		return request{}, "me must be a URL."
	case !clientID.ok:
		return request{}, "client_id must be a URL."
	case !redirectURI.ok:
		return request{}, "redirect_uri must be a URL."
	case state.sent && !state.ok:
		return request{}, "state must be printable ASCII."
	case responseType.sent && !responseType.ok:
		return request{}, "response_type must be id or code."
	case scope.sent && !scope.ok:
		return request{}, "scope must be words with single spaces between them."
	case !isCode && scope.value != "":
		return request{}, "scope goes with response_type=code."
	case isCode && scope.value == "":
		return request{}, "response_type=code needs a scope."
	}
	return request{me.value, clientID.value, redirectURI.value, scope.value, state}, ""
}

// authorize shows the login form, or acts on a submitted one.
func (s *Selfauth) authorize(w http.ResponseWriter, r *http.Request, post fields) {
	q, problem := parseRequest(r.URL.RawQuery)
	if problem != "" {
		errorPage(w, http.StatusBadRequest, "Faulty Request", problem)
		return
	}
	now := s.now()
	password := post.text("password", anything)
	if !password.sent {
		loginPage(w, q, s.sign(now, FormLife, q.signedText(), ""))
		return
	}
	if !s.signed(now, q.signedText(), post.text("_csrf", anything).value) {
		errorPage(w, http.StatusBadRequest, "Invalid CSF Code", "The form is too old, or was not one of ours.")
		return
	}
	if s.Password == "" || password.value != s.Password || bareURL(q.me) != bareURL(s.Me) {
		errorPage(w, http.StatusBadRequest, "Login Failed", "Wrong password, or not the person who lives here.")
		return
	}
	scopes, ok := post.list("scopes", validWord)
	if !ok {
		errorPage(w, http.StatusBadRequest, "Invalid Scopes", "A scope had characters that scopes cannot have.")
		return
	}
	// The ticked boxes count, not the scope asked for in the query; with none ticked the code carries no scope.
	answer := fields{
		{"code", s.sign(now, CodeLife, s.Me+q.redirectURI+q.clientID, strings.Join(scopes, " "))},
		{"me", q.me},
	}
	if q.state.sent {
		answer = append(answer, field{"state", q.state.value})
	}
	mark := "?"
	if strings.Contains(q.redirectURI, "?") {
		mark = "&"
	}
	w.Header().Set("Content-Type", contentHTML)
	w.Header().Set("Location", q.redirectURI+mark+buildQuery(answer))
	w.WriteHeader(http.StatusFound)
}

// bareURL is what of a profile URL takes part in signing in.
func bareURL(u string) string {
	for _, scheme := range []string{"http://", "https://"} {
		if rest, ok := strings.CutPrefix(u, scheme); ok {
			u = rest
			break
		}
	}
	return strings.Trim(u, "/")
}

// sign makes "hex expiry:hex HMAC:base64url of appended", the form of codes and of _csrf alike.
func (s *Selfauth) sign(now time.Time, life time.Duration, message, appended string) string {
	expires := now.Add(life).Unix()
	return strconv.FormatInt(expires, 16) + ":" + s.mac(message, expires, appended) + ":" + base64URLEncode(appended)
}

// signed verifies what sign made. It reads the first and last part the way PHP does, which is to say generously.
func (s *Selfauth) signed(now time.Time, message, code string) bool {
	parts := strings.SplitN(code, ":", 3)
	if len(parts) != 3 {
		return false
	}
	expires, ok := hexdec(parts[0])
	if !ok || now.Unix() > expires {
		return false
	}
	return hmac.Equal([]byte(s.mac(message, expires, base64URLDecode(parts[2]))), []byte(parts[1]))
}

func (s *Selfauth) mac(message string, expires int64, appended string) string {
	h := hmac.New(sha256.New, []byte(s.Key))
	h.Write([]byte(message + strconv.FormatInt(expires, 10) + appended))
	return hex.EncodeToString(h.Sum(nil))
}
