package endpoint

import (
	"net/http"
	"strings"

	"mintkeep/endpoint/authorize"
	"mintkeep/internal/oauth"
	"mintkeep/internal/page"
)

// wellKnown is where RFC 8414 section 3 puts metadata: before the issuer's path.
const wellKnown = "/.well-known/oauth-authorization-server"

// metadata is GET BASE/metadata: RFC 8414 with IndieAuth's additions (section
// 4.1.1). The issuer is BASE byte for byte: clients compare it with the iss of
// authorization responses, and want it to begin the address of this document (C1).
// It has no service_documentation: hacdias/indielib takes it for a list, and drops the
// whole document (case L2).
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
		"client_id_metadata_document_supported":          true,
	})
}

// client is GET BASE/client: who we are as a client (IndieAuth section 4.2), for
// upstreams towards which we are one. It is HTML unless Accept names JSON: WordPress
// reads HTML whatever it asks for, and asks again without end while it finds no name
// (case L1). The Link header says the same to those that read neither.
func (h *Handler) client(q *request) (*oauth.Reply, error) {
	if h.URL == "" {
		return nil, authorize.ErrNoURL()
	}
	if _, json := oauth.Quality(q.http.Header, "application/json"); json {
		reply, err := h.clientDocument(h.URL + "/client")
		if err == nil {
			reply.Header["Vary"] = "Accept" // else a cache hands it to WordPress, too
		}
		return reply, err
	}
	name := h.clientName()
	reply, err := authorize.PageReply(&page.Page{Title: name, Template: "client.html", Data: struct {
		ID, Name  string
		Redirects []string
	}{h.URL + "/client", name, h.clientRedirects()}}, templates())
	if err == nil {
		reply.Header["Link"] = h.redirectLinks()
	}
	return reply, err
}

// clientJSON is GET BASE/client.json: our client metadata document, the client_id
// where a document is wanted.
func (h *Handler) clientJSON(*request) (*oauth.Reply, error) {
	if h.URL == "" {
		return nil, authorize.ErrNoURL()
	}
	return h.clientDocument(h.URL + "/client.json")
}

func (h *Handler) clientDocument(id string) (*oauth.Reply, error) {
	reply, err := public(map[string]any{
		"client_id":                  id,
		"client_name":                h.clientName(),
		"client_uri":                 h.URL,
		"redirect_uris":              h.clientRedirects(),
		"token_endpoint_auth_method": "none",
		"grant_types":                []string{"authorization_code", "refresh_token"},
		"response_types":             []string{"code"},
	})
	if err == nil {
		reply.Header["Link"] = h.redirectLinks()
	}
	return reply, err
}

func (h *Handler) clientName() string { return "Token endpoint of " + oauth.HostOf(h.URL) }

// clientRedirects are the addresses to which sites send the browser back: signing in
// here, and connecting an account whose token is kept.
func (h *Handler) clientRedirects() []string {
	return []string{h.URL + "/callback", h.URL + "/keep/callback"}
}

func (h *Handler) redirectLinks() string {
	var links []string
	for _, to := range h.clientRedirects() {
		links = append(links, "<"+to+`>; rel="redirect_uri"`)
	}
	return strings.Join(links, ", ")
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
