package grant

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"mintkeep/internal/oauth"
	"mintkeep/internal/store"
)

const (
	refusalWindow = 5 * time.Minute  // refused redemptions are counted this long
	refusalLimit  = 30               // after so many from one address, more are answered 429 …
	passEvery     = 10 * time.Second // … but for one new one in this time: many people may share the address
	sharedFactor  = 10               // limits of all together whose address is not known
	maxRefusals   = 2000             // rows; the oldest are deleted
)

// ofAddress is a limit as it applies to the address of a request.
func (r Request) ofAddress(limit int) int {
	if r.Address == "" {
		return limit * sharedFactor
	}
	return limit
}

// Reserve counts a request against its address before an authorization endpoint or an
// app's page is asked for it, so that many at once are no way around the limit. The
// reservation is given back by the next write of a Request that carries it, unless
// Settle finds a refusal. what is the code, or the app with its redirect. The error is an
// *oauth.Error with status 429 if too many were refused.
func (s *Store) Reserve(ctx context.Context, r Request, what string) (reservation int64, err error) {
	key := codeKey(what)[:16]
	err = s.write(ctx, r, func(t *tx) {
		const doing = "counting refusals"
		var n int
		var last time.Time
		var seen bool
		t.Row(doing, `SELECT count(*), max(refused), coalesce(max(code_key = ?), 0) FROM refusals
			WHERE address = ? AND refused > ? AND refused <= ?`,
			[]any{key, r.Address, store.Time(r.Now.Add(-refusalWindow)), store.Time(r.Now.Add(time.Minute))}, &n, store.Into(&last), &seen)
		if n >= r.ofAddress(refusalLimit) {
			if seen {
				t.refusal = errTooMany(refusalWindow)
			} else if r.Now.Sub(last) < passEvery {
				t.refusal = errTooMany(passEvery)
			}
		}
		if t.refusal != nil {
			return
		}
		t.Exec(doing, `DELETE FROM refusals WHERE refusal_id <= (SELECT max(refusal_id) FROM refusals) - ?`, maxRefusals-1)
		reservation = t.Insert(doing, `INSERT INTO refusals (address, refused, code_key) VALUES (?, ?, ?)`, r.Address, store.Time(r.Now), key)
	})
	return reservation, err
}

func errTooMany(wait time.Duration) *oauth.Error {
	seconds := strconv.Itoa(int(wait.Seconds()))
	return &oauth.Error{Status: http.StatusTooManyRequests, Code: "temporarily_unavailable",
		Header:      map[string]string{"Retry-After": seconds},
		Description: "too many requests from this address were refused; wait " + seconds + " seconds"}
}

// Settle ends the reservation of a request. An *oauth.Error with status 400 is a refusal:
// it stays counted, and its event is written. So does a caller who left before the
// reply. Anything else, nil included, gives the reservation back; server_error, which
// the owner has to mend, has an event too. Settle returns cause, also if it could not write.
func (s *Store) Settle(ctx context.Context, r Request, clientID string, cause error) error {
	e := oauth.AsError(cause)
	refused := e != nil && e.Status == http.StatusBadRequest
	if refused || ctx.Err() != nil {
		r.Reservation = 0
	}
	err := s.write(context.WithoutCancel(ctx), r, func(t *tx) {
		if refused {
			t.deleteExpired()
			t.record("refused", &Grant{ClientID: clientID}, "", e.Description)
		} else if e != nil && e.Code == "server_error" { // anybody can cause it: the last of an hour will do
			t.Exec("noting a fault", `DELETE FROM events WHERE event = 'failed' AND at > ?`, store.Time(r.Now.Add(-time.Hour)))
			t.record("failed", &Grant{ClientID: clientID}, "", e.Description)
		}
	})
	if err != nil {
		s.Log.Warn("refusal not recorded", "error", err)
	}
	return cause
}
