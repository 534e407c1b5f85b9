package keeper

import (
	"cmp"
	"context"
	"database/sql"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"mintkeep/internal/oauth"
	"mintkeep/internal/secret"
	"mintkeep/internal/store"
	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/keyring"
	"mintkeep/keeper/provider"
)

const flowLifetime = 10 * time.Minute

// Browser makes connections in a browser: with a ticket or by an administrator,
// the authorization code grant is started, and finished when the browser is back.
type Browser struct{ keeper *Keeper }

// Browser gives access to the connections that are being made in a browser.
func (k *Keeper) Browser() Browser { return Browser{k} }

// Ticket makes a link that starts a connection in any browser, once, within 10
// minutes. Whoever opens it connects an account of theirs to the target.
func (b Browser) Ticket(ctx context.Context, t Target, ask Ask) (link Secret, err error) {
	k, given := b.keeper, t.Scope
	if k.URL == "" {
		return "", fault.Invalid("no public URL is configured", "set `url` in the configuration")
	}
	_, p, err := k.resolveTarget(ctx, &t)
	if err != nil {
		return "", err
	}
	if p.AuthURL == "" {
		return "", fault.Invalid("provider "+p.Name+" has no browser flow", "`mintkeep connect` without -web")
	}
	if given == "" {
		t.Scope = "" // Start asks for what was asked for before
	} else {
		ask.say("%s", replaces(ctx, k, t))
	}
	ticket := secret.New("mkt_")
	err = store.Transact(ctx, k.DB, func(tx *store.Tx) { insertFlow(tx, k.now(), "ticket", ticket, t, "", sql.NullString{}) })
	q := url.Values{"provider": {t.Provider}, "name": {t.Name}, "user": {t.User}, "ticket": {string(ticket)}}
	return Secret(k.URL + "/keep/connect?" + q.Encode()), err
}

// Redeem returns the target of a ticket, once. It fails with ErrInvalid if
// the ticket is not whole, with ErrExpired if it was used or is too old.
func (b Browser) Redeem(ctx context.Context, ticket Secret) (Target, error) {
	if !ticket.WellFormed("mkt_") {
		return Target{}, fault.Invalid("this link is damaged", "")
	}
	f, err := b.take(ctx, "ticket", ticket, "")
	return f.target, err
}

// BrowserFlow is a connection that a person is making in a browser.
type BrowserFlow struct {
	URL      string // where to send the browser: the provider's authorization request
	State    Secret // comes back with the browser
	Browser  Secret // for a cookie: the flow can be finished in this browser only
	Lifetime time.Duration
}

// Start starts the authorization code grant in a browser. A target
// that is connected already is connected again as it was.
func (b Browser) Start(ctx context.Context, t Target) (BrowserFlow, error) {
	k := b.keeper
	before, err := k.load(ctx, k.DB, cmp.Or(t.User, DefaultUser), cmp.Or(t.Name, t.Provider))
	if err == nil && t.Scope == "" {
		t.Scope = before.Requested
	}
	keys, p, err := k.resolveTarget(ctx, &t)
	if err != nil {
		return BrowserFlow{}, err
	}
	if p.AuthURL == "" {
		return BrowserFlow{}, fault.Invalid("provider "+p.Name+" has no browser flow", "")
	}
	f := BrowserFlow{State: secret.New("mks_"), Browser: secret.New("mkb_"), Lifetime: flowLifetime}
	verifier := oauth2.GenerateVerifier()
	f.URL = p.AuthorizationURL(string(f.State), b.callbackURL(p), t.Scope, verifier)
	return f, store.Transact(ctx, k.DB, func(tx *store.Tx) {
		if key, ok := sealingKey(tx, keys); ok {
			insertFlow(tx, k.now(), "code", f.State, t, f.Browser.Hash(), key.Seal(Secret(verifier), verifierOf(f.State)))
		}
	})
}

// callbackURL is the redirect address to send: ours, unless the provider is to be
// told another one that is not for a terminal.
func (b Browser) callbackURL(p provider.Provider) string {
	if u, err := url.Parse(p.RedirectURI); err == nil && u.Scheme != "" && !oauth.IsLoopback(u.Hostname()) {
		return p.RedirectURI
	}
	return b.keeper.URL + "/keep/callback"
}

func verifierOf(state Secret) keyring.AssociatedData {
	return keyring.At("flows", "verifier", state.Hash())
}

// ReturnedFlow is a flow whose browser has come back. It can be finished once.
type ReturnedFlow struct {
	target   Target
	state    Secret
	verifier sql.NullString
}

// Take takes the flow that began with this state. It fails with ErrInvalid
// if the state is not whole, with ErrDenied in another browser than where the flow
// began (it can still be finished there), with ErrExpired if it was used or is too old.
func (b Browser) Take(ctx context.Context, state, browser Secret) (ReturnedFlow, error) {
	if !state.WellFormed("mks_") {
		return ReturnedFlow{}, fault.Invalid("this answer has no usable state", "")
	}
	hash := ""
	if browser != "" {
		hash = browser.Hash()
	}
	return b.take(ctx, "code", state, hash)
}

// Finish redeems the code in the query that the provider sent the browser
// back with (RFC 6749 section 4.1.2), and keeps the token.
func (b Browser) Finish(ctx context.Context, f ReturnedFlow, query url.Values) (Connection, error) {
	k := b.keeper
	ctx = context.WithoutCancel(ctx)
	keys, err := k.Keys.Load()
	if err != nil {
		return Connection{}, err
	}
	verifier, err := keys.Open(f.verifier, verifierOf(f.state))
	if err != nil {
		return Connection{}, err
	}
	p, err := k.Registry().withSecret(ctx, keys, f.target.Provider)
	if err != nil {
		return Connection{}, err
	}
	code, scope, err := p.ParseCallback(query)
	if err != nil {
		return Connection{}, err
	}
	release, err := reserve(ctx, k)
	if err != nil {
		return Connection{}, err
	}
	defer release()
	n := NewConnection{Target: f.target, Grant: GrantCode, Kind: KindOAuth2, Field: "access_token"}
	if n.Token, err = k.client().ExchangeCode(ctx, p, code, b.callbackURL(p), string(verifier)); err != nil {
		return Connection{}, err
	}
	n.Token.Scope = cmp.Or(n.Token.Scope, scope)
	release()
	replaced := replaces(ctx, k, f.target)
	c, err := k.saveConnection(ctx, keys, n, "connected", APIKey{})
	c.Warning = strings.TrimSpace(n.warning(c, p) + "\n" + replaced)
	return c, err
}

// insertFlow also deletes what has expired.
func insertFlow(tx *store.Tx, now time.Time, kind string, s Secret, t Target, browser string, verifier sql.NullString) {
	const doing = "starting a browser flow"
	tx.Exec(doing, `DELETE FROM flows WHERE expires <= ?`, store.Time(now))
	tx.Exec(doing, `INSERT INTO flows (flow_hash, kind, provider_name, user_id, connection_name,
		scope, browser_hash, verifier, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, s.Hash(), kind, t.Provider, t.User, t.Name,
		t.Scope, browser, verifier, store.Time(now), store.Time(now.Add(flowLifetime)))
}

// take deletes a ticket or a state and returns it: it can be had once, a state
// only in the browser where it began; elsewhere nothing happens to it.
func (b Browser) take(ctx context.Context, kind string, s Secret, browser string) (ReturnedFlow, error) {
	const doing = "taking a browser flow"
	f, now, db := ReturnedFlow{state: s}, store.Time(b.keeper.now()), b.keeper.DB
	found, err := store.Row(ctx, db, doing, `DELETE FROM flows WHERE flow_hash = ? AND kind = ? AND expires > ? AND browser_hash = ?
		RETURNING provider_name, user_id, connection_name, scope, verifier`, []any{s.Hash(), kind, now, browser},
		&f.target.Provider, &f.target.User, &f.target.Name, &f.target.Scope, &f.verifier)
	if found || err != nil {
		return f, err
	}
	elsewhere, err := store.Row(ctx, db, doing, `SELECT 1 FROM flows WHERE flow_hash = ? AND kind = ? AND expires > ?`,
		[]any{s.Hash(), kind, now}, new(int))
	if err != nil {
		return f, err
	}
	if elsewhere {
		return f, &Fault{Kind: ErrDenied, What: "this connection was begun in another browser"}
	}
	return f, &Fault{Kind: ErrExpired, What: "this link was used already, or is older than 10 minutes",
		Hint: "start again: `mintkeep connect -web`, or the owner's page"}
}
