package keeper

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"mintkeep/internal/store"
	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/keyring"
	"mintkeep/keeper/provider"
)

func secretOf(providerName string) keyring.AssociatedData {
	return keyring.At("providers", "client_secret", providerName)
}

const providerColumns = `provider_name, preset, issuer, auth_url, token_url, device_url, revoke_url, introspect_url,
	client_id, client_secret, auth_style, scope, options`

func scanProvider(scan func(...any) error) (p provider.Provider, sealed sql.NullString, err error) {
	var options string
	err = scan(&p.Name, &p.Preset, &p.Issuer, &p.AuthURL, &p.TokenURL, &p.DeviceURL, &p.RevokeURL, &p.IntrospectURL,
		&p.ClientID, &sealed, &p.AuthStyle, &p.Scope, &options)
	if err == nil {
		err = json.Unmarshal([]byte(options), &p.Options)
	}
	p.HasSecret = sealed.Valid
	return p, sealed, err
}

func loadProvider(ctx context.Context, q store.Querier, name string) (provider.Provider, sql.NullString, error) {
	p, sealed, err := scanProvider(q.QueryRowContext(ctx, `SELECT `+providerColumns+` FROM providers WHERE provider_name = ?`, name).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return p, sealed, &Fault{Kind: ErrUnknown, What: fmt.Sprintf("no provider %q", name), Hint: "`mintkeep provider add " + text.ShellWord(name) + "`"}
	}
	if err != nil {
		err = fmt.Errorf("reading provider %s: %w", name, err)
	}
	return p, sealed, err
}

// providerWithSecret is the registered provider with its client secret in the
// clear, or for tokens stored through the API the preset of that name. Endpoints
// that were not known when it was stored (an import works without network) are
// discovered and saved.
func (k *Keeper) providerWithSecret(ctx context.Context, keys *keyring.Keyring, name string) (provider.Provider, error) {
	p, sealed, err := loadProvider(ctx, k.DB, name)
	if errors.Is(err, ErrUnknown) {
		if preset, none := provider.FindPreset(name); none == nil && !preset.AsksInstance {
			return preset.Named(name), nil
		}
	}
	if err != nil {
		return p, err
	}
	if p.ClientSecret, err = keys.Open(sealed, secretOf(p.Name)); err != nil {
		return p, err
	}
	if p.TokenURL != "" || p.Issuer == "" || p.Login != nil {
		return p, nil
	}
	found, err := k.Discover(ctx, p.Issuer)
	if err != nil {
		return p, err
	}
	p.Complete(found)
	return p, k.SetProvider(ctx, p.Name, func(stored *provider.Provider) error { stored.Complete(found); return nil })
}

// providerOf is the provider of a connection, whose own client credentials win.
func (k *Keeper) providerOf(ctx context.Context, keys *keyring.Keyring, c connectionRow) (provider.Provider, error) {
	p, err := k.providerWithSecret(ctx, keys, c.Provider)
	if err != nil || c.clientID == "" {
		return p, err
	}
	p.ClientID = c.clientID
	p.ClientSecret, err = keys.Open(c.clientSecret, c.at("client_secret"))
	return p, err
}

// Discover reads the metadata of a provider by its issuer. See provider.Client.
func (k *Keeper) Discover(ctx context.Context, issuer string) (provider.Provider, error) {
	return k.client().Discover(ctx, issuer)
}

// Provider is a registered provider, without its secret; ErrUnknown if there is none.
func (k *Keeper) Provider(ctx context.Context, name string) (provider.Provider, error) {
	p, _, err := loadProvider(ctx, k.DB, name)
	return p, err
}

// Providers lists the registered ones, without their secrets.
func (k *Keeper) Providers(ctx context.Context) ([]provider.Provider, error) {
	rows, err := k.DB.QueryContext(ctx, `SELECT `+providerColumns+` FROM providers ORDER BY provider_name`)
	if err != nil {
		return nil, fmt.Errorf("reading providers: %w", err)
	}
	defer rows.Close()
	list := []provider.Provider{}
	for rows.Next() {
		p, _, err := scanProvider(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("reading providers: %w", err)
		}
		list = append(list, p)
	}
	return list, rows.Err()
}

// AddProvider registers a provider; ErrExists if the name is taken, ErrInvalid
// if Provider.Check finds something wrong.
func (k *Keeper) AddProvider(ctx context.Context, p provider.Provider) error {
	if err := p.Check(); err != nil {
		return err
	}
	keys, err := k.Keys.Load()
	if err != nil {
		return err
	}
	options, err := json.Marshal(p.Options)
	if err != nil {
		return err
	}
	return store.Write(ctx, k.DB, func(tx *sql.Tx) error {
		key, err := keys.Current(ctx, tx)
		if err != nil {
			return err
		}
		now := store.Time(k.now())
		res, err := tx.ExecContext(ctx, `INSERT INTO providers (`+providerColumns+`, created, updated)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			p.Name, p.Preset, p.Issuer, p.AuthURL, p.TokenURL, p.DeviceURL, p.RevokeURL, p.IntrospectURL,
			p.ClientID, key.Seal(p.ClientSecret, secretOf(p.Name)), p.AuthStyle, p.Scope, string(options), now, now)
		if err != nil {
			return fmt.Errorf("adding provider %s: %w", p.Name, err)
		}
		if n, err := res.RowsAffected(); n == 0 || err != nil {
			return errors.Join(err, &Fault{Kind: ErrExists, What: "provider " + p.Name + " is already there", Hint: "`mintkeep provider set` changes it"})
		}
		return k.record(ctx, tx, store.Event{Kind: "provider added", Detail: p.Name})
	})
}

// SetProvider changes a registered provider. change sees it without its secret;
// a ClientSecret that it sets replaces the sealed one, HasSecret = false removes
// it. Connections stay.
func (k *Keeper) SetProvider(ctx context.Context, name string, change func(*provider.Provider) error) error {
	keys, err := k.Keys.Load()
	if err != nil {
		return err
	}
	return store.Write(ctx, k.DB, func(tx *sql.Tx) error {
		p, _, err := loadProvider(ctx, tx, name)
		if err != nil {
			return err
		}
		if err := change(&p); err != nil {
			return err
		}
		if p.Name != name {
			return fault.Invalid("a provider cannot be renamed", "its connections refer to it by name")
		}
		if err := p.Check(); err != nil {
			return err
		}
		key, err := keys.Current(ctx, tx)
		if err != nil {
			return err
		}
		options, err := json.Marshal(p.Options)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE providers SET preset = ?, issuer = ?, auth_url = ?, token_url = ?, device_url = ?, revoke_url = ?,
			introspect_url = ?, client_id = ?, client_secret = CASE WHEN ? THEN coalesce(?, client_secret) END, auth_style = ?,
			scope = ?, options = ?, updated = ? WHERE provider_name = ?`,
			p.Preset, p.Issuer, p.AuthURL, p.TokenURL, p.DeviceURL, p.RevokeURL, p.IntrospectURL, p.ClientID,
			p.HasSecret || p.ClientSecret != "", key.Seal(p.ClientSecret, secretOf(p.Name)), p.AuthStyle, p.Scope,
			string(options), store.Time(k.now()), name)
		if err != nil {
			return fmt.Errorf("changing provider %s: %w", name, err)
		}
		return k.record(ctx, tx, store.Event{Kind: "provider changed", Detail: name})
	})
}

// RemoveProvider removes a provider; ErrInvalid while a connection needs it.
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
