package keeper

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/keyring"
)

// The Tokens API: bodies, statuses and the form of times are those of its
// documentation. Times there are UTC without a zone.
const apiStamp = "2006-01-02T15:04:05"

func apiTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(apiStamp)
}

// storeRequest is StoreTokenRequest of the documentation.
type storeRequest struct {
	IntegrationKey string         `json:"integration_key"`
	Provider       string         `json:"provider"`
	TokenType      string         `json:"token_type"`
	TokenData      map[string]any `json:"token_data"`
	Scopes         []string       `json:"scopes"`
	ExpiresAt      *string        `json:"expires_at"`
}

func bad(format string, args ...any) error {
	return &apiError{status: http.StatusBadRequest, code: "invalid_request", desc: fmt.Sprintf(format, args...)}
}

func readStore(r *http.Request) (storeRequest, error) {
	var q storeRequest
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media != "application/json" {
		return q, &apiError{status: http.StatusUnsupportedMediaType, code: "invalid_request", desc: "Content-Type must be application/json"}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20+1))
	if err != nil {
		return q, bad("the body cannot be read")
	}
	if len(body) > 1<<20 {
		return q, &apiError{status: http.StatusRequestEntityTooLarge, code: "invalid_request", desc: "the body is larger than 1 MiB"}
	}
	var wrong *json.UnmarshalTypeError
	if err := decode(body, &q); errors.As(err, &wrong) {
		return q, bad("%s must not be a %s", wrong.Field, wrong.Value)
	} else if err != nil {
		return q, bad("the body is not JSON")
	}
	switch {
	case q.IntegrationKey == "":
		return q, bad("integration_key is missing")
	case !text.ValidName(q.IntegrationKey):
		return q, bad("integration_key must have 1 to 200 characters, without slash or control characters")
	case q.Provider == "":
		return q, bad("provider is missing")
	case q.TokenData == nil:
		return q, bad("token_data is missing")
	}
	return q, nil
}

// decode reads one JSON value. Numbers stay as they are written: one that is an
// id must not be rounded.
func decode(text []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more behind the JSON")
	}
	return nil
}

// first is the request as a token to keep.
func (q storeRequest) first(user string, now time.Time) (first, error) {
	data := reply(q.TokenData)
	n := first{Target: Target{Provider: q.Provider, Name: q.IntegrationKey, User: user, Scope: NormalScope(strings.Join(q.Scopes, " "))},
		grant: GrantImported, kind: q.TokenType, scopes: q.Scopes}
	fields := map[string][]string{KindOAuth2: {"access_token"}, KindAPIKey: {"api_key", "access_token", "key"}, KindJWT: {"access_token", "jwt", "token"}}[q.TokenType]
	if fields == nil {
		return n, bad("token_type must be oauth2, api_key or jwt")
	}
	n.field = fields[0]
	for _, field := range fields {
		if n.access == "" && data.text(field) != "" {
			n.access, n.field = Secret(data.text(field)), field
		}
	}
	n.refresh = Secret(data.text("refresh_token"))
	if n.access == "" && (q.TokenType != KindOAuth2 || n.refresh == "") {
		return n, bad("token_data has no %s", fields[0])
	}
	if n.tokenType = data.text("token_type"); n.tokenType == "" {
		n.tokenType = "Bearer"
	}
	n.scope = NormalScope(data.text("scope"))
	n.clientID, n.clientSecret = data.text("client_id"), Secret(data.text("client_secret"))
	n.expires = expiry(now, data.seconds("expires_in"), n.access, 0)
	if q.ExpiresAt != nil && *q.ExpiresAt != "" {
		if n.expires = moment(*q.ExpiresAt, now); n.expires.IsZero() {
			return n, bad("expires_at is not a date and time")
		}
	}
	if n.access == "" {
		n.expires = now // nothing to hand out yet: the first read refreshes
	}
	extra, err := extraFields(q.TokenData, n.field)
	n.extra = extra
	return n, err
}

// extraFields is what else was in token_data, without what has a column of its
// own and without addresses: where a secret is sent is the owner's decision.
func extraFields(data map[string]any, field string) (Secret, error) {
	rest := map[string]any{}
	for name, value := range data {
		switch name {
		case field, "refresh_token", "token_type", "client_id", "client_secret", "expires_in", "scope":
			continue
		}
		if strings.HasSuffix(name, "_url") || strings.HasSuffix(name, "_uri") || strings.HasSuffix(name, "_endpoint") {
			continue
		}
		rest[name] = value
	}
	if len(rest) == 0 {
		return "", nil
	}
	text, err := json.Marshal(rest)
	return Secret(text), err
}

// storeToken answers POST v2/users/{user}/tokens.
func (k *Keeper) storeToken(r *http.Request, key APIKey, path []string) (int, any, error) {
	q, err := readStore(r)
	if err != nil {
		return 0, nil, err
	}
	if !text.ValidName(path[2]) {
		return 0, nil, bad("the user id must have 1 to 200 characters")
	}
	keys, err := k.Keys.Load()
	if err != nil {
		return 0, nil, err
	}
	if preset, err := FindPreset(q.Provider); err != nil || preset.AsksInstance {
		if _, err := k.Provider(r.Context(), q.Provider); errors.Is(err, ErrUnknown) {
			return 0, nil, bad("unknown provider %q: neither a preset nor registered", q.Provider)
		} else if err != nil {
			return 0, nil, err
		}
	}
	n, err := q.first(path[2], k.now())
	if err != nil {
		return 0, nil, err
	}
	n.by = key
	c, err := k.keep(r.Context(), keys, n, "stored")
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, map[string]any{"integration_key": c.Name, "provider": c.Provider, "token_type": c.Kind,
		"message": "Token stored successfully for " + c.Name, "created_at": apiTime(c.Created)}, nil
}

// listTokens answers GET v2/users/{user}/tokens.
func (k *Keeper) listTokens(r *http.Request, key APIKey, path []string) (int, any, error) {
	all, err := k.loadAll(r.Context(), `WHERE user_id = ? ORDER BY connection_name`, path[2])
	if err != nil {
		return 0, nil, err
	}
	list := []map[string]any{}
	for _, c := range all {
		if key.covers(c.User, c.Provider) {
			list = append(list, map[string]any{"integration_key": c.Name, "provider": c.Provider, "token_type": c.Kind, "scopes": c.scopeList(),
				"expires_at": apiTime(c.Expires), "created_at": apiTime(c.Created), "updated_at": apiTime(c.Updated), "is_expired": k.expired(c)})
		}
	}
	return http.StatusOK, list, nil
}

func (k *Keeper) expired(c kept) bool { return !c.Expires.IsZero() && !c.Expires.After(k.now()) }

// scopeList is the scopes as they were given, or else as they were granted.
func (c kept) scopeList() any {
	if c.Scopes != nil {
		return c.Scopes
	}
	if c.Scope != "" {
		return strings.Fields(c.Scope)
	}
	return nil
}

// named is the connection that the path means, if the key may see it.
func (k *Keeper) named(r *http.Request, key APIKey, path []string) (kept, error) {
	c, err := k.load(r.Context(), k.DB, path[2], path[4])
	if errors.Is(err, ErrUnknown) || err == nil && !key.covers(c.User, c.Provider) {
		return c, unknownToken(path[4])
	}
	return c, err
}

// readToken answers GET v2/users/{user}/tokens/{integration_key}. A token that
// has expired and cannot be refreshed is given out as what it is.
func (k *Keeper) readToken(r *http.Request, key APIKey, path []string) (int, any, error) {
	c, err := k.named(r, key, path)
	if err != nil {
		return 0, nil, err
	}
	refreshed := false
	if c.Refreshable || c.rowState != StateOK {
		t, err := k.Token(r.Context(), c.User, c.Name, 0)
		if err != nil {
			return 0, nil, err
		}
		refreshed = t.Refreshed || !t.Expires.Equal(c.Expires)
	}
	keys, err := k.Keys.Load()
	if err != nil {
		return 0, nil, err
	}
	if c, err = k.named(r, key, path); err != nil {
		return 0, nil, err
	}
	data, err := c.tokenData(keys)
	if err != nil {
		return 0, nil, err
	}
	if err := k.noteRead(r.Context(), key, c); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, map[string]any{"integration_key": c.Name, "provider": c.Provider, "token_type": c.Kind, "token_data": data,
		"scopes": c.scopeList(), "expires_at": apiTime(c.Expires), "is_expired": k.expired(c), "refreshed": refreshed}, nil
}

func (c kept) tokenData(keys *keyring.Keyring) (map[string]any, error) {
	access, err1 := keys.Open(c.access, c.at("access_token"))
	refresh, err2 := keys.Open(c.refresh, c.at("refresh_token"))
	extra, err3 := keys.Open(c.extra, c.at("extra"))
	data := map[string]any{}
	if extra != "" && err3 == nil {
		err3 = decode([]byte(extra), &data)
	}
	data[c.tokenField] = string(access)
	if c.Kind == KindOAuth2 {
		data["token_type"] = c.tokenType
	}
	if refresh != "" {
		data["refresh_token"] = string(refresh)
	}
	return data, errors.Join(err1, err2, err3)
}

// refreshToken answers POST v2/users/{user}/tokens/{integration_key}/refresh.
func (k *Keeper) refreshToken(r *http.Request, key APIKey, path []string) (int, any, error) {
	c, err := k.named(r, key, path)
	if err != nil {
		return 0, nil, err
	}
	if _, err := k.Refresh(r.Context(), c.User, c.Name); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, map[string]any{"integration_key": c.Name, "success": true, "message": "Token refreshed successfully",
		"refreshed_at": apiTime(k.now())}, nil
}

// deleteToken answers DELETE v2/users/{user}/tokens/{integration_key}. It
// deletes here and nowhere else; `mintkeep forget` revokes.
func (k *Keeper) deleteToken(r *http.Request, key APIKey, path []string) (int, any, error) {
	c, err := k.named(r, key, path)
	if err != nil {
		return 0, nil, err
	}
	if _, err := k.forget(r.Context(), c.User, c.Name, Policy{}, key); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, map[string]any{"integration_key": c.Name, "message": "Token for " + c.Name + " deleted successfully"}, nil
}
