package provider

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mintkeep/internal/secret"
	"mintkeep/keeper/internal/text"
)

// TokenResponse is what a provider gave (RFC 6749 section 5.1). Zero times are unknown.
type TokenResponse struct {
	AccessToken, RefreshToken secret.Secret
	TokenType, Scope          string
	Expires, RefreshExpires   time.Time
}

// requestToken sends the token request, with the scope unless it is "". Grants differ in
// their form alone. An answer whose access token is of no use is an Error, and the refresh
// token in it comes all the same.
func (c Client) requestToken(ctx context.Context, p Provider, form url.Values, scope string) (TokenResponse, error) {
	sent := c.now()
	p.setScope(form, scope)
	f, err := c.post(ctx, p, p.TokenURL, form)
	if err != nil {
		return TokenResponse{}, err
	}
	g := f.at(p.TokenPath, "access_token")
	t := TokenResponse{AccessToken: secret.Secret(g.text("access_token")), RefreshToken: secret.Secret(g.text("refresh_token")),
		TokenType: Scheme(g.text("token_type")), Scope: g.scope()}
	if err := t.checkAccess(f, "access_token", secretsIn(p, form)); err != nil {
		return t, err
	}
	t.SetEnds(sent, p.Lifetime, g, f)
	return t, nil
}

// Scheme is how a token of that type is sent in an Authorization header: as Bearer, but
// for the types that are schemes themselves. Some sites have names of their own there.
func Scheme(tokenType string) string {
	for _, scheme := range []string{"DPoP", "PoP", "MAC", "Hawk", "Token"} {
		if strings.EqualFold(tokenType, scheme) {
			return scheme
		}
	}
	return "Bearer"
}

// checkAccess is the error of an answer without an access token of that name, or with
// one that no header can carry, which it removes.
func (t *TokenResponse) checkAccess(f fields, name string, secrets []string) error {
	if t.AccessToken == "" {
		return noToken(f, name, secrets)
	}
	if !FitsHeader(t.AccessToken) {
		t.AccessToken = ""
		return &Error{Status: http.StatusOK, Description: "an " + name + " that no header can carry"}
	}
	return nil
}

// noToken is an answer with a status of success that lacks the token.
func noToken(f fields, name string, secrets []string) *Error {
	e := newError(http.StatusOK, f, nil, secrets)
	if path := f.pathTo(); path != "" {
		e.silent = false
		e.Description = text.Redact(fmt.Sprintf(`the token lies in %q: -options '{"token_path":%[1]q}'`, path), secrets)
	} else if e.Code+e.Description == "" {
		e.Description = "no " + name + " in the answer"
	}
	return e
}

// SetEnds says when the tokens end: as the first of the answers does that says it,
// or as the token itself does if it is a JWT, the sooner of both; else after so many
// assumed seconds; zero if nothing is known.
func (t *TokenResponse) SetEnds(sent time.Time, assumed int, answers ...map[string]any) {
	for _, f := range answers {
		access, refresh := Ends(f, sent)
		t.Expires, t.RefreshExpires = cmp.Or(t.Expires, access), cmp.Or(t.RefreshExpires, refresh)
	}
	if end := JWTExpiry(t.AccessToken); t.Expires.IsZero() || end.After(sent) && end.Before(t.Expires) {
		t.Expires = end
	}
	t.RefreshExpires = cmp.Or(t.RefreshExpires, JWTExpiry(t.RefreshToken))
	if t.Expires.IsZero() && assumed > 0 {
		t.Expires = sent.Add(time.Duration(assumed) * time.Second)
	}
}

// FitsHeader reports whether a token has only the characters of RFC 6749
// appendix A.12: a line break in it would begin another header.
func FitsHeader(s secret.Secret) bool {
	return !strings.ContainsFunc(string(s), func(r rune) bool { return r < ' ' || r > '~' })
}

// ExchangeCode redeems an authorization code (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
func (c Client) ExchangeCode(ctx context.Context, p Provider, code, redirect, verifier string) (TokenResponse, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}}
	if p.usesPKCE() {
		form.Set("code_verifier", verifier)
	}
	return c.requestToken(ctx, p, form, "")
}

// Password exchanges a user's password (RFC 6749 section 4.3).
func (c Client) Password(ctx context.Context, p Provider, username string, password secret.Secret, scope string) (TokenResponse, error) {
	form := url.Values{"grant_type": {"password"}, "username": {username}, "password": {string(password)}}
	return c.requestToken(ctx, p, form, scope)
}

// ClientCredentials obtains a token for the client itself (RFC 6749 section 4.4).
func (c Client) ClientCredentials(ctx context.Context, p Provider, scope string) (TokenResponse, error) {
	return c.requestToken(ctx, p, url.Values{"grant_type": {"client_credentials"}}, scope)
}

// Refresh exchanges a refresh token (RFC 6749 section 6). Only the JSON login
// needs the access token as well; p.Scope is sent where the provider wants it again.
func (c Client) Refresh(ctx context.Context, p Provider, access, refresh secret.Secret) (TokenResponse, error) {
	if p.Login != nil {
		return c.refreshLogin(ctx, p, access, refresh)
	}
	if !p.ScopeOnRefresh {
		p.Scope = ""
	}
	return c.requestToken(ctx, p, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {string(refresh)}}, p.Scope)
}
