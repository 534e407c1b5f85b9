package discover

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A page of sixteen times the size costs about sixteen times as much, and not the
// square of that, however it is made: whoever names a client_id chooses what we read.
func TestHostilePagesCostLittle(t *testing.T) {
	many := func(n int, each func(int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(each(i))
		}
		return b.String()
	}
	for name, page := range map[string]func(n int) (body, link string){
		"attributes": func(n int) (string, string) {
			return "<p " + many(n, func(i int) string { return fmt.Sprint("a", i, " ") }) + ">", ""
		},
		"links": func(n int) (string, string) {
			return many(n, func(i int) string { return fmt.Sprint("<a rel=redirect_uri href=", i, ">") }), ""
		},
		"names": func(n int) (string, string) {
			return "<div class=h-app><div class='" + strings.Repeat("p-name ", n) + "'>" + strings.Repeat("<br>", n), ""
		},
		"words": func(n int) (string, string) {
			return "<a href=/" + strings.Repeat("x", n) + " rel='" + strings.Repeat("me ", n) + "'>", ""
		},
		"base": func(n int) (string, string) {
			return "<base href=/" + strings.Repeat("x", 10*n) + "/>" + many(n, func(i int) string { return fmt.Sprint("<a rel=me class='h-app u-url' href=", i, "></a>") }), ""
		},
		"nesting":     func(n int) (string, string) { return strings.Repeat("<div class=h-app><b class=p-name>", n), "" },
		"open header": func(n int) (string, string) { return "", strings.Repeat("<,", n) },
		"header": func(n int) (string, string) {
			return "", many(n, func(i int) string { return fmt.Sprint("<", i, ">;rel=redirect_uri,") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			small, large := readingCost(page, 5_000), readingCost(page, 80_000)
			if large > 80*small {
				t.Errorf("sixteen times the page takes %.0f times as long", float64(large)/float64(small))
			}
		})
	}
}

// readingCost is the processor time of this thread alone that reading a page takes
// at best, so that whatever else the machine does has no part in it.
func readingCost(page func(n int) (body, link string), n int) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	base, _ := url.Parse("https://evil.example/")
	body, link := page(n)
	best := time.Duration(1 << 62)
	for range 3 {
		p := &Page{URL: base, Header: http.Header{"Link": {link}}, Body: []byte(body)}
		start := threadTime()
		p.app()
		best = min(best, threadTime()-start)
	}
	return max(best, tick)
}

// tick is how finely the kernel counts a thread's time, at worst.
const tick = 10 * time.Millisecond

func threadTime() time.Duration {
	var use syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_THREAD, &use)
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
