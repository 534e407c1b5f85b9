package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"mintkeep/internal/secret"
	"mintkeep/keeper/internal/text"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// DeviceAuthorization is the answer of RFC 8628 section 3.2.
type DeviceAuthorization struct {
	Code        secret.Secret
	UserCode    string
	URL         string // where the person enters UserCode
	CompleteURL string // the same with the code in it; "" if there is none
	Expires     time.Time
	Interval    time.Duration // between two polls
}

// StartDevice starts the device authorization grant (RFC 8628 section 3.1). The
// texts that a person is to read are fit for a terminal, the URLs are web addresses.
func (c Client) StartDevice(ctx context.Context, p Provider, scope string) (DeviceAuthorization, error) {
	form := url.Values{"client_id": {p.ClientID}}
	p.setScope(form, scope)
	f, err := c.post(ctx, p, p.DeviceURL, form)
	if err != nil {
		return DeviceAuthorization{}, fmt.Errorf("starting the device flow: %w", err)
	}
	f = f.at(p.TokenPath, "device_code")
	d := DeviceAuthorization{Code: secret.Secret(f.text("device_code")), UserCode: f.text("user_code"), URL: f.text("verification_uri"),
		CompleteURL: f.text("verification_uri_complete")}
	sent := c.now()
	d.Expires, _ = Ends(f, sent)
	if d.URL == "" {
		d.URL = f.text("verification_url") // Google's name for it, older than the RFC
	}
	if d.Code == "" || d.UserCode == "" || d.URL == "" {
		return d, errors.New("starting the device flow: the answer lacks device_code, user_code or verification_uri")
	}
	d.UserCode = text.Redact(d.UserCode, nil)
	if err := checkURL(d.URL); err != nil {
		return d, fmt.Errorf("starting the device flow: %w", err)
	}
	if checkURL(d.CompleteURL) != nil {
		d.CompleteURL = ""
	}
	if d.Interval = ParseTime(f.text("interval"), sent).Sub(sent); d.Interval <= 0 {
		d.Interval = 5 * time.Second // section 3.2: the default
	}
	d.Expires = cmp.Or(d.Expires, sent.Add(10*time.Minute))
	return d, nil
}

// PollDevice asks once whether the person has decided (RFC 8628 section 3.4). The
// error codes of section 3.5 come as Error, with that Meaning.
func (c Client) PollDevice(ctx context.Context, p Provider, code secret.Secret) (TokenResponse, error) {
	t, err := c.requestToken(ctx, p, url.Values{"grant_type": {deviceGrant}, "device_code": {string(code)}}, "")
	if e := (*Error)(nil); errors.As(err, &e) && e.Meaning() == "" && !e.page {
		e.meant = e.pollMeaning()
	}
	return t, err
}

// pollMeaning is what the answer to a poll means that does not say it in full: a
// single word, or the status alone.
func (e *Error) pollMeaning() string {
	for _, m := range []meaning{
		{"authorization_pending", `\b(waiting|not yet|not ready|in progress|unconfirmed|unapproved)\b`},
		{"access_denied", `\b(denied|declined|rejected|refused|cancel+ed)\b`},
		{"expired_token", `\b(expired|time ?out|timed out)\b`},
	} {
		if regexp.MustCompile(m.said).MatchString(e.words()) {
			return m.code
		}
	}
	if !e.silent {
		return ""
	}
	return map[int]string{http.StatusOK: "authorization_pending", http.StatusPreconditionRequired: "authorization_pending",
		http.StatusBadRequest: "authorization_pending", http.StatusNotFound: "expired_token", http.StatusConflict: "expired_token",
		http.StatusGone: "expired_token", http.StatusTeapot: "access_denied", http.StatusTooManyRequests: "slow_down"}[e.Status] // as Trakt has them
}
