// Package keeper keeps the tokens that other sites gave the owner: it obtains
// the first one (grants of RFC 6749, RFC 7636, RFC 8628, a JSON login), seals
// it, refreshes it when it is due, and hands it out.
//
// Several processes may work on one database at once, CGI children among them.
// So nothing is remembered in memory: the database decides who refreshes (a
// lease in the connection's row), and every change of a token is conditional on
// the generation it was made from. No transaction is open while a provider is
// asked.
//
// A token is asked for in token.go: fresh? else lease → refresh.go → ask.go → save.
// First tokens come by grant.go, code.go, device.go and login.go; web.go is the
// browser's way. site.go and provider.go are about the providers, connection.go
// about what is kept, seal.go, keyfile.go and rotate.go about sealing, forget.go and
// revocations.go about the end. api.go routes HTTP to gettoken.go and tokensapi.go.
//
// Authorization requests and TokenSource are x/oauth2's. The token request is not
// (ask.go): x/oauth2 drops an answer whose expires_in it cannot read, and with it a
// refresh token that has just been rotated; it measures expiry with a clock of its
// own, and puts the answer's body into its errors.
//
//	k := &keeper.Keeper{DB: db, Keys: keeper.keyring.Source{Path: "mintkeep.key"}}
//	t, err := k.Token(ctx, "owner", "mastodon", 5*time.Minute)
package keeper

import (
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"mintkeep/internal/secret"
	"mintkeep/internal/store"
	"mintkeep/keeper/keyring"
)

// DefaultUser owns the connections that name no user.
const DefaultUser = "owner"

// DefaultMinTTL is the lifetime that a token handed out over HTTP has at least.
const DefaultMinTTL = 300 * time.Second

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
	// Log takes what a person should see; nil discards it.
	Log *slog.Logger
	// URL is BASE, the public URL of the program; needed for the browser flow.
	URL string
	// Page writes a page of a few paragraphs for a browser; the caller has the
	// program's way of writing HTML. nil writes plain text.
	Page func(w http.ResponseWriter, status int, title string, paragraphs ...string)
	// Admin reports whether a request comes from a signed-in administrator; nil is never.
	Admin func(*http.Request) bool
	// Timeout limits one request to a provider; 0 is 12 s.
	Timeout time.Duration
	// Lease is how long one process alone may refresh a connection; 0 is 25 s.
	// It must be longer than Timeout.
	Lease time.Duration
}

// Secret is a token, key or password. It hides itself when it is printed,
// logged or encoded; convert it to string where it is really to be sent.
type Secret = secret.Secret

func (k *Keeper) now() time.Time {
	if k.Now != nil {
		return k.Now().UTC()
	}
	return time.Now().UTC()
}

func (k *Keeper) timeout() time.Duration {
	if k.Timeout > 0 {
		return k.Timeout
	}
	return 12 * time.Second
}

func (k *Keeper) lease() time.Duration {
	if k.Lease > 0 {
		return k.Lease
	}
	return 25 * time.Second
}

// leaseUse is how much of a lease is used for asking; the rest is for saving.
func (k *Keeper) leaseUse() time.Duration { return k.lease() * 9 / 10 }

func (k *Keeper) log() *slog.Logger {
	if k.Log != nil {
		return k.Log
	}
	return slog.New(slog.DiscardHandler)
}

// record notes the time of an event and writes it in the transaction of what it tells.
func (k *Keeper) record(ctx context.Context, tx *sql.Tx, e store.Event) error {
	e.At = k.now()
	return store.Record(ctx, tx, e)
}

// sealedTables says where sealed values are stored.
func sealedTables() []keyring.Table {
	return []keyring.Table{
		{Name: "providers", Row: []string{"provider_name"}, Columns: []string{"client_secret"}},
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

// NormalScope is a scope with its values sorted and said once (RFC 6749
// section 3.3: the order does not matter). Commas separate as well as spaces,
// since several providers write them.
func NormalScope(scope string) string {
	words := strings.FieldsFunc(scope, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\n' })
	slices.Sort(words)
	return strings.Join(slices.Compact(words), " ")
}
