package deploy

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"syscall"
	"testing"
	"time"

	"mintkeep/internal/store"
	"mintkeep/keeper/keepertest"
	"mintkeep/test/tools"
)

// Each fault is tried where every request is a process and where one stays.
func eachMode(t *testing.T, test func(t *testing.T, h *host, start func())) {
	t.Run("CGI", func(t *testing.T) {
		h := newHost(t, "/auth/token.cgi")
		h.script("site/auth/token.cgi")
		test(t, h, func() { h.lighttpd(edited(t, "lighttpd-cgi.conf")) })
	})
	t.Run("serve", func(t *testing.T) {
		h := newHost(t, "/token")
		test(t, h, func() {
			h.serve(fmt.Sprintf("127.0.0.1:%d", h.port))
		})
	})
}

// mount puts a small file system where the database lies.
func (h *host) mount() {
	h.t.Helper()
	tools.Mount(h.t, h.path("mintkeep"), "1m")
	h.folder("mintkeep", 0o700)
}

// fill takes all space beside the database.
func (h *host) fill() {
	h.t.Helper()
	f, err := os.Create(h.path("mintkeep/filler"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 4096)); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			h.t.Fatal(err)
		}
	}
}

func (a answer) want503(t *testing.T, what string) {
	t.Helper()
	a.want(t, what, 503, "error", "temporarily_unavailable")
	if a.header.Get("Retry-After") == "" {
		t.Errorf("%s: no Retry-After", what)
	}
}

func TestDiskFull(t *testing.T) {
	eachMode(t, func(t *testing.T, h *host, start func()) {
		h.mount()
		start()
		first := post(t, h.base, h.code())
		first.want(t, "redeem", 200)
		token, revoke := first.text("access_token"), url.Values{"token": {first.text("access_token")}}
		refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.text("refresh_token")}, "client_id": {client}}
		other := h.redeem(t)
		secret := h.mintkeep("server", "add", "blog")
		introspect := func() answer {
			return post(t, h.base+"/introspect", url.Values{"token": {token}}, "Authorization", basicAuth("blog", secret))
		}
		code := h.code()

		h.fill()
		for range 3 { // whose last use was never written, and cannot be
			get(t, h.base, token).want(t, "verify on the full disk", 200, "me", "https://you.example/")
			introspect().want(t, "introspect on the full disk", 200, "active", "true")
			post(t, h.base, code).want503(t, "redeem on the full disk")
			post(t, h.base, refresh).want503(t, "refresh on the full disk")
			post(t, h.base+"/revoke", revoke).want503(t, "revoke on the full disk")
		}
		get(t, h.base, token).want(t, "verify what could not be revoked", 200)

		h.empty()
		post(t, h.base, code).want(t, "redeem the same code later", 200, "me", "https://you.example/")
		again := post(t, h.base, refresh)
		again.want(t, "refresh with the same token later", 200)
		get(t, h.base, again.text("access_token")).want(t, "verify the refreshed", 200)
		post(t, h.base+"/revoke", revoke).want(t, "revoke later", 200)
		get(t, h.base, again.text("access_token")).want(t, "verify the revoked", 401, "error", "invalid_token")
		introspect().want(t, "introspect the revoked", 200, "active", "false")
		get(t, h.base, other).want(t, "verify the other", 200)
	})
}

// readOnly is what holds while nothing can be written: verification answers.
func (h *host) readOnly(t *testing.T, token, secret string) {
	t.Helper()
	for range 2 {
		get(t, h.base, token).want(t, "verify", 200, "me", "https://you.example/")
		get(t, h.base, "mka_x").want(t, "verify nonsense", 401, "error", "invalid_token")
		post(t, h.base+"/introspect", url.Values{"token": {token}}, "Authorization", basicAuth("blog", secret)).
			want(t, "introspect", 200, "active", "true")
		post(t, h.base, h.code()).want503(t, "redeem")
		post(t, h.base+"/revoke", url.Values{"token": {token}}).want503(t, "revoke")
	}
}

// prepared makes a database with a living token and a resource server.
func (h *host) prepared() (token, secret string) {
	h.t.Helper()
	h.mintkeep("init", h.auth)
	return h.mintkeep("token", "mint", "-me", "https://you.example/", "-client", client, "-scope", "create"), h.mintkeep("server", "add", "blog")
}

// writableAgain: what was refused goes once the fault is mended, in a process
// that stays after ten seconds.
func (h *host) writableAgain(t *testing.T, token string) {
	t.Helper()
	for until := time.Now().Add(12 * time.Second); time.Now().Before(until); time.Sleep(time.Second) {
		if post(t, h.base, h.code()).status == 200 {
			break
		}
	}
	h.redeem(t)
	post(t, h.base+"/revoke", url.Values{"token": {token}}).want(t, "revoke later", 200)
	get(t, h.base, token).want(t, "verify the revoked", 401, "error", "invalid_token")
}

func TestDiskReadOnly(t *testing.T) {
	eachMode(t, func(t *testing.T, h *host, start func()) {
		h.mount()
		token, secret := h.prepared()
		tools.Remount(t, h.path("mintkeep"), true)
		start()
		h.readOnly(t, token, secret)
		tools.Remount(t, h.path("mintkeep"), false)
		h.writableAgain(t, token)
	})
}

func TestFilesReadOnly(t *testing.T) {
	tools.Root(t) // the files are another user's
	eachMode(t, func(t *testing.T, h *host, start func()) {
		token, secret := h.prepared()
		change := func(uid int, file, folder os.FileMode) {
			for name, mode := range map[string]os.FileMode{"mintkeep/tokens.db": file, "mintkeep": folder} {
				if err := errors.Join(os.Lchown(h.path(name), uid, uid), os.Chmod(h.path(name), mode)); err != nil {
					t.Fatal(err)
				}
			}
		}
		change(0, 0o444, 0o555)
		start()
		h.readOnly(t, token, secret)
		h.own("mintkeep/tokens.db", 0o600)
		h.own("mintkeep", 0o700)
		h.writableAgain(t, token)
	})
}

// left makes the kept token end in so many seconds.
func (h *host) left(seconds int) {
	h.t.Helper()
	db, err := store.OpenAsIs(h.path("mintkeep/tokens.db"), false)
	if err == nil {
		_, err = db.Exec(`UPDATE connections SET expires = datetime('now', ? || ' seconds'), lease_until = NULL`, seconds)
		db.Close()
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// given asks for the kept token and says how long the answer took.
func (h *host) given(t *testing.T, what, key, want string, most time.Duration) {
	t.Helper()
	start := time.Now()
	get(t, h.base+"/keep/token?name=box", key).want(t, what, 200, "access_token", want)
	if took := time.Since(start); took > most {
		t.Errorf("%s: it took %v, and may take %v", what, took, most)
	}
}

// A kept token with 200 s left is never withheld (interface.md 6): not by a full
// disk, not while another process refreshes, not after that one was killed, and by a
// site that hangs for one caller only.
func TestValidTokenNotWithheld(t *testing.T) {
	eachMode(t, func(t *testing.T, h *host, start func()) {
		h.mount()
		box, key := h.keeps()
		slow := func(d time.Duration) { box.Set(func(p *keepertest.Provider) { p.Delay = d }) }
		slow(0)
		box.Set(func(p *keepertest.Provider) { p.Lifetime = time.Hour })
		start()
		token := h.mintkeep("get", "box")

		h.left(200)
		h.fill()
		asked := box.Count("/token")
		for range 3 {
			h.given(t, "on the full disk", key, token, time.Second)
		}
		if n := box.Count("/token") - asked; n != 0 {
			t.Errorf("the site was asked %d times, and its answer could not be saved", n)
		}
		h.empty()
		h.left(-1)
		h.fill()
		get(t, h.base+"/keep/token?name=box", key).want503(t, "an expired one on the full disk")
		h.empty()
		h.left(200)

		for _, full := range []bool{false, true} { // the refresh of another process is under way
			slow(14 * time.Second) // longer than anybody waits
			asked = box.Count("/token")
			other := h.command(h.path("bin/mintkeep"), "get", "box", "-db", h.path("mintkeep/tokens.db"))
			if err := other.Start(); err != nil {
				t.Fatal(err)
			}
			for try := 0; box.Count("/token") == asked && try < 2000; try++ {
				time.Sleep(5 * time.Millisecond)
			}
			if full {
				h.fill()
			}
			what := fmt.Sprintf("full: %t, ", full)
			h.given(t, what+"while another process refreshes", key, token, time.Second)
			other.Process.Kill()
			other.Wait()
			h.given(t, what+"after that process was killed", key, token, 3*time.Second)
			h.given(t, what+"and again", key, token, time.Second)
			h.empty()
			h.left(200)
		}

		asked = box.Count("/token")
		patience := 13 * time.Second
		if t.Name() == "TestValidTokenNotWithheld/serve" {
			patience = 3 * time.Second // the refresh goes on in the process
		}
		h.given(t, "the one who meets a site that hangs", key, token, patience)
		for range 3 {
			h.given(t, "everybody else", key, token, time.Second)
		}
		h.fill()
		h.given(t, "everybody else on the full disk", key, token, time.Second)
		if n := box.Count("/token") - asked; n != 1 {
			t.Errorf("the site was asked %d times", n)
		}
	})
}

// empty gives the space back that fill took.
func (h *host) empty() {
	h.t.Helper()
	if err := os.RemoveAll(h.path("mintkeep/filler")); err != nil {
		h.t.Fatal(err)
	}
}
