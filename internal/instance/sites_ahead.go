package instance

import (
	"context"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"mintkeep/internal/config"
	"mintkeep/internal/store"
)

const (
	// closedEvery is how often a site that is not open is opened to look for kept
	// tokens that are due soon.
	closedEvery = 4 * time.Minute
	// aheadAtOnce is how many open sites, and how many others, are looked at together.
	aheadAtOnce = 16
	// lookTime is how long one site may take: a provider that hangs takes 12 s. What has
	// been sent is waited for all the same.
	lookTime = 20 * time.Second
)

// RefreshAhead refreshes the kept tokens of all sites before anybody waits for them, and
// closes sites that are idle, until ctx ends. An open site is looked at as a single one
// is; one that is not, if it has a key file, once in closedEvery. A site that is slow
// holds a place of its own; others are late only if aheadAtOnce of them are slow together.
func (s *Sites) RefreshAhead(ctx context.Context) {
	every := aheadEvery()
	if every > 0 {
		go s.refreshClosed(ctx, every)
	}
	places := make(chan struct{}, aheadAtOnce)
	for pause(ctx, max(every, time.Second)) {
		s.closeIdle(time.Now().Add(-idleLife))
		if every == 0 {
			continue
		}
		for _, host := range s.openHosts() {
			s.lookAt(ctx, places, host, func(ctx context.Context) { s.refreshOpen(ctx, host, 2*every) })
		}
	}
}

// pause waits about so long, and reports whether there is more to do.
func pause(ctx context.Context, every time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(every/2 + rand.N(every)):
		return true
	}
}

func (s *Sites) openHosts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.open))
}

// lookAt looks at one site when there is a place, unless somebody still does.
func (s *Sites) lookAt(ctx context.Context, places chan struct{}, host string, look func(context.Context)) {
	s.mu.Lock()
	busy := s.looked[host]
	s.looked[host] = true
	s.mu.Unlock()
	if busy {
		return
	}
	done := func() {
		s.mu.Lock()
		delete(s.looked, host)
		s.mu.Unlock()
	}
	select {
	case <-ctx.Done():
		done()
		return
	case places <- struct{}{}:
	}
	go func() {
		defer func() { done(); <-places }()
		ctx, cancel := context.WithTimeout(ctx, lookTime)
		defer cancel()
		look(ctx)
	}()
}

// refreshOpen looks at a site that is open, if it still is.
func (s *Sites) refreshOpen(ctx context.Context, host string, within time.Duration) {
	s.mu.Lock()
	site := s.open[host]
	if site != nil {
		site.requests++
	}
	s.mu.Unlock()
	if site != nil {
		site.refreshAhead(ctx, within)
		s.release(site)
	}
}

// refreshClosed looks at the sites that are not open, when it is their turn.
func (s *Sites) refreshClosed(ctx context.Context, every time.Duration) {
	last, places := make(map[string]time.Time), make(chan struct{}, aheadAtOnce)
	for pause(ctx, every) {
		names, err := config.Sites(s.dir)
		if err != nil {
			s.log.Warn("refreshing ahead of time", "error", err)
			continue
		}
		seen := make(map[string]bool)
		for _, host := range names {
			seen[host] = true
			if last[host].IsZero() { // not all at the first look
				last[host] = time.Now().Add(-rand.N(closedEvery))
			}
			if s.isOpen(host) || time.Since(last[host]) < closedEvery {
				continue
			}
			last[host] = time.Now()
			s.lookAt(ctx, places, host, func(ctx context.Context) { s.refreshOne(ctx, host) })
		}
		maps.DeleteFunc(last, func(host string, _ time.Time) bool { return !seen[host] })
	}
}

func (s *Sites) isOpen(host string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[host] != nil
}

// refreshOne opens a site beside those that are open, if it keeps tokens. Its faults are
// told when somebody asks it for something.
func (s *Sites) refreshOne(ctx context.Context, host string) {
	in := s.instance(host)
	c, err := in.configuration()
	if err != nil {
		return
	}
	if _, err := os.Stat(c.KeyFile); err != nil || ctx.Err() != nil {
		return
	}
	db, err := s.env.OpenDatabase(ctx, c, true, store.Never)
	if err != nil {
		return
	}
	in.db = db
	in.refreshAhead(ctx, 2*closedEvery)
	in.closeDatabase()
}
