package serve

import (
	"net"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/net/netutil"
)

const (
	maxConns  = 256      // at once; each may hold 64 KB of header and 64 KB of body
	heapLimit = 64 << 20 // bytes; what is beyond is collected at once
)

// boundMemory is for a process that stays, which must be below 128 MB whatever
// strangers send. After 20,000 verifications it is 22 MB resident, 13 of them the
// program's file. What a load has left is given back.
func boundMemory() {
	oneHeap()
	debug.SetMemoryLimit(heapLimit)
	go func() {
		before := allocated()
		for range time.Tick(15 * time.Second) {
			if now := allocated(); now > before+1<<20 { // else nothing has happened
				before = now
				debug.FreeOSMemory()
				trim()
			}
		}
	}()
}

// allocated is how many bytes the process has allocated on the heap since its start.
// (Package runtime/metrics says so, too, but costs every CGI process 0.09 ms.)
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// bound returns a listener that has no more than maxConns connections open. Others
// wait until one is closed.
func bound(l net.Listener) net.Listener { return netutil.LimitListener(l, maxConns) }
