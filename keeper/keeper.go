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
//	k := &keeper.Keeper{DB: db, Keys: keeper.KeySource{Path: "mintkeep.key"}}
//	t, err := k.Token(ctx, "owner", "mastodon", 5*time.Minute)
package keeper

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
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
	Keys KeySource
	// Now is the only clock; nil is time.Now.
	Now func() time.Time
	// Client asks the providers that the owner named; nil is a plain client.
	Client *http.Client
	// Record writes an event in the transaction it belongs to; nil records nothing.
	Record func(context.Context, *sql.Tx, Event) error
	// Unavailable reports whether err is a busy, full, read-only or failing
	// database, which is answered with 503 instead of 500; nil is never.
	Unavailable func(error) bool
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

// Event is something that the owner may want to know later. It never holds a secret.
type Event struct {
	At         time.Time
	Kind       string // connected, refreshed, failing, dead, recovered, read, stored, deleted, revoked, ...
	User       string
	Connection string
	Provider   string
	Actor      string // the API key, or "" for the command line and the keeper itself
	Detail     string
}

// Secret is a token, key or password that must not be printed by accident.
type Secret string

const hidden = "[hidden]"

// String hides the secret.
func (s Secret) String() string { return hidden }

// GoString hides the secret.
func (s Secret) GoString() string { return hidden }

// Format hides the secret under every verb of package fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// LogValue hides the secret from package slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalJSON hides the secret; whoever means to send it converts it to string.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

const stamp = "2006-01-02 15:04:05"

// text is t as the database holds it, or NULL.
func text(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(stamp)
}

func parseTime(s sql.NullString) time.Time {
	t, err := time.Parse(stamp, s.String)
	if !s.Valid || err != nil {
		return time.Time{}
	}
	return t
}

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

func (k *Keeper) unavailable(err error) bool {
	return err != nil && k.Unavailable != nil && k.Unavailable(err)
}

func (k *Keeper) tx(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := k.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

func (k *Keeper) record(ctx context.Context, tx *sql.Tx, e Event) error {
	if k.Record == nil {
		return nil
	}
	if e.At.IsZero() {
		e.At = k.now()
	}
	if err := k.Record(ctx, tx, e); err != nil {
		return fmt.Errorf("recording %s: %w", e.Kind, err)
	}
	return nil
}

// NormalScope is a scope with its values sorted and said once (RFC 6749
// section 3.3: the order does not matter). Commas separate as well as spaces,
// since several providers write them.
func NormalScope(scope string) string {
	words := strings.FieldsFunc(scope, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\n' })
	slices.Sort(words)
	return strings.Join(slices.Compact(words), " ")
}
