package endpoint

import (
	"mintkeep/endpoint/grant"
	"mintkeep/internal/oauth"
	"mintkeep/internal/secret"
)

// refresh exchanges a refresh token for new tokens (RFC 6749 section 6).
func (h *Handler) refresh(q *request) (*oauth.Reply, error) {
	token := secret.Secret(q.param("refresh_token"))
	if token == "" {
		return nil, oauth.InvalidRequest("the parameter refresh_token is missing")
	}
	clientID, err := q.clientID()
	if err != nil {
		return nil, err
	}
	tokens, err := h.Grants.Refresh(q.ctx(), q.Request,
		grant.RefreshRequest{Token: token, ClientID: clientID, Scope: q.param("scope"), Resource: q.param("resource")})
	return h.tokenReply(q, tokens, err)
}
