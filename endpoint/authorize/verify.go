package authorize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/oauth"
)

// verifyTimeout bounds the conversation with all upstreams together.
const verifyTimeout = 8 * time.Second

// VerifiedCode is what an upstream confirmed about a code.
type VerifiedCode struct {
	Endpoint string
	Me       string // canonical profile URL
	Scope    string // may be empty

	// Reservation is to be set in the Request of the write that follows.
	Reservation int64
}

// errCodeRejected says that an upstream works, and does not know the code.
var errCodeRejected = errors.New("the endpoint does not know the code")

// VerifyCode asks the trusted endpoints about a code that the client got from one
// of them: first whether it was used before, here, then each endpoint in turn,
// those first that confirmed codes of this shape. A refusal is counted. It
// fails with an *oauth.Error: 429 after too many refusals, invalid_grant if the code
// is used or no endpoint confirms it, 503 if one of them did not work and might
// have confirmed it, invalid_scope if the owner granted nothing.
func (h *Handler) VerifyCode(ctx context.Context, r grant.Request, ask grant.TokenRequest) (*VerifiedCode, error) {
	found, err := h.verify(ctx, r, ask, nil, func(me string) *oauth.Error {
		if r.Settings.Issues(me) {
			return nil
		}
		return oauth.InvalidGrant("this endpoint issues no tokens for " + me)
	})
	if err != nil || found.Scope != "" {
		return found, err
	}
	r.Reservation = found.Reservation
	_ = h.Grants.Settle(ctx, r, ask.ClientID, nil)
	return nil, oauth.InvalidScope(found.Endpoint + " granted no scope, so there is nothing a token could be used for")
}

// verify is VerifyCode for a code of the upstream of a, or of any trusted endpoint if
// a is nil. It fails with what allowed returns for the person whose code it is.
func (h *Handler) verify(ctx context.Context, r grant.Request, ask grant.TokenRequest, a *grant.Pending,
	allowed func(me string) *oauth.Error) (*VerifiedCode, error) {
	if err := h.Grants.CheckReplay(ctx, r, ask, a); err != nil {
		return nil, err
	}
	var upstreams []string
	var err error
	if a != nil {
		upstreams = []string{a.Endpoint}
	} else if upstreams, err = h.Grants.EndpointOrder(ctx, r, ask.Code); err != nil {
		return nil, err
	}
	if r.Settings.Refused != nil {
		h.Log.Error("not every endpoint is asked", "error", r.Settings.Refused)
	}
	if len(upstreams) == 0 {
		return nil, errNoUpstream(r.Settings.Refused)
	}
	if r.Reservation, err = h.Grants.Reserve(ctx, r, ask.Code); err != nil {
		return nil, err
	}
	found, err := h.askUpstreams(ctx, upstreams, ask)
	if err != nil {
		return nil, h.Grants.Settle(ctx, r, ask.ClientID, err)
	}
	if refusal := allowed(found.Me); refusal != nil {
		return nil, h.Grants.Settle(ctx, r, ask.ClientID, refusal)
	}
	found.Reservation = r.Reservation
	if len(r.Settings.Me) == 0 && !oauth.Related(found.Me, found.Endpoint) {
		h.Log.Warn("token for an identity on another host than its endpoint; name your own with: mintkeep setting me URL",
			"me", found.Me, "endpoint", found.Endpoint)
	}
	return found, nil
}

// askUpstreams asks one upstream after the other until one confirms the code. Else
// it returns 503 if one of them did not work, and invalid_grant if all rejected it.
func (h *Handler) askUpstreams(ctx context.Context, upstreams []string, ask grant.TokenRequest) (*VerifiedCode, error) {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	var fault error
	for i, upstream := range upstreams {
		share := time.Until(deadline) / time.Duration(len(upstreams)-i)
		one, cancel := context.WithTimeout(ctx, share)
		found, err := h.verifyCodeAt(one, upstream, ask)
		cancel()
		if err == nil {
			return found, nil
		}
		if !errors.Is(err, errCodeRejected) {
			fault = fmt.Errorf("%s: %w", upstream, err)
			h.Log.Warn("authorization endpoint failed", "endpoint", upstream, "error", err)
		}
	}
	if fault != nil {
		return nil, oauth.Unavailable("the authorization endpoint could not verify the code; try again later", fault)
	}
	return nil, oauth.InvalidGrant("no trusted authorization endpoint confirms this code; it may have expired, " +
		"or client_id or redirect_uri differ from those it was made for")
}

// readVerification reads an upstream's response. Only status 200 with a usable me
// confirms the code: Selfauth shows 200 and a login page when it did not understand.
func readVerification(status int, contentType string, body []byte) (*VerifiedCode, error) {
	switch {
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed,
		status >= 500 || status < 200 || status >= 300 && status < 400:
		return nil, fmt.Errorf("it answered with status %d", status)
	case status != http.StatusOK:
		return nil, errCodeRejected
	}
	me, scope, err := parseVerification(contentType, body)
	if err == nil && me == "" {
		err = errors.New("it answered without me")
	}
	if err != nil && strings.Contains(string(body), "Error: Verification Failed") {
		return nil, errCodeRejected // Selfauth before it sent a status
	}
	if err != nil {
		return nil, err
	}
	canonical, err := oauth.CanonicalURL(me)
	if err != nil {
		return nil, fmt.Errorf("it answered with a me that is no profile URL: %w", err)
	}
	return &VerifiedCode{Me: canonical, Scope: scope}, nil
}

// parseVerification reads me and scope from a JSON object or a form, by
// Content-Type, or by the first character where the type says neither.
func parseVerification(contentType string, body []byte) (me, scope string, err error) {
	media, _, _ := mime.ParseMediaType(contentType)
	text := strings.TrimSpace(string(body))
	isForm := media == "application/x-www-form-urlencoded"
	switch {
	case media == "application/json" || strings.HasSuffix(media, "+json") || !isForm && strings.HasPrefix(text, "{"):
		var v struct {
			Me    string `json:"me"`
			Scope any    `json:"scope"`
		}
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return "", "", fmt.Errorf("it answered with JSON that cannot be read: %w", err)
		}
		return v.Me, oauth.ParseScope(v.Scope), nil
	case isForm || media == "text/plain":
		v, err := url.ParseQuery(text)
		if err != nil {
			return "", "", fmt.Errorf("it answered with a form that cannot be read: %w", err)
		}
		return v.Get("me"), oauth.ParseScope(v.Get("scope")), nil
	}
	return "", "", fmt.Errorf("it answered with %q, neither JSON nor form", contentType)
}
