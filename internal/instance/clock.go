//go:build !testclock

package instance

import "time"

// SystemClock is the time by which the program goes.
func SystemClock() time.Time { return time.Now() }
