package test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"
)

// A gate stands before a provider's token endpoint: it counts, and it holds
// requests or answers back.
type gate struct {
	*httptest.Server
	issuer   string // of the provider behind it
	mu       sync.Mutex
	counts   map[string]int
	delay    time.Duration
	hold     string        // "request" or "answer": what is held back
	reached  chan struct{} // told when something is held back
	answered chan struct{} // told when an answer has been handed over
}

func newGate(t testing.TB, provider string) *gate {
	t.Helper()
	to, err := url.Parse(provider)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{issuer: provider, counts: make(map[string]int), reached: make(chan struct{}, 100), answered: make(chan struct{}, 1000)}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = to.Host }}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		g.mu.Lock()
		g.counts[form.Get("grant_type")]++
		delay, hold := g.delay, g.hold
		g.mu.Unlock()
		time.Sleep(delay)
		if hold == "request" {
			g.reached <- struct{}{}
			<-r.Context().Done()
			return
		}
		// The provider's work is done even if the caller is killed meanwhile.
		again := r.Clone(context.WithoutCancel(r.Context()))
		again.Body = io.NopCloser(bytes.NewReader(body))
		got := httptest.NewRecorder()
		proxy.ServeHTTP(got, again)
		if hold == "answer" {
			g.reached <- struct{}{}
			<-r.Context().Done()
			return
		}
		for name, values := range got.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(got.Code)
		_, _ = w.Write(got.Body.Bytes())
		_ = http.NewResponseController(w).Flush()
		g.answered <- struct{}{}
	}))
	t.Cleanup(g.Close)
	return g
}

func (g *gate) count(grant string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.counts[grant]
}

func (g *gate) set(hold string, delay time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hold, g.delay = hold, delay
}
