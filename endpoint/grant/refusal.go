package grant

import (
	"context"
	"net/http"
	"time"

	"mintkeep/internal/oauth"
	"mintkeep/internal/store"
)

const (
	refusalWindow = 5 * time.Minute // refused redemptions are counted this long
	refusalLimit  = 30              // with so many from one address, more are answered 429
)

// CheckRefusals returns an *oauth.Error with status 429 if too many codes from the
// request's address were refused.
func (s *Store) CheckRefusals(ctx context.Context, r Request) error {
	if r.Address == "" {
		return nil
	}
	var n int
	_, err := store.Row(ctx, s.DB, "counting refusals", `SELECT count(*) FROM refusals WHERE address = ? AND refused > ? AND refused <= ?`,
		[]any{r.Address, store.Time(r.Now.Add(-refusalWindow)), store.Time(r.Now.Add(time.Minute))}, &n)
	if err != nil || n < refusalLimit {
		return err
	}
	return &oauth.Error{Status: http.StatusTooManyRequests, Code: "temporarily_unavailable", Header: map[string]string{"Retry-After": "300"},
		Description: "too many codes from this address were refused; wait five minutes"}
}

// RecordRefusal counts a refusal and writes its event, if cause is an *oauth.Error
// with status 400. It returns cause, also if that could not be written.
func (s *Store) RecordRefusal(ctx context.Context, r Request, clientID string, cause error) error {
	e := oauth.AsError(cause)
	if e == nil || e.Status != http.StatusBadRequest {
		return cause
	}
	err := s.write(ctx, r, func(t *tx) {
		t.deleteExpired()
		if r.Address != "" {
			t.Exec("counting a refusal", `INSERT INTO refusals (address, refused) VALUES (?, ?)`, r.Address, store.Time(r.Now))
		}
		t.record("refused", &Grant{ClientID: clientID}, "", e.Description)
	})
	if err != nil {
		s.Log.Warn("refusal not recorded", "error", err)
	}
	return cause
}
