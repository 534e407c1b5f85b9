package api

import (
	"errors"
	"strings"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/provider"
)

// storeToken answers POST v2/users/{user}/tokens.
func (h *Handler) storeToken(q *request) (any, error) {
	stored, err := parseStore(q.Request)
	if err != nil {
		return nil, err
	}
	if !text.ValidName(q.user) {
		return nil, badRequest("the user id must have 1 to 200 characters")
	}
	if stored.Provider, err = h.findProvider(q, stored.Provider); err != nil {
		return nil, err
	}
	if stored.IntegrationKey, err = h.findKey(q, stored.IntegrationKey); err != nil {
		return nil, err
	}
	n, err := stored.connection(q.user, h.now())
	if err != nil {
		return nil, err
	}
	c, err := h.Keeper.Store(q.Context(), q.key, n)
	if err != nil {
		return nil, err
	}
	return map[string]any{"integration_key": c.Name, "provider": c.Provider, "token_type": c.Kind,
		"message": "Token stored successfully for " + c.Name, "created_at": apiTime(c.Created)}, nil
}

// fold is a name as the Tokens API takes it: in lower case, without space around it.
func fold(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// findProvider is the preset or registered provider of that name, else of the
// name folded.
func (h *Handler) findProvider(q *request, name string) (string, error) {
	for _, try := range []string{name, fold(name)} {
		if preset, err := provider.FindPreset(try); err == nil && !preset.AsksInstance {
			return try, nil
		}
		if _, err := h.Keeper.Registry().Get(q.Context(), try); !errors.Is(err, keeper.ErrUnknown) {
			return try, err
		}
	}
	return "", badRequest("unknown provider %q: neither a preset nor registered", name)
}

// findKey is the name of the user's connection that an integration key means: one
// that is called just so (the command line does not fold names), else the key folded.
func (h *Handler) findKey(q *request, key string) (string, error) {
	_, err := h.Keeper.Connection(q.Context(), q.user, key)
	if errors.Is(err, keeper.ErrUnknown) {
		return fold(key), nil
	}
	return key, err
}

// listTokens answers GET v2/users/{user}/tokens.
func (h *Handler) listTokens(q *request) (any, error) {
	all, err := h.Keeper.Connections(q.Context(), q.user)
	if err != nil {
		return nil, err
	}
	list := []map[string]any{}
	for _, c := range all {
		if q.key.Covers(c.User, c.Provider) {
			list = append(list, map[string]any{"integration_key": c.Name, "provider": c.Provider, "token_type": c.Kind,
				"scopes": scopeList(c), "expires_at": apiTime(c.Expires), "created_at": apiTime(c.Created),
				"updated_at": apiTime(c.Updated), "is_expired": h.isExpired(c)})
		}
	}
	return list, nil
}

func (h *Handler) isExpired(c keeper.Connection) bool {
	return !c.Expires.IsZero() && !c.Expires.After(h.now())
}

// scopeList is the scopes as they were given, or else as they were granted.
func scopeList(c keeper.Connection) any {
	if c.Scopes != nil {
		return c.Scopes
	}
	if c.Scope != "" {
		return strings.Fields(c.Scope)
	}
	return nil
}

// apiTime is a time as the Tokens API documents it: UTC without a zone, or null.
func apiTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05")
}

// readToken answers GET v2/users/{user}/tokens/{integration_key}. A token that
// has expired and cannot be refreshed is handed out as it is.
func (h *Handler) readToken(q *request) (any, error) {
	t, err := h.Keeper.StoredToken(q.Context(), q.key, q.user, q.name)
	if err != nil {
		return nil, err
	}
	data, err := tokenData(t)
	if err != nil {
		return nil, err
	}
	if err := h.recordRead(q, t.Connection); err != nil {
		return nil, err
	}
	return map[string]any{"integration_key": t.Name, "provider": t.Provider, "token_type": t.Kind, "token_data": data,
		"scopes": scopeList(t.Connection), "expires_at": apiTime(t.Expires), "is_expired": h.isExpired(t.Connection), "refreshed": t.NewlyRefreshed}, nil
}

func tokenData(t keeper.StoredToken) (map[string]any, error) {
	data := map[string]any{}
	if t.Extra != "" {
		if err := decode([]byte(t.Extra), &data); err != nil {
			return nil, err
		}
	}
	data[t.Field] = string(t.AccessToken)
	if t.Kind == keeper.KindOAuth2 {
		data["token_type"] = t.TokenType
	}
	if t.RefreshToken != "" {
		data["refresh_token"] = string(t.RefreshToken)
	}
	return data, nil
}

// checkCovered reports a connection that is not there, or not the key's.
func (h *Handler) checkCovered(q *request) error {
	c, err := h.Keeper.Connection(q.Context(), q.user, q.name)
	if errors.Is(err, keeper.ErrUnknown) || err == nil && !q.key.Covers(c.User, c.Provider) {
		return unknownToken(q.name)
	}
	return err
}

// refreshToken answers POST v2/users/{user}/tokens/{integration_key}/refresh.
func (h *Handler) refreshToken(q *request) (any, error) {
	if err := h.checkCovered(q); err != nil {
		return nil, err
	}
	if _, err := h.Keeper.Refresh(q.Context(), q.user, q.name); err != nil {
		return nil, err
	}
	return map[string]any{"integration_key": q.name, "success": true, "message": "Token refreshed successfully",
		"refreshed_at": apiTime(h.now())}, nil
}

// deleteToken answers DELETE v2/users/{user}/tokens/{integration_key}. It
// deletes here and nowhere else; `mintkeep forget` revokes.
func (h *Handler) deleteToken(q *request) (any, error) {
	if err := h.checkCovered(q); err != nil {
		return nil, err
	}
	if err := h.Keeper.Delete(q.Context(), q.key, q.user, q.name); err != nil {
		return nil, err
	}
	return map[string]any{"integration_key": q.name, "message": "Token for " + q.name + " deleted successfully"}, nil
}
