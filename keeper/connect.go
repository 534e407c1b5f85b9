package keeper

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mintkeep/internal/store"
	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/keyring"
	"mintkeep/keeper/provider"
)

// Grants: how a first token is obtained.
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

// setDefaults fills a target in and checks it.
func (t *Target) setDefaults(p provider.Provider) error {
	t.User, t.Name = cmp.Or(t.User, DefaultUser), cmp.Or(t.Name, t.Provider)
	t.Scope = cmp.Or(provider.NormalScope(t.Scope), provider.NormalScope(p.Scope))
	if !text.ValidName(t.User) || !text.ValidName(t.Name) {
		return fault.Invalid(fmt.Sprintf("connection %q of user %q", t.Name, t.User), "names have 1 to 200 characters, without slash or control characters")
	}
	return nil
}

// resolveTarget fills the target of a new connection in and returns its provider.
// A connection to another provider is not replaced (ErrExists): its token would
// be lost.
func (k *Keeper) resolveTarget(ctx context.Context, t *Target) (*keyring.Keyring, provider.Provider, error) {
	keys, err := k.Keys.Load()
	if err != nil {
		return nil, provider.Provider{}, err
	}
	p, err := k.Registry().withSecret(ctx, keys, t.Provider)
	if err != nil {
		return nil, p, err
	}
	if err := t.setDefaults(p); err != nil {
		return nil, p, err
	}
	c, err := k.load(ctx, k.DB, t.User, t.Name)
	if err == nil && c.Provider != t.Provider {
		err = &Fault{Kind: ErrExists, What: fmt.Sprintf("connection %q of user %q is one to %s", t.Name, t.User, c.Provider),
			Hint: "choose another name (-as), or first: " + c.Command("forget")}
	} else if errors.Is(err, ErrUnknown) {
		err = nil
	}
	return keys, p, err
}

// DefaultGrant is the best that a provider can do for a person at a terminal:
// a browser is better than a device code, which is better than no person at all.
func DefaultGrant(p provider.Provider) string {
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

// replaces is what to say if a connection to a target is there, with another scope: it is
// never replaced silently.
func replaces(ctx context.Context, k *Keeper, t Target) string {
	before, err := k.load(ctx, k.DB, t.User, t.Name)
	if err != nil || before.Kind != KindOAuth2 || before.Requested == t.Scope {
		return ""
	}
	return fmt.Sprintf("%s was connected with the scope %q, which this replaces; -as NAME keeps both.", t.Name, before.Requested)
}

// Connect obtains the first token of a connection, or a new one for it, and
// keeps it. grant "" is the DefaultGrant.
func (k *Keeper) Connect(ctx context.Context, t Target, grant string, ask Ask) (Connection, error) {
	keys, p, err := k.resolveTarget(ctx, &t)
	if err != nil {
		return Connection{}, err
	}
	ask.say("%s", replaces(ctx, k, t))
	release, err := reserve(ctx, k)
	if err != nil {
		return Connection{}, err
	}
	defer release()
	o := obtaining{Client: k.client(), Ask: ask, provider: p, now: k.now,
		NewConnection: NewConnection{Target: t, Grant: cmp.Or(grant, DefaultGrant(p)), Kind: KindOAuth2, Field: "access_token"}}
	if err := o.obtain(ctx); err == errUnknownGrant {
		return Connection{}, fault.Invalid(fmt.Sprintf("unknown grant %q", grant), "code, device, password, client_credentials, login, api_key or jwt")
	} else if err != nil {
		return Connection{}, fmt.Errorf("connecting %s: %w", t.Name, withHint(err))
	}
	release()
	c, err := k.saveConnection(context.WithoutCancel(ctx), keys, o.NewConnection, "connected", APIKey{})
	if err == nil {
		c.Warning = o.NewConnection.warning(c, p)
		ask.say("%s", c.Warning)
	}
	return c, err
}

// withHint is a refusal with what to change in the configuration, where it says that.
func withHint(err error) error {
	if e := (*provider.Error)(nil); errors.As(err, &e) && e.Hint != "" {
		return &Fault{Kind: ErrInvalid, What: "the site wants something else", Err: err, Hint: e.Hint}
	}
	return err
}

// warning is what the owner of a new connection should know at once; "" if nothing.
func (n NewConnection) warning(c Connection, p provider.Provider) string {
	said := []string{}
	switch {
	case c.Kind != KindOAuth2 || n.Grant == GrantClientCredentials || n.Grant == GrantLogin || c.Expires.IsZero():
	case n.Token.RefreshToken == "" && c.Refreshable:
		said = append(said, "No new refresh token came; the one from before is kept.")
	case n.Token.RefreshToken == "":
		said = append(said, "No refresh token came: this connection ends at "+c.Expires.Format(time.DateTime)+" UTC.", "hint: "+p.OfflineHint(n.Scope))
	case !c.RefreshExpires.IsZero() && c.RefreshExpires.Sub(c.Created) < 14*24*time.Hour:
		said = append(said, "The refresh token ends at "+c.RefreshExpires.Format(time.DateTime)+" UTC, unless the site gives a new one before.")
	}
	granted := strings.Fields(n.Token.Scope)
	missing := slices.DeleteFunc(strings.Fields(n.Scope), func(s string) bool {
		is := func(g string) bool { // Google: email is https://www.googleapis.com/auth/userinfo.email
			return g == s || strings.Contains(g, "://") && (strings.HasSuffix(g, "/"+s) || strings.HasSuffix(g, "."+s))
		}
		return slices.ContainsFunc(granted, is) || strings.HasPrefix(s, "offline")
	})
	if len(granted) > 0 && len(missing) > 0 {
		said = append(said, "The site did not grant all that was asked for; it lacks: "+text.Redact(strings.Join(missing, " "), nil))
	}
	return strings.Join(said, "\n")
}

// NewConnection is a first token that is to be kept.
type NewConnection struct {
	Target
	Grant, Kind  string // one of the constants each
	Field        string // what the Tokens API calls the access token
	Token        provider.TokenResponse
	ClientID     string // of the client that the token was given to; "" is the provider's
	ClientSecret Secret
	Extra        Secret // JSON object: what else the Tokens API was given
	Scopes       []string

	kept     connectionRow // whose refresh token stays where no new one came
	username string
	password Secret // to log in again when the refresh token has ended; "" keeps none
}

// Store keeps a token that was obtained elsewhere, over an older one of the same
// user and name. ErrDenied if the API key is for another provider; the zero key
// is the owner's.
func (k *Keeper) Store(ctx context.Context, by APIKey, n NewConnection) (Connection, error) {
	keys, err := k.Keys.Load()
	if err != nil {
		return Connection{}, err
	}
	return k.saveConnection(ctx, keys, n, "stored", by)
}

// saveConnection is the one way to a row. ErrInvalid if the token, wherever it is
// from, is none that a header can carry.
func (k *Keeper) saveConnection(ctx context.Context, keys *keyring.Keyring, n NewConnection, event string, by APIKey) (Connection, error) {
	if !provider.FitsHeader(n.Token.AccessToken) || !provider.FitsHeader(Secret(n.Token.TokenType)) {
		return Connection{}, fault.Invalid(fmt.Sprintf("the token of %s/%s has a character that no header can carry", n.User, n.Name),
			"a line break at its end or inside it?")
	}
	err := retryWrite(ctx, func() error {
		return store.Transact(ctx, k.DB, func(tx *store.Tx) {
			before, err := k.load(ctx, tx, n.User, n.Name)
			if !by.Covers(n.User, n.Provider) || err == nil && !by.Covers(n.User, before.Provider) {
				tx.Fail(&Fault{Kind: ErrDenied, What: "this API key is for another provider"})
			}
			tx.Fail(notUnknown(err))
			if event == "connected" && n.Token.RefreshToken == "" && n.Kind == KindOAuth2 && n.Grant != GrantClientCredentials &&
				before.Kind == KindOAuth2 && before.clientID == n.ClientID &&
				slices.Contains([]string{StateOK, StateFailing}, before.rowState) {
				n.kept = before
			}
			now := k.now()
			switch before.rowState {
			case StateForgetting: // the old token is still to be revoked
				queueRevocation(tx, keys, before, errors.New(before.LastError), now)
			case StateFailing, StateDead:
				tx.Record(before.event(now, "recovered", ""))
			}
			n.write(tx, keys, now)
			tx.Record(store.Event{At: now, Kind: event, Connection: n.User + "/" + n.Name, Detail: n.Grant, Actor: by.Name})
		})
	})
	if err != nil {
		return Connection{}, err
	}
	return k.Connection(ctx, n.User, n.Name)
}

// write replaces the row of the same user and name, or adds one.
func (n NewConnection) write(tx *store.Tx, keys *keyring.Keyring, at time.Time) {
	key, ok := sealingKey(tx, keys)
	if !ok {
		return
	}
	list, err := json.Marshal(n.Scopes)
	tx.Fail(err)
	scopes := sql.NullString{String: string(list), Valid: n.Scopes != nil}
	seal := func(s Secret, column string) sql.NullString {
		return key.Seal(s, keyring.At("connections", column, n.User, n.Name))
	}
	refresh, refreshExpires := seal(n.Token.RefreshToken, "refresh_token"), n.Token.RefreshExpires
	if n.kept.refresh.Valid {
		refresh, refreshExpires = n.kept.refresh, cmp.Or(refreshExpires, n.kept.RefreshExpires)
	}
	now := store.Time(at)
	tx.Exec(fmt.Sprintf("keeping connection %s/%s", n.User, n.Name), `INSERT INTO connections
		(user_id, connection_name, provider_name, grant_type, token_kind, token_type, token_field, scope, requested_scope, scopes, client_id, client_secret, access_token, refresh_token, username, password, extra,
		expires, lifetime, refresh_expires, created, updated)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (user_id, connection_name) DO UPDATE SET provider_name = excluded.provider_name, grant_type = excluded.grant_type,
		token_kind = excluded.token_kind, token_type = excluded.token_type, token_field = excluded.token_field, scope = excluded.scope,
		requested_scope = excluded.requested_scope, scopes = excluded.scopes, client_id = excluded.client_id,
		client_secret = excluded.client_secret, access_token = excluded.access_token, refresh_token = excluded.refresh_token,
		previous_refresh_token = NULL, username = excluded.username, password = excluded.password, extra = excluded.extra,
		expires = excluded.expires, lifetime = excluded.lifetime, refresh_expires = excluded.refresh_expires, generation = generation + 1,
		lease_until = CASE WHEN excluded.refresh_token = refresh_token THEN lease_until END, -- who refreshes with it still does
		recovered = CASE WHEN state IN ('failing', 'dead') THEN excluded.updated ELSE recovered END,
		state = 'ok', failures = 0, retry_after = NULL, last_error = '', updated = excluded.updated`,
		n.User, n.Name, n.Provider, n.Grant, n.Kind, cmp.Or(n.Token.TokenType, "Bearer"), n.Field,
		cmp.Or(n.Token.Scope, n.Scope), n.Scope, scopes, // RFC 6749 section 5.1: not said means as requested
		n.ClientID, seal(n.ClientSecret, "client_secret"), seal(n.Token.AccessToken, "access_token"),
		refresh, n.username, seal(n.password, "password"), seal(n.Extra, "extra"),
		store.NullTime(n.Token.Expires), lifetime(n.Token, at), store.NullTime(refreshExpires), now, now)
}
