package keeper

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"mintkeep/keeper/internal/text"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// connectDevice is the device authorization grant, RFC 8628.
func (k *Keeper) connectDevice(ctx context.Context, s site, n *first, ask Ask) error {
	form := url.Values{"client_id": {s.ClientID}}
	if n.Scope != "" {
		form.Set("scope", s.scopeWords(n.Scope))
	}
	r, err := k.post(ctx, s, s.DeviceURL, form)
	if err != nil {
		return fmt.Errorf("starting the device flow: %w", err)
	}
	d, err := deviceOf(r, k.now())
	if err != nil {
		return err
	}
	ask.say("To authorize %s:", s.Name)
	ask.say("  visit:          %s", d.uri)
	ask.say("  enter the code: %s", d.userCode)
	if d.complete != "" {
		ask.say("  or simply open: %s", d.complete)
		if ask.Open != nil {
			_ = ask.Open(d.complete)
		}
	}
	ask.say("Time left: %s.", d.left(k.now()))
	n.answer, err = k.poll(ctx, s, d, ask)
	return err
}

// device is the answer of RFC 8628 section 3.2.
type device struct {
	code                    Secret
	userCode, uri, complete string
	expires                 time.Time
	interval                time.Duration
}

func deviceOf(r reply, now time.Time) (device, error) {
	d := device{code: Secret(r.text("device_code")), userCode: r.text("user_code"), uri: r.text("verification_uri"),
		complete: r.text("verification_uri_complete"), interval: r.seconds("interval")}
	if d.uri == "" {
		d.uri = r.text("verification_url") // Google's name for it, older than the RFC
	}
	if d.code == "" || d.userCode == "" || d.uri == "" {
		return d, errors.New("starting the device flow: the answer lacks device_code, user_code or verification_uri")
	}
	d.userCode = text.Redact(d.userCode, nil)
	if err := checkURL(d.uri); err != nil {
		return d, fmt.Errorf("starting the device flow: %w", err)
	}
	if checkURL(d.complete) != nil {
		d.complete = ""
	}
	if d.interval == 0 {
		d.interval = 5 * time.Second // section 3.2: the default
	}
	life := r.seconds("expires_in")
	if life == 0 {
		life = 10 * time.Minute
	}
	d.expires = now.Add(life)
	return d, nil
}

func (d device) left(now time.Time) string {
	left := d.expires.Sub(now).Round(time.Second)
	return fmt.Sprintf("%d:%02d minutes", int(left.Minutes()), int(left.Seconds())%60)
}

// poll asks until the person has decided or the time is up (RFC 8628 sections 3.4 and 3.5).
func (k *Keeper) poll(ctx context.Context, s site, d device, ask Ask) (answer, error) {
	said := d.expires
	for {
		now := k.now()
		if !now.Add(d.interval).Before(d.expires) {
			ask.say("The code has expired.")
			return answer{}, &Fault{Kind: ErrExpired, What: "nobody authorized it in time", Hint: "run the same command again"}
		}
		if said.Sub(now) >= time.Minute {
			ask.say("Waiting ... %s left.", d.left(now))
			said = now
		} else if said == d.expires {
			said = now
		}
		if err := ask.wait(ctx, d.interval); err != nil {
			return answer{}, &Fault{Kind: ErrDenied, What: "stopped while waiting", Err: err}
		}
		a, err := k.askToken(ctx, s, url.Values{"grant_type": {deviceGrant}, "device_code": {string(d.code)}})
		if err == nil {
			ask.say("Authorized.")
			return a, nil
		}
		if stop := d.judge(err, ask); stop != nil {
			return answer{}, stop
		}
	}
}

// judge is nil if polling goes on, perhaps more slowly.
func (d *device) judge(err error, ask Ask) error {
	var p *providerError
	if !errors.As(err, &p) || p.status >= 500 {
		d.interval *= 2 // section 3.5: back off exponentially when the connection fails
		ask.say("The provider cannot be reached; trying again in %s.", d.interval)
		return nil
	}
	switch p.code {
	case "authorization_pending":
		return nil
	case "slow_down":
		d.interval += 5 * time.Second // section 3.5: for this and all further requests
		ask.say("The provider asks for patience; polling every %s.", d.interval)
		return nil
	case "access_denied":
		ask.say("Authorization was denied.")
		return &Fault{Kind: ErrDenied, What: "authorization was denied", Err: err}
	case "expired_token":
		ask.say("The code has expired.")
		return &Fault{Kind: ErrExpired, What: "nobody authorized it in time", Hint: "run the same command again", Err: err}
	}
	if p.status == http.StatusTooManyRequests {
		d.interval = max(d.interval+5*time.Second, p.retryAfter)
		return nil
	}
	return err
}
