package api

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/provider"
)

// storeToken answers POST v2/users/{user}/tokens.
func (h *Handler) storeToken(r *http.Request, key keeper.APIKey, path []string) (int, any, error) {
	q, err := parseStore(r)
	if err != nil {
		return 0, nil, err
	}
	if !text.ValidName(path[2]) {
		return 0, nil, badRequest("the user id must have 1 to 200 characters")
	}
	if preset, err := provider.FindPreset(q.Provider); err != nil || preset.AsksInstance {
		if _, err := h.Keeper.Registry().Get(r.Context(), q.Provider); errors.Is(err, keeper.ErrUnknown) {
			return 0, nil, badRequest("unknown provider %q: neither a preset nor registered", q.Provider)
		} else if err != nil {
			return 0, nil, err
		}
	}
	n, err := q.connection(path[2], h.now())
	if err != nil {
		return 0, nil, err
	}
	c, err := h.Keeper.Store(r.Context(), key, n)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, map[string]any{"integration_key": c.Name, "provider": c.Provider, "token_type": c.Kind,
		"message": "Token stored successfully for " + c.Name, "created_at": apiTime(c.Created)}, nil
}

// listTokens answers GET v2/users/{user}/tokens.
func (h *Handler) listTokens(r *http.Request, key keeper.APIKey, path []string) (int, any, error) {
	all, err := h.Keeper.Connections(r.Context(), path[2])
	if err != nil {
		return 0, nil, err
	}
	list := []map[string]any{}
	for _, c := range all {
		if key.Covers(c.User, c.Provider) {
			list = append(list, map[string]any{"integration_key": c.Name, "provider": c.Provider, "token_type": c.Kind, "scopes": scopeList(c),
				"expires_at": apiTime(c.Expires), "created_at": apiTime(c.Created), "updated_at": apiTime(c.Updated), "is_expired": h.isExpired(c)})
		}
	}
	return http.StatusOK, list, nil
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
func (h *Handler) readToken(r *http.Request, key keeper.APIKey, path []string) (int, any, error) {
	t, err := h.Keeper.StoredToken(r.Context(), key, path[2], path[4])
	if err != nil {
		return 0, nil, err
	}
	data, err := tokenData(t)
	if err != nil {
		return 0, nil, err
	}
	if err := h.Keeper.APIKeys().RecordRead(r.Context(), key, t.Connection); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, map[string]any{"integration_key": t.Name, "provider": t.Provider, "token_type": t.Kind, "token_data": data,
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
func (h *Handler) checkCovered(r *http.Request, key keeper.APIKey, path []string) error {
	c, err := h.Keeper.Connection(r.Context(), path[2], path[4])
	if errors.Is(err, keeper.ErrUnknown) || err == nil && !key.Covers(c.User, c.Provider) {
		return unknownToken(path[4])
	}
	return err
}

// refreshToken answers POST v2/users/{user}/tokens/{integration_key}/refresh.
func (h *Handler) refreshToken(r *http.Request, key keeper.APIKey, path []string) (int, any, error) {
	if err := h.checkCovered(r, key, path); err != nil {
		return 0, nil, err
	}
	if _, err := h.Keeper.Refresh(r.Context(), path[2], path[4]); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, map[string]any{"integration_key": path[4], "success": true, "message": "Token refreshed successfully",
		"refreshed_at": apiTime(h.now())}, nil
}

// deleteToken answers DELETE v2/users/{user}/tokens/{integration_key}. It
// deletes here and nowhere else; `mintkeep forget` revokes.
func (h *Handler) deleteToken(r *http.Request, key keeper.APIKey, path []string) (int, any, error) {
	if err := h.checkCovered(r, key, path); err != nil {
		return 0, nil, err
	}
	if err := h.Keeper.Delete(r.Context(), key, path[2], path[4]); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, map[string]any{"integration_key": path[4], "message": "Token for " + path[4] + " deleted successfully"}, nil
}
