package keeper

import (
	"context"
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
	Username string                                     // for password and login
	User     func() (string, error)                     // asks for it where it is ""; nil if nobody can be asked
	Secret   func(prompt string) (Secret, error)        // asks for a password or key
	Wait     func(context.Context, time.Duration) error // nil really waits; for tests
}

func (a Ask) say(format string, args ...any) {
	if a.Out != nil {
		fmt.Fprintf(a.Out, format+"\n", args...)
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

func (a Ask) password(username *string) (Secret, error) {
	if *username = a.Username; *username == "" && a.User != nil {
		var err error
		if *username, err = a.User(); err != nil {
			return "", err
		}
	}
	if *username == "" {
		return "", fault.Invalid("no user name", "-username NAME")
	}
	return a.secret("Password of " + *username)
}

func (a Ask) secret(prompt string) (Secret, error) {
	if a.Secret == nil {
		return "", fault.Invalid("nobody to ask for: "+prompt, "give it on stdin")
	}
	s, err := a.Secret(prompt)
	if err == nil && strings.TrimSpace(string(s)) == "" {
		err = fault.Invalid("empty: "+prompt, "")
	}
	return s, err
}

// connectClient is RFC 6749 section 4.4.
func (k *Keeper) connectClient(ctx context.Context, p provider.Provider, n *NewConnection, _ Ask) (err error) {
	n.Token, err = k.client().ClientCredentials(ctx, p, n.Scope)
	n.Token.RefreshToken = "" // section 4.4.3: there should be none, and it is not needed
	return err
}

// connectPassword is RFC 6749 section 4.3. The password is not kept (section 4.3.1).
func (k *Keeper) connectPassword(ctx context.Context, p provider.Provider, n *NewConnection, ask Ask) error {
	password, err := ask.password(&n.Username)
	if err != nil {
		return err
	}
	n.Token, err = k.client().Password(ctx, p, n.Username, password, n.Scope)
	return err
}

// connectLogin logs in. The password is kept sealed, to log in again when the
// refresh token has ended, and for nothing else.
func (k *Keeper) connectLogin(ctx context.Context, p provider.Provider, n *NewConnection, ask Ask) error {
	if p.Login == nil {
		return fault.Invalid("provider "+p.Name+" has no JSON login", "")
	}
	var err error
	if n.Password, err = ask.password(&n.Username); err != nil {
		return err
	}
	n.Token, err = k.client().LogIn(ctx, p, n.Username, n.Password)
	return err
}

// connectStatic keeps what the provider's own pages gave.
func (k *Keeper) connectStatic(_ context.Context, _ provider.Provider, n *NewConnection, ask Ask) error {
	n.Kind, n.Field = KindAPIKey, "api_key"
	prompt := "API key"
	if n.Grant == GrantJWT {
		n.Kind, n.Field, prompt = KindJWT, "access_token", "JWT"
	}
	s, err := ask.secret(prompt)
	if err != nil {
		return err
	}
	n.Token.AccessToken = Secret(strings.TrimSpace(string(s)))
	if n.Kind == KindJWT {
		n.Token.Expires = provider.JWTExpiry(n.Token.AccessToken)
	}
	return nil
}
