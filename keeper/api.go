package keeper

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"mintkeep/internal/store"
	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/internal/text"
)

// Serves reports whether a route (the part of the path after BASE, without the
// slash in front) belongs to the keeper.
func Serves(route string) bool {
	return strings.HasPrefix(route, "keep/") || strings.HasPrefix(route, "v2/users/")
}

// Handler answers the outbound routes: keep/connect, keep/callback, keep/token
// and v2/users/{user}/tokens. route gives the decoded path after BASE, without
// the slash in front; web servers disagree so much about it that only the
// caller can know.
func (k *Keeper) Handler(route func(*http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		path := strings.Split(route(r), "/")
		if len(path) == 2 && path[0] == "keep" && path[1] != "token" {
			if err := k.browser(w, r, path[1]); err != nil {
				k.writePageError(w, r, err)
			}
			return
		}
		status, body, err := k.api(r, path)
		if err != nil {
			k.writeError(w, r, err, path[0] == "v2")
			return
		}
		writeJSON(w, status, body)
	})
}

// query reads parameters none of which is said twice.
func query(r *http.Request, names ...string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &apiError{status: http.StatusBadRequest, code: "invalid_request", desc: "the query cannot be read"}
	}
	for _, name := range names {
		if len(q[name]) > 1 {
			return nil, &apiError{status: http.StatusBadRequest, code: "invalid_request", desc: name + " is given twice"}
		}
	}
	return q, nil
}

func (k *Keeper) browser(w http.ResponseWriter, r *http.Request, route string) error {
	serve := map[string]func(http.ResponseWriter, *http.Request, url.Values) error{"connect": k.connectPage, "callback": k.callbackPage}[route]
	if serve == nil {
		return &apiError{status: http.StatusNotFound, code: "not_found", desc: "no such page"}
	}
	if r.Method != http.MethodGet {
		return notAllowed("GET")
	}
	if k.URL == "" {
		return fault.Invalid("no public URL is configured", "set `url` in the configuration")
	}
	q, err := query(r, "provider", "name", "user", "ticket", "state", "code", "iss", "error")
	if err != nil {
		return err
	}
	return serve(w, r, q)
}

func notAllowed(allow string) error {
	return &apiError{status: http.StatusMethodNotAllowed, code: "invalid_request", desc: "method not allowed here", allow: allow}
}

// api is one call of the HTTP API: who asks, for what, and the answer.
func (k *Keeper) api(r *http.Request, path []string) (int, any, error) {
	do, write, err := k.find(r, path)
	if err != nil {
		return 0, nil, err
	}
	key, err := k.caller(r)
	if err != nil {
		return 0, nil, err
	}
	if write && !key.Write {
		return 0, nil, &apiError{status: http.StatusForbidden, code: "insufficient_scope", desc: "this API key may only read"}
	}
	if len(path) > 2 && key.User != "" && key.User != path[2] {
		return 0, nil, &apiError{status: http.StatusForbidden, code: "access_denied", desc: "this API key is for another user"}
	}
	return do(r, key, path)
}

type call func(r *http.Request, key APIKey, path []string) (int, any, error)

// find is the table of routes.
func (k *Keeper) find(r *http.Request, path []string) (do call, write bool, err error) {
	shape := strings.Join(path, "/")
	if len(path) >= 4 && path[0] == "v2" && path[1] == "users" && path[3] == "tokens" {
		shape = "v2/users/*/tokens"
		if len(path) > 4 {
			shape += "/*" + strings.Join(append([]string{""}, path[5:]...), "/")
		}
	}
	allow := []string{}
	for _, route := range []struct {
		shape, method string
		write         bool
		do            call
	}{
		{"keep/token", http.MethodGet, false, k.getToken},
		{"v2/users/*/tokens", http.MethodGet, false, k.listTokens},
		{"v2/users/*/tokens", http.MethodPost, true, k.storeToken},
		{"v2/users/*/tokens/*", http.MethodGet, false, k.readToken},
		{"v2/users/*/tokens/*", http.MethodDelete, true, k.deleteToken},
		{"v2/users/*/tokens/*/refresh", http.MethodPost, true, k.refreshToken},
	} {
		if route.shape == shape && route.method == r.Method {
			return route.do, route.write, nil
		}
		if route.shape == shape {
			allow = append(allow, route.method)
		}
	}
	if len(allow) > 0 {
		return nil, false, notAllowed(strings.Join(allow, ", "))
	}
	return nil, false, &apiError{status: http.StatusNotFound, code: "not_found", desc: "no such address"}
}

// caller is whose API key came with the request: as bearer (RFC 6750 section
// 2.1) or as X-API-Key.
func (k *Keeper) caller(r *http.Request) (APIKey, error) {
	given := []string{}
	for _, h := range r.Header.Values("Authorization") {
		if scheme, token, _ := strings.Cut(h, " "); strings.EqualFold(scheme, "Bearer") && strings.TrimSpace(token) != "" {
			given = append(given, strings.TrimSpace(token))
		}
	}
	given = append(given, r.Header.Values("X-API-Key")...)
	if len(given) == 0 || given[0] == "" {
		return APIKey{}, &apiError{status: http.StatusUnauthorized, code: "invalid_request", challenge: "Bearer",
			desc: "no API key; send Authorization: Bearer or X-API-Key (some web servers remove Authorization)"}
	}
	for _, other := range given {
		if other != given[0] {
			return APIKey{}, &apiError{status: http.StatusBadRequest, code: "invalid_request", desc: "two different API keys"}
		}
	}
	key, ok, err := k.apiKey(r.Context(), Secret(given[0]))
	if err == nil && !ok {
		err = &apiError{status: http.StatusUnauthorized, code: "invalid_token", challenge: `Bearer error="invalid_token"`, desc: "unknown API key"}
	}
	return key, err
}

// apiError is an error with its answer.
type apiError struct {
	status           int
	code, desc       string
	allow, challenge string
	retryAfter       time.Duration
}

func (e *apiError) Error() string { return e.desc }

// judge turns any error into an answer. What is not known to be fit for
// outsiders becomes server_error without detail.
func (k *Keeper) judge(err error) *apiError {
	var known *apiError
	var f *Fault
	var said *providerError
	if errors.As(err, &known) {
		return known
	}
	if store.IsTransient(err) {
		return &apiError{status: http.StatusServiceUnavailable, code: "temporarily_unavailable", desc: "the database is busy or full", retryAfter: 5 * time.Second}
	}
	if errors.As(err, &f) && !errors.Is(err, ErrKey) && !errors.Is(err, ErrSealed) {
		e := &apiError{status: http.StatusBadRequest, code: "invalid_request", desc: strings.ReplaceAll(f.Error(), "\nhint: ", "; "), retryAfter: f.RetryAfter}
		switch f.Kind {
		case ErrUnknown:
			e.status, e.code = http.StatusNotFound, "not_found"
		case ErrReauthorize:
			e.status, e.code = http.StatusConflict, "connect_again"
		case ErrTemporary:
			e.status, e.code = http.StatusServiceUnavailable, "temporarily_unavailable"
		case ErrDenied:
			e.status, e.code = http.StatusForbidden, "access_denied"
		}
		return e
	}
	if errors.As(err, &said) {
		return &apiError{status: http.StatusBadGateway, code: "provider_error", desc: said.Error()}
	}
	return &apiError{status: http.StatusInternalServerError, code: "server_error", desc: "something is wrong here; the cause is in the error log"}
}

func (k *Keeper) headers(w http.ResponseWriter, r *http.Request, e *apiError, err error) {
	if e.status >= 500 {
		k.log().Error("keeper", "path", r.URL.Path, "status", e.status, "err", text.FirstLine(err.Error()))
	}
	if e.allow != "" {
		w.Header().Set("Allow", e.allow)
	}
	if e.challenge != "" {
		w.Header().Set("WWW-Authenticate", e.challenge)
	}
	if e.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(e.retryAfter/time.Second))))
	}
}

// writeError is the only writer of API errors: RFC 6749 section 5.2, and for
// the Tokens API also `detail`, where its clients look.
func (k *Keeper) writeError(w http.ResponseWriter, r *http.Request, err error, detail bool) {
	e := k.judge(err)
	k.headers(w, r, e, err)
	body := map[string]string{"error": e.code, "error_description": e.desc}
	if detail {
		body["detail"] = e.desc
	}
	writeJSON(w, e.status, body)
}

func (k *Keeper) writePageError(w http.ResponseWriter, r *http.Request, err error) {
	e := k.judge(err)
	k.headers(w, r, e, err)
	k.page(w, e.status, "Not connected", strings.ToUpper(e.desc[:1])+e.desc[1:]+".")
}

func (k *Keeper) page(w http.ResponseWriter, status int, title string, paragraphs ...string) {
	if k.Page != nil {
		k.Page(w, status, title, paragraphs...)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, title+"\n\n"+strings.Join(paragraphs, "\n")+"\n")
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n'))
}
