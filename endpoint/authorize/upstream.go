package authorize

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/oauth"
)

// asClient reports whether we are the client towards an upstream. Two kinds of
// authorization endpoints can stand behind ours.
//
// Selfauth and its like (grant.GrantsScopes) ask the owner which scopes an app may
// have and return them when the code is confirmed. They show the app's own
// client_id, and do not mind that the redirect leads elsewhere. They get the
// client's request as it is.
//
// The others (grant.IdentityOnly: Indiekit, WordPress) ask only who it is, and
// demand that the redirect belongs to the client. Towards them we are the client
// (BASE/client) and ask for no scope; the owner is asked for the scopes here.
//
// The kind is determined so:
//
//  1. An upstream that confirmed a code with a scope within the last 30 days is of
//     the first kind. If it confirms one without, the owner refused.
//  2. Else it is probed, at most once a day, with a code that cannot be valid. An
//     OAuth error in JSON comes from the second kind. Selfauth answers 400 with a page:
//     undetermined, treated as the first kind for now. Anything else says nothing, and
//     what was known last holds for ten minutes.
//  3. If an undetermined one confirms a code without scope although scopes were
//     asked for, it is of the second kind after all and the owner is asked here –
//     unless the code has Selfauth's form hex:64hex:…, by which Selfauth says that
//     no box was left ticked: the owner refused.
func (h *Handler) asClient(ctx context.Context, r Request, upstream string) (bool, error) {
	kind, err := h.Grants.UpstreamKind(ctx, r.Now, upstream)
	if err != nil || kind != "" {
		return kind == grant.IdentityOnly, err
	}
	kind, err = h.probeUpstream(ctx, upstream)
	if err != nil { // the browser may reach it all the same
		h.Log.Warn("authorization endpoint not probed", "endpoint", upstream, "error", err)
	}
	kind, err = h.Grants.LearnUpstream(ctx, r.Now, upstream, kind)
	return kind == grant.IdentityOnly, err
}

// probeUpstream has the upstream refuse a code, to see in which format it does so.
func (h *Handler) probeUpstream(ctx context.Context, upstream string) (grant.UpstreamKind, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	resp, err := h.post(ctx, upstream, grant.TokenRequest{Code: "0:" + strings.Repeat("0", 64) + ":",
		ClientID: h.URL + "/client", RedirectURI: h.URL + "/callback", Verifier: strings.Repeat("0", 43)})
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, oauth.MaxBody))
	if err != nil {
		return "", err
	}
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	if said := readRefusal(body); said.Error != "" && resp.StatusCode >= 400 {
		return grant.IdentityOnly, nil // also with 500: an Indiekit that was just started (case L3)
	}
	if resp.StatusCode == http.StatusBadRequest || isSelfauths(body) {
		return grant.Undetermined, nil
	}
	return "", errors.New(told(resp.StatusCode, resp.Header, body))
}

const codeCheck = " (code check)"

// IsCodeCheck reports whether a request comes from the code check of a mintkeep. A
// code that arrives so is not passed on, since two installations may name each other.
func IsCodeCheck(userAgent string) bool {
	return strings.HasPrefix(userAgent, "mintkeep/") && strings.HasSuffix(userAgent, codeCheck)
}

// post sends a code to an upstream, with everything that the client sent and
// nothing changed.
func (h *Handler) post(ctx context.Context, upstream string, ask grant.TokenRequest) (*http.Response, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {ask.Code},
		"client_id": {ask.ClientID}, "redirect_uri": {ask.RedirectURI}}
	if ask.Verifier != "" {
		form.Set("code_verifier", ask.Verifier)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, upstream, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json") // alone: Selfauth answers 406 to much else
	req.Header.Set("User-Agent", "mintkeep/"+h.Version+codeCheck)
	return h.Upstreams.Do(req)
}

// verifyCodeAt sends the code to one upstream. It returns errCodeRejected if the
// upstream rejects the code, another error if it does not work.
func (h *Handler) verifyCodeAt(ctx context.Context, upstream string, ask grant.TokenRequest) (*VerifiedCode, error) {
	resp, err := h.post(ctx, upstream, ask)
	if certificate := new(tls.CertificateVerificationError); errors.As(err, &certificate) {
		return nil, &upstreamFault{"has a certificate that is not accepted here: " + certificate.Err.Error(), true}
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return nil, &upstreamFault{"answers http where https is set", true}
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, oauth.MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if len(body) > oauth.MaxBody {
		return nil, errors.New("the answer is larger than 64 KiB")
	}
	for _, secret := range []string{ask.Code, url.QueryEscape(ask.Code), ask.Verifier} {
		if len(secret) >= 16 { // a page in the answer's place may repeat the request, and goes to the log
			body = bytes.ReplaceAll(body, []byte(secret), []byte("…"))
		}
	}
	found, err := readVerification(resp.StatusCode, resp.Header, body)
	if err != nil {
		return nil, err
	}
	found.Endpoint = upstream
	if _, ofSelfauth := grant.SelfauthSignature(ask.Code); ofSelfauth && found.Scope == "none" {
		found.Scope = "" // so MIndie says that no box was ticked (case L10)
	}
	return found, nil
}
