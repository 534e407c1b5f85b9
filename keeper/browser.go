package keeper

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"mintkeep/internal/secret"
	"mintkeep/internal/store"
	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/keyring"
)

const flowLifetime = 10 * time.Minute

// Ticket makes a link that starts a connection in any browser, once, within 10
// minutes. Whoever opens it connects an account of theirs to the target.
func (k *Keeper) Ticket(ctx context.Context, t Target) (link Secret, err error) {
	if k.URL == "" {
		return "", fault.Invalid("no public URL is configured", "set `url` in the configuration")
	}
	keys, err := k.Keys.Load()
	if err != nil {
		return "", err
	}
	p, err := k.providerWithSecret(ctx, keys, t.Provider)
	if err != nil {
		return "", err
	}
	if err := k.resolveTarget(ctx, p, &t); err != nil {
		return "", err
	}
	if p.AuthURL == "" {
		return "", fault.Invalid("provider "+p.Name+" has no browser flow", "`mintkeep connect` without -web")
	}
	ticket := secret.New("mkt_")
	err = store.Write(ctx, k.DB, func(tx *sql.Tx) error {
		return k.insertFlow(ctx, tx, "ticket", ticket, t, "", sql.NullString{})
	})
	q := url.Values{"provider": {t.Provider}, "name": {t.Name}, "user": {t.User}, "ticket": {string(ticket)}}
	return Secret(k.URL + "/keep/connect?" + q.Encode()), err
}

// RedeemTicket returns the target of a ticket, once. It fails with ErrInvalid if
// the ticket is not whole, with ErrExpired if it was used or is too old.
func (k *Keeper) RedeemTicket(ctx context.Context, ticket Secret) (Target, error) {
	if !ticket.WellFormed("mkt_") {
		return Target{}, fault.Invalid("this link is damaged", "")
	}
	f, err := k.takeFlow(ctx, "ticket", ticket, "")
	return f.target, err
}

// BrowserFlow is a connection that a person is making in a browser.
type BrowserFlow struct {
	URL      string // where to send the browser: the provider's authorization request
	State    Secret // comes back with the browser
	Browser  Secret // for a cookie: the flow can be finished in this browser only
	Lifetime time.Duration
}

// StartBrowserFlow starts the authorization code grant in a browser. A target
// that is connected already is connected again as it was.
func (k *Keeper) StartBrowserFlow(ctx context.Context, t Target) (BrowserFlow, error) {
	keys, err := k.Keys.Load()
	if err != nil {
		return BrowserFlow{}, err
	}
	p, err := k.providerWithSecret(ctx, keys, t.Provider)
	if err != nil {
		return BrowserFlow{}, err
	}
	before, err := k.load(ctx, k.DB, cmp.Or(t.User, DefaultUser), cmp.Or(t.Name, t.Provider))
	if err == nil && t.Scope == "" {
		t.Scope = before.requested
	}
	if err := k.resolveTarget(ctx, p, &t); err != nil {
		return BrowserFlow{}, err
	}
	if p.AuthURL == "" {
		return BrowserFlow{}, fault.Invalid("provider "+p.Name+" has no browser flow", "")
	}
	f := BrowserFlow{State: secret.New("mks_"), Browser: secret.New("mkb_"), Lifetime: flowLifetime}
	verifier := oauth2.GenerateVerifier()
	f.URL = p.AuthorizationURL(string(f.State), k.callbackURL(), t.Scope, verifier)
	return f, store.Write(ctx, k.DB, func(tx *sql.Tx) error {
		key, err := keys.Current(ctx, tx)
		if err != nil {
			return err
		}
		return k.insertFlow(ctx, tx, "code", f.State, t, f.Browser.Hash(), key.Seal(Secret(verifier), verifierOf(f.State)))
	})
}

func (k *Keeper) callbackURL() string { return k.URL + "/keep/callback" }

func verifierOf(state Secret) keyring.AssociatedData {
	return keyring.At("flows", "verifier", state.Hash())
}

// ReturnedFlow is a flow whose browser has come back. It can be finished once.
type ReturnedFlow struct {
	target   Target
	state    Secret
	verifier sql.NullString
}

// TakeFlow takes the flow that began with this state. It fails with ErrInvalid
// if the state is not whole, with ErrDenied in another browser than where the flow
// began (it can still be finished there), with ErrExpired if it was used or is too old.
func (k *Keeper) TakeFlow(ctx context.Context, state, browser Secret) (ReturnedFlow, error) {
	if !state.WellFormed("mks_") {
		return ReturnedFlow{}, fault.Invalid("this answer has no usable state", "")
	}
	hash := ""
	if browser != "" {
		hash = browser.Hash()
	}
	return k.takeFlow(ctx, "code", state, hash)
}

// FinishFlow redeems the code in the query that the provider sent the browser
// back with (RFC 6749 section 4.1.2), and keeps the token.
func (k *Keeper) FinishFlow(ctx context.Context, f ReturnedFlow, query url.Values) (Connection, error) {
	ctx = context.WithoutCancel(ctx)
	keys, err := k.Keys.Load()
	if err != nil {
		return Connection{}, err
	}
	verifier, err := keys.Open(f.verifier, verifierOf(f.state))
	if err != nil {
		return Connection{}, err
	}
	p, err := k.providerWithSecret(ctx, keys, f.target.Provider)
	if err != nil {
		return Connection{}, err
	}
	code, err := p.ParseCallback(query)
	if err != nil {
		return Connection{}, err
	}
	n := NewConnection{Target: f.target, Grant: GrantCode, Kind: KindOAuth2, Field: "access_token"}
	if n.Token, err = k.client().ExchangeCode(ctx, p, code, k.callbackURL(), string(verifier)); err != nil {
		return Connection{}, err
	}
	return k.saveConnection(ctx, keys, n, "connected", APIKey{})
}

// insertFlow also deletes what has expired.
func (k *Keeper) insertFlow(ctx context.Context, tx *sql.Tx, kind string, s Secret, t Target, browser string, verifier sql.NullString) error {
	now := k.now()
	if _, err := tx.ExecContext(ctx, `DELETE FROM flows WHERE expires <= ?`, store.Time(now)); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO flows (flow_hash, kind, provider_name, user_id, connection_name, scope, browser_hash, verifier, created, expires)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, s.Hash(), kind, t.Provider, t.User, t.Name, t.Scope, browser, verifier,
		store.Time(now), store.Time(now.Add(flowLifetime)))
	if err != nil {
		return fmt.Errorf("starting a browser flow: %w", err)
	}
	return nil
}

// takeFlow deletes a ticket or a state and returns it: it can be had once, a state
// only in the browser where it began; elsewhere nothing happens to it.
func (k *Keeper) takeFlow(ctx context.Context, kind string, s Secret, browser string) (ReturnedFlow, error) {
	f := ReturnedFlow{state: s}
	now := store.Time(k.now())
	err := k.DB.QueryRowContext(ctx, `DELETE FROM flows WHERE flow_hash = ? AND kind = ? AND expires > ? AND browser_hash = ?
		RETURNING provider_name, user_id, connection_name, scope, verifier`, s.Hash(), kind, now, browser).
		Scan(&f.target.Provider, &f.target.User, &f.target.Name, &f.target.Scope, &f.verifier)
	if !errors.Is(err, sql.ErrNoRows) {
		return f, err
	}
	elsewhere := false
	if err := k.DB.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM flows WHERE flow_hash = ? AND kind = ? AND expires > ?)`,
		s.Hash(), kind, now).Scan(&elsewhere); err != nil {
		return f, err
	}
	if elsewhere {
		return f, &Fault{Kind: ErrDenied, What: "this connection was begun in another browser"}
	}
	return f, &Fault{Kind: ErrExpired, What: "this link was used already, or is older than 10 minutes",
		Hint: "start again: `mintkeep connect -web`, or the owner's page"}
}
