package api

import (
	"cmp"
	"strconv"
	"time"

	"mintkeep/internal/store"
	"mintkeep/keeper"
)

// defaultMinTTL is the lifetime that a token handed out has at least.
const defaultMinTTL = 300 * time.Second

// getToken answers GET keep/token?provider=P or name=N.
func (h *Handler) getToken(r *request) (any, error) {
	q, err := parseQuery(r.Request, "provider", "name", "user", "min_ttl")
	if err != nil {
		return nil, err
	}
	ttl := defaultMinTTL
	if s := q.Get("min_ttl"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > 366*24*3600 {
			return nil, badRequest("min_ttl is not a number of seconds")
		}
		ttl = time.Duration(n) * time.Second
	}
	c, err := h.lookup(r, cmp.Or(q.Get("user"), r.key.User, keeper.DefaultUser), q.Get("name"), q.Get("provider"))
	if err != nil {
		return nil, err
	}
	t, err := h.Keeper.Token(r.Context(), c.User, c.Name, ttl)
	if err != nil {
		return nil, err
	}
	if !r.key.Covers(c.User, t.Provider) { // connected to another provider just now
		return nil, unknownToken(c.Name)
	}
	if err := h.recordRead(r, c); err != nil {
		return nil, err
	}
	body := map[string]any{"access_token": string(t.AccessToken), "token_type": t.TokenType, "expires_at": nil}
	if !t.Expires.IsZero() {
		body["expires_at"] = t.Expires.Format(time.RFC3339)
	}
	return body, nil
}

// lookup is the connection that the request means, if the key covers it.
func (h *Handler) lookup(r *request, user, name, providerName string) (keeper.Connection, error) {
	if name == "" && providerName == "" {
		return keeper.Connection{}, badRequest("provider or name is missing")
	}
	if r.key.User != "" && r.key.User != user {
		return keeper.Connection{}, forbidden("this API key is for another user")
	}
	if providerName != "" && !r.key.Covers(user, providerName) {
		return keeper.Connection{}, unknownToken(name + providerName)
	}
	c, err := h.Keeper.Lookup(r.Context(), user, name, providerName)
	if err == nil && !r.key.Covers(c.User, c.Provider) {
		err = unknownToken(name + providerName)
	}
	return c, err
}

// recordRead records that the request read a connection. A database that cannot
// be written at the moment does not withhold the token; that is logged.
func (h *Handler) recordRead(r *request, c keeper.Connection) error {
	err := h.Keeper.APIKeys().RecordRead(r.Context(), r.key, c)
	if !store.IsTransient(err) {
		return err
	}
	if h.Keeper.Log != nil {
		h.Keeper.Log.Warn("a read is not recorded", "key", r.key.Name, "user", c.User, "connection", c.Name, "err", err)
	}
	return nil
}
