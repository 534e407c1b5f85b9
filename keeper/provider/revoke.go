package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"mintkeep/internal/secret"
)

// Revoke revokes a token (RFC 7009 section 2.1); hint is "access_token" or
// "refresh_token". A token that is unknown to the provider counts as revoked.
// ErrNoRevocation says that the provider has no such endpoint, or that it revokes
// nothing of that kind (section 2.2.1).
func (c Client) Revoke(ctx context.Context, p Provider, token secret.Secret, hint string) error {
	if p.RevokeURL == "" {
		return ErrNoRevocation
	}
	_, err := c.post(ctx, p, p.RevokeURL, url.Values{"token": {string(token)}, "token_type_hint": {hint}})
	if e, ok := errors.AsType[*Error](err); ok {
		switch {
		case e.Status == http.StatusOK && e.Code == "",
			// section 2.2: the content of the answer does not matter
			e.Status != http.StatusUnauthorized && IsRefused(err) && e.Meaning() == "invalid_grant":
			// Google's answer, and others', for an unknown token, where section 2.2 has 200
			return nil
		case e.Code == "unsupported_token_type":
			err = fmt.Errorf("%w for such a token", ErrNoRevocation)
		}
	}
	if err != nil {
		return fmt.Errorf("revoking the %s: %w", strings.ReplaceAll(hint, "_", " "), err)
	}
	return nil
}

// Introspect asks the provider about an access token (RFC 7662 section 2.1) and
// returns its answer as it is.
func (c Client) Introspect(ctx context.Context, p Provider, token secret.Secret, hint string) (map[string]any, error) {
	return c.post(ctx, p, p.IntrospectURL, url.Values{"token": {string(token)}, "token_type_hint": {hint}})
}
