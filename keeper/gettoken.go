package keeper

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// getToken answers GET keep/token?provider=P or name=N.
func (k *Keeper) getToken(r *http.Request, key APIKey, _ []string) (int, any, error) {
	q, err := query(r, "provider", "name", "user", "min_ttl")
	if err != nil {
		return 0, nil, err
	}
	user, ttl := q.Get("user"), DefaultMinTTL
	if user == "" {
		if user = key.User; user == "" {
			user = DefaultUser
		}
	}
	if s := q.Get("min_ttl"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > 366*24*3600 {
			return 0, nil, &apiError{status: http.StatusBadRequest, code: "invalid_request", desc: "min_ttl is not a number of seconds"}
		}
		ttl = time.Duration(n) * time.Second
	}
	c, err := k.wanted(r, key, user, q.Get("name"), q.Get("provider"))
	if err != nil {
		return 0, nil, err
	}
	t, err := k.Token(r.Context(), c.User, c.Name, ttl)
	if err != nil {
		return 0, nil, err
	}
	if !key.covers(c.User, t.Provider) { // connected to something else just now
		return 0, nil, unknownToken(c.Name)
	}
	if err := k.noteRead(r.Context(), key, c); err != nil {
		return 0, nil, err
	}
	body := map[string]any{"access_token": string(t.AccessToken), "token_type": t.TokenType, "expires_at": nil}
	if !t.Expires.IsZero() {
		body["expires_at"] = t.Expires.Format(time.RFC3339)
	}
	return http.StatusOK, body, nil
}

// wanted is the connection that the request means, if the key may see it.
func (k *Keeper) wanted(r *http.Request, key APIKey, user, name, provider string) (kept, error) {
	if name == "" && provider == "" {
		return kept{}, &apiError{status: http.StatusBadRequest, code: "invalid_request", desc: "provider or name is missing"}
	}
	if key.User != "" && key.User != user {
		return kept{}, &apiError{status: http.StatusForbidden, code: "access_denied", desc: "this API key is for another user"}
	}
	all, err := k.loadAll(r.Context(), `WHERE user_id = ? AND ? IN ('', connection_name) AND ? IN ('', provider_name)
		ORDER BY connection_name <> provider_name, connection_id LIMIT 2`, user, name, provider)
	if err != nil {
		return kept{}, err
	}
	if len(all) == 0 || !key.covers(all[0].User, all[0].Provider) {
		return kept{}, unknownToken(name + provider)
	}
	if len(all) > 1 && all[0].Name != all[0].Provider {
		return kept{}, &apiError{status: http.StatusBadRequest, code: "invalid_request", desc: "several connections of this provider; say which with name"}
	}
	return all[0], nil
}

func unknownToken(what string) error {
	return &apiError{status: http.StatusNotFound, code: "not_found", desc: fmt.Sprintf("no token %q", what)}
}
