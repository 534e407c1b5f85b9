//go:build !testclock

package main

import "time"

// now is the time by which the program goes.
func now() time.Time { return time.Now() }
