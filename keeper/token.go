package keeper

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/oauth2"

	"mintkeep/internal/store"
	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/keyring"
)

// Token is a token that can be used now.
type Token struct {
	AccessToken Secret
	TokenType   string
	Kind        string
	Scope       string
	Expires     time.Time // zero if it is not known to expire
	Refreshed   bool      // by this very call
	Provider    string
}

// Token is an access token with at least minTTL left, refreshed first if it
// has less (RFC 6749 section 6). Where a refreshed token did not live so long
// either, three quarters of its life will do. If that fails while the kept one is still
// valid, the kept one is returned. Errors: ErrUnknown, ErrReauthorize (connect again),
// ErrTemporary (later).
func (k *Keeper) Token(ctx context.Context, user, name string, minTTL time.Duration) (Token, error) {
	return k.token(ctx, user, name, func(c kept, now time.Time) bool {
		return c.Expires.IsZero() || c.Expires.Sub(now) >= max(c.atMost(minTTL), time.Second)
	}, false)
}

// atMost is minTTL, or less if not even the last refresh gave that: else each call
// would refresh.
func (c kept) atMost(minTTL time.Duration) time.Duration {
	if life := c.Expires.Sub(c.Refreshed); !c.Refreshed.IsZero() && life > 0 && life <= minTTL+time.Second {
		return life * 3 / 4
	}
	return minTTL
}

// Refresh refreshes now, whatever is left.
func (k *Keeper) Refresh(ctx context.Context, user, name string) (Token, error) {
	first, err := k.load(ctx, k.DB, user, name)
	if err != nil {
		return Token{}, err
	}
	if !first.Refreshable {
		return Token{}, fault.Invalid(fmt.Sprintf("connection %s/%s cannot be refreshed: it has no refresh token", user, name), first.reconnect())
	}
	return k.token(ctx, user, name, func(c kept, _ time.Time) bool { return c.generation != first.generation }, true)
}

// token is the one way to a token: fresh? else take the lease and refresh, or
// wait for whoever has it, and look again. force means that the caller wants
// the refresh itself, so a failure is not covered up by a token still valid.
func (k *Keeper) token(ctx context.Context, user, name string, fresh func(kept, time.Time) bool, force bool) (Token, error) {
	asked, refreshed, first := false, false, int64(0)
	deadline := time.Now().Add(k.lease() + k.timeout())
	for {
		began := time.Now()
		r, err := k.Keys.Load() // before the row is read: a rotation in between only adds keys
		if err != nil {
			return Token{}, err
		}
		c, err := k.load(ctx, k.DB, user, name)
		if err != nil {
			return Token{}, err
		}
		now := k.now()
		// Another process's refresh during this call is as good as our own, also
		// when the provider's tokens live shorter than minTTL.
		if first == 0 {
			first = c.generation
		}
		renewed := c.generation != first && (c.Expires.IsZero() || c.Expires.After(now))
		if c.rowState != StateForgetting && (fresh(c, now) || renewed || refreshed) {
			return k.unseal(r, c, refreshed)
		}
		fault := k.obstacle(c, now, asked, force)
		if fault == nil && time.Now().After(deadline) {
			fault = &Fault{Kind: ErrTemporary, What: fmt.Sprintf("connection %s/%s: another process is still refreshing it", user, name), RetryAfter: k.lease()}
		}
		if fault != nil {
			if !force && c.rowState != StateForgetting && c.Expires.After(now) {
				return k.unseal(r, c, refreshed)
			}
			return Token{}, fault
		}
		got, err := k.takeLease(ctx, c, now)
		if err != nil {
			return Token{}, err
		}
		if !got {
			if err := pause(ctx); err != nil {
				return Token{}, err
			}
			continue
		}
		asked = true
		if refreshed, err = k.renew(ctx, r, c, began.Add(k.leaseUse())); err != nil {
			return Token{}, err
		}
	}
}

// obstacle is why the token cannot be refreshed now; nil if it can be tried.
func (k *Keeper) obstacle(c kept, now time.Time, asked, force bool) error {
	who := fmt.Sprintf("connection %s/%s", c.User, c.Name)
	switch {
	case c.rowState == StateForgetting:
		return &Fault{Kind: ErrReauthorize, What: who + " is being forgotten", Hint: c.reconnect()}
	case c.rowState == StateDead:
		return &Fault{Kind: ErrReauthorize, What: who + " is dead: " + c.LastError, Hint: "connect again: " + c.reconnect()}
	case !c.canRefresh():
		return &Fault{Kind: ErrReauthorize, What: who + " has expired and cannot be refreshed", Hint: "connect again: " + c.reconnect()}
	case asked && c.rowState == StateFailing, c.RetryAfter.After(now) && !force:
		return &Fault{Kind: ErrTemporary, What: who + " is failing: " + c.LastError,
			Hint: "it is tried again after " + c.RetryAfter.Format(time.DateTime) + " UTC", RetryAfter: c.RetryAfter.Sub(now)}
	}
	return nil
}

func (k *Keeper) unseal(r *keyring.Keyring, c kept, refreshed bool) (Token, error) {
	access, err := r.Open(c.access, c.at("access_token"))
	if err != nil {
		return Token{}, err
	}
	if access == "" { // stored with a refresh token alone, which then failed
		return Token{}, &Fault{Kind: ErrReauthorize, What: fmt.Sprintf("connection %s/%s has no access token", c.User, c.Name), Hint: c.reconnect()}
	}
	return Token{access, c.tokenType, c.Kind, c.Scope, c.Expires, refreshed, c.Provider}, nil
}

// takeLease makes this process the one that may ask the provider. It fails if
// somebody else is, or has been since c was read. A lease longer than any that is
// given was taken while the clock was wrong.
func (k *Keeper) takeLease(ctx context.Context, c kept, now time.Time) (bool, error) {
	if c.leaseUntil.After(now) && !c.leaseUntil.After(now.Add(k.lease())) {
		return false, nil // no write is needed to know that
	}
	res, err := k.DB.ExecContext(ctx, `UPDATE connections SET lease_until = ?
		WHERE connection_id = ? AND generation = ? AND state = ? AND failures = ? AND (lease_until IS NULL OR lease_until <= ? OR lease_until > ?)`,
		store.NullTime(now.Add(k.lease())), c.ID, c.generation, c.rowState, c.Failures, store.Time(now), store.NullTime(now.Add(k.lease())))
	if err != nil {
		return false, fmt.Errorf("taking the lease of connection %s/%s: %w", c.User, c.Name, err)
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

// pause waits a moment, never quite as long as anybody else.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return &Fault{Kind: ErrTemporary, What: "waiting for another process to refresh", Err: ctx.Err()}
	case <-time.After(50*time.Millisecond + rand.N(150*time.Millisecond)):
		return nil
	}
}

// TokenSource is a connection as golang.org/x/oauth2 wants it: every Token is a
// fresh one with at least minTTL left.
//
//	client := oauth2.NewClient(ctx, k.TokenSource(ctx, "owner", "mastodon", time.Minute))
//
// oauth2.NewClient remembers a token until it expires; use oauth2.Transport
// with this source to ask each time.
func (k *Keeper) TokenSource(ctx context.Context, user, name string, minTTL time.Duration) oauth2.TokenSource {
	return source{func() (Token, error) { return k.Token(ctx, user, name, minTTL) }}
}

type source struct{ token func() (Token, error) }

// Token implements oauth2.TokenSource.
func (s source) Token() (*oauth2.Token, error) {
	t, err := s.token()
	if err != nil {
		return nil, err
	}
	return &oauth2.Token{AccessToken: string(t.AccessToken), TokenType: t.TokenType, Expiry: t.Expires}, nil
}
