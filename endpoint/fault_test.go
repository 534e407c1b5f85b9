package endpoint_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"mintkeep/endpoint/grant"
)

// Faults of ours are never told as the client's.

func (h *house) logged() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.String()
}

// TestFaultsOfOurs are never called an invalid token or a bad grant.
func TestFaultsOfOurs(t *testing.T) {
	h := newHouse(t)
	access, refresh := h.login()
	good := h.Grants.Settings
	h.Grants.Settings = func(context.Context) (*grant.Settings, error) {
		return nil, errors.New("two rows of idle_lifetime: 1d, 2d")
	}
	for _, a := range []answer{h.verify(access), h.redeem(h.code()), h.refresh(refresh)} {
		if a.want(t, http.StatusInternalServerError, "server_error"); strings.Contains(a.body, "idle_lifetime") {
			t.Error("the cause is told to strangers:", a.body)
		}
	}
	if !strings.Contains(h.logged(), "idle_lifetime") {
		t.Error("the cause is not in the log")
	}
	h.Grants.Settings = good
	h.live(access)
}

// TestReadOnly: a disk that cannot be written fails no verification, and
// everything else with 503.
func TestReadOnly(t *testing.T) {
	h := newHouse(t)
	access, refresh := h.login()
	s := h.serverOn(openFile(t, h.file, "mode=ro&_busy_timeout=100"))
	direct(s, "GET", "", "Authorization", "Bearer "+access).want(t, http.StatusOK, "")
	direct(s, "GET", "", "Authorization", "Bearer "+mangle(access)).want(t, http.StatusUnauthorized, "invalid_token")
	direct(s, "POST", "token="+access, "Authorization", "Bearer "+access).want(t, http.StatusOK, "")
	code := h.code()
	for _, body := range []string{h.wireBody(code), "grant_type=refresh_token&refresh_token=" + refresh, "action=revoke&token=" + access, "action=revoke&token=" + refresh} {
		direct(s, "POST", body).want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	}
	h.live(access)
	h.redeem(code).want(t, http.StatusOK, "")
	h.refresh(refresh).want(t, http.StatusOK, "")
}

// TestBusy: while another process writes, verifications go on, and do not wait long.
func TestBusy(t *testing.T) {
	h := newHouse(t)
	access, _ := h.login()
	s := h.serverOn(openFile(t, h.file, "_busy_timeout=200"))
	tx, err := h.Grants.DB.Begin()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	direct(s, "GET", "", "Authorization", "Bearer "+access).want(t, http.StatusOK, "")
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("a verification took %v", d)
	}
	code := h.code()
	direct(s, "POST", h.wireBody(code)).want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	direct(s, "POST", "action=revoke&token="+access).want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	h.live(access)
	h.redeem(code).want(t, http.StatusOK, "")
}

// TestPatience: the short patience of a verification is not left behind for
// those who write on the same connection.
func TestPatience(t *testing.T) {
	h := newHouse(t)
	access, _ := h.login()
	db := openFile(t, h.file, "_busy_timeout=8000")
	db.SetMaxOpenConns(1)
	s := h.serverOn(db)
	direct(s, "GET", "", "Authorization", "Bearer "+access).want(t, http.StatusOK, "")
	tx, err := h.Grants.DB.Begin()
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(500*time.Millisecond, func() { tx.Rollback() })
	direct(s, "POST", h.wireBody(h.code())).want(t, http.StatusOK, "")
}
