package endpoint

import (
	"net/http"

	"mintkeep/endpoint/authorize"
	"mintkeep/internal/oauth"
)

// wellKnown is where RFC 8414 section 3 puts metadata: before the issuer's path.
const wellKnown = "/.well-known/oauth-authorization-server"

// metadata is GET BASE/metadata: RFC 8414 with IndieAuth's additions (section
// 4.1.1). The issuer is BASE byte for byte: clients compare it with the iss of
// authorization responses, and want it to begin the address of this document (C1).
func (h *Handler) metadata(q *request) (*oauth.Reply, error) {
	if err := h.Authorize.Ready(q.Settings); err != nil {
		return nil, &oauth.Error{Status: http.StatusNotFound, Code: "invalid_request",
			Description: "no metadata is published yet: " + oauth.AsError(err).Description}
	}
	return public(map[string]any{
		"issuer":                                         h.URL,
		"authorization_endpoint":                         h.URL + "/authorize",
		"token_endpoint":                                 h.URL,
		"token_endpoint_auth_methods_supported":          []string{"none"},
		"introspection_endpoint":                         h.URL + "/introspect",
		"introspection_endpoint_auth_methods_supported":  []string{"client_secret_basic", "client_secret_post"},
		"revocation_endpoint":                            h.URL + "/revoke",
		"revocation_endpoint_auth_methods_supported":     []string{"none"},
		"userinfo_endpoint":                              h.URL + "/userinfo",
		"scopes_supported":                               oauth.KnownScopes(),
		"response_types_supported":                       []string{"code"},
		"response_modes_supported":                       []string{"query"},
		"grant_types_supported":                          []string{"authorization_code", "refresh_token"},
		"code_challenge_methods_supported":               []string{"S256"},
		"authorization_response_iss_parameter_supported": true,
		"service_documentation":                          "https://indieauth.spec.indieweb.org/",
	})
}

// client is GET BASE/client: our own client metadata (IndieAuth section 4.2), for
// upstreams towards which we are the client. The Link header says the same to those
// that read no JSON.
func (h *Handler) client(*request) (*oauth.Reply, error) {
	if h.URL == "" {
		return nil, authorize.ErrNoURL()
	}
	reply, err := public(map[string]any{
		"client_id":     h.URL + "/client",
		"client_name":   "Token endpoint of " + oauth.HostOf(h.URL),
		"client_uri":    h.URL,
		"redirect_uris": []string{h.URL + "/callback"},
	})
	if err != nil {
		return nil, err
	}
	reply.Header["Link"] = "<" + h.URL + `/callback>; rel="redirect_uri"`
	return reply, nil
}

// public is a document that anybody may keep for five minutes.
func public(v any) (*oauth.Reply, error) {
	reply, err := oauth.NewReply(v, false)
	if err != nil {
		return nil, err
	}
	reply.Header = map[string]string{"Cache-Control": "public, max-age=300"}
	return reply, nil
}
