package endpoint

import (
	"net/http"
	"slices"
	"strings"

	"mintkeep/endpoint/authorize"
	"mintkeep/endpoint/grant"
	"mintkeep/internal/discover"
	"mintkeep/internal/oauth"
	"mintkeep/internal/page"
)

// token is POST BASE: it tells the grant types, revocation and introspection of
// older clients apart.
func (h *Handler) token(q *request) (*oauth.Reply, error) {
	grantType, action := q.param("grant_type"), q.param("action")
	if grantType == "" && action == "" { // MIndie writes it into the address (case L10)
		action = q.http.URL.Query().Get("action")
	}
	switch {
	case action == "revoke":
		return h.revoke(q)
	case action == "introspect":
		return h.introspect(q)
	case action != "":
		return nil, oauth.InvalidRequest("the only action is revoke")
	case grantType == "authorization_code":
		return h.redeem(q)
	case grantType == "refresh_token":
		return h.refresh(q)
	case grantType != "":
		return nil, unsupportedGrantType("the grant types are authorization_code and refresh_token")
	case q.param("token") != "":
		return h.introspect(q)
	}
	if slices.ContainsFunc(q.form.Bare, func(name string) bool { return strings.Contains(name, "=") }) {
		return nil, oauth.InvalidRequest("the parameter grant_type is missing; the whole body was encoded twice")
	}
	return nil, oauth.InvalidRequest("the parameter grant_type is missing")
}

func unsupportedGrantType(description string) error {
	return &oauth.Error{Status: http.StatusBadRequest, Code: "unsupported_grant_type", Description: description}
}

// redeem exchanges an authorization code for tokens: RFC 6749 section 4.1.3,
// IndieAuth section 5.3. The used codes are read before the upstream is asked and
// written only after it confirmed the code, because clients send the same code
// again when their first attempt failed (C7).
func (h *Handler) redeem(q *request) (*oauth.Reply, error) {
	ask, err := h.tokenRequest(q)
	if err != nil {
		return nil, err
	}
	if grant.IsOwnCode(ask.Code) {
		tokens, err := h.Grants.ExchangeOwnCode(q.ctx(), q.Request, ask)
		return h.tokenReply(q, tokens, err)
	}
	if authorize.IsCodeCheck(q.http.UserAgent()) {
		return nil, oauth.InvalidGrant("this is a token endpoint: another mintkeep names it as its authorization endpoint, " +
			"where the address of a Selfauth belongs")
	}
	if h.URL != "" && oauth.Under(h.URL, ask.RedirectURI) {
		return nil, oauth.InvalidGrant("this redirect_uri is the token endpoint's own; redeem the code that it gave you")
	}
	if !q.Settings.Direct {
		return nil, oauth.InvalidGrant("codes of the authorization endpoint are not accepted directly; " +
			"start at this endpoint's authorize address")
	}
	found, err := h.Authorize.VerifyCode(q.ctx(), q.Request, ask)
	if err != nil {
		return nil, err
	}
	q.Reservation = found.Reservation
	tokens, err := h.Grants.Issue(q.ctx(), q.Request, ask,
		&grant.Grant{Me: found.Me, ClientID: ask.ClientID, Scope: found.Scope, Endpoint: found.Endpoint})
	return h.tokenReply(q, tokens, err)
}

func (h *Handler) tokenRequest(q *request) (grant.TokenRequest, error) {
	id, err := q.clientID()
	if err != nil {
		return grant.TokenRequest{}, err
	}
	ask := grant.TokenRequest{Code: q.param("code"), ClientID: id, RedirectURI: q.param("redirect_uri"), Verifier: q.param("code_verifier"),
		Resource: q.param("resource")}
	switch {
	case ask.Code == "":
		return ask, oauth.InvalidRequest("the parameter code is missing")
	case ask.ClientID == "": // it may have been in Basic credentials
		return ask, oauth.InvalidRequest(strings.TrimSuffix("the parameter client_id is missing; "+h.headerHint(q), "; "))
	case ask.RedirectURI == "":
		return ask, oauth.InvalidRequest("the parameter redirect_uri is missing")
	}
	if !strings.Contains(ask.Code, ":") && strings.Contains(strings.ToUpper(ask.Code), "%3A") {
		ask.Code = oauth.Unescape(ask.Code) // encoded twice (R22)
	}
	return ask, nil
}

// tokenReply carries new tokens to the client, with the profile if the scope allows.
func (h *Handler) tokenReply(q *request, tokens *grant.TokenResponse, err error) (*oauth.Reply, error) {
	if err != nil {
		return nil, err
	}
	return oauth.NewReply(struct {
		*grant.TokenResponse
		Profile *discover.Profile `json:"profile,omitempty"`
	}{tokens, h.profile(q, tokens.Me, tokens.Scope)}, onlyForm(q.http.Header))
}

// identify is POST BASE/authorize: a code of this endpoint for who it is, without a
// token (IndieAuth section 5.3.2). Old clients send no grant_type.
func (h *Handler) identify(q *request) (*oauth.Reply, error) {
	if t := q.param("grant_type"); t != "" && t != "authorization_code" {
		return nil, unsupportedGrantType("the grant type is authorization_code")
	}
	ask, err := h.tokenRequest(q)
	if err != nil {
		return nil, err
	}
	g, err := h.Grants.Identify(q.ctx(), q.Request, ask)
	if err != nil {
		return nil, err
	}
	return oauth.NewReply(struct {
		Me      string            `json:"me"`
		Profile *discover.Profile `json:"profile,omitempty"`
	}{g.Me, h.profile(q, g.Me, g.Scope)}, onlyForm(q.http.Header))
}

// authorize is GET BASE/authorize.
func (h *Handler) authorize(q *request) (*oauth.Reply, error) {
	return h.Authorize.Authorize(q.ctx(), q.browser(), authorize.Params{ResponseType: q.param("response_type"),
		ClientID: q.param("client_id"), RedirectURI: q.param("redirect_uri"), State: q.param("state"), Scope: q.param("scope"),
		Me: q.param("me"), Resource: q.param("resource"), Challenge: q.param("code_challenge"), ChallengeMethod: q.param("code_challenge_method")})
}

// callback is GET BASE/callback.
func (h *Handler) callback(q *request) (*oauth.Reply, error) {
	return h.Authorize.Callback(q.ctx(), q.browser(), authorize.CallbackParams{Flow: q.param("flow"), State: q.param("state"),
		Code: q.param("code"), Error: q.param("error"), Description: q.param("error_description")})
}

// consent is POST BASE/consent. The authorization's cookie and the browser's word
// for where the form came from keep other sites from answering.
func (h *Handler) consent(q *request) (*oauth.Reply, error) {
	if err := page.SameSite(h.URL, q.http); err != nil {
		return nil, &oauth.Error{Status: http.StatusForbidden, Code: "access_denied",
			Description: "this answer came from another site", Cause: err}
	}
	return h.Authorize.Consent(q.ctx(), q.browser(),
		authorize.ConsentParams{Flow: q.param("flow"), Scope: q.param("scope"), Answer: q.param("answer")})
}
