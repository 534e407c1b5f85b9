package keeper

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"mintkeep/keeper/provider"
)

// connectDevice is the device authorization grant, RFC 8628.
func (k *Keeper) connectDevice(ctx context.Context, p provider.Provider, n *NewConnection, ask Ask) error {
	d, err := k.client().StartDevice(ctx, p, n.Scope)
	if err != nil {
		return err
	}
	ask.say("To authorize %s:", p.Name)
	ask.say("  visit:          %s", d.URL)
	ask.say("  enter the code: %s", d.UserCode)
	if d.CompleteURL != "" {
		ask.say("  or simply open: %s", d.CompleteURL)
		if ask.Open != nil {
			_ = ask.Open(d.CompleteURL)
		}
	}
	ask.say("Time left: %s.", timeLeft(d.Expires, k.now()))
	n.Token, err = k.pollDevice(ctx, p, d, ask)
	return err
}

func timeLeft(end, now time.Time) string {
	left := end.Sub(now).Round(time.Second)
	return fmt.Sprintf("%d:%02d minutes", int(left.Minutes()), int(left.Seconds())%60)
}

// pollDevice asks until the person has decided (RFC 8628 section 3.4), or fails
// with ErrDenied or ErrExpired.
func (k *Keeper) pollDevice(ctx context.Context, p provider.Provider, d provider.DeviceAuthorization, ask Ask) (provider.TokenResponse, error) {
	said := d.Expires // when the time left was last said; at first it just has been
	for {
		now := k.now()
		if !now.Add(d.Interval).Before(d.Expires) {
			ask.say("The code has expired.")
			return provider.TokenResponse{}, &Fault{Kind: ErrExpired, What: "nobody authorized it in time", Hint: "run the same command again"}
		}
		if said.Sub(now) >= time.Minute {
			ask.say("Waiting ... %s left.", timeLeft(d.Expires, now))
			said = now
		} else if said == d.Expires {
			said = now
		}
		if err := ask.wait(ctx, d.Interval); err != nil {
			return provider.TokenResponse{}, &Fault{Kind: ErrDenied, What: "stopped while waiting", Err: err}
		}
		t, err := k.client().PollDevice(ctx, p, d.Code)
		if err == nil {
			ask.say("Authorized.")
			return t, nil
		}
		if d.Interval, err = nextInterval(d.Interval, err, ask); err != nil {
			return provider.TokenResponse{}, err
		}
	}
}

// nextInterval is how long to wait before the next poll after an answer without
// token, or why polling ends (RFC 8628 section 3.5).
func nextInterval(interval time.Duration, answer error, ask Ask) (time.Duration, error) {
	var e *provider.Error
	if !errors.As(answer, &e) || e.Status >= 500 {
		interval *= 2 // section 3.5: back off exponentially when the connection fails
		ask.say("The provider cannot be reached; trying again in %s.", interval)
		return interval, nil
	}
	switch e.Code {
	case "authorization_pending":
		return interval, nil
	case "slow_down":
		interval += 5 * time.Second // section 3.5: for this and all further requests
		ask.say("The provider asks for patience; polling every %s.", interval)
		return interval, nil
	case "access_denied":
		ask.say("Authorization was denied.")
		return 0, &Fault{Kind: ErrDenied, What: "authorization was denied", Err: answer}
	case "expired_token":
		ask.say("The code has expired.")
		return 0, &Fault{Kind: ErrExpired, What: "nobody authorized it in time", Hint: "run the same command again", Err: answer}
	}
	if e.Status == http.StatusTooManyRequests {
		return max(interval+5*time.Second, e.RetryAfter), nil
	}
	return 0, answer
}
