package endpoint_test

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

// TestTabsOpenedTogether: an editor with three MCP servers opens three tabs at once, and a
// link may be clicked twice. Each is sent on, though the app's document is read for each.
func TestTabsOpenedTogether(t *testing.T) {
	h := newHouse(t)
	h.from("198.51.100.9:1")
	o := h.outside()
	o.HandleFunc("docs.example/c.json", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(100 * time.Millisecond)
		serve("application/json", document("/c.json", `,"redirect_uris":["http://docs.example/cb"]`))(w, r)
	})
	v := h.visitor()
	v.begin(modern()) // the probe
	start := time.Now()
	var all sync.WaitGroup
	for _, resource := range []string{"/mcp/1", "/mcp/2", "/mcp/3"} {
		all.Go(func() {
			if s := v.begin(modern("client_id", "http://docs.example/c.json", "redirect_uri", "http://docs.example/cb", "resource", h.URL+resource)); s.StatusCode != http.StatusFound {
				t.Errorf("%s: %d", resource, s.StatusCode)
			}
		})
	}
	all.Wait()
	if o.fetches.Load() != 3 || time.Since(start) < 300*time.Millisecond {
		t.Errorf("%d pages in %v: not one after the other", o.fetches.Load(), time.Since(start))
	}
}
