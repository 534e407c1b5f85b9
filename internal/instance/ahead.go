package instance

import (
	"context"
	"math/rand/v2"
	"time"
)

// RefreshAhead refreshes kept tokens before anybody waits for them, until ctx ends. Every
// process that stays does it; which of them refreshes is decided by the lease, and by
// chance: they do not look at the same moment.
func (s *Instance) RefreshAhead(ctx context.Context) {
	every := aheadEvery()
	for every > 0 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(every/2 + rand.N(every)):
		}
		s.refreshAhead(ctx, 2*every)
	}
}

// refreshAhead refreshes what somebody would wait for within the next so much time.
func (s *Instance) refreshAhead(ctx context.Context, within time.Duration) {
	s.mu.Lock()
	db, c := s.db, s.config
	s.mu.Unlock()
	if db == nil {
		return // no request has opened it yet
	}
	if err := s.keeper(c, db).RefreshAhead(ctx, within); err != nil && ctx.Err() == nil {
		s.log.Warn("refreshing ahead of time", "error", err)
	}
}
