package instance

import (
	"context"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"mintkeep/internal/config"
	"mintkeep/internal/store"
)

const (
	// closedEvery is how often a site that is not open is opened to look for kept
	// tokens that are due soon.
	closedEvery = 4 * time.Minute
	// aheadAtOnce is how many sites are looked at once: a provider may take 12 s.
	aheadAtOnce = 4
)

// RefreshAhead refreshes the kept tokens of all sites before anybody waits for them, and
// closes sites that are idle, until ctx ends. An open site is looked at as a single one
// is; one that is not, if it has a key file, once in closedEvery.
func (s *Sites) RefreshAhead(ctx context.Context) {
	every, lastLook := aheadEvery(), make(map[string]time.Time)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(every, time.Second)/2 + rand.N(max(every, time.Second))):
		}
		s.closeIdle(time.Now().Add(-idleLife))
		if every > 0 {
			s.refreshOpen(ctx, 2*every)
			s.refreshClosed(ctx, lastLook)
		}
	}
}

// refreshOpen looks at the sites that are open.
func (s *Sites) refreshOpen(ctx context.Context, within time.Duration) {
	s.mu.Lock()
	var all []*openSite
	for _, site := range s.open {
		site.requests++
		all = append(all, site)
	}
	s.mu.Unlock()
	atOnce(all, func(site *openSite) {
		site.refreshAhead(ctx, within)
		s.release(site)
	})
}

// refreshClosed looks at the sites that are not open and whose turn it is.
func (s *Sites) refreshClosed(ctx context.Context, lastLook map[string]time.Time) {
	names, err := config.Sites(s.dir)
	if err != nil {
		s.log.Warn("refreshing ahead of time", "error", err)
		return
	}
	now, seen := time.Now(), make(map[string]bool)
	var due []string
	for _, host := range names {
		seen[host] = true
		last, known := lastLook[host]
		if !known { // not all at the first look
			last = now.Add(-rand.N(closedEvery))
			lastLook[host] = last
		}
		if s.isOpen(host) || now.Sub(last) < closedEvery {
			continue
		}
		lastLook[host] = now
		due = append(due, host)
	}
	for host := range lastLook {
		if !seen[host] {
			delete(lastLook, host)
		}
	}
	atOnce(due, func(host string) { s.refreshOne(ctx, host) })
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

// atOnce calls do for each of all, aheadAtOnce of them at a time.
func atOnce[T any](all []T, do func(T)) {
	var group sync.WaitGroup
	places := make(chan struct{}, aheadAtOnce)
	for _, v := range all {
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			do(v)
		})
	}
	group.Wait()
}
