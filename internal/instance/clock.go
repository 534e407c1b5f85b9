//go:build !testclock

package instance

import "time"

// SystemClock is the time by which the program goes.
func SystemClock() time.Time { return time.Now() }

// aheadEvery is how often a process that stays looks for kept tokens that are due soon.
func aheadEvery() time.Duration { return 30 * time.Second }
