package serve

import (
	"net"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/net/netutil"

	"mintkeep/internal/instance"
)

// bounds are what strangers can make a process that stays use.
type bounds struct {
	conns int   // at once; each may hold 64 KB of header and 64 KB of body
	heap  int64 // bytes; what is beyond is collected at once
}

func boundsOf(in Site) bounds {
	if _, many := in.(*instance.Sites); many {
		return bounds{1024, 192 << 20}
	}
	return bounds{256, 64 << 20}
}

// limit returns a listener that has no more than that many connections open. Others
// wait until one is closed.
func (b bounds) limit(l net.Listener) net.Listener { return netutil.LimitListener(l, b.conns) }

// boundMemory is for a process that stays, which must be below 128 MB whatever
// strangers send to one site. After 20,000 verifications it is 22 MB resident, 13 of them the
// program's file. What a load has left is given back.
func boundMemory(heap int64) {
	oneHeap()
	debug.SetMemoryLimit(heap)
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
