package keeper_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/provider"
)

// The type of a token is how it is sent: Bearer, unless it names a scheme. What sites
// call their tokens otherwise (Slack: user, bot) is none.
func TestTokenTypeIsAScheme(t *testing.T) {
	ctx := context.Background()
	for says, want := range map[string]string{"user": "Bearer", "bot": "Bearer", "bearer": "Bearer", "": "Bearer", "access_token": "Bearer", "JWT": "Bearer",
		"DPoP": "DPoP", "dpop": "DPoP", "mac": "MAC", "Token": "Token"} {
		h := newHouse(t)
		h.provider()
		h.Client = answering(func(path string) (int, string) {
			return 200, fmt.Sprintf(`{"access_token":"xoxp-1","token_type":%q,"expires_in":3600,"refresh_token":"r"}`, says)
		})
		h.connect()
		_, err := h.Store(ctx, keeper.APIKey{}, keeper.NewConnection{Target: keeper.Target{Provider: "box", Name: "stored", User: "owner"}, Grant: keeper.GrantImported,
			Kind: keeper.KindOAuth2, Token: provider.TokenResponse{AccessToken: "xoxp-1", TokenType: says}})
		check(t, err)
		for _, name := range []string{"box", "stored"} {
			token, err := h.Token(ctx, "owner", name, time.Minute)
			check(t, err)
			equal(t, says+" of "+name, token.TokenType, want)
			ours, err := h.TokenSource(ctx, "owner", name, time.Minute).Token()
			check(t, err)
			equal(t, says+" of "+name, ours.Type(), want)
		}
	}
}
