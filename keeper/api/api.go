// Package api is the HTTP interface of package keeper: keep/token, the Tokens API
// under v2/users/, and the pages keep/connect and keep/callback, on which a
// connection is made in a browser.
package api

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mintkeep/internal/oauth"
	"mintkeep/keeper"
)

// Handler answers the routes of the keeper.
type Handler struct {
	Keeper *keeper.Keeper
	// Route gives the decoded path after BASE, without the slash in front; web
	// servers disagree so much about it that only the caller can know.
	Route func(*http.Request) string
	// Admin reports whether a request comes from a signed-in administrator; nil is never.
	Admin func(*http.Request) bool
	// Page writes a page of a few paragraphs for a browser; nil writes plain text.
	Page func(w http.ResponseWriter, status int, title string, paragraphs ...string)
}

// tokenKeepRoute is the address under which the clients of TokenKeep ask.
const tokenKeepRoute = "api/token.php"

// Serves reports whether a route belongs to the keeper.
func Serves(route string) bool {
	return strings.HasPrefix(route, "keep/") || strings.HasPrefix(route, "v2/users/") || route == tokenKeepRoute
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	path := strings.Split(h.Route(r), "/")
	if len(path) == 2 && path[0] == "keep" && path[1] != "token" {
		if err := h.serveBrowser(w, r, path[1]); err != nil {
			h.writePageError(w, r, err)
		}
		return
	}
	reply, err := h.serveAPI(r, path)
	if err != nil {
		h.writeError(w, r, err, path[0] == "v2")
		return
	}
	reply.Write(w, false)
}

func (h *Handler) now() time.Time {
	if h.Keeper.Now != nil {
		return h.Keeper.Now().UTC()
	}
	return time.Now().UTC()
}

// parseQuery reads parameters none of which may be given twice.
func parseQuery(r *http.Request, names ...string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("the query cannot be read")
	}
	for _, name := range names {
		if len(q[name]) > 1 {
			return nil, badRequest("%s is given twice", name)
		}
	}
	return q, nil
}

// request is one call of the API, parsed.
type request struct {
	*http.Request
	key        keeper.APIKey // whose call it is
	user, name string        // of the path
}

// serveAPI checks whose key it is and whether it may, and answers.
func (h *Handler) serveAPI(r *http.Request, path []string) (*oauth.Reply, error) {
	route, err := h.findRoute(r.Method, path)
	if err != nil {
		return nil, err
	}
	q := &request{Request: r}
	if q.key, err = h.authenticate(r); err != nil {
		return nil, err
	}
	if route.method != http.MethodGet && !q.key.Write {
		return nil, newError(http.StatusForbidden, "insufficient_scope", "this API key may only read")
	}
	if len(path) > 2 {
		q.user = path[2]
	}
	if len(path) > 2 && q.key.User != "" && q.key.User != q.user {
		return nil, forbidden("this API key is for another user")
	}
	if len(path) > 4 {
		if q.name, err = h.findKey(q, path[4]); err != nil {
			return nil, err
		}
	}
	body, err := route.do(q)
	if err != nil {
		return nil, err
	}
	reply, err := oauth.NewReply(body, false)
	if err != nil {
		return nil, err
	}
	reply.Status = route.status
	return reply, nil
}

type route struct {
	shape, method string
	status        int
	do            func(*request) (any, error)
}

func (h *Handler) findRoute(method string, path []string) (route, error) {
	shape := strings.Join(path, "/")
	if len(path) >= 4 && path[0] == "v2" && path[1] == "users" && path[3] == "tokens" {
		shape = "v2/users/*/tokens"
		if len(path) > 4 {
			shape += "/*" + strings.Join(append([]string{""}, path[5:]...), "/")
		}
	}
	allow := []string{}
	for _, known := range []route{
		{"keep/token", http.MethodGet, http.StatusOK, h.getToken},
		{tokenKeepRoute, http.MethodGet, http.StatusOK, h.getToken},
		{"v2/users/*/tokens", http.MethodGet, http.StatusOK, h.listTokens},
		{"v2/users/*/tokens", http.MethodPost, http.StatusCreated, h.storeToken},
		{"v2/users/*/tokens/*", http.MethodGet, http.StatusOK, h.readToken},
		{"v2/users/*/tokens/*", http.MethodDelete, http.StatusOK, h.deleteToken},
		{"v2/users/*/tokens/*/refresh", http.MethodPost, http.StatusOK, h.refreshToken},
	} {
		if known.shape == shape && known.method == method {
			return known, nil
		}
		if known.shape == shape {
			allow = append(allow, known.method)
		}
	}
	if len(allow) > 0 {
		return route{}, notAllowed(strings.Join(allow, ", "))
	}
	return route{}, notFound("no such address")
}

// authenticate returns the API key that came with the request, as bearer (RFC
// 6750 section 2.1) or as X-API-Key.
func (h *Handler) authenticate(r *http.Request) (keeper.APIKey, error) {
	given := []string{}
	for _, value := range r.Header.Values("Authorization") {
		if token := oauth.ParseBearer(value); token != "" {
			given = append(given, string(token))
		}
	}
	given = append(given, r.Header.Values("X-API-Key")...)
	if len(given) == 0 || given[0] == "" {
		return keeper.APIKey{}, unauthorized("Bearer", "invalid_request",
			"no API key; send Authorization: Bearer or X-API-Key (some web servers remove Authorization)")
	}
	for _, other := range given {
		if other != given[0] {
			return keeper.APIKey{}, badRequest("two different API keys")
		}
	}
	key, err := h.Keeper.APIKeys().Find(r.Context(), keeper.Secret(given[0]))
	if errors.Is(err, keeper.ErrUnknown) {
		err = unauthorized(`Bearer error="invalid_token"`, "invalid_token", "unknown API key")
	}
	return key, err
}

func unauthorized(challenge, code, description string) error {
	e := newError(http.StatusUnauthorized, code, description)
	e.Header = map[string]string{"WWW-Authenticate": challenge}
	return e
}
