//go:build testclock

package instance

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// SystemClock is the time by which the program goes, ahead of the real one by the
// seconds in the file that MINTKEEP_TEST_CLOCK names. No release is built with
// this tag. The file is read anew each time, so that a test can move the clock of
// a running process.
func SystemClock() time.Time {
	text, _ := os.ReadFile(os.Getenv("MINTKEEP_TEST_CLOCK"))
	ahead, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return time.Now().Add(time.Duration(ahead) * time.Second)
}

// aheadEvery is 0, never, unless MINTKEEP_TEST_AHEAD says otherwise: a test that counts
// refreshes wants those alone that it asks for.
func aheadEvery() time.Duration {
	every, _ := time.ParseDuration(os.Getenv("MINTKEEP_TEST_AHEAD"))
	return every
}
