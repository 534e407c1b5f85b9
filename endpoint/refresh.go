package endpoint

import (
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
	tokens, err := h.Grants.Refresh(q.ctx(), q.Request, token, clientID, q.param("scope"))
	return h.tokenReply(q, tokens, err)
}
