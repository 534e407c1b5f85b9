package provider_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper/provider"
)

// Every preset has the shape that the page named last describes. asks are what the
// authorization request must have (`!name`: must not), with the scopes "a b".
func TestPresetShapes(t *testing.T) {
	const pkce = "code_challenge_method=S256"
	for _, test := range []struct{ name, auth, token, revoke, style, asks, source string }{
		{"google", "https://accounts.google.com/o/oauth2/auth", "https://oauth2.googleapis.com/token", "https://oauth2.googleapis.com/revoke",
			"body", "access_type=offline prompt=consent", "developers.google.com/identity/protocols/oauth2/web-server"},
		{"slack", "https://slack.com/oauth/v2/authorize", "https://slack.com/api/oauth.v2.access", "", "body", "scope=a,b", "docs.slack.dev/authentication/installing-with-oauth"},
		{"github", "https://github.com/login/oauth/authorize", "https://github.com/login/oauth/access_token", "", "body", pkce,
			"docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps"},
		{"microsoft", "https://login.microsoftonline.com/common/oauth2/v2.0/authorize", "https://login.microsoftonline.com/common/oauth2/v2.0/token", "",
			"body", pkce, "learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow"},
		{"zoom", "https://zoom.us/oauth/authorize", "https://zoom.us/oauth/token", "https://zoom.us/oauth/revoke", "header", pkce, "developers.zoom.us/docs/integrations/oauth"},
		{"dropbox", "https://www.dropbox.com/oauth2/authorize", "https://api.dropboxapi.com/oauth2/token", "", "body", "token_access_type=offline", "developers.dropbox.com/oauth-guide"},
		{"notion", "https://api.notion.com/v1/oauth/authorize", "https://api.notion.com/v1/oauth/token", "https://api.notion.com/v1/oauth/revoke", "header", "owner=user",
			"developers.notion.com/docs/authorization"},
		{"zoho", "https://accounts.zoho.com/oauth/v2/auth", "https://accounts.zoho.com/oauth/v2/token", "https://accounts.zoho.com/oauth/v2/token/revoke",
			"body", "scope=a,b access_type=offline", "zoho.com/accounts/protocol/oauth/web-apps/authorization.html"},
		{"pipedrive", "https://oauth.pipedrive.com/oauth/authorize", "https://oauth.pipedrive.com/oauth/token", "https://oauth.pipedrive.com/oauth/revoke", "header", pkce,
			"pipedrive.readme.io/docs/marketplace-oauth-authorization"},
		{"linkedin", "https://www.linkedin.com/oauth/v2/authorization", "https://www.linkedin.com/oauth/v2/accessToken", "https://www.linkedin.com/oauth/v2/revoke",
			"body", "!code_challenge", "learn.microsoft.com/linkedin/shared/authentication/authorization-code-flow (D4)"},
		{"strava", "https://www.strava.com/oauth/authorize", "https://www.strava.com/oauth/token", "", "body", "scope=a,b", "developers.strava.com/docs/authentication"},
		{"reddit", "https://www.reddit.com/api/v1/authorize", "https://www.reddit.com/api/v1/access_token", "https://www.reddit.com/api/v1/revoke_token", "header",
			"duration=permanent", "github.com/reddit-archive/reddit/wiki/OAuth2"},
		{"twitch", "https://id.twitch.tv/oauth2/authorize", "https://id.twitch.tv/oauth2/token", "https://id.twitch.tv/oauth2/revoke", "body", "scope=a+b",
			"dev.twitch.tv/docs/authentication/getting-tokens-oauth"},
		{"spotify", "https://accounts.spotify.com/authorize", "https://accounts.spotify.com/api/token", "", "header", pkce, "developer.spotify.com/documentation/web-api/tutorials/code-flow"},
		{"fitbit", "https://www.fitbit.com/oauth2/authorize", "https://api.fitbit.com/oauth2/token", "https://api.fitbit.com/oauth2/revoke", "header", pkce,
			"dev.fitbit.com/build/reference/web-api/authorization"},
		{"tiktok", "https://www.tiktok.com/v2/auth/authorize/", "https://open.tiktokapis.com/v2/oauth/token/", "", "body", "client_key=the-id scope=a,b !code_challenge",
			"developers.tiktok.com/doc/login-kit-web"},
		{"lark", "https://accounts.larksuite.com/open-apis/authen/v1/authorize", "https://open.larksuite.com/open-apis/authen/v2/oauth/token", "", "body", pkce,
			"open.larksuite.com/document/authentication-management/access-token/get-user-access-token"},
		{"withings", "https://account.withings.com/oauth2_user/authorize2", "https://wbsapi.withings.net/v2/oauth2", "", "body", "scope=a,b", "developer.withings.com/developer-guide/v3/integration-guide/public-health-data-api"},
		{"mastodon", "https://home.example/oauth/authorize", "https://home.example/oauth/token", "https://home.example/oauth/revoke", "body", pkce, "docs.joinmastodon.org/methods/oauth"},
		{"gotosocial", "https://home.example/oauth/authorize", "https://home.example/oauth/token", "", "body", pkce, "docs.gotosocial.org/en/stable/api/authentication"},
		{"pixelfed", "https://home.example/oauth/authorize", "https://home.example/oauth/token", "", "body", pkce, "docs.pixelfed.org/technical-documentation/api (Laravel Passport)"},
		{"gitlab", "https://home.example/oauth/authorize", "https://home.example/oauth/token", "https://home.example/oauth/revoke", "body", pkce, "docs.gitlab.com/api/oauth2"},
		{"openai", "", "", "", "body", "", "platform.openai.com/docs/api-reference/authentication"},
		{"anthropic", "", "", "", "body", "", "docs.anthropic.com/en/api/overview"},
		{"bluesky", "", "", "", "body", "", "docs.bsky.app/docs/api/com-atproto-server-create-session"},
		{"ergani", "", "", "", "body", "", "the web services of Ergani, trialv2eservices.yeka.gr"}, {"ergani-test", "", "", "", "body", "", "the web services of Ergani, trialv2eservices.yeka.gr"},
	} {
		p, err := provider.FromPreset(test.name, "mine", "home.example")
		if err != nil || p.AuthURL != test.auth || p.TokenURL != test.token || p.RevokeURL != test.revoke || p.AuthStyle != test.style {
			t.Errorf("%s: %+v, %v; see %s", test.name, p, err, test.source)
		}
		p.ClientID = "the-id"
		u, _ := url.Parse(p.AuthorizationURL("state", "https://me.example/", "a b", "verifier"))
		for _, ask := range strings.Fields(test.asks) {
			name, want, _ := strings.Cut(strings.TrimPrefix(ask, "!"), "=")
			if got := u.Query().Get(name); got != strings.ReplaceAll(want, "+", " ") {
				t.Errorf("%s asks for %s %q; see %s", test.name, name, got, test.source)
			}
		}
	}
	if n := len(provider.Presets()); n != 27 {
		t.Errorf("%d presets, and 27 lines here", n)
	}
	if p, err := provider.FromPreset("gitlab", "mine", ""); err != nil || p.TokenURL != "https://gitlab.com/oauth/token" {
		t.Errorf("gitlab without an instance: %+v, %v", p, err)
	}
}

// Bluesky (docs.bsky.app): an app password, a refresh with the refresh token as bearer
// and no body at all, and the same to end the session. When a token ends is said in it.
func TestBluesky(t *testing.T) {
	jwt := func(end string) string { return "e30.eyJleHAiOjQxMDI0NDQ4MDB9." + end } // exp: 2100-01-01
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, strings.TrimPrefix(r.URL.Path, "/xrpc/com.atproto.server.")+" "+r.Header.Get("Authorization")+" "+r.Header.Get("Content-Type")+" "+string(body))
		if strings.HasSuffix(r.URL.Path, "Session") && !strings.HasSuffix(r.URL.Path, "deleteSession") {
			_ = json.NewEncoder(w).Encode(map[string]string{"accessJwt": jwt("a"), "refreshJwt": jwt("r"), "handle": "ada.example", "did": "did:plc:x"})
		}
	}))
	t.Cleanup(s.Close)
	p, err := provider.FromPreset("bluesky", "sky", s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := provider.Client{}
	got, err := c.LogIn(t.Context(), p, "ada.example", "app-pass-word")
	if err != nil || string(got.AccessToken) != jwt("a") || string(got.RefreshToken) != jwt("r") || !got.Expires.Equal(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = c.Refresh(t.Context(), p, "old", "the-refresh"); err != nil || string(got.RefreshToken) != jwt("r") {
		t.Errorf("%+v, %v", got, err)
	}
	if err := c.LogOut(t.Context(), p, "the-access", "the-refresh"); err != nil {
		t.Error(err)
	}
	for i, want := range []string{`createSession  application/json {"identifier":"ada.example","password":"app-pass-word"}`,
		"refreshSession Bearer the-refresh  ", "deleteSession Bearer the-refresh  "} {
		if i >= len(asked) || asked[i] != want {
			t.Errorf("asked %q, want %q", asked, want)
			break
		}
	}
}

// A session that has ended already is ended, where the answer is about the token that
// was to be revoked.
func TestLogOutOfAnEndedSession(t *testing.T) {
	for _, test := range []struct {
		status int
		body   string
		bearer bool // the refresh token alone is sent
		ended  bool
	}{
		{400, `{"error":"ExpiredToken","message":"Token has expired"}`, true, true},
		{400, `{"error":"InvalidToken","message":"Token has been revoked"}`, true, true},
		{401, `{"error":"ExpiredToken","message":"Token has expired"}`, true, true},
		{401, `{"message":"token expired"}`, false, false}, // perhaps the access token
		{500, `{"error":"ExpiredToken","message":"Token has expired"}`, true, false},
		{400, `{"error":"InvalidRequest"}`, true, false},
	} {
		url, c := site(t, test.status, "application/json", test.body)
		p := provider.Provider{Options: provider.Options{RefreshBearer: test.bearer, Login: &provider.Login{Base: url, LogoutPath: "out"}}}
		if err := c.LogOut(t.Context(), p, "the-access", "the-refresh"); (err == nil) != test.ended {
			t.Errorf("%d %s: %v", test.status, test.body, err)
		}
	}
}
