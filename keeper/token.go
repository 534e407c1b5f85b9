package keeper

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/oauth2"

	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/keyring"
	"mintkeep/keeper/provider"
)

// Token is a token that can be used now.
type Token struct {
	AccessToken Secret
	TokenType   string // the scheme of its Authorization header
	Kind        string
	Scope       string
	Expires     time.Time // zero if it is not known to expire
	Refreshed   bool      // by this very call
	Provider    string
}

// Token returns an access token, refreshed first if it has less than minTTL left
// (RFC 6749 section 6). A token that is still valid is never withheld: it is
// returned if it cannot be refreshed now, for whatever reason, and while another
// process does it. So minTTL is a wish, and Expires says what came. It fails with
// ErrUnknown, ErrReauthorize (only Connect helps) or ErrTemporary (try later).
func (k *Keeper) Token(ctx context.Context, user, name string, minTTL time.Duration) (Token, error) {
	return k.token(ctx, user, name, wish{fresh: func(c connectionRow, now time.Time) bool {
		return c.hasLeft(c.reachableTTL(minTTL), now) && !c.savedAhead(now)
	}})
}

// shortLife is the longest life of tokens that are due when a fifth of it is left.
const shortLife = 10 * time.Minute

// reachableTTL is minTTL, or less for tokens that live shortly, and if not even
// the last refresh gave that: else each call would refresh.
func (c connectionRow) reachableTTL(minTTL time.Duration) time.Duration {
	switch life := time.Duration(c.lifetime) * time.Second; {
	case life <= 0, life > shortLife && c.Refreshed.IsZero(): // the first may be shorter than those that follow
		return minTTL
	case life <= shortLife:
		return min(minTTL, life/5)
	case life <= minTTL+time.Second:
		return life * 3 / 4
	}
	return minTTL
}

// lifetime is how many seconds a token lives that just came; 0 if that is not known.
func lifetime(t provider.TokenResponse, now time.Time) int64 {
	if t.Expires.IsZero() {
		return 0
	}
	return max(0, int64(t.Expires.Sub(now).Round(time.Second)/time.Second))
}

// hasLeft reports whether the access token is valid for so long, and for a second
// at least.
func (c connectionRow) hasLeft(ttl time.Duration, now time.Time) bool {
	return c.access.Valid && c.rowState != StateForgetting && (c.Expires.IsZero() || c.Expires.Sub(now) >= max(ttl, time.Second))
}

// savedAhead reports whether the token was saved while the clock was ahead: its end is
// as wrong.
func (c connectionRow) savedAhead(now time.Time) bool { return c.Updated.After(now.Add(clockSlack)) }

// clockSlack is how far the clock may have been set back since without a doubt.
const clockSlack = time.Minute

// Refresh refreshes now, whatever is left, even if the provider refused the last
// time. It fails with ErrInvalid if there is no refresh token, else like Token.
func (k *Keeper) Refresh(ctx context.Context, user, name string) (Token, error) {
	first, err := k.load(ctx, k.DB, user, name)
	if err != nil {
		return Token{}, err
	}
	if !first.Refreshable {
		return Token{}, fault.Invalid(fmt.Sprintf("connection %s/%s cannot be refreshed: it has no refresh token", user, name), first.reconnect())
	}
	return k.token(ctx, user, name, wish{refresh: true, atOnce: true,
		fresh: func(c connectionRow, _ time.Time) bool { return c.generation != first.generation }})
}

// wish is what the caller of token wants.
type wish struct {
	fresh   func(connectionRow, time.Time) bool // whether what is kept will do
	refresh bool                                // the refresh itself: a token still valid does not cover up a failure
	atOnce  bool                                // although the next try is not due yet, or the provider has refused
}

// token is the one way to a token. If it is not fresh, take the lease and
// refresh. If that cannot be, return what is still valid; else wait for whoever
// has the lease, and look again.
func (k *Keeper) token(ctx context.Context, user, name string, w wish) (Token, error) {
	asked, refreshed, first := false, false, int64(0)
	deadline := time.Now().Add(k.lease() + k.client().Timeout)
	for {
		began := time.Now()
		keys, c, err := loadWithKeys(ctx, k, user, name)
		if err != nil {
			return Token{}, err
		}
		now := k.now()
		// Another process's refresh during this call is as good as our own, also
		// when the provider's tokens live shorter than minTTL.
		if first == 0 {
			first = c.generation
		}
		valid := c.hasLeft(0, now)
		if c.rowState != StateForgetting && (w.fresh(c, now) || refreshed) || c.generation != first && valid {
			return c.open(keys, refreshed)
		}
		got, err := false, c.refreshBlocked(now, asked, w.atOnce)
		if err == nil && began.After(deadline) {
			err = leaseTaken(user, name, k.lease())
		}
		if err == nil {
			got, refreshed, err = k.refreshAlone(ctx, keys, c, began, valid && !w.refresh)
			asked = asked || got
		}
		switch {
		case got && err == nil: // look what is there now
		case valid && !w.refresh:
			if fault := (*Fault)(nil); err != nil && !errors.As(err, &fault) {
				k.log().Warn("the kept token is given out as it is", "user", user, "connection", name, "err", err)
			}
			return c.open(keys, false)
		case err == nil:
			err = sleepJittered(ctx)
		}
		if err != nil {
			return Token{}, err
		}
	}
}

// loadWithKeys is load with the keys that open its values. They are read first: a rotation
// in between only adds keys.
func loadWithKeys(ctx context.Context, k *Keeper, user, name string) (*keyring.Keyring, connectionRow, error) {
	keys, err := k.Keys.Load()
	if err != nil {
		return nil, connectionRow{}, err
	}
	c, err := k.load(ctx, k.DB, user, name)
	return keys, c, err
}

// refreshBlocked is why the token cannot be refreshed now; nil if it can be tried.
func (c connectionRow) refreshBlocked(now time.Time, asked, atOnce bool) error {
	who := fmt.Sprintf("connection %s/%s", c.User, c.Name)
	switch {
	case c.rowState == StateForgetting:
		return &Fault{Kind: ErrReauthorize, What: who + " is being forgotten", Hint: c.reconnect()}
	case c.rowState == StateDead && (asked || !atOnce):
		return &Fault{Kind: ErrReauthorize, What: who + " is dead: " + c.LastError, Hint: "connect again: " + c.reconnect()}
	case !c.canRefresh():
		return &Fault{Kind: ErrReauthorize, What: who + " has expired and cannot be refreshed", Hint: "connect again: " + c.reconnect()}
	case asked && c.rowState == StateFailing, c.RetryAfter.After(now) && !atOnce:
		return &Fault{Kind: ErrTemporary, What: who + " is failing: " + c.LastError,
			Hint: "it is tried again after " + c.RetryAfter.Format(time.DateTime) + " UTC", RetryAfter: c.RetryAfter.Sub(now)}
	}
	return nil
}

// open unseals the access token.
func (c connectionRow) open(keys *keyring.Keyring, refreshed bool) (Token, error) {
	access, err := keys.Open(c.access, c.at("access_token"))
	if err != nil {
		return Token{}, err
	}
	if access == "" { // stored with a refresh token alone, which then failed
		return Token{}, &Fault{Kind: ErrReauthorize, What: fmt.Sprintf("connection %s/%s has no access token", c.User, c.Name),
			Hint: c.reconnect()}
	}
	return Token{access, provider.Scheme(c.tokenType), c.Kind, c.Scope, c.Expires, refreshed, c.Provider}, nil
}

// StoredToken is everything of a connection that the Tokens API hands out.
type StoredToken struct {
	Connection
	AccessToken, RefreshToken Secret
	TokenType                 string
	Field                     string // what the Tokens API calls the access token
	Extra                     Secret // JSON object, or ""
	NewlyRefreshed            bool
}

// StoredToken returns a connection with its secrets, refreshed first if it has
// less than a minute left. One that cannot be refreshed is returned as it is. ErrUnknown also
// if the API key does not cover it.
func (k *Keeper) StoredToken(ctx context.Context, by APIKey, user, name string) (t StoredToken, err error) {
	c, err := k.load(ctx, k.DB, user, name)
	if err := c.coveredBy(by, name, err); err != nil {
		return t, err
	}
	if c.Refreshable || c.rowState != StateOK {
		fresh, err := k.Token(ctx, user, name, time.Minute)
		if err != nil {
			return t, err
		}
		t.NewlyRefreshed = fresh.Refreshed || !fresh.Expires.Equal(c.Expires)
	}
	keys, c, err := loadWithKeys(ctx, k, user, name)
	if err := c.coveredBy(by, name, err); err != nil {
		return t, err
	}
	t.Connection, t.TokenType, t.Field = c.Connection, c.tokenType, c.tokenField
	var err1, err2, err3 error
	t.AccessToken, err1 = keys.Open(c.access, c.at("access_token"))
	t.RefreshToken, err2 = keys.Open(c.refresh, c.at("refresh_token"))
	t.Extra, err3 = keys.Open(c.extra, c.at("extra"))
	return t, errors.Join(err1, err2, err3)
}

// coveredBy turns a connection that the key does not cover into one that is not there.
func (c connectionRow) coveredBy(key APIKey, name string, err error) error {
	if errors.Is(err, ErrUnknown) || err == nil && !key.Covers(c.User, c.Provider) {
		return unknownToken(name)
	}
	return err
}

// TokenSource is a connection as golang.org/x/oauth2 wants it: every Token is a
// fresh one with at least minTTL left.
//
//	client := oauth2.NewClient(ctx, k.TokenSource(ctx, "owner", "mastodon", time.Minute))
//
// oauth2.NewClient remembers a token until it expires; use oauth2.Transport
// with this source to ask each time.
func (k *Keeper) TokenSource(ctx context.Context, user, name string, minTTL time.Duration) oauth2.TokenSource {
	return source(func() (Token, error) { return k.Token(ctx, user, name, minTTL) })
}

type source func() (Token, error)

// Token implements oauth2.TokenSource.
func (s source) Token() (*oauth2.Token, error) {
	t, err := s()
	if err != nil {
		return nil, err
	}
	return &oauth2.Token{AccessToken: string(t.AccessToken), TokenType: t.TokenType, Expiry: t.Expires}, nil
}
