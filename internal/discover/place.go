package discover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mintkeep/internal/oauth"
)

const (
	usualPlaces = 4
	placeWait   = 2 * time.Second
)

// ErrBusy says that as many pages are being read as may be at once.
var ErrBusy = errors.New("other pages are being read at the moment")

// errTaken says that there are places, but the one for this host or for who asks is taken.
var errTaken = fmt.Errorf("%w, of the same host or for the same address", ErrBusy)

// Reserve takes a place for reading a page, before anything of it is fetched: of
// Places in this process, one for the page's host and one for whoever asks (an
// address; not counted if empty). It does not wait, and fails with ErrBusy. The place
// must be given back.
func (c *Client) Reserve(who, page string) (release func(), err error) {
	u, err := oauth.Parse(page)
	if err != nil {
		return nil, err
	}
	place := [2]string{u.Hostname(), who}
	c.mu.Lock()
	defer c.mu.Unlock()
	most := c.Places
	if most == 0 {
		most = usualPlaces
	}
	same := func(t [2]string) bool { return t[0] == place[0] || who != "" && t[1] == who }
	switch {
	case len(c.taken) >= most:
		return nil, ErrBusy
	case slices.ContainsFunc(c.taken, same):
		return nil, errTaken
	}
	c.taken = append(c.taken, place)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		i := slices.Index(c.taken, place)
		c.taken = slices.Delete(c.taken, i, i+1)
	}, nil
}

// Wait is Reserve for somebody who has signed in or has a token: it waits up to two
// seconds for a place. When the context has ended there is none.
func (c *Client) Wait(ctx context.Context, page string) (release func(), err error) {
	return c.wait(ctx, "", page, ErrBusy)
}

// WaitTurn is Reserve that waits up to two seconds if all that is in the way is a page of
// the same host, or for who asks: tabs that an app opens together come one after the other.
func (c *Client) WaitTurn(ctx context.Context, who, page string) (release func(), err error) {
	return c.wait(ctx, who, page, errTaken)
}

// wait tries Reserve for up to two seconds, as long as it fails with reason.
func (c *Client) wait(ctx context.Context, who, page string, reason error) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, placeWait)
	defer cancel()
	for err = ErrBusy; ctx.Err() == nil; {
		if release, err = c.Reserve(who, page); err == nil || !errors.Is(err, reason) {
			return release, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil, err
}
