package keeper

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"mintkeep/internal/store"
	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/keyring"
)

// Grants: how a first token is got.
const (
	GrantCode              = "code"               // RFC 6749 section 4.1 with RFC 7636
	GrantDevice            = "device"             // RFC 8628
	GrantPassword          = "password"           // RFC 6749 section 4.3
	GrantClientCredentials = "client_credentials" // RFC 6749 section 4.4
	GrantLogin             = "login"              // user name and password as JSON
	GrantAPIKey            = "api_key"            // given by the provider's own pages
	GrantJWT               = "jwt"                // likewise
	GrantImported          = "imported"           // stored through the API or imported
)

// Target says which connection to make.
type Target struct {
	Provider string
	Name     string // "" is the provider's name
	User     string // "" is DefaultUser
	Scope    string // "" is the provider's scope
}

// Ask is how a grant talks to the person.
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

// defaults fills a target in and checks it.
func (t *Target) defaults(s site) error {
	if t.User == "" {
		t.User = DefaultUser
	}
	if t.Name == "" {
		t.Name = t.Provider
	}
	if t.Scope = NormalScope(t.Scope); t.Scope == "" {
		t.Scope = NormalScope(s.Scope)
	}
	if !text.ValidName(t.User) || !text.ValidName(t.Name) {
		return fault.Invalid(fmt.Sprintf("connection %q of user %q", t.Name, t.User), "names have 1 to 200 characters, without slash or control characters")
	}
	return nil
}

// aim fills the target of a new connection in. A name leads to one provider: the
// token that is kept under it would be lost.
func (k *Keeper) aim(ctx context.Context, s site, t *Target) error {
	if err := t.defaults(s); err != nil {
		return err
	}
	c, err := k.load(ctx, k.DB, t.User, t.Name)
	if errors.Is(err, ErrUnknown) || err == nil && c.Provider == t.Provider {
		return nil
	}
	if err != nil {
		return err
	}
	return &Fault{Kind: ErrExists, What: fmt.Sprintf("connection %q of user %q is one to %s", t.Name, t.User, c.Provider),
		Hint: "choose another name (-as), or first: mintkeep forget " + text.ShellWord(t.Name)}
}

// DefaultGrant is the best that a provider can do for a person at a terminal:
// a browser beats a device code, which beats what needs no person.
func (p Provider) DefaultGrant() string {
	switch {
	case p.Login != nil:
		return GrantLogin
	case p.Static:
		return GrantAPIKey
	case p.AuthURL != "":
		return GrantCode
	case p.DeviceURL != "":
		return GrantDevice
	}
	return GrantClientCredentials
}

// Connect obtains the first token of a connection, or a new one for it, and
// keeps it. grant "" is the provider's best.
func (k *Keeper) Connect(ctx context.Context, t Target, grant string, ask Ask) (Connection, error) {
	r, err := k.Keys.Load()
	if err != nil {
		return Connection{}, err
	}
	s, err := k.siteNamed(ctx, r, t.Provider)
	if err != nil {
		return Connection{}, err
	}
	if err := k.aim(ctx, s, &t); err != nil {
		return Connection{}, err
	}
	if grant == "" {
		grant = s.DefaultGrant()
	}
	n := first{Target: t, grant: grant, kind: KindOAuth2, field: "access_token"}
	get, ok := map[string]func(context.Context, site, *first, Ask) error{
		GrantCode: k.connectCode, GrantDevice: k.connectDevice, GrantPassword: k.connectPassword,
		GrantClientCredentials: k.connectClient, GrantLogin: k.connectLogin, GrantAPIKey: k.connectStatic, GrantJWT: k.connectStatic,
	}[grant]
	if !ok {
		return Connection{}, fault.Invalid(fmt.Sprintf("unknown grant %q", grant), "code, device, password, client_credentials, login, api_key or jwt")
	}
	if err := get(ctx, s, &n, ask); err != nil {
		return Connection{}, fmt.Errorf("connecting %s: %w", t.Name, err)
	}
	return k.keep(context.WithoutCancel(ctx), r, n, "connected")
}

// first is a first token on its way into the database.
type first struct {
	Target
	grant, kind, field, username string
	answer
	clientID                      string
	clientSecret, password, extra Secret
	scopes                        []string
	by                            APIKey // who stores it; zero is the owner
}

// keep writes a first token, over an older one of the same user and name if there is one.
func (k *Keeper) keep(ctx context.Context, r *keyring.Keyring, n first, event string) (Connection, error) {
	err := k.insist(ctx, func() error {
		return store.Write(ctx, k.DB, func(tx *sql.Tx) error { return k.insertFirst(ctx, tx, r, n, event) })
	})
	if err != nil {
		return Connection{}, err
	}
	return k.Connection(ctx, n.User, n.Name)
}

func (k *Keeper) insertFirst(ctx context.Context, tx *sql.Tx, r *keyring.Keyring, n first, event string) error {
	key, err := r.Current(ctx, tx)
	if err != nil {
		return err
	}
	c := kept{Connection: Connection{User: n.User, Name: n.Name, Provider: n.Provider}}
	before, err := k.load(ctx, tx, n.User, n.Name)
	if err != nil && !errors.Is(err, ErrUnknown) {
		return err
	}
	if !n.by.covers(n.User, n.Provider) || err == nil && !n.by.covers(n.User, before.Provider) {
		return errOtherProvider()
	}
	if before.rowState == StateForgetting { // the old token is still to be revoked
		if err := k.queue(ctx, tx, r, before, errors.New(before.LastError)); err != nil {
			return err
		}
	}
	granted := n.scope
	if granted == "" {
		granted = n.Scope // RFC 6749 section 5.1: not said means as requested
	}
	var scopes any
	if n.scopes != nil {
		list, err := json.Marshal(n.scopes)
		if err != nil {
			return err
		}
		scopes = string(list)
	}
	if n.tokenType == "" {
		n.tokenType = "Bearer"
	}
	now := store.Time(k.now())
	_, err = tx.ExecContext(ctx, `INSERT INTO connections (user_id, connection_name, provider_name, grant_type, token_kind, token_type, token_field,
		scope, requested_scope, scopes, client_id, client_secret, access_token, refresh_token, username, password, extra,
		expires, refresh_expires, created, updated)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (user_id, connection_name) DO UPDATE SET provider_name = excluded.provider_name, grant_type = excluded.grant_type,
		token_kind = excluded.token_kind, token_type = excluded.token_type, token_field = excluded.token_field, scope = excluded.scope,
		requested_scope = excluded.requested_scope, scopes = excluded.scopes, client_id = excluded.client_id,
		client_secret = excluded.client_secret, access_token = excluded.access_token, refresh_token = excluded.refresh_token,
		previous_refresh_token = NULL, username = excluded.username, password = excluded.password, extra = excluded.extra,
		expires = excluded.expires, refresh_expires = excluded.refresh_expires, generation = generation + 1, lease_until = NULL,
		recovered = CASE WHEN state IN ('failing', 'dead') THEN excluded.updated ELSE recovered END,
		state = 'ok', failures = 0, retry_after = NULL, last_error = '', updated = excluded.updated`,
		n.User, n.Name, n.Provider, n.grant, n.kind, n.tokenType, n.field, granted, n.Scope, scopes,
		n.clientID, key.Seal(n.clientSecret, c.at("client_secret")), key.Seal(n.access, c.at("access_token")),
		key.Seal(n.refresh, c.at("refresh_token")), n.username, key.Seal(n.password, c.at("password")), key.Seal(n.extra, c.at("extra")),
		store.NullTime(n.expires), store.NullTime(n.refreshExpires), now, now)
	if err != nil {
		return fmt.Errorf("keeping connection %s/%s: %w", n.User, n.Name, err)
	}
	e := c.event(event, n.grant)
	e.Actor = n.by.Name
	if before.rowState == StateFailing || before.rowState == StateDead {
		if err := k.record(ctx, tx, c.event("recovered", "")); err != nil {
			return err
		}
	}
	return k.record(ctx, tx, e)
}

// askRefresh is RFC 6749 section 6, or the same of the JSON login.
func (k *Keeper) askRefresh(ctx context.Context, s site, access, refresh Secret) (answer, error) {
	if s.Login != nil {
		return k.askLoginRefresh(ctx, s, access, refresh)
	}
	return k.askToken(ctx, s, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {string(refresh)}})
}

// askClientCredentials is RFC 6749 section 4.4.
func (k *Keeper) askClientCredentials(ctx context.Context, s site, scope string) (answer, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if scope != "" {
		form.Set("scope", s.scopeWords(scope))
	}
	return k.askToken(ctx, s, form)
}

func (k *Keeper) connectClient(ctx context.Context, s site, n *first, _ Ask) (err error) {
	n.answer, err = k.askClientCredentials(ctx, s, n.Scope)
	n.refresh = "" // RFC 6749 section 4.4.3: there should be none, and it is not needed
	return err
}

// connectPassword is RFC 6749 section 4.3. The password is not kept (section 4.3.1).
func (k *Keeper) connectPassword(ctx context.Context, s site, n *first, ask Ask) error {
	password, err := ask.password(&n.username)
	if err != nil {
		return err
	}
	form := url.Values{"grant_type": {"password"}, "username": {n.username}, "password": {string(password)}}
	if n.Scope != "" {
		form.Set("scope", s.scopeWords(n.Scope))
	}
	n.answer, err = k.askToken(ctx, s, form)
	return err
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

// connectStatic keeps what the provider's own pages gave.
func (k *Keeper) connectStatic(_ context.Context, _ site, n *first, ask Ask) error {
	n.kind, n.field = KindAPIKey, "api_key"
	prompt := "API key"
	if n.grant == GrantJWT {
		n.kind, n.field, prompt = KindJWT, "access_token", "JWT"
	}
	s, err := ask.secret(prompt)
	if err != nil {
		return err
	}
	n.access = Secret(strings.TrimSpace(string(s)))
	if n.tokenType = "Bearer"; n.kind == KindJWT {
		n.expires = jwtExpiry(n.access)
	}
	return nil
}
