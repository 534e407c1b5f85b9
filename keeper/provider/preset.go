package provider

import (
	"cmp"
	"fmt"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/endpoints"

	"mintkeep/internal/nearest"
	"mintkeep/keeper/internal/fault"
)

// Preset is a provider that is known by name.
type Preset struct {
	Name         string `json:"name"`
	Grants       string `json:"grants"` // what it can do, the default first
	AsksInstance bool   `json:"asks_instance,omitzero"`
	Note         string `json:"note,omitzero"`
	host         string // the instance where none is named
	apps         bool   // registers by POST /api/v1/apps
	base         Provider
}

// withURLs is more with the endpoints that x/oauth2 knows.
func withURLs(e oauth2.Endpoint, style string, more Provider) Provider {
	more.AuthURL, more.TokenURL, more.AuthStyle = e.AuthURL, e.TokenURL, style
	if more.DeviceURL == "" {
		more.DeviceURL = e.DeviceAuthURL
	}
	return more
}

// Presets lists the known providers: those at one address, and those of whom there
// are many.
func Presets() []Preset { return append(sites(), hosted()...) }

// hosted are the programs that many run: their addresses begin with that of the instance.
func hosted() []Preset {
	return []Preset{
		{Name: "mastodon", Grants: "code client_credentials", AsksInstance: true, Note: "each server is a provider of its own: -instance HOST",
			apps: true, base: Provider{AuthStyle: AuthBody, Scope: "read",
				AuthURL: "/oauth/authorize", TokenURL: "/oauth/token", RevokeURL: "/oauth/revoke"}},
		{Name: "gotosocial", Grants: "code client_credentials", AsksInstance: true, Note: "each server is a provider of its own: -instance HOST",
			apps: true, base: Provider{AuthStyle: AuthBody, Scope: "read", AuthURL: "/oauth/authorize", TokenURL: "/oauth/token"}},
		{Name: "pixelfed", Grants: "code", AsksInstance: true, Note: "each server is a provider of its own: -instance HOST",
			apps: true, base: Provider{AuthStyle: AuthBody, Scope: "read", AuthURL: "/oauth/authorize", TokenURL: "/oauth/token",
				Registers: Registers{OneRedirect: true}}},
		{Name: "gitlab", Grants: "code device", host: "gitlab.com", Note: "a server of your own: -instance HOST",
			base: Provider{AuthStyle: AuthBody, Scope: "read_user", AuthURL: "/oauth/authorize", TokenURL: "/oauth/token",
				RevokeURL: "/oauth/revoke", DeviceURL: "/oauth/authorize_device", IntrospectURL: "/oauth/introspect"}},
		{Name: "bluesky", Grants: "login", host: "https://bsky.social", Note: "with an app password; another server: -instance HOST",
			base: Provider{AuthStyle: AuthBody, Options: Options{RefreshBearer: true, Login: &Login{Base: "/xrpc/",
				LoginPath: "com.atproto.server.createSession", RefreshPath: "com.atproto.server.refreshSession",
				LogoutPath: "com.atproto.server.deleteSession", UsernameField: "identifier", PasswordField: "password",
				Access: "accessJwt", Refresh: "refreshJwt"}}}},
	}
}

// sites have one address each. Where one revokes by something other than RFC 7009 it
// has no revocation endpoint here, and forgetting says so.
func sites() []Preset {
	no := false
	offline := Options{AuthParams: map[string]string{"access_type": "offline", "prompt": "consent"}}
	return []Preset{
		{Name: "google", Grants: "code device", base: withURLs(endpoints.Google, AuthBody, Provider{Issuer: "https://accounts.google.com",
			RevokeURL: "https://oauth2.googleapis.com/revoke", Options: offline})},
		{Name: "slack", Grants: "code", base: withURLs(endpoints.Slack, AuthBody, Provider{
			Options: Options{Separator: ",", TokenPath: "authed_user"}}), Note: "for a token of yours: -options '{\"auth_params\":{\"user_scope\":\"SCOPES\"}}'"},
		{Name: "openai", Grants: "api_key", base: Provider{AuthStyle: AuthBody, Options: Options{Static: true}}},
		{Name: "anthropic", Grants: "api_key", base: Provider{AuthStyle: AuthBody, Options: Options{Static: true}}},
		{Name: "github", Grants: "code device", base: withURLs(endpoints.GitHub, AuthBody, Provider{})},
		{Name: "microsoft", Grants: "code device client_credentials", Note: "ask for offline_access to get a refresh token",
			base: withURLs(endpoints.AzureAD(""), AuthBody, Provider{})},
		{Name: "zoom", Grants: "code device", base: withURLs(endpoints.Zoom, AuthHeader, Provider{
			DeviceURL: "https://zoom.us/oauth/devicecode", RevokeURL: "https://zoom.us/oauth/revoke"})},
		{Name: "dropbox", Grants: "code", base: withURLs(endpoints.Dropbox, AuthBody, Provider{
			Options: Options{AuthParams: map[string]string{"token_access_type": "offline"}}})},
		{Name: "notion", Grants: "code", base: Provider{AuthStyle: AuthHeader, AuthURL: "https://api.notion.com/v1/oauth/authorize",
			TokenURL: "https://api.notion.com/v1/oauth/token", RevokeURL: "https://api.notion.com/v1/oauth/revoke",
			IntrospectURL: "https://api.notion.com/v1/oauth/introspect", Options: Options{JSONBody: true,
				AuthParams: map[string]string{"owner": "user"}, Headers: map[string]string{"Notion-Version": "2025-09-03"}}}},
		{Name: "zoho", Grants: "code", Note: "data centres other than .com: -auth-url and -token-url of yours (accounts.zoho.eu ...)",
			base: Provider{AuthStyle: AuthBody, AuthURL: "https://accounts.zoho.com/oauth/v2/auth",
				TokenURL: "https://accounts.zoho.com/oauth/v2/token", RevokeURL: "https://accounts.zoho.com/oauth/v2/token/revoke",
				Options: Options{Separator: ",", AuthParams: offline.AuthParams}}},
		{Name: "pipedrive", Grants: "code", base: withURLs(endpoints.Pipedrive, AuthHeader, Provider{
			RevokeURL: "https://oauth.pipedrive.com/oauth/revoke"})},
		{Name: "linkedin", Grants: "code", base: withURLs(endpoints.LinkedIn, AuthBody, Provider{
			RevokeURL: "https://www.linkedin.com/oauth/v2/revoke", IntrospectURL: "https://www.linkedin.com/oauth/v2/introspectToken",
			Options: Options{PKCE: &no}})},
		{Name: "strava", Grants: "code", base: withURLs(endpoints.Strava, AuthBody, Provider{Options: Options{Separator: ","}})},
		{Name: "tiktok", Grants: "code", base: Provider{AuthStyle: AuthBody, AuthURL: "https://www.tiktok.com/v2/auth/authorize/",
			TokenURL: "https://open.tiktokapis.com/v2/oauth/token/", Options: Options{PKCE: &no, Separator: ",", TokenPath: "data",
				AuthParams: map[string]string{"client_key": "{client_id}"}, TokenParams: map[string]string{"client_key": "{client_id}"}}}},
		{Name: "lark", Grants: "code", base: Provider{AuthStyle: AuthBody, AuthURL: "https://accounts.larksuite.com/open-apis/authen/v1/authorize",
			TokenURL: "https://open.larksuite.com/open-apis/authen/v2/oauth/token", Options: Options{JSONBody: true, TokenPath: "data"}}},
		{Name: "withings", Grants: "code", base: Provider{AuthStyle: AuthBody, AuthURL: "https://account.withings.com/oauth2_user/authorize2",
			TokenURL: "https://wbsapi.withings.net/v2/oauth2", Options: Options{Separator: ",", TokenPath: "body",
				TokenParams: map[string]string{"action": "requesttoken"}}}},
		{Name: "reddit", Grants: "code client_credentials", base: Provider{AuthStyle: AuthHeader,
			AuthURL: "https://www.reddit.com/api/v1/authorize", TokenURL: "https://www.reddit.com/api/v1/access_token",
			RevokeURL: "https://www.reddit.com/api/v1/revoke_token", Scope: "identity", Options: Options{
				AuthParams: map[string]string{"duration": "permanent"}, Headers: map[string]string{"User-Agent": "linux:mintkeep:v1 (self-hosted)"}}}},
		{Name: "twitch", Grants: "code client_credentials", base: withURLs(endpoints.Twitch, AuthBody, Provider{
			RevokeURL: "https://id.twitch.tv/oauth2/revoke"})},
		{Name: "spotify", Grants: "code client_credentials", Note: "takes 127.0.0.1, not localhost",
			base: withURLs(endpoints.Spotify, AuthHeader, Provider{})},
		{Name: "fitbit", Grants: "code", base: Provider{AuthStyle: AuthHeader, AuthURL: "https://www.fitbit.com/oauth2/authorize",
			TokenURL: "https://api.fitbit.com/oauth2/token", RevokeURL: "https://api.fitbit.com/oauth2/revoke"}},
		{Name: "ergani", Grants: "login", base: ergani("https://eservices.yeka.gr/WebservicesAPI/api/")},
		{Name: "ergani-test", Grants: "login", base: ergani("https://trialv2eservices.yeka.gr/WebservicesAPI/Api/")},
	}
}

// FindPreset returns the preset of that name, else ErrUnknown.
func FindPreset(name string) (Preset, error) {
	for _, p := range Presets() {
		if p.Name == name {
			return p, nil
		}
	}
	return Preset{}, &fault.Fault{Kind: fault.ErrUnknown, What: fmt.Sprintf("no preset %q", name),
		Hint: NearestPreset(name, "`mintkeep provider presets` lists them")}
}

// NearestPreset is "did you mean …?" with the preset that is most like the name, and
// the hint otherwise; that alone if none is like it.
func NearestPreset(name, otherwise string) string {
	var names []string
	for _, p := range Presets() {
		names = append(names, p.Name)
	}
	return nearest.Hint(name, names, otherwise)
}

// NeedsClient reports whether the provider must know this program as a client,
// with an id that the owner gets from it.
func (s Preset) NeedsClient() bool { return !s.base.Static && s.base.Login == nil }

// HasInstances reports whether the provider exists more than once, on hosts that the
// owner may name.
func (s Preset) HasInstances() bool { return s.AsksInstance || s.host != "" }

// FromPreset makes a provider called name; instance is the host of a provider
// that exists many times over (mastodon), else "".
func FromPreset(preset, name, instance string) (Provider, error) {
	s, err := FindPreset(preset)
	if err != nil {
		return Provider{}, err
	}
	p := s.base
	p.Name, p.Preset = name, preset
	if !s.HasInstances() {
		return p, nil
	}
	base := cmp.Or(strings.TrimRight(instance, "/"), s.host)
	if base == "" {
		return p, fault.Invalid("preset "+preset+" needs an instance", "the host you have an account on, such as mastodon.social")
	}
	if !strings.Contains(base, "://") {
		base = "https://" + base
	}
	if p.Login != nil {
		p.Login.Base = base + p.Login.Base
		return p, p.Check()
	}
	for _, to := range []*string{&p.AuthURL, &p.TokenURL, &p.RevokeURL, &p.DeviceURL, &p.IntrospectURL} {
		if *to != "" {
			*to = base + *to
		}
	}
	if s.apps {
		p.Registers.AppsURL = base + "/api/v1/apps"
	}
	return p, p.Check()
}
