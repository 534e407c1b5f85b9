package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"mintkeep/internal/secret"
)

// Login describes a JSON login: user name and password are posted as JSON, and
// tokens come back in fields whose names the provider chooses.
type Login struct {
	Base          string            `json:"base"`                    // paths are relative to it
	LoginPath     string            `json:"login_path"`              //
	RefreshPath   string            `json:"refresh_path,omitzero"`   // "" if it cannot refresh
	LogoutPath    string            `json:"logout_path,omitzero"`    // "" if it cannot log out
	UsernameField string            `json:"username_field"`          // in the login request
	PasswordField string            `json:"password_field"`          //
	Fixed         map[string]string `json:"fixed,omitempty"`         // more fields of the login request
	SendAccess    string            `json:"send_access,omitzero"`    // field of the access token in the refresh request
	SendRefresh   string            `json:"send_refresh,omitzero"`   // field of the refresh token there
	Access        string            `json:"access"`                  // fields of the answer
	AccessExpires string            `json:"access_expires,omitzero"` // seconds, or a date; "" where its name says that it is one
	Refresh       string            `json:"refresh,omitzero"`
	RefreshExpiry string            `json:"refresh_expiry,omitzero"`
}

func ergani(base string) Provider {
	return Provider{AuthStyle: AuthBody, Options: Options{Login: &Login{Base: base,
		LoginPath: "Authentication", RefreshPath: "Authentication/Refresh", LogoutPath: "Authentication/Logout",
		UsernameField: "Username", PasswordField: "Password", Fixed: map[string]string{"Usertype": "01"},
		SendAccess: "AccessToken", SendRefresh: "RefreshToken",
		Access: "accessToken", AccessExpires: "accessTokenExpired", Refresh: "refreshToken", RefreshExpiry: "refreshTokenExpired"}}}
}

func (l Login) url(path string) string {
	return strings.TrimRight(l.Base, "/") + "/" + strings.TrimLeft(path, "/")
}

// LogIn obtains a token by user name and password.
func (c Client) LogIn(ctx context.Context, p Provider, username string, password secret.Secret) (TokenResponse, error) {
	body := map[string]string{}
	maps.Copy(body, p.Login.Fixed)
	body[p.Login.UsernameField], body[p.Login.PasswordField] = username, string(password)
	return c.postLogin(ctx, p, p.Login.LoginPath, body, "")
}

func (c Client) refreshLogin(ctx context.Context, p Provider, access, refresh secret.Secret) (TokenResponse, error) {
	if p.Login.RefreshPath == "" {
		return TokenResponse{}, ErrNoRefreshToken
	}
	body := map[string]string{p.Login.SendRefresh: string(refresh), p.Login.SendAccess: string(access)}
	delete(body, "") // a field that is not sent
	bearer := secret.Secret("")
	if p.RefreshBearer {
		bearer = refresh
	}
	return c.postLogin(ctx, p, p.Login.RefreshPath, body, bearer)
}

func (c Client) postLogin(ctx context.Context, p Provider, path string, body map[string]string,
	bearer secret.Secret) (TokenResponse, error) {
	secrets := append(secretsIn(p, nil), string(bearer))
	for _, v := range body {
		secrets = append(secrets, v)
	}
	req, err := newRequest(p, p.Login.url(path), body)
	if len(body) == 0 && err == nil { // Bluesky refuses even an empty object
		req, err = http.NewRequest(http.MethodPost, req.URL.String(), nil)
	}
	if err != nil {
		return TokenResponse{}, err
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+string(bearer))
	}
	sent := c.now()
	f, err := c.send(ctx, req, secrets)
	if e := (*Error)(nil); errors.As(err, &e) {
		switch e.Status {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden: // in words that nobody knows, if in any
			e.refused = !e.page && !slices.Contains([]string{"slow_down", "server_error", "temporarily_unavailable", "invalid_client"}, e.Meaning())
		}
	}
	if err != nil {
		return TokenResponse{}, err
	}
	l := p.Login
	g := f.at(p.TokenPath, l.Access)
	t := TokenResponse{AccessToken: secret.Secret(g.text(l.Access)), RefreshToken: secret.Secret(g.text(l.Refresh)), TokenType: "Bearer"}
	if err := t.checkAccess(f, l.Access, secrets); err != nil {
		return t, err
	}
	t.SetEnds(sent, p.Lifetime, g, f)
	t.Expires = cmp.Or(ParseTime(g.text(l.AccessExpires), sent), t.Expires)
	t.RefreshExpires = cmp.Or(ParseTime(g.text(l.RefreshExpiry), sent), t.RefreshExpires)
	return t, nil
}

// LogOut ends the session at the server: the refresh token is sent as a JSON
// string, the access token as bearer; or the refresh token as bearer, and nothing else. ErrNoRevocation says that it has no logout.
func (c Client) LogOut(ctx context.Context, p Provider, access, refresh secret.Secret) error {
	if p.Login == nil || p.Login.LogoutPath == "" {
		return ErrNoRevocation
	}
	req, err := newRequest(Provider{}, p.Login.url(p.Login.LogoutPath), string(refresh))
	bearer := access
	if p.RefreshBearer && err == nil {
		bearer = refresh
		req, err = http.NewRequest(http.MethodPost, req.URL.String(), nil)
	}
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+string(bearer))
	_, err = c.send(ctx, req, []string{string(refresh), string(access)})
	if e, ok := errors.AsType[*Error](err); ok && (e.Status == http.StatusOK || // whatever the answer is, the status says that it worked
		// the session has ended before; unless that is said of the access token
		IsRefused(err) && e.Meaning() == "invalid_grant" && (e.Status != http.StatusUnauthorized || p.RefreshBearer)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("logging out: %w", err)
	}
	return nil
}
