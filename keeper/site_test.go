package keeper_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"mintkeep/keeper"
)

// A refresh token that the site refuses in its own form is dead at once, and over
// HTTP "connect again"; what the site cannot do for now is 503.
func TestD3RefusedInTheSitesOwnForm(t *testing.T) {
	for body, status := range map[string]int{
		`{"errors":[{"errorType":"invalid_grant","message":"Refresh token invalid"}],"success":false}`: http.StatusConflict,
		`{"status":400,"message":"Invalid refresh token"}`:                                             http.StatusConflict,
		`{"message":"Bad Request","error":400}`:                                                        http.StatusConflict,
		`{"status":"BAD_REFRESH_TOKEN","message":"missing or invalid refresh token"}`:                  http.StatusConflict,
		`{"error":{"message":"Session has expired","code":190}}`:                                       http.StatusConflict,
		`{"status":"BAD_CLIENT_ID","message":"missing or unknown client id"}`:                          http.StatusServiceUnavailable,
		`{"message":"please slow down"}`:                                                               http.StatusServiceUnavailable,
		`<html>Bad Request</html>`:                                                                     http.StatusServiceUnavailable,
	} {
		h := newHouse(t)
		h.provider()
		h.connect()
		key := h.key(keeper.APIKey{Name: "k"})
		h.clock.pass(2 * time.Hour)
		h.box.Fail("/token", 1, 400, body)
		equal(t, body, h.do(key, "GET", "keep/token?provider=box", "").Code, status)
		equal(t, body+" asked", h.box.Count("/token"), 2)
	}
}

// The polls of the device flow are understood in the site's own form as well.
func TestD3DevicePoll(t *testing.T) {
	for body, kind := range map[string]error{
		`{"status":400,"message":"authorization_pending"}`:                            nil,
		`{"error":{"message":"The user must take a pending action","code":31}}`:       nil,
		`{"message":"Polling too frequently"}`:                                        nil,
		`{"status":400,"message":"invalid device code"}`:                              keeper.ErrExpired,
		`{"errors":[{"errorType":"x","message":"The device code has been expired"}]}`: keeper.ErrExpired,
		`{"errors":[{"detail":"The user declined"}]}`:                                 keeper.ErrDenied,
		`{"reason":"Access denied!"}`:                                                 keeper.ErrDenied,
		`Access denied by the user`:                                                   keeper.ErrDenied,
	} {
		h := newHouse(t)
		h.provider()
		h.box.Fail("/token", 1, 400, body)
		_, err := h.Connect(t.Context(), keeper.Target{Provider: "box"}, keeper.GrantDevice, keeper.Ask{
			Wait: func(_ context.Context, d time.Duration) error { h.clock.pass(d); h.box.Approve(""); return nil }})
		if kind == nil {
			check(t, err)
		} else {
			wants(t, err, kind)
		}
	}
}
