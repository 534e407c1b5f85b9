package keeper

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"

	"mintkeep/internal/store"
	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/keyring"
)

// Ways of authenticating the client at a provider (RFC 6749 section 2.3.1).
// They are never guessed: guessing sends a failed request twice, and with
// single-use refresh tokens that is a replay.
const (
	AuthHeader = "header" // HTTP Basic
	AuthBody   = "body"   // client_id and client_secret in the request; also for clients without a secret
)

// Provider is a site that gives tokens.
type Provider struct {
	Name          string `json:"name"`
	Preset        string `json:"preset,omitzero"`
	Issuer        string `json:"issuer,omitzero"`
	AuthURL       string `json:"auth_url,omitzero"`
	TokenURL      string `json:"token_url,omitzero"`
	DeviceURL     string `json:"device_url,omitzero"`
	RevokeURL     string `json:"revoke_url,omitzero"`
	IntrospectURL string `json:"introspect_url,omitzero"`
	ClientID      string `json:"client_id,omitzero"`
	ClientSecret  Secret `json:"-"`
	HasSecret     bool   `json:"has_secret"` // in listings, where ClientSecret is left out
	AuthStyle     string `json:"auth_style"`
	Scope         string `json:"scope,omitzero"`
	Options
}

// Options are what few providers need.
type Options struct {
	AuthParams map[string]string `json:"auth_params,omitempty"` // added to the authorization request
	Headers    map[string]string `json:"headers,omitempty"`     // added to what is sent to the provider
	JSONBody   bool              `json:"json_body,omitzero"`    // the provider wants JSON instead of a form
	Separator  string            `json:"separator,omitzero"`    // between scopes; "" is a space (RFC 6749 section 3.3)
	Lifetime   int               `json:"lifetime,omitzero"`     // seconds, if the provider does not say (RFC 6749 section 5.1)
	Static     bool              `json:"static,omitzero"`       // knows API keys only
	Login      *Login            `json:"login,omitempty"`       // the JSON login grant
}

func (p Provider) at() keyring.AssociatedData {
	return keyring.At("providers", "client_secret", p.Name)
}

// check says what is wrong with a provider before it is stored.
func (p *Provider) check() error {
	if !text.ValidName(p.Name) {
		return fault.Invalid(fmt.Sprintf("provider name %q", p.Name), "1 to 200 characters without slash or control characters")
	}
	if p.AuthStyle == "" {
		p.AuthStyle = AuthBody
	}
	if p.AuthStyle != AuthHeader && p.AuthStyle != AuthBody {
		return fault.Invalid(fmt.Sprintf("auth style %q", p.AuthStyle), "header or body")
	}
	p.Scope = NormalScope(p.Scope)
	urls := []string{p.Issuer, p.AuthURL, p.TokenURL, p.DeviceURL, p.RevokeURL, p.IntrospectURL}
	if p.Login != nil {
		urls = append(urls, p.Login.Base)
	}
	for _, u := range urls {
		if err := checkURL(u); err != nil {
			return err
		}
	}
	if p.TokenURL == "" && p.Issuer == "" && p.Login == nil && !p.Static {
		return fault.Invalid("provider "+p.Name+" has no token endpoint", "-issuer URL, -token-url URL or a preset (`mintkeep provider presets`)")
	}
	return nil
}

// checkURL demands https; plain http reaches this machine alone (RFC 8252 section 8.3).
func checkURL(raw string) error {
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return fault.Invalid(fmt.Sprintf("%q is not a usable URL", raw), "")
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) {
		return nil
	}
	return fault.Invalid(raw+" is not https", "http is for loopback addresses only")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

const providerColumns = `provider_name, preset, issuer, auth_url, token_url, device_url, revoke_url, introspect_url,
	client_id, client_secret, auth_style, scope, options`

func scanProvider(scan func(...any) error) (p Provider, sealed sql.NullString, err error) {
	var options string
	err = scan(&p.Name, &p.Preset, &p.Issuer, &p.AuthURL, &p.TokenURL, &p.DeviceURL, &p.RevokeURL, &p.IntrospectURL,
		&p.ClientID, &sealed, &p.AuthStyle, &p.Scope, &options)
	if err == nil {
		err = json.Unmarshal([]byte(options), &p.Options)
	}
	p.HasSecret = sealed.Valid
	return p, sealed, err
}

func (k *Keeper) provider(ctx context.Context, q store.Querier, name string) (Provider, sql.NullString, error) {
	p, sealed, err := scanProvider(q.QueryRowContext(ctx, `SELECT `+providerColumns+` FROM providers WHERE provider_name = ?`, name).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return p, sealed, &Fault{Kind: ErrUnknown, What: fmt.Sprintf("no provider %q", name), Hint: "`mintkeep provider add " + text.ShellWord(name) + "`"}
	}
	if err != nil {
		err = fmt.Errorf("reading provider %s: %w", name, err)
	}
	return p, sealed, err
}

// Provider is a registered provider, without its secret.
func (k *Keeper) Provider(ctx context.Context, name string) (Provider, error) {
	p, _, err := k.provider(ctx, k.DB, name)
	return p, err
}

// Providers lists the registered ones, without their secrets.
func (k *Keeper) Providers(ctx context.Context) ([]Provider, error) {
	rows, err := k.DB.QueryContext(ctx, `SELECT `+providerColumns+` FROM providers ORDER BY provider_name`)
	if err != nil {
		return nil, fmt.Errorf("reading providers: %w", err)
	}
	defer rows.Close()
	list := []Provider{}
	for rows.Next() {
		p, _, err := scanProvider(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("reading providers: %w", err)
		}
		list = append(list, p)
	}
	return list, rows.Err()
}

// AddProvider registers a provider; ErrExists if the name is taken.
func (k *Keeper) AddProvider(ctx context.Context, p Provider) error {
	if err := p.check(); err != nil {
		return err
	}
	r, err := k.Keys.Load()
	if err != nil {
		return err
	}
	return store.Write(ctx, k.DB, func(tx *sql.Tx) error { return k.insertProvider(ctx, tx, r, p) })
}

func (k *Keeper) insertProvider(ctx context.Context, tx *sql.Tx, r *keyring.Keyring, p Provider) error {
	key, err := r.Current(ctx, tx)
	if err != nil {
		return err
	}
	options, err := json.Marshal(p.Options)
	if err != nil {
		return err
	}
	now := store.Time(k.now())
	res, err := tx.ExecContext(ctx, `INSERT INTO providers (`+providerColumns+`, created, updated)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		p.Name, p.Preset, p.Issuer, p.AuthURL, p.TokenURL, p.DeviceURL, p.RevokeURL, p.IntrospectURL,
		p.ClientID, key.Seal(p.ClientSecret, p.at()), p.AuthStyle, p.Scope, string(options), now, now)
	if err != nil {
		return fmt.Errorf("adding provider %s: %w", p.Name, err)
	}
	if n, err := res.RowsAffected(); n == 0 || err != nil {
		return errors.Join(err, &Fault{Kind: ErrExists, What: "provider " + p.Name + " is already there", Hint: "`mintkeep provider set` changes it"})
	}
	return k.record(ctx, tx, store.Event{Kind: "provider added", Detail: p.Name})
}

// SetProvider changes a registered provider. change sees it without its secret;
// a ClientSecret that it sets replaces the sealed one, HasSecret = false removes
// it. Connections stay.
func (k *Keeper) SetProvider(ctx context.Context, name string, change func(*Provider) error) error {
	r, err := k.Keys.Load()
	if err != nil {
		return err
	}
	return store.Write(ctx, k.DB, func(tx *sql.Tx) error {
		p, _, err := k.provider(ctx, tx, name)
		if err != nil {
			return err
		}
		if err := change(&p); err != nil {
			return err
		}
		if p.Name != name {
			return fault.Invalid("a provider cannot be renamed", "its connections refer to it by name")
		}
		if err := p.check(); err != nil {
			return err
		}
		key, err := r.Current(ctx, tx)
		if err != nil {
			return err
		}
		options, err := json.Marshal(p.Options)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE providers SET preset = ?, issuer = ?, auth_url = ?, token_url = ?, device_url = ?, revoke_url = ?,
			introspect_url = ?, client_id = ?, client_secret = CASE WHEN ? THEN coalesce(?, client_secret) END, auth_style = ?, scope = ?, options = ?, updated = ?
			WHERE provider_name = ?`, p.Preset, p.Issuer, p.AuthURL, p.TokenURL, p.DeviceURL, p.RevokeURL, p.IntrospectURL,
			p.ClientID, p.HasSecret || p.ClientSecret != "", key.Seal(p.ClientSecret, p.at()), p.AuthStyle, p.Scope, string(options), store.Time(k.now()), name)
		if err != nil {
			return fmt.Errorf("changing provider %s: %w", name, err)
		}
		return k.record(ctx, tx, store.Event{Kind: "provider changed", Detail: name})
	})
}

// RemoveProvider removes a provider that no connection needs.
func (k *Keeper) RemoveProvider(ctx context.Context, name string) error {
	return store.Write(ctx, k.DB, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM connections WHERE provider_name = ?`, name).Scan(&n); err != nil {
			return fmt.Errorf("removing provider %s: %w", name, err)
		}
		if n > 0 {
			return fault.Invalid(fmt.Sprintf("provider %s still has %d connection(s)", name, n), "`mintkeep forget NAME` each of them first")
		}
		res, err := tx.ExecContext(ctx, `DELETE FROM providers WHERE provider_name = ?`, name)
		if err != nil {
			return fmt.Errorf("removing provider %s: %w", name, err)
		}
		if n, err := res.RowsAffected(); n == 0 || err != nil {
			return errors.Join(err, &Fault{Kind: ErrUnknown, What: fmt.Sprintf("no provider %q", name), Hint: "`mintkeep provider list`"})
		}
		return k.record(ctx, tx, store.Event{Kind: "provider removed", Detail: name})
	})
}
