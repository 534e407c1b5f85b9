package authorize

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
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
		return oauth.InvalidGrant(wrongPerson(r.Settings.Me, ask.Code, me))
	})
	if err != nil || found.Scope != "" {
		return found, err
	}
	r.Reservation = found.Reservation
	_ = h.Grants.Settle(ctx, r, ask.ClientID, nil)
	return nil, oauth.InvalidScope(found.Endpoint + " granted no scope, so there is nothing a token could be used for")
}

// wrongPerson tells that somebody else signed in than this site is for, and what to
// correct (case F4).
func wrongPerson(people []string, code, me string) string {
	who, where := "the authorization endpoint", "who you are there"
	if _, ok := grant.SelfauthSignature(code); ok {
		who, where = "Selfauth", "USER_URL in Selfauth's config.php"
	}
	return who + " says that you are " + me + "; this site is for " + strings.Join(people, " and ") +
		" (they must be the same: correct " + where + ", or the line me: of mintkeep)"
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
	found, rejected, err := h.askUpstreams(ctx, upstreams, ask)
	if err != nil {
		if rejected {
			r.Reservation = 0 // it counts, whatever another endpoint said
		}
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
// the first of these holds: 503 if one had a fault that passes by itself, server_error
// if one had a fault that lasts until the owner mends it, invalid_grant with the reason
// of the last if all rejected the code. rejected says that one of them did.
func (h *Handler) askUpstreams(ctx context.Context, upstreams []string, ask grant.TokenRequest) (_ *VerifiedCode, rejected bool, _ error) {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	var passing, lasting, rejection error
	for i, upstream := range upstreams {
		share := time.Until(deadline) / time.Duration(len(upstreams)-i)
		one, cancel := context.WithTimeout(ctx, share)
		found, err := h.verifyCodeAt(one, upstream, ask)
		cancel()
		if err == nil {
			return found, false, nil
		}
		if errors.Is(err, errCodeRejected) {
			rejection = err
			continue
		}
		h.Log.Warn("authorization endpoint failed", "endpoint", upstream, "error", err)
		err = fmt.Errorf("%s: %w", upstream, err)
		if fault := new(upstreamFault); errors.As(err, &fault) && fault.lasts {
			lasting = err
		} else {
			passing = err
		}
	}
	switch {
	case passing != nil:
		said := "could not verify the code"
		if fault := new(upstreamFault); errors.As(passing, &fault) { // others name addresses
			said = oauth.PlainASCII(fault.said)
		}
		return nil, rejection != nil, oauth.Unavailable("the authorization endpoint "+said+"; try again later", passing)
	case lasting != nil:
		return nil, rejection != nil, &oauth.Error{Status: http.StatusInternalServerError, Code: "server_error", Cause: lasting,
			Description: oauth.PlainASCII("the owner of this site has to mend the authorization endpoint " + lasting.Error())}
	}
	reason := "no trusted authorization endpoint confirms this code; it may have expired, " +
		"or client_id or redirect_uri differ from those it was made for"
	if said := strings.TrimPrefix(rejection.Error(), errCodeRejected.Error()); said != "" {
		reason = "the authorization endpoint rejects this code" + said
	}
	return nil, true, oauth.InvalidGrant(oauth.PlainASCII(reason + mangled(ask)))
}

// mangled says what of a request seems to have been changed on its way.
func mangled(ask grant.TokenRequest) string {
	said := oauth.Mangled("code", ask.Code)
	if signed, after, two := strings.Cut(ask.Code, ":"); said == "" && len(signed) == 8 && isHex(signed) {
		if signature, _, three := strings.Cut(after, ":"); isHex(signature) && (!two || !three || len(signature) < 64) {
			said = "; the code was cut" // of Selfauth's form hex:64hex:…
		}
	}
	return said + oauth.Mangled("client_id", ask.ClientID) + oauth.Mangled("redirect_uri", ask.RedirectURI) +
		oauth.Mangled("code_verifier", ask.Verifier)
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// An upstreamFault is what stood in place of a verification, such as a page of a filter
// or a warning of PHP's.
type upstreamFault struct {
	said  string
	lasts bool // until the owner mends it
}

func (f *upstreamFault) Error() string { return f.said }

// readVerification reads an upstream's response. Status 200 with a usable me confirms
// the code. A JSON error, at 200 or 4xx, and Selfauth's own page reject it, with
// errCodeRejected. Anything else is an *upstreamFault, which passes if the status is
// 408, 425, 429 or 5xx (cases C2, C3, C4, F5).
func readVerification(status int, header http.Header, body []byte) (*VerifiedCode, error) {
	body = bytes.TrimLeft(body, "\ufeff \t\r\n")
	said := told(status, header, body)
	if status >= 500 || slices.Contains([]int{408, 425, 429}, status) {
		return nil, &upstreamFault{said: said}
	}
	contentType := header.Get("Content-Type")
	refusal, isPage := readRefusal(body), strings.HasPrefix(contentType, "text/html")
	switch {
	case refusal.Error != "" && (status == http.StatusOK || status >= 400):
		return nil, fmt.Errorf("%w: %s", errCodeRejected, strings.TrimSpace(refusal.Error+" "+refusal.Description))
	case isSelfauths(body):
		return nil, errCodeRejected
	case status < 200, status >= 300 && status < 400, isPage && status != http.StatusOK,
		slices.Contains([]int{401, 403, 404, 405, 406, 415}, status):
		return nil, &upstreamFault{said, true}
	case status != http.StatusOK:
		return nil, errCodeRejected
	}
	me, scope, err := parseVerification(contentType, body)
	if err == nil && me == "" {
		err = errors.New("no me")
	}
	canonical, err2 := oauth.CanonicalURL(me)
	if _, err := oauth.CanonicalURL("https://" + me); err2 != nil && err == nil && !strings.Contains(me, "://") {
		return nil, &upstreamFault{"says that you are " + me + ", without https:// in front of it; correct USER_URL in Selfauth's config.php", true}
	}
	if err = cmp.Or(err, err2); err != nil {
		return nil, &upstreamFault{said + " (" + err.Error() + ")", true}
	}
	return &VerifiedCode{Me: canonical, Scope: scope}, nil
}

// A refusal is an OAuth error in JSON (RFC 6749 section 5.2).
type refusal struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func readRefusal(body []byte) (r refusal) {
	if json.Unmarshal(body, &r) != nil {
		return refusal{}
	}
	return r
}

// isSelfauths reports whether a page is that with which Selfauth rejects a code.
func isSelfauths(body []byte) bool { return bytes.Contains(body, []byte("Error: Verification Failed")) }

// told is what an upstream answered, for a person: the status, where it leads, the
// first words.
func told(status int, header http.Header, body []byte) string {
	said := fmt.Sprintf("answered with status %d", status)
	if to, _, _ := strings.Cut(header.Get("Location"), "?"); to != "" {
		said += ", which leads to " + to[:min(len(to), 200)]
	}
	return said + oauth.FirstWords(body)
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
