package keeper

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"mintkeep/internal/store"
	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/keyring"
	"mintkeep/keeper/provider"
)

// Registry is the providers that the owner registered. Their client secrets are
// sealed with Keys.
type Registry struct {
	DB     *sql.DB
	Keys   keyring.Source
	Client provider.Client // discovers endpoints
	Now    func() time.Time
}

// Registry gives access to the registered providers.
func (k *Keeper) Registry() Registry {
	return Registry{DB: k.DB, Keys: k.Keys, Client: k.client(), Now: k.now}
}

func sealedOf(providerName, column string) keyring.AssociatedData {
	return keyring.At("providers", column, providerName)
}

// sealedProvider is what is sealed of a provider.
type sealedProvider struct{ secret, registration sql.NullString }

const providerColumns = `provider_name, preset, issuer, auth_url, token_url, device_url, revoke_url, introspect_url,
	client_id, client_secret, auth_style, scope, options, registration`

func scanProvider(scan func(...any) error) (p provider.Provider, sealed sealedProvider, err error) {
	var options string
	err = scan(&p.Name, &p.Preset, &p.Issuer, &p.AuthURL, &p.TokenURL, &p.DeviceURL, &p.RevokeURL, &p.IntrospectURL,
		&p.ClientID, &sealed.secret, &p.AuthStyle, &p.Scope, &options, &sealed.registration)
	if err == nil {
		err = json.Unmarshal([]byte(options), &p.Options)
	}
	p.HasSecret = sealed.secret.Valid
	return p, sealed, err
}

func loadProvider(ctx context.Context, q store.Querier, name string) (p provider.Provider, sealed sealedProvider, err error) {
	p, sealed, err = scanProvider(q.QueryRowContext(ctx, `SELECT `+providerColumns+` FROM providers WHERE provider_name = ?`, name).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return p, sealed, &Fault{Kind: ErrUnknown, What: fmt.Sprintf("no provider %q", name),
			Hint: "`mintkeep provider add " + text.ShellWord(name) + "`"}
	}
	if err != nil {
		err = fmt.Errorf("reading provider %s: %w", name, err)
	}
	return p, sealed, err
}

// Get returns a provider without its secret; ErrUnknown if there is none.
func (r Registry) Get(ctx context.Context, name string) (provider.Provider, error) {
	p, _, err := loadProvider(ctx, r.DB, name)
	return p, err
}

// List returns all providers without their secrets, sorted by name.
func (r Registry) List(ctx context.Context) ([]provider.Provider, error) {
	return store.List(ctx, r.DB, "reading providers", func(scan func(...any) error) (provider.Provider, error) {
		p, _, err := scanProvider(scan)
		return p, err
	}, `SELECT `+providerColumns+` FROM providers ORDER BY provider_name`)
}

// withSecret is a provider with its client secret in the clear, or for tokens
// stored through the API the preset of that name. Endpoints that were not known
// when it was added (an import works without network) are discovered and saved.
func (r Registry) withSecret(ctx context.Context, keys *keyring.Keyring, name string) (provider.Provider, error) {
	p, sealed, err := loadProvider(ctx, r.DB, name)
	if errors.Is(err, ErrUnknown) {
		if preset, none := provider.FindPreset(name); none == nil && !preset.AsksInstance {
			return provider.FromPreset(name, name, "")
		}
	}
	if err != nil {
		return p, err
	}
	if p.ClientSecret, err = keys.Open(sealed.secret, sealedOf(p.Name, "client_secret")); err != nil {
		return p, err
	}
	if p.TokenURL != "" || p.Issuer == "" || p.Login != nil {
		return p, nil
	}
	found, err := r.Client.Discover(ctx, p.Issuer)
	if err != nil {
		return p, err
	}
	p.Complete(found)
	return p, r.Set(ctx, p.Name, func(stored *provider.Provider) error { stored.Complete(found); return nil })
}

// of is the provider of a connection, whose own client credentials win.
func (r Registry) of(ctx context.Context, keys *keyring.Keyring, c connectionRow) (provider.Provider, error) {
	p, err := r.withSecret(ctx, keys, c.Provider)
	if err != nil || c.clientID == "" {
		return p, err
	}
	p.ClientID = c.clientID
	p.ClientSecret, err = keys.Open(c.clientSecret, c.at("client_secret"))
	return p, err
}

// values are the providerColumns of a provider. Where it has no ClientSecret, the
// sealed one stays.
func values(p provider.Provider, key keyring.Key, sealed sealedProvider) ([]any, error) {
	options, err := json.Marshal(p.Options)
	if p.ClientSecret != "" {
		sealed.secret = key.Seal(p.ClientSecret, sealedOf(p.Name, "client_secret"))
	}
	if p.RegistrationToken != "" {
		sealed.registration = key.Seal(p.RegistrationToken, sealedOf(p.Name, "registration"))
	}
	return []any{p.Name, p.Preset, p.Issuer, p.AuthURL, p.TokenURL, p.DeviceURL, p.RevokeURL, p.IntrospectURL,
		p.ClientID, sealed.secret, p.AuthStyle, p.Scope, string(options), sealed.registration}, err
}

// Add registers a provider; ErrExists if the name is taken, ErrInvalid if
// Provider.Check finds something wrong.
func (r Registry) Add(ctx context.Context, p provider.Provider) error {
	if err := p.Check(); err != nil {
		return err
	}
	return r.write(ctx, func(tx *store.Tx, key keyring.Key) {
		args, err := values(p, key, sealedProvider{})
		tx.Fail(err)
		now := store.Time(r.Now())
		if tx.Exec("adding provider "+p.Name, `INSERT INTO providers (`+providerColumns+`, created, updated)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, append(args, now, now)...) == 0 {
			tx.Fail(alreadyThere(p.Name))
		}
		r.record(tx, "provider added", p.Name)
	})
}

func alreadyThere(name string) error {
	return &Fault{Kind: ErrExists, What: "provider " + name + " is already there", Hint: "`mintkeep provider set` changes it"}
}

// write runs fn in a transaction, with the key that secrets are sealed with.
func (r Registry) write(ctx context.Context, fn func(*store.Tx, keyring.Key)) error {
	keys, err := r.Keys.Load()
	if err != nil {
		return err
	}
	return store.Transact(ctx, r.DB, func(tx *store.Tx) {
		if key, ok := sealingKey(tx, keys); ok {
			fn(tx, key)
		}
	})
}

// sealingKey is what values written in tx are sealed with. Without one tx fails.
func sealingKey(tx *store.Tx, keys *keyring.Keyring) (keyring.Key, bool) {
	key, err := keys.Current(tx.Context(), tx)
	tx.Fail(err)
	return key, err == nil
}

// record notes what became of a provider. Connections that failed may work with
// what it is now, and are tried at once.
func (r Registry) record(tx *store.Tx, kind, name string) {
	tx.Exec(kind, `UPDATE connections SET retry_after = NULL WHERE provider_name = ? AND state = 'failing'`, name)
	tx.Record(store.Event{At: r.Now(), Kind: kind, Detail: name})
}

// Set changes a provider. change sees it without its secret; a ClientSecret that
// it sets replaces the sealed one, HasSecret = false removes it. Connections stay.
func (r Registry) Set(ctx context.Context, name string, change func(*provider.Provider) error) error {
	return r.write(ctx, func(tx *store.Tx, key keyring.Key) {
		p, sealed, err := loadProvider(ctx, tx, name)
		if err == nil {
			err = change(&p)
		}
		if err == nil && p.Name != name {
			err = fault.Invalid("a provider cannot be renamed", "its connections refer to it by name")
		}
		if err == nil {
			err = p.Check()
		}
		if !p.HasSecret {
			sealed.secret = sql.NullString{}
		}
		tx.Fail(err)
		args, err := values(p, key, sealed)
		tx.Fail(err)
		tx.Exec("changing provider "+name, `UPDATE providers SET (`+providerColumns+`, updated)
			= (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE provider_name = ?`, append(args, store.Time(r.Now()), name)...)
		r.record(tx, "provider changed", name)
	})
}

// Register makes this program, whose public URL is base, a client of a provider that
// is to be added, as Client.Register does; ErrExists if the name is taken.
func (r Registry) Register(ctx context.Context, p *provider.Provider, base string) (bool, error) {
	if err := p.Check(); err != nil {
		return false, err
	}
	if _, err := r.Get(ctx, p.Name); !errors.Is(err, ErrUnknown) {
		return false, cmp.Or(err, alreadyThere(p.Name))
	}
	return r.Client.Register(ctx, p, base)
}

// Remove removes a provider, and has it delete the registration that Register made;
// ErrInvalid while a connection needs it, ErrTemporary if only the latter fails.
func (r Registry) Remove(ctx context.Context, name string) error {
	p, sealed, err := loadProvider(ctx, r.DB, name)
	if err == nil && sealed.registration.Valid {
		keys, noKey := r.Keys.Load()
		if err = noKey; err == nil {
			p.RegistrationToken, err = keys.Open(sealed.registration, sealedOf(name, "registration"))
		}
	}
	if err != nil {
		return err
	}
	if err := r.remove(ctx, name); err != nil {
		return err
	}
	if err := r.Client.Unregister(ctx, p); err != nil {
		return &Fault{Kind: ErrTemporary, What: "provider " + name + " is removed here, but not its registration there", Err: err}
	}
	return nil
}

func (r Registry) remove(ctx context.Context, name string) error {
	return store.Transact(ctx, r.DB, func(tx *store.Tx) {
		doing, used := "removing provider "+name, 0
		tx.Row(doing, `SELECT count(*) FROM connections WHERE provider_name = ?`, []any{name}, &used)
		if used > 0 {
			tx.Fail(fault.Invalid(fmt.Sprintf("provider %s still has %d connection(s)", name, used), "`mintkeep forget NAME` each of them first"))
		}
		if tx.Exec(doing, `DELETE FROM providers WHERE provider_name = ?`, name) == 0 {
			tx.Fail(&Fault{Kind: ErrUnknown, What: fmt.Sprintf("no provider %q", name), Hint: "`mintkeep provider list`"})
		}
		if tx.Exec(doing, `DELETE FROM revocations WHERE provider_name = ?`, name) > 0 { // another of that name is another site
			tx.Record(store.Event{At: r.Now(), Kind: "revocation", Detail: name + " given up"})
		}
		r.record(tx, "provider removed", name)
	})
}
