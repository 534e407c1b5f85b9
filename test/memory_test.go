package test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mintkeep/test/wire"
)

// A database in memory is for one run of one process: everything works, nothing is
// written, and the next run knows nothing of it.
func TestMemory(t *testing.T) {
	h := newTestHost(t, released(t), "http")
	if err := h.configure("database: :memory:", "url: https://example.com"+scriptPath, "endpoint: "+h.authURL, "me: https://you.example/"); err != nil {
		t.Fatal(err)
	}
	var tokens []string
	answers := make(chan *wire.Reply, 20)
	for range cap(answers) {
		go func() {
			a, _ := h.do(redemption(h.code()))
			answers <- a
		}()
	}
	for range cap(answers) {
		if a := <-answers; a == nil || a.Status != 200 {
			t.Fatalf("redeeming: %v", a)
		} else {
			tokens = append(tokens, pairOf(a).access)
		}
	}
	for _, token := range tokens {
		if !h.verifies(t, token) {
			t.Error("a token is not good")
		}
	}
	for i := range 100 { // who goes away in the middle takes nothing along
		code, client := h.code()
		r := redemption(code, client)
		c, err := net.Dial("tcp", h.running.address)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
			scriptPath, len(r.Body), r.Body)
		time.Sleep(time.Duration(i%20) * 200 * time.Microsecond)
		c.Close()
	}
	if !h.verifies(t, tokens[0]) {
		t.Error("a token is gone")
	}
	h.stop()
	if h.verifies(t, tokens[0]) {
		t.Error("a token of another run is good")
	}
	for _, folder := range []string{".", "public_html", "mintkeep"} {
		entries, err := os.ReadDir(h.path(folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if ok, _ := filepath.Match("*memory*", e.Name()); ok || filepath.Ext(e.Name()) == ".db" || filepath.Ext(e.Name()) == ".key" {
				t.Errorf("there is a file %s", e.Name())
			}
		}
	}
}
