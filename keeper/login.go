package keeper

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"mintkeep/keeper/internal/fault"
)

// Login configures the JSON login grant: user name and password are posted as
// JSON, and tokens come back in fields with names of the provider's choice.
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
	AccessExpires string            `json:"access_expires,omitzero"` // seconds, or a date
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

// connectLogin logs in; the password is kept sealed, to log in again by itself
// when the refresh token is dead, and for nothing else.
func (k *Keeper) connectLogin(ctx context.Context, s site, n *first, ask Ask) error {
	if s.Login == nil {
		return fault.Invalid("provider "+s.Name+" has no JSON login", "")
	}
	password, err := ask.password(&n.username)
	if err != nil {
		return err
	}
	n.password = password
	n.answer, err = k.askLogin(ctx, s, n.username, password)
	return err
}

func (k *Keeper) askLogin(ctx context.Context, s site, username string, password Secret) (answer, error) {
	body := map[string]string{}
	for name, value := range s.Login.Fixed {
		body[name] = value
	}
	body[s.Login.UsernameField], body[s.Login.PasswordField] = username, string(password)
	a, err := k.postLogin(ctx, s, s.Login.LoginPath, body)
	return a, refusal(err)
}

func (k *Keeper) askLoginRefresh(ctx context.Context, s site, access, refresh Secret) (answer, error) {
	if s.Login.RefreshPath == "" {
		return answer{}, errNoRefreshToken
	}
	body := map[string]string{s.Login.SendRefresh: string(refresh)}
	if s.Login.SendAccess != "" {
		body[s.Login.SendAccess] = string(access)
	}
	a, err := k.postLogin(ctx, s, s.Login.RefreshPath, body)
	return a, refusal(err)
}

// refusal marks the statuses by which a JSON login says no; it has no error codes.
func refusal(err error) error {
	var p *providerError
	if errors.As(err, &p) {
		switch p.status {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
			p.dead = true
		}
	}
	return err
}

func (k *Keeper) postLogin(ctx context.Context, s site, path string, body map[string]string) (answer, error) {
	secrets := []string{}
	for _, v := range body {
		secrets = append(secrets, v)
	}
	req, err := jsonRequest(s.Login.url(path), body)
	if err != nil {
		return answer{}, err
	}
	for name, value := range s.Headers {
		req.Header.Set(name, value)
	}
	sent := k.now()
	r, err := k.send(ctx, req, secrets)
	if err != nil {
		return answer{}, err
	}
	l := s.Login
	a := answer{access: Secret(r.text(l.Access)), refresh: Secret(r.text(l.Refresh)), tokenType: "Bearer"}
	if a.access == "" {
		return a, &providerError{status: http.StatusOK, desc: "no " + l.Access + " in the answer"}
	}
	a.refreshExpires = moment(r.text(l.RefreshExpiry), sent)
	if a.expires = moment(r.text(l.AccessExpires), sent); a.expires.IsZero() {
		a.expires = expiry(sent, 0, a.access, s.lifetime())
	}
	return a, nil
}

// logout ends the session at the server: the refresh token as a JSON string,
// the access token as bearer.
func (k *Keeper) logout(ctx context.Context, s site, access, refresh Secret) error {
	if s.Login.LogoutPath == "" {
		return errNoEndpoint
	}
	req, err := jsonRequest(s.Login.url(s.Login.LogoutPath), string(refresh))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+string(access))
	_, err = k.send(ctx, req, []string{string(refresh), string(access)})
	var p *providerError
	if errors.As(err, &p) && p.status == http.StatusOK {
		return nil // an answer that is no JSON object is still a yes
	}
	if err != nil {
		return fmt.Errorf("logging out: %w", err)
	}
	return nil
}
