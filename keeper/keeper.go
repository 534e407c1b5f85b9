// Package keeper keeps the tokens that other sites gave the owner: it obtains
// the first one (grants of RFC 6749, RFC 7636, RFC 8628, or a JSON login), seals
// it, refreshes it when it is due, and hands it out.
//
//	k, err := keeper.Open(ctx, "tokens.db")
//	t, err := k.Token(ctx, "owner", "mastodon", 5*time.Minute)
//
// A program that only wants tokens needs nothing else: TokenSource is what
// golang.org/x/oauth2 wants, and the fields of Keeper are for the rest.
//
// The database is a SQLite file with the tables of schema.sql. Several processes
// may work on it at once, CGI children among them, so nothing is remembered in
// memory. The database decides who refreshes (a lease in the connection's row),
// and every change of a token is conditional on the generation it was made from.
// No transaction is open while a provider is asked.
//
// Package provider has what is said to providers, keyring the sealing of
// secrets, api the HTTP interface, keepertest a provider for tests.
package keeper

import (
	"cmp"
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"mintkeep/internal/secret"
	"mintkeep/internal/store"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/keyring"
	"mintkeep/keeper/provider"
)

// DefaultUser owns the connections that name no user.
const DefaultUser = "owner"

// Secret is a token, key or password. It hides itself when it is printed,
// logged or encoded; convert it to string where it is really to be sent.
type Secret = secret.Secret

// ShellWord is a name as one word of a command.
func ShellWord(name string) string { return text.ShellWord(name) }

// Keeper is the outbound half. The zero value of every field but DB and Keys is usable.
type Keeper struct {
	// DB is opened by the caller with _txlock=immediate and a busy timeout.
	DB *sql.DB
	// Keys says where the sealing keys are.
	Keys keyring.Source
	// Now is the only clock; nil is time.Now.
	Now func() time.Time
	// Client asks the providers that the owner named; nil is a plain client.
	Client *http.Client
	// Public asks hosts that only the documents of others name, and must refuse those in
	// one's own network; nil is Client.
	Public *http.Client
	// Log takes what a person should see; nil discards it.
	Log *slog.Logger
	// URL is BASE, the public URL of the program; needed for the browser flow.
	URL string
	// Timeout limits one request to a provider; 0 is provider.DefaultTimeout.
	Timeout time.Duration
	// Lease is how long one process alone may refresh a connection; 0 is 25 s.
	// It must be longer than Timeout.
	Lease time.Duration
	// Patience is how long Token waits for the provider while it has a valid
	// token; the refresh goes on without the caller. 0 waits to its end, as a
	// process must that ends with its answer.
	Patience time.Duration
	// Hold puts off the end of the program until release is called: between
	// sending a refresh token and saving the next one, a connection would be
	// lost. nil holds nothing.
	Hold func() (release func())
}

// Open returns the keeper of an installation, for another program: its database, which
// must be there and of this version, and the key in MINTKEEP_KEY, else in the file
// mintkeep.key beside it. Close its DB in the end.
func Open(ctx context.Context, database string) (*Keeper, error) {
	db, err := store.OpenCurrent(ctx, database)
	if err != nil {
		return nil, err
	}
	return &Keeper{DB: db, Keys: keyring.Source{Value: Secret(os.Getenv("MINTKEEP_KEY")),
		Path: filepath.Join(filepath.Dir(database), "mintkeep.key")}}, nil
}

func (k *Keeper) now() time.Time {
	if k.Now != nil {
		return k.Now().UTC()
	}
	return time.Now().UTC()
}

func (k *Keeper) lease() time.Duration {
	return cmp.Or(k.Lease, 25*time.Second)
}

func (k *Keeper) log() *slog.Logger {
	if k.Log != nil {
		return k.Log
	}
	return slog.New(slog.DiscardHandler)
}

func (k *Keeper) client() provider.Client {
	return provider.Client{HTTP: k.Client, Public: k.Public, Now: k.Now, Timeout: cmp.Or(k.Timeout, provider.DefaultTimeout)}
}

// sealedTables says where sealed values are stored.
func sealedTables() []keyring.Table {
	return []keyring.Table{
		{Name: "providers", Row: []string{"provider_name"}, Columns: []string{"client_secret", "registration"}},
		{Name: "connections", Row: []string{"user_id", "connection_name"},
			Columns: []string{"client_secret", "access_token", "refresh_token", "previous_refresh_token", "password", "extra"}},
		{Name: "flows", Row: []string{"flow_hash"}, Columns: []string{"verifier"}},
		{Name: "revocations", Row: []string{"revocation_id"}, Columns: []string{"client_secret", "token", "access_token"}},
	}
}

// On reports whether there is an outbound half: a sealing key, or values that
// wait for one.
func (k *Keeper) On(ctx context.Context) bool { return keyring.InUse(ctx, k.DB, k.Keys) }

// CheckKey reports why the kept values cannot be opened, as ErrKey; nil if they
// can, or if there are none.
func (k *Keeper) CheckKey(ctx context.Context) error { return keyring.Check(ctx, k.DB, k.Keys) }

// EnsureKey makes the key file of a database that has sealed nothing yet, and
// reports whether it did.
func (k *Keeper) EnsureKey(ctx context.Context) (made bool, err error) {
	return keyring.Ensure(ctx, k.DB, k.Keys)
}

// Rotate seals every value again with a new sealing key, and returns how many
// there were and the id of the new key. See keyring.Rotate.
func (k *Keeper) Rotate(ctx context.Context) (sealed int, keyID string, err error) {
	return keyring.Rotate(ctx, k.DB, k.Keys, sealedTables(), k.now())
}
