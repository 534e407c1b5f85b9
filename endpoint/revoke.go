package endpoint

import (
	"mintkeep/endpoint/grant"
	"mintkeep/internal/oauth"
	"mintkeep/internal/secret"
)

// revoke is POST BASE/revoke (RFC 7009), and action=revoke at BASE (R31). The
// status is 200, also for unknown tokens, unless it could not be written. Any token
// of a grant ends the whole grant.
func (h *Handler) revoke(q *request) (*oauth.Reply, error) {
	token := secret.Secret(q.param("token"))
	if token == "" && q.param("action") == "revoke" {
		token = q.bareToken()
	}
	if token == "" {
		return nil, oauth.InvalidRequest("the parameter token is missing")
	}
	if err := h.Grants.Revoke(q.ctx(), q.Now, token); err != nil && !grant.IsTokenError(err) {
		return nil, err
	}
	return oauth.NewReply(struct{}{}, false)
}

// bareToken finds the token that indigenous for iOS sends as a bare key. A mangled
// one is taken as well: revoking it is answered like any other.
func (q *request) bareToken() secret.Secret {
	for _, key := range q.form.Bare {
		if grant.LooksLikeToken(secret.Secret(key)) {
			return secret.Secret(key)
		}
	}
	if len(q.form.Bare) > 0 {
		return secret.Secret(q.form.Bare[0])
	}
	return ""
}
