package endpoint

import (
	"errors"
	"net/http"
)

// wellKnown is where RFC 8414 section 3 puts metadata: before the issuer's path.
const wellKnown = "/.well-known/oauth-authorization-server"

// metadata is GET BASE/metadata: RFC 8414 with IndieAuth's additions (section
// 4.1.1). The issuer is BASE byte for byte: clients compare it with the iss of
// the front's answers, and want it to begin the address of this document (C1).
func (s *Server) metadata(q *request) (*reply, error) {
	if _, err := s.fronted(q); err != nil {
		e := new(Error)
		if errors.As(err, &e) {
			e = &Error{Status: http.StatusNotFound, Code: "invalid_request", Description: "no metadata is published yet: " + e.Description}
			return nil, e
		}
		return nil, err
	}
	rep, err := encode(fields{
		{"issuer", s.URL},
		{"authorization_endpoint", s.URL + "/authorize"},
		{"token_endpoint", s.URL},
		{"token_endpoint_auth_methods_supported", []string{"none"}},
		{"introspection_endpoint", s.URL + "/introspect"},
		{"introspection_endpoint_auth_methods_supported", []string{"client_secret_basic", "client_secret_post"}},
		{"revocation_endpoint", s.URL + "/revoke"},
		{"revocation_endpoint_auth_methods_supported", []string{"none"}},
		{"userinfo_endpoint", s.URL + "/userinfo"},
		{"scopes_supported", KnownScopes()},
		{"response_types_supported", []string{"code"}},
		{"response_modes_supported", []string{"query"}},
		{"grant_types_supported", []string{"authorization_code", "refresh_token"}},
		{"code_challenge_methods_supported", []string{"S256"}},
		{"authorization_response_iss_parameter_supported", true},
		{"service_documentation", "https://indieauth.spec.indieweb.org/"},
	}, false)
	if err != nil {
		return nil, err
	}
	rep.header = map[string]string{"Cache-Control": "public, max-age=300"}
	return rep, nil
}

// client is GET BASE/client: our own client metadata (IndieAuth section 4.2),
// for endpoints towards which we are the client. The Link header says the
// same to those that read no JSON.
func (s *Server) client(*request) (*reply, error) {
	if s.URL == "" {
		return nil, errNoURL()
	}
	rep, err := encode(fields{
		{"client_id", s.URL + "/client"},
		{"client_name", "Token endpoint of " + hostOf(s.URL)},
		{"client_uri", s.URL},
		{"redirect_uris", []string{s.URL + "/callback"}},
	}, false)
	if err != nil {
		return nil, err
	}
	rep.header = map[string]string{"Cache-Control": "public, max-age=300", "Link": "<" + s.URL + `/callback>; rel="redirect_uri"`}
	return rep, nil
}

// fronted returns the settings if the front can work: it needs its own address
// and an endpoint to stand before.
func (s *Server) fronted(q *request) (*Settings, error) {
	if s.URL == "" {
		return nil, errNoURL()
	}
	st, err := s.Settings(q.ctx())
	if err != nil {
		return nil, err
	}
	if len(st.Endpoints) == 0 {
		return nil, unavailable("no authorization endpoint is trusted here yet", errNoEndpoint)
	}
	return st, nil
}

func errNoURL() *Error {
	return unavailable("the configuration does not say at which address this endpoint is reached",
		errors.New("no url\nhint: put `url: URL` into the configuration file"))
}
