package keeper

import (
	"context"
	"time"

	"golang.org/x/oauth2"
)

// TokenSource is a connection as golang.org/x/oauth2 wants it: every Token is a
// fresh one with at least minTTL left.
//
//	client := oauth2.NewClient(ctx, k.TokenSource(ctx, "owner", "mastodon", time.Minute))
//
// oauth2.NewClient remembers a token until it expires; use oauth2.Transport
// with this source to ask each time.
func (k *Keeper) TokenSource(ctx context.Context, user, name string, minTTL time.Duration) oauth2.TokenSource {
	return source{func() (Token, error) { return k.Token(ctx, user, name, minTTL) }}
}

type source struct{ token func() (Token, error) }

// Token implements oauth2.TokenSource.
func (s source) Token() (*oauth2.Token, error) {
	t, err := s.token()
	if err != nil {
		return nil, err
	}
	return &oauth2.Token{AccessToken: string(t.AccessToken), TokenType: t.TokenType, Expiry: t.Expires}, nil
}
