package authorize

import (
	"context"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/oauth"
	"mintkeep/internal/page"
	"mintkeep/internal/secret"
)

// CallbackParams are what the upstream's redirect carries: our own flow, and state,
// code or error (RFC 6749 section 4.1.2).
type CallbackParams struct {
	Flow, State, Code, Error, Description string
}

// Callback is GET BASE/callback: the upstream sends the browser back. Its code is
// redeemed at once, server to server, and the browser goes on to the client with
// a code of ours. Without the cookie of the authorization nothing happens at all;
// with it, every failure is told to the client.
func (h *Handler) Callback(ctx context.Context, r Request, p CallbackParams) (*oauth.Reply, error) {
	if err := h.Ready(r.Settings); err != nil {
		return nil, err
	}
	id, _, _ := strings.Cut(p.State, ".")
	a, err := h.pending(ctx, r, secret.Secret(id))
	if err != nil {
		return nil, err
	}
	if !secret.Secret(p.State).Equal(secret.Secret(a.UpstreamState())) || !a.AsClient && p.Flow != id {
		return nil, grant.ErrNotPending()
	}
	if a.GrantID != 0 {
		return h.again(ctx, r, a)
	}
	reply, err := h.signedIn(ctx, r, a, p)
	if grant.IsNotPending(err) { // another request of this browser was faster
		if a, err2 := h.pending(ctx, r, secret.Secret(id)); err2 == nil && a.GrantID != 0 {
			return h.again(ctx, r, a)
		}
	}
	return reply, err
}

// again answers a browser that comes back once more: while the owner is asked for consent
// with that page, else with a page that leads on to the client. A redirect is not
// repeated: whoever reloads it has been there.
func (h *Handler) again(ctx context.Context, r Request, a *grant.Pending) (*oauth.Reply, error) {
	code, made, err := h.Grants.IssuedCode(ctx, r.Now, a)
	switch {
	case err != nil:
		return nil, err
	case !made:
		return h.showConsent(ctx, r, a)
	}
	return PageReply(&page.Page{Title: "Back to the app", Heading: "You are signed in", Template: "continue.html",
		Data: backLink{To: template.URL(h.codeURL(a, code, a.Person)), RedirectURI: oauth.ASCII(a.RedirectURI)}}, templates())
}

// signedIn redeems what the upstream sent back.
func (h *Handler) signedIn(ctx context.Context, r Request, a *grant.Pending, p CallbackParams) (*oauth.Reply, error) {
	if p.Error != "" || p.Code == "" {
		return h.fail(ctx, r, a, upstreamError(p.Error, p.Description))
	}
	ask := grant.TokenRequest{Code: p.Code, ClientID: h.upstreamClient(a), RedirectURI: h.upstreamRedirect(a),
		Verifier: a.UpstreamVerifier()}
	found, err := h.verifyUpstream(ctx, r, a, ask)
	if fault := oauth.AsError(err); fault != nil {
		return h.fail(ctx, r, a, fault)
	}
	if err != nil {
		return nil, err
	}
	r.Reservation = found.Reservation
	return h.decideScopes(ctx, r, a, ask, found)
}

// upstreamError is what the upstream says went wrong (RFC 6749 section 4.1.2.1), in its
// own words where it has any: the client shows them, and the owner finds them in the log.
func upstreamError(code, description string) *oauth.Error {
	e := &oauth.Error{Code: code}
	switch code {
	case "access_denied":
		e = oauth.AccessDenied("the request was declined")
	case "temporarily_unavailable":
		e.Description = "the authorization endpoint is busy; try again later"
	case "invalid_scope":
		e.Description = "the authorization endpoint does not grant this scope"
	default:
		e.Code, e.Description = "server_error", "the authorization endpoint did not complete the request"
		description = strings.TrimSpace(code + " " + description)
	}
	if said := oauth.PlainASCII(description[:min(len(description), 200)]); said != "" {
		e.Description += ": " + said
	}
	return e
}

// verifyUpstream redeems the upstream's code at that upstream alone. Admins may
// sign in to the owner's pages even if no tokens are issued for them.
func (h *Handler) verifyUpstream(ctx context.Context, r Request, a *grant.Pending, ask grant.TokenRequest) (*VerifiedCode, error) {
	st := r.Settings
	if !slices.Contains(st.Endpoints, a.Endpoint) {
		return nil, oauth.AccessDenied("the authorization endpoint is no longer trusted")
	}
	return h.verify(ctx, r.Request, ask, a, func(me string) *oauth.Error {
		if st.Issues(me) || a.ClientID == h.OwnerClient() && slices.Contains(st.Admins, me) {
			return nil
		}
		return oauth.AccessDenied(wrongPerson(st.Me, ask.Code, me))
	})
}

// decideScopes decides by the kind of the upstream (see asClient) who says which
// scopes are granted: the upstream has, or the owner is asked here. For a resource it is always here.
func (h *Handler) decideScopes(ctx context.Context, r Request, a *grant.Pending, ask grant.TokenRequest, found *VerifiedCode,
) (*oauth.Reply, error) {
	kind, err := h.Grants.UpstreamKind(ctx, r.Now, a.Endpoint)
	if err != nil {
		return nil, err
	}
	learned, consent := grant.UpstreamKind(""), a.AsClient || a.Resource != ""
	_, ofSelfauth := grant.SelfauthSignature(ask.Code)
	switch {
	case a.AsClient, a.Scope == "", a.Resource != "":
		found.Scope = ""
	case found.Scope != "":
		learned = grant.GrantsScopes
	case kind == grant.GrantsScopes || ofSelfauth:
		return h.fail(ctx, r, a, oauth.AccessDenied("no scope was granted"))
	default:
		learned, consent = grant.IdentityOnly, true
	}
	if a.ClientID == h.OwnerClient() {
		consent = false // our own pages; nothing is granted
	}
	g := &grant.Grant{Me: found.Me, ClientID: a.ClientID, Scope: found.Scope, Endpoint: found.Endpoint, Resource: a.Resource}
	code, refusal, err := h.Grants.Accept(ctx, r.Request, a, ask, g, learned, consent)
	switch {
	case err != nil:
		return nil, err
	case refusal != nil:
		return h.fail(ctx, r, a, refusal)
	case consent:
		return h.showConsent(ctx, r, a)
	}
	return h.redirect(a, h.codeURL(a, code, g.Me)), nil
}

// codeURL takes our code to the client. Clients of the time before PKCE get me as
// well, as they did then.
func (h *Handler) codeURL(a *grant.Pending, code secret.Secret, me string) string {
	v := url.Values{"code": {string(code)}}
	if a.Challenge == "" && a.Me != "" {
		v.Set("me", me)
	}
	return h.redirectURL(a, v)
}

// fail ends the authorization and tells the client why.
func (h *Handler) fail(ctx context.Context, r Request, a *grant.Pending, fault *oauth.Error) (*oauth.Reply, error) {
	if err := h.Grants.Refuse(ctx, r.Request, a); err != nil {
		return nil, err
	}
	if fault.Status >= 500 || redirectCode(fault) == "server_error" {
		h.Log.Error("sign-in failed", "client_id", a.ClientID, "endpoint", a.Endpoint, "error", fault.Error())
	}
	return h.redirect(a, h.errorURL(a, fault)), nil
}

// redirect takes the browser back to the client, without the cookie of the
// authorization, which has ended.
func (h *Handler) redirect(a *grant.Pending, to string) *oauth.Reply {
	reply := oauth.Redirect(http.StatusFound, to)
	reply.Cookies = []*http.Cookie{h.deleteCookie(a)}
	return reply
}
