// Package authorize is the authorization endpoint. It stands before an upstream,
// the owner's own authorization endpoint (Selfauth, WordPress, Indiekit), which
// may know neither PKCE nor iss nor codes that can be used once.
//
// Authorize takes the client's request and sends the browser on to the upstream.
// Callback redeems what the upstream sends back and issues a code of our own.
// Consent asks the owner for the scopes where the upstream did not. VerifyCode asks
// the upstreams about a code that a client got from one of them itself.
//
// It implements IndieAuth section 5, RFC 6749 section 4.1, RFC 7636 and RFC 9207.
package authorize

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/discover"
	"mintkeep/internal/oauth"
)

// Handler answers the requests of browsers. All fields are required, and nothing
// is kept in memory. Its replies and errors are written by package endpoint.
type Handler struct {
	// URL is the public URL of the token endpoint (BASE); empty if the owner set none.
	URL string
	// Grants has the pending authorizations and the codes.
	Grants *grant.Store
	// Upstreams asks the trusted authorization endpoints. It follows no redirects.
	Upstreams *http.Client
	// Discover reads the pages of apps and people.
	Discover *discover.Client
	// Version is said in the User-Agent of code checks.
	Version string
	// Log receives warnings; it never sees a secret.
	Log *slog.Logger
}

// Request is a request of a browser.
type Request struct {
	grant.Request
	Cookies []*http.Cookie
}

// Params are the parameters of an authorization request (IndieAuth section 5.2).
type Params struct {
	ResponseType, ClientID, RedirectURI, State, Scope, Me, Challenge, ChallengeMethod, Resource string
}

// Ready returns an *oauth.Error if the authorization endpoint cannot work: it needs
// its own address and an upstream.
func (h *Handler) Ready(st *grant.Settings) error {
	if h.URL == "" {
		return ErrNoURL()
	}
	if len(st.Endpoints) == 0 {
		return errNoUpstream(st.Refused)
	}
	return nil
}

// ErrNoURL says that BASE is not known.
func ErrNoURL() *oauth.Error {
	return oauth.Unavailable("the configuration does not say at which address this endpoint is reached",
		errors.New("no url\nhint: put `url: URL` into the configuration file"))
}

func errNoUpstream(refused error) *oauth.Error {
	return oauth.Unavailable("no authorization endpoint is trusted here yet",
		errors.Join(refused, errors.New("no trusted endpoint\nhint: run `mintkeep endpoint add URL` or put `endpoint: URL` into the configuration file")))
}

// Authorize is GET BASE/authorize (IndieAuth section 5.2, RFC 6749 section 4.1.1).
// A fault is told on a page. Once client_id and redirect_uri are known to belong
// together, the page has a link back to the client with the error: nobody has signed
// in yet, and a redirect would take any visitor to whatever address a stranger
// registered for a client of theirs (RFC 9700 section 4.11.2). A good request is
// stored, and the browser is sent on to the upstream.
func (h *Handler) Authorize(ctx context.Context, r Request, p Params) (*oauth.Reply, error) {
	if err := h.Ready(r.Settings); err != nil {
		return nil, err
	}
	a := &grant.Pending{ClientID: p.ClientID, RedirectURI: p.RedirectURI, Challenge: p.Challenge, Me: p.Me,
		Scope: oauth.ParseScope(p.Scope), State: sql.NullString{String: p.State, Valid: p.State != ""}}
	if err := h.checkRedirect(ctx, r, a, p.Resource != ""); err != nil {
		return nil, err
	}
	if fault := p.validate(r.Settings); fault != nil {
		return h.faultPage(a, fault)
	}
	if err := h.findResource(ctx, r.Settings, a, p.Resource); oauth.AsError(err) != nil {
		return h.faultPage(a, oauth.AsError(err))
	} else if err != nil {
		return nil, err
	}
	a.Endpoint = chooseUpstream(r.Settings, a.Me)
	var err error
	if a.AsClient, err = h.asClient(ctx, r, a.Endpoint); err != nil {
		return nil, err
	}
	if err := h.Grants.Create(ctx, r.Request, a); err != nil {
		return nil, err
	}
	reply := oauth.Redirect(http.StatusFound, h.upstreamURL(a, r.Settings))
	reply.Cookies = h.cookies(r, a)
	return reply, nil
}

// validate checks what the client may be told. A missing response_type and the old
// "id" are taken: the clients without PKCE send them (C4, C25).
func (p *Params) validate(st *grant.Settings) *oauth.Error {
	switch {
	case p.ResponseType != "" && p.ResponseType != "code" && p.ResponseType != "id":
		return &oauth.Error{Code: "unsupported_response_type", Description: "the response_type is code"}
	case p.Challenge == "" && p.ChallengeMethod != "":
		return oauth.InvalidRequest("code_challenge_method comes without code_challenge")
	case p.Challenge != "" && p.ChallengeMethod != "S256":
		return oauth.InvalidRequest("the code_challenge_method must be S256")
	case p.Challenge != "" && !oauth.IsChallenge(p.Challenge):
		return oauth.InvalidRequest("the code_challenge is not the unpadded base64url of a SHA-256 (43 characters)")
	case p.Challenge == "" && st.RequirePKCE:
		return oauth.InvalidRequest("this site wants PKCE (code_challenge, S256), which this app does not send")
	case oauth.ParseScope(p.Scope) == "" && strings.TrimSpace(p.Scope) != "":
		return oauth.InvalidScope("no word of the scope can be one")
	case strings.Contains(p.Scope, "%20"):
		return oauth.InvalidScope("the scope was encoded twice")
	}
	return nil
}

// chooseUpstream takes the trusted endpoint on the host of me, else the first.
func chooseUpstream(st *grant.Settings, me string) string {
	for _, e := range st.Endpoints {
		if me != "" && oauth.Related(oauth.ParseProfile(me), e) {
			return e
		}
	}
	return st.Endpoints[0]
}

// upstreamURL is the request that the upstream gets.
func (h *Handler) upstreamURL(a *grant.Pending, st *grant.Settings) string {
	v := url.Values{
		"client_id":             {h.upstreamClient(a)},
		"redirect_uri":          {h.upstreamRedirect(a)},
		"state":                 {a.UpstreamState()},
		"me":                    {upstreamMe(a, st)},
		"response_type":         {"code"},
		"code_challenge":        {oauth.Challenge(a.UpstreamVerifier())},
		"code_challenge_method": {"S256"},
	}
	switch {
	case a.AsClient: // all that we ask is who signed in
	case a.Scope == "" || a.Resource != "": // Selfauth wants no scope with id, and one with code
		v.Set("response_type", "id")
	default:
		v.Set("scope", a.Scope)
	}
	return oauth.WithQuery(a.Endpoint, v)
}

// upstreamClient is the client_id that the upstream sees.
func (h *Handler) upstreamClient(a *grant.Pending) string {
	if a.AsClient {
		return h.URL + "/client"
	}
	return a.ClientID
}

// upstreamRedirect is where the upstream sends the browser. Selfauth signs it, so
// that its code fits one authorization only. Where we are the client, it is what
// our metadata lists, and PKCE ties the code to the authorization.
func (h *Handler) upstreamRedirect(a *grant.Pending) string {
	if a.AsClient {
		return h.URL + "/callback"
	}
	return h.URL + "/callback?flow=" + string(a.ID)
}

// upstreamMe is what the client sent, or the person of this site: Selfauth demands me.
func upstreamMe(a *grant.Pending, st *grant.Settings) string {
	if me := oauth.ParseProfile(a.Me); me != "" {
		return me
	}
	for _, me := range st.Me {
		if oauth.Related(me, a.Endpoint) {
			return me
		}
	}
	if len(st.Me) > 0 {
		return st.Me[0]
	}
	u, err := url.Parse(a.Endpoint)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + "/"
}

// redirectURL is the way back to the client: its redirect_uri with the given
// parameters, its state and iss (RFC 6749 section 4.1.2, RFC 9207 section 2).
func (h *Handler) redirectURL(a *grant.Pending, v url.Values) string {
	v.Set("iss", h.URL)
	if a.State.Valid {
		v.Set("state", a.State.String)
	}
	return oauth.WithQuery(a.RedirectURI, v)
}

// errorURL takes an error to a client (RFC 6749 section 4.1.2.1) that has passed
// checkRedirect.
func (h *Handler) errorURL(a *grant.Pending, fault *oauth.Error) string {
	return h.redirectURL(a, url.Values{"error": {redirectCode(fault)}, "error_description": {oauth.PlainASCII(fault.Description)}})
}

// redirectCode is the error code for the client of an authorization endpoint, which
// knows others than that of a token endpoint.
func redirectCode(fault *oauth.Error) string {
	switch fault.Code {
	case "invalid_request", "unauthorized_client", "access_denied", "unsupported_response_type", "invalid_scope", "temporarily_unavailable", "invalid_target":
		return fault.Code
	}
	return "server_error"
}
