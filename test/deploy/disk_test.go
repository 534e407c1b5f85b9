package deploy

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"syscall"
	"testing"
	"time"

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

		if err := os.Remove(h.path("mintkeep/filler")); err != nil {
			t.Fatal(err)
		}
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
