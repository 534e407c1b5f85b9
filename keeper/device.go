package keeper

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/provider"
)

// device is the device authorization grant, RFC 8628.
func (o *obtaining) device(ctx context.Context) error {
	d, err := o.StartDevice(ctx, o.provider, o.Scope)
	if err != nil {
		return err
	}
	o.say("To authorize %s:", o.provider.Name)
	o.say("  visit:          %s", d.URL)
	o.say("  enter the code: %s", d.UserCode)
	if d.CompleteURL != "" {
		o.say("  or simply open: %s", d.CompleteURL)
		if o.Open != nil {
			_ = o.Open(d.CompleteURL)
		}
	}
	o.say("Time left: %s.", timeLeft(d.Expires, o.now()))
	o.Token, err = o.pollDevice(ctx, d)
	if f := (*Fault)(nil); errors.As(err, &f) && f.Kind == ErrExpired && o.provider.AuthStyle != provider.AuthBody {
		f.Hint += "; if the site's page refused the client (dex does), first `mintkeep provider set " +
			text.ShellWord(o.provider.Name) + " -auth-style body`"
	}
	return err
}

func timeLeft(end, now time.Time) string {
	left := end.Sub(now).Round(time.Second)
	return fmt.Sprintf("%d:%02d minutes", int(left.Minutes()), int(left.Seconds())%60)
}

// pollDevice asks until the person has decided (RFC 8628 section 3.4), or fails
// with ErrDenied or ErrExpired.
func (o *obtaining) pollDevice(ctx context.Context, d provider.DeviceAuthorization) (provider.TokenResponse, error) {
	said := o.now() // when the time left was last said: it just has been
	for {
		now := o.now()
		if !now.Add(d.Interval).Before(d.Expires) {
			o.say("The code has expired.")
			return provider.TokenResponse{}, tooLate(nil)
		}
		if now.Sub(said) >= time.Minute {
			o.say("Waiting ... %s left.", timeLeft(d.Expires, now))
			said = now
		}
		if err := o.wait(ctx, d.Interval); err != nil {
			return provider.TokenResponse{}, &Fault{Kind: ErrDenied, What: "stopped while waiting", Err: err}
		}
		t, err := o.PollDevice(ctx, o.provider, d.Code)
		if err == nil {
			o.say("Authorized.")
			return t, nil
		}
		if d.Interval, err = o.nextInterval(d.Interval, err); err != nil {
			return provider.TokenResponse{}, err
		}
	}
}

// nextInterval is how long to wait before the next poll after an answer without
// token, or why polling ends (RFC 8628 section 3.5).
func (a Ask) nextInterval(interval time.Duration, answer error) (time.Duration, error) {
	var e *provider.Error
	if !errors.As(answer, &e) || e.Status >= 500 {
		interval *= 2 // section 3.5: back off exponentially when the connection fails
		a.say("The provider cannot be reached; trying again in %s.", interval)
		return interval, nil
	}
	switch e.Meaning() {
	case "authorization_pending":
		return interval, nil
	case "slow_down":
		interval = max(interval+5*time.Second, e.RetryAfter) // section 3.5: for this and all further requests
		a.say("The provider asks for patience; polling every %s.", interval)
		return interval, nil
	case "access_denied":
		a.say("Authorization was denied.")
		return 0, &Fault{Kind: ErrDenied, What: "authorization was denied", Err: answer}
	case "expired_token":
		a.say("The code has expired.")
		return 0, tooLate(answer)
	}
	if e.Status == http.StatusTooManyRequests {
		return max(interval+5*time.Second, e.RetryAfter), nil
	}
	return 0, answer
}

func tooLate(cause error) error {
	return &Fault{Kind: ErrExpired, What: "nobody authorized it in time", Hint: "run the same command again", Err: cause}
}
