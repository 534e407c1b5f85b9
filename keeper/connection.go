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

	"mintkeep/internal/nearest"
	"mintkeep/internal/store"
	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/keyring"
	"mintkeep/keeper/provider"
)

// States of a connection.
const (
	StateOK         = "ok"
	StateFailing    = "failing"    // the provider cannot be reached or is broken; tried again later
	StateDead       = "dead"       // the provider refuses; connect again
	StateRecovered  = "recovered"  // ok, after it had been failing or dead within the last day
	StateForgetting = "forgetting" // the owner gave it up; the provider has not confirmed yet
)

// Kinds of kept secrets, as the Tokens API names them.
const (
	KindOAuth2 = "oauth2"
	KindAPIKey = "api_key"
	KindJWT    = "jwt"
)

// Connection is what is known of a kept token, without its secrets.
type Connection struct {
	ID             int64     `json:"-"`
	User           string    `json:"user"`
	Name           string    `json:"name"`
	Provider       string    `json:"provider"`
	Grant          string    `json:"grant"`
	Kind           string    `json:"kind"`
	ClientID       string    `json:"client_id,omitzero"` // to which the token was given
	Issuer         string    `json:"issuer,omitzero"`
	Scope          string    `json:"scope"`
	Requested      string    `json:"-"` // scope that was asked for; Scope is what was granted
	Scopes         []string  `json:"-"` // as given to the Tokens API; nil if none were
	Expires        time.Time `json:"expires,omitzero"`
	RefreshExpires time.Time `json:"refresh_expires,omitzero"`
	Refreshable    bool      `json:"refreshable"`
	State          string    `json:"state"`
	Failures       int       `json:"failures,omitzero"`
	RetryAfter     time.Time `json:"retry_after,omitzero"`
	LastError      string    `json:"last_error,omitzero"`
	Warning        string    `json:"warning,omitzero"`   // what its owner should know before it is dead
	Reconnect      string    `json:"reconnect,omitzero"` // the command that brings a dead one back
	Ends           time.Time `json:"-"`                  // what the warning is about
	Created        time.Time `json:"created"`
	Updated        time.Time `json:"updated"`
	Refreshed      time.Time `json:"refreshed,omitzero"`
	LastUse        time.Time `json:"last_use,omitzero"`
}

// connectionRow is a whole row of table connections.
type connectionRow struct {
	Connection
	tokenType, tokenField string
	standard              string // scope of the provider
	clientID              string
	username              string
	generation            int64
	lifetime              int64 // seconds; 0 if unknown
	secretExpires         int64 // Unix time; 0 is never
	leaseUntil            time.Time
	rowState              string

	clientSecret, access, refresh, previous, password, extra sql.NullString // sealed
}

const connectionColumns = `connection_id, user_id, connection_name, provider_name, grant_type, token_kind, connections.scope, scopes,
	expires, refresh_expires, state, failures, retry_after, last_error, recovered, connections.created, connections.updated, refreshed, last_use,
	token_type, token_field, requested_scope, connections.client_id, username, generation, lifetime, lease_until,
	connections.client_secret, access_token, refresh_token, previous_refresh_token, password, extra,
	coalesce((SELECT p.scope FROM providers p WHERE p.provider_name = connections.provider_name), ''),
	coalesce(nullif(connections.client_id, ''), (SELECT p.client_id FROM providers p WHERE p.provider_name = connections.provider_name), ''),
	coalesce((SELECT p.issuer FROM providers p WHERE p.provider_name = connections.provider_name), ''),
	coalesce((SELECT json_extract(p.options, '$.secret_expires') FROM providers p WHERE p.provider_name = connections.provider_name), 0)`

func (c *connectionRow) columns(scopes *sql.NullString, recovered *time.Time) []any {
	return []any{&c.ID, &c.User, &c.Name, &c.Provider, &c.Grant, &c.Kind, &c.Scope, scopes,
		store.Into(&c.Expires), store.Into(&c.RefreshExpires), &c.rowState, &c.Failures, store.Into(&c.RetryAfter), &c.LastError,
		store.Into(recovered), store.Into(&c.Created), store.Into(&c.Updated), store.Into(&c.Refreshed), store.Into(&c.LastUse),
		&c.tokenType, &c.tokenField, &c.Requested, &c.clientID, &c.username, &c.generation, &c.lifetime, store.Into(&c.leaseUntil),
		&c.clientSecret, &c.access, &c.refresh, &c.previous, &c.password, &c.extra, &c.standard, &c.ClientID, &c.Issuer, &c.secretExpires}
}

// scanConnection reads a row, and works out its State at this time.
func scanConnection(scan func(...any) error, now time.Time) (c connectionRow, err error) {
	var scopes sql.NullString
	var recovered time.Time
	if err := scan(c.columns(&scopes, &recovered)...); err != nil {
		return c, err
	}
	if scopes.Valid {
		if err := json.Unmarshal([]byte(scopes.String), &c.Scopes); err != nil {
			return c, fmt.Errorf("reading the scopes of connection %s/%s: %w", c.User, c.Name, err)
		}
	}
	if c.RetryAfter.After(now.Add(longestBackoff)) {
		c.RetryAfter = time.Time{}
	}
	c.State = c.rowState
	c.Refreshable = c.canRefresh()
	switch {
	case c.rowState != StateOK:
	case !c.Refreshable && !c.Expires.IsZero() && !c.Expires.After(now):
		c.State, c.LastError = StateDead, "it has expired and cannot be refreshed"
	case !recovered.IsZero() && now.Sub(recovered) < 24*time.Hour:
		c.State = StateRecovered
	}
	if end := c.Expires; c.State != StateDead && c.Kind == KindOAuth2 && !end.IsZero() &&
		(!c.Refreshable || !c.RefreshExpires.IsZero() && !c.RefreshExpires.After(end) && !c.password.Valid) {
		c.Ends, c.Warning = end, "it ends at "+end.Format(time.DateTime)+" UTC: no refresh token reaches further"
	}
	if end := time.Unix(c.secretExpires, 0).UTC(); c.secretExpires > 0 && c.State != StateDead && c.Refreshable &&
		end.Before(now.AddDate(0, 0, 7)) {
		c.Ends, c.Warning = end, "the client secret with which it is refreshed ends at "+end.Format(time.DateTime)+" UTC; then: "+
			c.Command("forget")+", remove and add the provider, which registers again, and connect"
	}
	if c.State == StateDead || c.State == StateForgetting {
		c.Reconnect = c.reconnect()
	}
	return c, nil
}

func (c connectionRow) canRefresh() bool {
	return c.Kind == KindOAuth2 && (c.refresh.Valid || c.Grant == GrantClientCredentials || c.password.Valid)
}

// GetCommand is the command that prints a token of the connection.
func (c Connection) GetCommand() string { return c.Command("get") }

// Command is a verb of the command line on the connection.
func (c Connection) Command(verb string) string {
	s := "mintkeep " + verb + " " + text.ShellWord(c.Name)
	if c.User != DefaultUser {
		s += " -user " + text.ShellWord(c.User)
	}
	return s
}

func (c Connection) event(now time.Time, kind, detail string) store.Event {
	return store.Event{At: now, Kind: kind, Connection: c.User + "/" + c.Name, Detail: detail}
}

// reconnect is the command that obtains a new first token, of the same kind and scope.
func (c connectionRow) reconnect() string {
	s := "mintkeep connect " + text.ShellWord(c.Provider)
	if c.Name != c.Provider {
		s += " -as " + text.ShellWord(c.Name)
	}
	if c.User != DefaultUser {
		s += " -user " + text.ShellWord(c.User)
	}
	switch c.Grant {
	case GrantDevice, GrantPassword, GrantClientCredentials, GrantJWT:
		s += " -grant " + c.Grant
	}
	if c.username != "" {
		s += " -username " + text.ShellWord(c.username)
	}
	scope := cmp.Or(c.Requested, c.Scope) // the second is the provider's text and may not fit a command
	if scope != "" && scope != provider.NormalScope(c.standard) && c.Kind == KindOAuth2 && text.Redact(scope, nil) == scope {
		s += " -scope " + text.ShellWord(scope)
	}
	return s
}

func (c connectionRow) at(column string) keyring.AssociatedData {
	return keyring.At("connections", column, c.User, c.Name)
}

// connectionNames are those of a user's connections, to guess what a mistyped one meant.
func connectionNames(ctx context.Context, db store.Querier, user string) (all []string) {
	all, _ = store.List(ctx, db, "reading names", func(scan func(...any) error) (name string, err error) {
		err = scan(&name)
		return name, err
	}, `SELECT connection_name FROM connections WHERE user_id = ? ORDER BY 1 LIMIT 1000`, user)
	return all
}

func (k *Keeper) load(ctx context.Context, db store.Querier, user, name string) (connectionRow, error) {
	c, err := scanConnection(db.QueryRowContext(ctx, `SELECT `+connectionColumns+` FROM connections
		WHERE user_id = ? AND connection_name = ?`, user, name).Scan, k.now())
	if errors.Is(err, sql.ErrNoRows) {
		return c, &Fault{Kind: ErrUnknown, What: fmt.Sprintf("no connection %q of user %q", name, user),
			Hint: nearest.Hint(name, connectionNames(ctx, db, user), "`mintkeep connections` lists them, `mintkeep connect` makes one")}
	}
	if err != nil {
		return c, fmt.Errorf("reading connection %s/%s: %w", user, name, err)
	}
	return c, nil
}

func (k *Keeper) loadAll(ctx context.Context, where string, args ...any) ([]connectionRow, error) {
	now := k.now()
	return store.List(ctx, k.DB, "reading connections", func(scan func(...any) error) (connectionRow, error) {
		return scanConnection(scan, now)
	}, `SELECT `+connectionColumns+` FROM connections `+where, args...)
}

// Connections lists what is kept, of one user or ("") of all, without secrets.
func (k *Keeper) Connections(ctx context.Context, user string) ([]Connection, error) {
	all, err := k.loadAll(ctx, `WHERE ? IN ('', user_id) ORDER BY user_id, connection_name`, user)
	if err != nil {
		return nil, err
	}
	list := []Connection{}
	for _, c := range all {
		list = append(list, c.Connection)
	}
	return list, nil
}

// Connection is one of them.
func (k *Keeper) Connection(ctx context.Context, user, name string) (Connection, error) {
	c, err := k.load(ctx, k.DB, user, name)
	return c.Connection, err
}

// Troubled returns those of the list that are dead or failing, or whose revocation fails.
func Troubled(list []Connection) []Connection {
	return slices.DeleteFunc(slices.Clone(list), func(c Connection) bool {
		return c.State != StateDead && c.State != StateFailing && c.State != StateForgetting
	})
}

// Find is FindOf any user, with exactly these scopes, none perhaps.
func (k *Keeper) Find(ctx context.Context, clientID, issuer string, scopes ...string) (Connection, error) {
	return k.FindOf(ctx, "", clientID, issuer, strings.Join(scopes, " "))
}

// FindOf is the connection of a user (or "" of any) that a client has at an issuer (or
// provider) with exactly these scopes, in any order, as requested or as granted; without
// any, the only one. It fails with ErrUnknown if there is none, with ErrInvalid if it is
// not clear which one is meant.
func (k *Keeper) FindOf(ctx context.Context, user, clientID, issuer string, scopes ...string) (Connection, error) {
	scope, which := provider.NormalScope(strings.Join(scopes, " ")), ""
	if scopes != nil {
		which = fmt.Sprintf(" with scope %q", scope)
	}
	all, err := k.loadAll(ctx, `LEFT JOIN providers USING (provider_name) WHERE ? IN ('', user_id)
		AND coalesce(nullif(connections.client_id, ''), providers.client_id) = ? AND ? IN (providers.issuer, provider_name)
		AND (? IN (connections.scope, requested_scope) OR ?)
		ORDER BY state = 'dead', connections.scope = ? DESC, connection_id LIMIT 2`, user, clientID, issuer, scope, scopes == nil, scope)
	if err != nil {
		return Connection{}, err
	}
	if len(all) == 0 {
		return Connection{}, &Fault{Kind: ErrUnknown, What: fmt.Sprintf("no connection of client %q at %q%s", clientID, issuer, which)}
	}
	if len(all) > 1 && scopes == nil {
		return Connection{}, fault.Invalid(fmt.Sprintf("several connections of client %q at %q", clientID, issuer), "say which: -scope \"...\", or by its name")
	}
	return all[0].Connection, nil
}

// Lookup is the connection of a user by its name, by its provider, or both; the
// one that is called like the provider comes first. It fails with ErrUnknown if
// there is none, with ErrInvalid if it is not clear which one is meant.
func (k *Keeper) Lookup(ctx context.Context, user, name, providerName string) (Connection, error) {
	all, err := k.loadAll(ctx, `WHERE user_id = ? AND ? IN ('', connection_name) AND ? IN ('', provider_name)
		ORDER BY connection_name <> provider_name, connection_id LIMIT 2`, user, name, providerName)
	if err != nil {
		return Connection{}, err
	}
	if len(all) == 0 {
		return Connection{}, unknownToken(name + providerName)
	}
	if len(all) > 1 && all[0].Name != all[0].Provider {
		return Connection{}, fault.Invalid("several connections of this provider; say which with name", "")
	}
	return all[0].Connection, nil
}

func unknownToken(what string) error {
	return &Fault{Kind: ErrUnknown, What: fmt.Sprintf("no token %q", what)}
}
