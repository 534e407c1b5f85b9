package endpoint_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"mintkeep/endpoint/grant"
)

// A client that does not wait for the answer has its token revoked all the same,
// also if somebody else is writing just then.
func TestRevokedWithoutWaiting(t *testing.T) {
	h := newHouse(t)
	access, _ := h.login()
	raw := h.wire(`
		POST /token/revoke HTTP/1.1
		Host: {{host}}
		Content-Type: application/x-www-form-urlencoded
		Content-Length: {{length}}

		token={{form token}}`, map[string]string{"token": access})
	tx, err := openFile(t, h.file, "_busy_timeout=8000").BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", h.host)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, raw)
	time.Sleep(100 * time.Millisecond)
	c.Close()
	time.Sleep(100 * time.Millisecond)
	tx.Rollback()
	for range 50 {
		if h.verify(access).status == http.StatusUnauthorized {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Error("the token is still good")
}

// Settings apply to tokens that exist: who gets none any more has none.
func TestWhoGetsNoTokensHasNone(t *testing.T) {
	h := newHouse(t)
	access, _ := h.login()
	h.live(access)
	h.set(func(st *grant.Settings) { st.Me = []string{"https://joe.example/"} })
	h.verify(access).want(t, http.StatusUnauthorized, "invalid_token")
	h.set(func(st *grant.Settings) { st.Me = []string{jane} })
	h.live(access)
	if _, err := h.Grants.DB.Exec(`UPDATE tokens SET auth_me = rtrim(auth_me, '/')`); err != nil { // as php-mintoken writes it
		t.Fatal(err)
	}
	h.live(access)
}

// Of many first checks of a php-mintoken token at once, each is answered: the one
// that moves it to the fast hash does not make another's look false.
func TestOldTokenManyFirstChecks(t *testing.T) {
	h := newHouse(t)
	for range 30 {
		h.withOldToken(t, h.ago(day), "")
		var all sync.WaitGroup
		for i := range 6 {
			s := h.serverOn(h.Grants.DB)
			all.Go(func() {
				time.Sleep(time.Duration(i) * 400 * time.Microsecond)
				if a := direct(s, "GET", "", "Authorization", "Bearer "+oldToken); a.status != http.StatusOK {
					t.Errorf("%d %s", a.status, a.body)
				}
			})
		}
		all.Wait()
	}
}
