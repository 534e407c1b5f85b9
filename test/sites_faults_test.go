package test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mintkeep/test/tools"
	"mintkeep/test/wire"
)

// A fault in one site is a 503 there, and nothing to the others; mended, it answers again.
func TestSitesFaults(t *testing.T) {
	f := newFleet(t)
	good, bad := f.site("good.example"), f.site("bad.example")
	f.start("serve")
	conf := f.file("bad.example", "mintkeep.conf")
	for _, fault := range []struct{ name, old, text string }{
		{"a key that there is not", "database:", "datbase:"},
		{"another site's database", "tokens.db", "../good.example/tokens.db"},
		{"another site's url", "https://bad.example/", "https://good.example/"},
		{"another site's database for an error log", "database:", "errorlog: ../good.example/tokens.db\ndatabase:"},
		{"no url", "url: https://bad.example/token", ""},
		{"a database that is missing", "tokens.db", "token.db"},
	} {
		t.Run(fault.name, func(t *testing.T) {
			f.is(200, "bad.example", bad)
			text, err := os.ReadFile(conf)
			if err != nil {
				t.Fatal(err)
			}
			rewrite(t, conf, fault.old, fault.text)
			f.is(503, "bad.example", bad)
			f.is(200, "good.example", good)
			if err := os.WriteFile(conf, text, 0o600); err != nil {
				t.Fatal(err)
			}
			f.is(200, "bad.example", bad)
		})
	}
	if b, err := os.ReadFile(f.file("good.example", "tokens.db")); err != nil || bytes.Contains(b, []byte("level=ERROR")) {
		t.Errorf("one site wrote into another's file: %v", err)
	}
	if log := f.log(); !strings.Contains(log, "level=ERROR msg=\"not ready\" site=bad.example") || strings.Contains(log, "level=ERROR msg=\"not ready\" site=good.example") {
		t.Errorf("the log does not say which site has a fault: %s", log)
	}
	t.Run("slow senders", func(t *testing.T) {
		for range 2 * requestsOfSite {
			c, err := net.Dial("tcp", f.address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprintf(c, "POST /token HTTP/1.1\r\nHost: bad.example\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ng")
		}
		time.Sleep(100 * time.Millisecond)
		f.is(200, "bad.example", bad)
	})
	t.Run("locked", func(t *testing.T) {
		tools.Long(t)
		db := openDatabase(t, f.file("bad.example", "tokens.db"))
		db.SetMaxOpenConns(1)
		if _, err := db.Exec(`BEGIN EXCLUSIVE`); err != nil {
			t.Fatal(err)
		}
		done := make(chan int, 2*requestsOfSite)
		for range cap(done) {
			go func() { done <- f.verify("bad.example", bad) }()
		}
		f.is(200, "good.example", good) // while the others wait
		for range cap(done) {
			if got := <-done; got != http.StatusServiceUnavailable {
				t.Errorf("at the locked one: %d", got)
			}
		}
		if _, err := db.Exec(`ROLLBACK`); err != nil {
			t.Fatal(err)
		}
		f.is(200, "bad.example", bad)
	})
}

// requestsOfSite is how many requests of one site are answered at once.
const requestsOfSite = 16

// A full disk below one site is told there alone.
func TestSitesFullDisk(t *testing.T) {
	f := newFleet(t)
	good := f.site("good.example")
	if err := os.Mkdir(filepath.Join(f.dir, "full.example"), 0o700); err != nil {
		t.Fatal(err)
	}
	tools.Mount(t, filepath.Join(f.dir, "full.example"), "1m")
	full := f.site("full.example")
	f.start("serve")
	f.is(200, "full.example", full)
	var filler []byte
	for size := 1 << 20; size >= 512; size /= 2 {
		filler = make([]byte, size)
		for n := 0; os.WriteFile(f.file("full.example", fmt.Sprintf("filler-%d-%d", size, n)), filler, 0o600) == nil; n++ {
		}
	}
	revoke := func(host, token string) int {
		return f.ask(host, &wire.Request{Method: "POST", Target: "/token/revoke", Body: "token=" + token,
			Header: [][2]string{{"Content-Type", "application/x-www-form-urlencoded"}}}).Status
	}
	if got := revoke("full.example", full); got != http.StatusServiceUnavailable {
		t.Errorf("revoking on a full disk: %d", got)
	}
	f.is(200, "full.example", full) // reading goes on
	if got := revoke("good.example", good); got != http.StatusOK {
		t.Errorf("revoking elsewhere: %d", got)
	}
	f.is(401, "good.example", good)
}

// As many sites stay open as the limit of open files allows, and it is said how many.
func TestSitesOpenFiles(t *testing.T) {
	f := newFleet(t)
	var tokens []string
	hosts := []string{"a.example", "b.example", "c.example"}
	for _, host := range hosts {
		tokens = append(tokens, f.site(host))
	}
	limited := filepath.Join(t.TempDir(), "limited")
	if err := writeExecutable(limited, "#!/bin/sh\nulimit -n 1112\nexec '"+f.bin+"' \"$@\"\n"); err != nil {
		t.Fatal(err)
	}
	f.bin = limited
	f.start("serve", "-max-open", "500")
	if log := f.log(); !strings.Contains(log, `level=WARN`) || !strings.Contains(log, `"open files"=1112 sites=2`) {
		t.Errorf("not told: %s", log)
	}
	for range 3 {
		for i, host := range hosts {
			f.is(200, host, tokens[i])
		}
	}
}
