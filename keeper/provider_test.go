package keeper_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/provider"
)

func TestPresets(t *testing.T) {
	names := []string{}
	for _, s := range provider.Presets() {
		names = append(names, s.Name)
		p, err := provider.FromPreset(s.Name, "mine", "social.example")
		check(t, err)
		h := newHouse(t)
		check(t, h.Registry().Add(context.Background(), p))
		got, err := h.Registry().Get(context.Background(), "mine")
		check(t, err)
		if p.Login == nil && !p.Static && (got.AuthURL == "" || got.TokenURL == "") {
			t.Errorf("%s: %+v", s.Name, got)
		}
	}
	equal(t, "presets", strings.Join(names, " "), "google slack openai anthropic github microsoft zoom dropbox notion zoho pipedrive linkedin strava tiktok lark withings reddit twitch spotify fitbit ergani ergani-test mastodon gotosocial pixelfed gitlab bluesky")
	p, err := provider.FromPreset("linkedin", "l", "")
	check(t, err)
	equal(t, "D4 linkedin without PKCE", strings.Contains(p.AuthorizationURL("s", "r", "", "v"), "code_challenge"), false)
	for preset, path := range map[string]string{"slack": "authed_user", "tiktok": "data", "lark": "data", "withings": "body"} {
		p, err := provider.FromPreset(preset, "p", "")
		check(t, err)
		equal(t, "D5 "+preset, p.TokenPath, path)
	}
	p, err = provider.FromPreset("mastodon", "m", "social.example")
	check(t, err)
	equal(t, "token url", p.TokenURL, "https://social.example/oauth/token")
	_, err = provider.FromPreset("mastodon", "m", "")
	wants(t, err, keeper.ErrInvalid, "instance")
	p, err = provider.FromPreset("ergani-test", "e", "")
	check(t, err)
	equal(t, "base", p.Login.Base, "https://trialv2eservices.yeka.gr/WebservicesAPI/Api/")
}

func TestProviders(t *testing.T) {
	h := newHouse(t)
	ctx := context.Background()
	h.provider()
	h.connect()
	wants(t, h.Registry().Add(ctx, provider.Provider{Name: "box", Issuer: h.url}), keeper.ErrExists)
	for _, u := range []string{"http://example.com/token", "ftp://example.com", "https://user:pw@example.com/", "://", "https://"} {
		wants(t, h.Registry().Add(ctx, provider.Provider{Name: "bad", TokenURL: u}), keeper.ErrInvalid)
	}
	wants(t, h.Registry().Add(ctx, provider.Provider{Name: "a/b", Issuer: h.url}), keeper.ErrInvalid)
	wants(t, h.Registry().Add(ctx, provider.Provider{Name: "none"}), keeper.ErrInvalid)
	wants(t, h.Registry().Remove(ctx, "box"), keeper.ErrInvalid, "1 connection")
	check(t, h.Registry().Set(ctx, "box", func(p *provider.Provider) error {
		equal(t, "has secret", p.HasSecret, true)
		equal(t, "secret shown", p.ClientSecret == "", true)
		p.Scope, p.AuthStyle = "read", provider.AuthBody
		return nil
	}))
	h.clock.pass(2 * time.Hour)
	_, err := h.token() // the connection and the secret have survived
	check(t, err)
	list, err := h.Registry().List(ctx)
	check(t, err)
	equal(t, "providers", len(list), 1)
	_, err = h.Forget(ctx, "owner", "box", keeper.Policy{})
	check(t, err)
	check(t, h.Registry().Remove(ctx, "box"))
	wants(t, h.Registry().Remove(ctx, "box"), keeper.ErrUnknown)
}

func TestDiscover(t *testing.T) {
	h := newHouse(t)
	p, err := h.Registry().Client.Discover(context.Background(), h.url)
	check(t, err)
	equal(t, "token", p.TokenURL, h.url+"/token")
	equal(t, "device", p.DeviceURL, h.url+"/device")
	equal(t, "style", p.AuthStyle, provider.AuthHeader)
	_, err = h.Registry().Client.Discover(context.Background(), h.url+"/other")
	wants(t, err, keeper.ErrTemporary)
	paths := []string{}
	var body string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		if r.URL.Path != "/tenant/.well-known/openid-configuration" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, strings.ReplaceAll(body, "BASE", "http://"+r.Host))
	}))
	defer srv.Close()
	body = `{"issuer":"BASE/tenant","token_endpoint":"BASE/t","token_endpoint_auth_methods_supported":["client_secret_post"]}`
	p, err = h.Registry().Client.Discover(context.Background(), srv.URL+"/tenant")
	check(t, err)
	equal(t, "style", p.AuthStyle, provider.AuthBody)
	equal(t, "asked", strings.Join(paths, " "), "/.well-known/oauth-authorization-server/tenant /tenant/.well-known/openid-configuration")
	for _, body = range []string{`{"issuer":"https://evil.example","token_endpoint":"BASE/t"}`, `{"issuer":"BASE/tenant","token_endpoint":"http://evil.example/t"}`, `{"issuer":"BASE/tenant"}`} {
		_, err = h.Registry().Client.Discover(context.Background(), srv.URL+"/tenant")
		wants(t, err, keeper.ErrTemporary)
	}
}
