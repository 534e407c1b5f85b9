package endpoint

import (
	"net/http"

	"mintkeep/internal/discover"
	"mintkeep/internal/oauth"
)

// userinfo is GET BASE/userinfo (IndieAuth section 9): the profile, for a token
// with the scope of that name.
func (h *Handler) userinfo(q *request) (*oauth.Reply, error) {
	t, err := h.verifyBearer(q, "")
	if err != nil {
		return nil, err
	}
	if !oauth.HasScope(t.Scope, "profile") {
		return nil, &oauth.Error{Status: http.StatusForbidden, Code: "insufficient_scope", Description: "the token has no scope profile",
			Header: map[string]string{"WWW-Authenticate": `Bearer error="insufficient_scope", scope="profile"`}}
	}
	return oauth.NewReply(struct {
		Me  string `json:"me"`
		Sub string `json:"sub"` // OpenID Connect clients refuse the answer without it (case L5)
		*discover.Profile
	}{t.Me, t.Me, h.profile(q, t.Me, t.Scope)}, false)
}

// profile is the part of a person's profile that the scopes allow: nothing without
// profile, no e-mail address without email (IndieAuth section 5.3.4). It is nil if
// the page cannot be read.
func (h *Handler) profile(q *request, me, scope string) *discover.Profile {
	if !oauth.HasScope(scope, "profile") {
		return nil
	}
	p := h.Authorize.Profile(q.ctx(), q.Settings, me)
	if p != nil && !oauth.HasScope(scope, "email") {
		p.Email = ""
	}
	return p
}
