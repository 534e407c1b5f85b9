package discover

import (
	"context"
	"errors"
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
	if len(c.taken) >= most || slices.ContainsFunc(c.taken, same) {
		return nil, ErrBusy
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
	ctx, cancel := context.WithTimeout(ctx, placeWait)
	defer cancel()
	for err = ErrBusy; ctx.Err() == nil; {
		if release, err = c.Reserve("", page); err == nil || !errors.Is(err, ErrBusy) {
			return release, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil, err
}
