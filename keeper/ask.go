package keeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/provider"
)

// Ask is how a grant speaks with the person at the terminal.
type Ask struct {
	Out      io.Writer                                  // where to tell what to do; nil says nothing
	In       io.Reader                                  // for pasting the redirected address; nil if nobody can
	Open     func(url string) error                     // opens a browser; nil if there is none
	Listen   string                                     // loopback address to come back to; "" is 127.0.0.1 and any port
	Redirect string                                     // redirect address to send instead; "" is the provider's, else Listen's
	Username string                                     // for password and login
	User     func() (string, error)                     // asks for it where it is ""; nil if nobody can be asked
	Secret   func(prompt string) (Secret, error)        // asks for a password or key
	Wait     func(context.Context, time.Duration) error // nil really waits; for tests
}

func (a Ask) say(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); a.Out != nil && s != "" {
		fmt.Fprintln(a.Out, s)
	}
}

func (a Ask) wait(ctx context.Context, d time.Duration) error {
	if a.Wait != nil {
		return a.Wait(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (a Ask) askSecret(prompt string) (Secret, error) {
	if a.Secret == nil {
		return "", fault.Invalid("nobody to ask for: "+prompt, "give it on stdin")
	}
	s, err := a.Secret(prompt)
	if err == nil && strings.TrimSpace(string(s)) == "" {
		err = fault.Invalid("empty: "+prompt, "")
	}
	return s, err
}

// obtaining is a first token on its way: what the grants have in common.
type obtaining struct {
	provider.Client
	Ask
	provider provider.Provider
	now      func() time.Time
	NewConnection
}

var errUnknownGrant = errors.New("unknown grant")

// obtain obtains the token by the grant of the new connection.
func (o *obtaining) obtain(ctx context.Context) (err error) {
	switch o.Grant {
	case GrantCode:
		return o.code(ctx)
	case GrantDevice:
		return o.device(ctx)
	case GrantPassword: // RFC 6749 section 4.3; the password is not kept (section 4.3.1)
		password, err := o.askPassword()
		if err != nil {
			return err
		}
		o.Token, err = o.Password(ctx, o.provider, o.username, password, o.Scope)
		return err
	case GrantClientCredentials:
		o.Token, err = o.ClientCredentials(ctx, o.provider, o.Scope)
		o.Token.RefreshToken = "" // RFC 6749 section 4.4.3: there should be none, and it is not needed
		return err
	case GrantLogin:
		return o.login(ctx)
	case GrantAPIKey, GrantJWT:
		return o.static()
	}
	return errUnknownGrant
}

// login logs in. The password is kept sealed, to log in again when the refresh
// token has ended, and for nothing else.
func (o *obtaining) login(ctx context.Context) (err error) {
	if o.provider.Login == nil {
		return fault.Invalid("provider "+o.provider.Name+" has no JSON login", "")
	}
	if o.password, err = o.askPassword(); err != nil {
		return err
	}
	o.Token, err = o.LogIn(ctx, o.provider, o.username, o.password)
	return err
}

// static takes what the provider's own pages gave.
func (o *obtaining) static() error {
	o.Kind, o.Field = KindAPIKey, "api_key"
	prompt := "API key"
	if o.Grant == GrantJWT {
		o.Kind, o.Field, prompt = KindJWT, "access_token", "JWT"
	}
	s, err := o.askSecret(prompt)
	if err != nil {
		return err
	}
	o.Token.AccessToken = Secret(strings.TrimSpace(string(s)))
	if o.Kind == KindJWT {
		o.Token.Expires = provider.JWTExpiry(o.Token.AccessToken)
	}
	return nil
}

func (o *obtaining) askPassword() (_ Secret, err error) {
	if o.username = o.Username; o.username == "" && o.Ask.User != nil {
		if o.username, err = o.Ask.User(); err != nil {
			return "", err
		}
	}
	if o.username == "" {
		return "", fault.Invalid("no user name", "-username NAME")
	}
	return o.askSecret("Password of " + o.username)
}
