package api

import (
	"cmp"
	"net/http"
	"strconv"
	"time"

	"mintkeep/keeper"
)

// defaultMinTTL is the lifetime that a token handed out has at least.
const defaultMinTTL = 300 * time.Second

// getToken answers GET keep/token?provider=P or name=N.
func (h *Handler) getToken(r *http.Request, key keeper.APIKey, _ []string) (int, any, error) {
	q, err := parseQuery(r, "provider", "name", "user", "min_ttl")
	if err != nil {
		return 0, nil, err
	}
	user, ttl := cmp.Or(q.Get("user"), key.User, keeper.DefaultUser), defaultMinTTL
	if s := q.Get("min_ttl"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > 366*24*3600 {
			return 0, nil, badRequest("min_ttl is not a number of seconds")
		}
		ttl = time.Duration(n) * time.Second
	}
	c, err := h.lookup(r, key, user, q.Get("name"), q.Get("provider"))
	if err != nil {
		return 0, nil, err
	}
	t, err := h.Keeper.Token(r.Context(), c.User, c.Name, ttl)
	if err != nil {
		return 0, nil, err
	}
	if !key.Covers(c.User, t.Provider) { // connected to another provider just now
		return 0, nil, unknownToken(c.Name)
	}
	if err := h.Keeper.APIKeys().RecordRead(r.Context(), key, c); err != nil {
		return 0, nil, err
	}
	body := map[string]any{"access_token": string(t.AccessToken), "token_type": t.TokenType, "expires_at": nil}
	if !t.Expires.IsZero() {
		body["expires_at"] = t.Expires.Format(time.RFC3339)
	}
	return http.StatusOK, body, nil
}

// lookup is the connection that the request means, if the key covers it.
func (h *Handler) lookup(r *http.Request, key keeper.APIKey, user, name, providerName string) (keeper.Connection, error) {
	if name == "" && providerName == "" {
		return keeper.Connection{}, badRequest("provider or name is missing")
	}
	if key.User != "" && key.User != user {
		return keeper.Connection{}, forbidden("access_denied", "this API key is for another user")
	}
	if providerName != "" && !key.Covers(user, providerName) {
		return keeper.Connection{}, unknownToken(name + providerName)
	}
	c, err := h.Keeper.Lookup(r.Context(), user, name, providerName)
	if err == nil && !key.Covers(c.User, c.Provider) {
		return c, unknownToken(name + providerName)
	}
	return c, err
}
