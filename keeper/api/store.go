package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/provider"
)

// storeRequest is StoreTokenRequest of the Tokens API's documentation.
type storeRequest struct {
	IntegrationKey string         `json:"integration_key"`
	Provider       string         `json:"provider"`
	TokenType      string         `json:"token_type"`
	TokenData      map[string]any `json:"token_data"`
	Scopes         []string       `json:"scopes"`
	ExpiresAt      *string        `json:"expires_at"`
}

// parseStore reads the request; it fails with an answer of 400, 413 or 415.
func parseStore(r *http.Request) (storeRequest, error) {
	var q storeRequest
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media != "application/json" {
		return q, newError(http.StatusUnsupportedMediaType, "invalid_request", "Content-Type must be application/json")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20+1))
	if err != nil {
		return q, badRequest("the body cannot be read")
	}
	if len(body) > 1<<20 {
		return q, newError(http.StatusRequestEntityTooLarge, "invalid_request", "the body is larger than 1 MiB")
	}
	var wrong *json.UnmarshalTypeError
	if err := decode(body, &q); errors.As(err, &wrong) {
		return q, badRequest("%s must not be a %s", wrong.Field, wrong.Value)
	} else if err != nil {
		return q, badRequest("the body is not JSON")
	}
	q.TokenType = fold(q.TokenType)
	switch {
	case fold(q.IntegrationKey) == "":
		return q, badRequest("integration_key is missing")
	case !text.ValidName(fold(q.IntegrationKey)):
		return q, badRequest("integration_key must have 1 to 200 characters, without slash or control characters")
	case fold(q.Provider) == "":
		return q, badRequest("provider is missing")
	case q.TokenData == nil:
		return q, badRequest("token_data is missing")
	}
	return q, nil
}

// decode reads one JSON value. Numbers stay as they are written: one that is an
// id must not be rounded.
func decode(body []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more behind the JSON")
	}
	return nil
}

// fieldText is a string or number of token_data as text, "" for anything else.
func (q storeRequest) fieldText(name string) string { return provider.TextOf(q.TokenData[name]) }

// tokenFields says in which fields of token_data an access token may come.
func tokenFields(tokenType string) []string {
	switch tokenType {
	case keeper.KindOAuth2:
		return []string{"access_token"}
	case keeper.KindAPIKey:
		return []string{"api_key", "access_token", "key"}
	case keeper.KindJWT:
		return []string{"access_token", "jwt", "token"}
	}
	return nil
}

// connection is the request as a token to keep.
func (q storeRequest) connection(user string, now time.Time) (keeper.NewConnection, error) {
	n := keeper.NewConnection{Grant: keeper.GrantImported, Kind: q.TokenType, Scopes: q.Scopes,
		Target: keeper.Target{Provider: q.Provider, Name: q.IntegrationKey, User: user, Scope: provider.NormalScope(strings.Join(q.Scopes, " "))}}
	fields := tokenFields(q.TokenType)
	if fields == nil {
		return n, badRequest("token_type must be oauth2, api_key or jwt")
	}
	n.Field = fields[0]
	t := provider.TokenResponse{RefreshToken: keeper.Secret(q.fieldText("refresh_token")), TokenType: q.fieldText("token_type"),
		Scope: provider.NormalScope(q.fieldText("scope"))}
	for _, field := range fields {
		if value := q.fieldText(field); t.AccessToken == "" && value != "" {
			t.AccessToken, n.Field = keeper.Secret(value), field
		}
	}
	if t.AccessToken == "" && (q.TokenType != keeper.KindOAuth2 || t.RefreshToken == "") {
		return n, badRequest("token_data has no %s", fields[0])
	}
	t.SetEnds(now, 0, q.TokenData)
	if q.ExpiresAt != nil && *q.ExpiresAt != "" {
		if t.Expires = provider.ParseTime(*q.ExpiresAt, now); t.Expires.IsZero() {
			return n, badRequest("expires_at is not a date and time")
		}
	}
	if t.AccessToken == "" {
		t.Expires = now // nothing to hand out yet: the first read refreshes
	}
	n.Token = t
	n.ClientID, n.ClientSecret = q.fieldText("client_id"), keeper.Secret(q.fieldText("client_secret"))
	var err error
	n.Extra, err = extraFields(q.TokenData, n.Field)
	return n, err
}

// extraFields is what else was in token_data, without what has a column of its
// own and without addresses: where a secret is sent is the owner's decision.
func extraFields(data map[string]any, field string) (keeper.Secret, error) {
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
	encoded, err := json.Marshal(rest)
	return keeper.Secret(encoded), err
}
