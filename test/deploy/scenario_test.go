package deploy

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	client   = "https://app.example/"
	redirect = "https://app.example/callback/"
	line     = `SetEnvIf Authorization "(.+)" HTTP_AUTHORIZATION=$1` // the remedy under Apache
)

// An answer is what came back through the server.
type answer struct {
	status int
	header http.Header
	body   string
	json   map[string]any
}

func (a answer) text(name string) string { s, _ := a.json[name].(string); return s }

var browser = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}

// send sends a request; a form is posted, chunked if asked for.
func send(t *testing.T, address string, form url.Values, chunked bool, header ...string) answer {
	t.Helper()
	method, body := "GET", io.Reader(nil)
	if form != nil {
		method, body = "POST", strings.NewReader(form.Encode())
		if chunked {
			body = slowly(form.Encode())
		}
	}
	r, err := http.NewRequest(method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(b)}
	json.Unmarshal(b, &a.json)
	return a
}

// slowly is a body of unknown length whose second half comes later: a server
// that does not wait for it has no length to give either.
func slowly(text string) io.Reader {
	r, w := io.Pipe()
	go func() {
		io.WriteString(w, text[:len(text)/2])
		time.Sleep(300 * time.Millisecond)
		io.WriteString(w, text[len(text)/2:])
		w.Close()
	}()
	return r
}

func get(t *testing.T, address, token string) answer {
	t.Helper()
	if token == "" {
		return send(t, address, nil, false)
	}
	return send(t, address, nil, false, "Authorization", "Bearer "+token)
}

func post(t *testing.T, address string, form url.Values, header ...string) answer {
	t.Helper()
	return send(t, address, form, false, header...)
}

func (a answer) want(t *testing.T, what string, status int, members ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s: got %d, want %d: %s", what, a.status, status, a.body)
	}
	for i := 0; i < len(members); i += 2 {
		if got := fmt.Sprint(a.json[members[i]]); got != members[i+1] {
			t.Errorf("%s: %s is %s, want %s: %s", what, members[i], got, members[i+1], a.body)
		}
	}
}

// code is the form that redeems a fresh code. Selfauth's codes differ only by the
// second, so each has a redirect_uri of its own.
func (h *host) code() url.Values {
	to := fmt.Sprint(redirect, h.codes.Add(1))
	return url.Values{"grant_type": {"authorization_code"}, "client_id": {client}, "redirect_uri": {to},
		"code": {h.self.Code(client, to, "create update")}}
}

// redeem gets a token through the server.
func (h *host) redeem(t *testing.T) string {
	t.Helper()
	a := post(t, h.base, h.code())
	a.want(t, "redeem", 200, "token_type", "Bearer", "me", "https://you.example/", "scope", "create update")
	if !strings.HasPrefix(a.text("access_token"), "mka_") {
		t.Fatal("no token, so no more to test")
	}
	return a.text("access_token")
}

// scenario is what every way of running must do. It returns a living token.
func (h *host) scenario(t *testing.T) string {
	t.Helper()
	send(t, h.base, nil, false, "Accept", "text/html").want(t, "page", 200)
	token := h.redeem(t)
	verified := get(t, h.base, token)
	verified.want(t, "verify", 200, "me", "https://you.example/", "client_id", client, "scope", "create update")
	if c := verified.header.Get("Cache-Control"); c != "no-store" {
		t.Errorf("verify: Cache-Control %q", c)
	}
	get(t, h.base, "mka_nonsense").want(t, "verify nonsense", 401, "error", "invalid_token")
	none := get(t, h.base, "")
	none.want(t, "verify without header", 401)
	if none.header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("verify without header: WWW-Authenticate %q", none.header.Get("WWW-Authenticate"))
	}
	wrong := h.code()
	wrong.Set("redirect_uri", "https://app.example/other")
	post(t, h.base, wrong).want(t, "redeem with another redirect_uri", 400, "error", "invalid_grant")

	chunked := send(t, h.base, h.code(), true)
	chunked.want(t, "chunked redeem", 200, "me", "https://you.example/")
	second := chunked.text("access_token")
	h.arguments(t, token)
	h.unread(t, token)
	if h.old != "" {
		get(t, h.old, token).want(t, "verify at php-mintoken's address", 200, "me", "https://you.example/")
		post(t, h.old, h.code()).want(t, "redeem at php-mintoken's address", 200, "me", "https://you.example/")
	}
	secret := h.mintkeep("server", "add", "blog")
	introspect := func(what, token, active string) {
		t.Helper()
		r := func(header ...string) answer {
			return post(t, h.base+"/introspect", url.Values{"token": {token}}, header...)
		}
		r("Authorization", "Bearer "+secret).want(t, what+" with a bearer", 200, "active", active)
		r("Authorization", basicAuth("blog", secret)).want(t, what+" with Basic", 200, "active", active)
		r().want(t, what+" without credentials", 401, "error", "invalid_client")
	}
	introspect("introspect", second, "true")
	post(t, h.base+"/revoke", url.Values{"token": {second}}).want(t, "revoke", 200)
	get(t, h.base, second).want(t, "verify the revoked", 401, "error", "invalid_token")
	introspect("introspect the revoked", second, "false")
	get(t, h.base+"/metadata", "").want(t, "metadata", 200)
	get(t, h.base, token).want(t, "verify the other", 200)
	return token
}

// unread: a program that leaves a part of the body where it is must not take the
// answer with it. Apache's mod_cgid has one socket for both.
func (h *host) unread(t *testing.T, token string) {
	t.Helper()
	for _, size := range []int{5 << 10, 100 << 10} {
		for _, c := range []struct {
			method, below string
			status        int
		}{{"POST", "", 413}, {"GET", "", 200}, {"PUT", "", 405}, {"POST", "/nowhere", 404}} {
			if c.status == 413 && size < 64<<10 {
				continue
			}
			r, err := http.NewRequest(c.method, h.base+c.below, strings.NewReader(strings.Repeat("x", size)))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Accept", "application/json")
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			resp, err := browser.Do(r)
			if err != nil {
				t.Errorf("%s %s with %d bytes: %v", c.method, c.below, size, err)
				continue
			}
			b, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if c.method == "GET" && resp.StatusCode == 400 && strings.HasPrefix(resp.Header.Get("Server"), "lighttpd") {
				continue // it passes no such request on
			}
			if err != nil || resp.StatusCode != c.status || !json.Valid(b) {
				t.Errorf("%s %s with %d bytes: %d %q, %v; want %d", c.method, c.below, size, resp.StatusCode, b, err, c.status)
			}
		}
	}
}

func basicAuth(name, secret string) string {
	r := http.Request{Header: make(http.Header)}
	r.SetBasicAuth(name, secret)
	return r.Header.Get("Authorization")
}

// arguments: a query without "=" becomes the arguments of a CGI program under
// Apache. They must have no effect.
func (h *host) arguments(t *testing.T, token string) {
	t.Helper()
	for _, q := range []string{"serve+-listen+127.0.0.1:1", "-h", "version", "cgi+/etc/passwd", "init+-db+" + h.path("mintkeep/evil.db"), h.path("bin/mintkeep")} {
		get(t, h.base+"?"+q, token).want(t, "verify with the query "+q, 200, "me", "https://you.example/")
	}
	if _, err := os.Stat(h.path("mintkeep/evil.db")); err == nil {
		t.Error("a query made a database")
	}
}

// verifications is how many requests a server gets under load: enough to see a
// ratio where every test counts, and elsewhere to see that none fails.
func verifications() int64 {
	if os.Getenv("CI") == "true" {
		return 2000
	}
	return 400
}

// load measures verifications, 8 at a time, none of which may fail, and beside
// them the hello program under the same server.
func (h *host) load(t *testing.T, token, helloURL string) {
	t.Helper()
	n := verifications()
	ours := hammer(t, h.base, token, n)
	memory := h.memory(token)
	hellos := hammer(t, helloURL, "", n)
	t.Logf("%d verifications, none failed: %.0f/s; hello %.0f/s; ratio %.2f; %s", n, ours, hellos, ours/hellos, memory)
}

// hammer sends n requests, 8 at a time, and returns how many a second were answered.
func hammer(t *testing.T, address, token string, n int64) float64 {
	t.Helper()
	get(t, address, token).want(t, address, 200)
	var left, failed atomic.Int64
	left.Store(n)
	var all sync.WaitGroup
	start := time.Now()
	for range 8 {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if err := try(address, token); err != nil && failed.Add(1) <= 3 {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := failed.Load(); n > 0 {
		t.Errorf("%s: %d requests failed", address, n)
	}
	return float64(n) / time.Since(start).Seconds()
}

func try(address, token string) error {
	r, err := http.NewRequest("GET", address, nil)
	if err != nil {
		return err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := browser.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != 200, token == "" && string(b) != "hello\n", token != "" && !strings.Contains(string(b), `"me":"https://you.example/"`):
		return fmt.Errorf("%s: %d %s", address, resp.StatusCode, b)
	}
	return nil
}
