package provider_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"mintkeep/keeper/provider"
)

// Issue Reach, 2: where an MCP server's tokens come from, and what is not believed.
// HERE stands for the server's origin; documents are by path.
func TestDiscoverMCP(t *testing.T) {
	const resource, server = "/.well-known/oauth-protected-resource", "/.well-known/oauth-authorization-server"
	const metadata = `{"issuer":"HERE","authorization_endpoint":"HERE/a","token_endpoint":"HERE/t","code_challenge_methods_supported":["S256"]`
	for _, test := range []struct {
		name, challenge string
		status          int
		documents       map[string]string
		want            string // the scope and resource, or what the error says
	}{
		{"named in the refusal", `Bearer resource_metadata="HERE/m", scope="a b"`, 401,
			map[string]string{"/m": `{"resource":"HERE/x/mcp","authorization_servers":["HERE"],"scopes_supported":["c"]}`, server: metadata + "}"}, "a b HERE/x/mcp"},
		{"at the well-known address", "Bearer", 401,
			map[string]string{resource + "/x/mcp": `{"resource":"HERE/x/mcp","authorization_servers":["HERE"],"scopes_supported":["c"]}`, server: metadata + "}"}, "c HERE/x/mcp"},
		{"at the root, for all below", "", 401,
			map[string]string{resource: `{"resource":"HERE/","authorization_servers":["HERE"]}`, server: metadata + "}"}, " HERE/"},
		{"of before RFC 9728", "Bearer", 401, map[string]string{server: metadata + "}"}, " HERE/x/mcp"},
		{"of before RFC 8414", "Bearer", 401, nil, " HERE/x/mcp"},
		{"offline_access where it is supported", `Bearer resource_metadata="HERE/m"`, 401, map[string]string{
			"/m": `{"resource":"HERE/x/mcp","authorization_servers":["HERE"],"scopes_supported":["c"]}`, server: metadata + `,"scopes_supported":["c","offline_access"]}`},
			"c offline_access HERE/x/mcp"},
		{"another resource", `Bearer resource_metadata="HERE/m"`, 401,
			map[string]string{"/m": `{"resource":"https://other.example/mcp","authorization_servers":["HERE"]}`, server: metadata + "}"}, "says that it is"},
		{"a sibling's resource", `Bearer resource_metadata="HERE/m"`, 401,
			map[string]string{"/m": `{"resource":"HERE/x/mc","authorization_servers":["HERE"]}`, server: metadata + "}"}, "says that it is"},
		{"another issuer", `Bearer resource_metadata="HERE/m"`, 401,
			map[string]string{"/m": `{"resource":"HERE/x/mcp","authorization_servers":["HERE/other"]}`, server + "/other": metadata + "}"}, "not \"HERE/other\""},
		{"no issuer", `Bearer resource_metadata="HERE/m"`, 401, map[string]string{"/m": `{"resource":"HERE/x/mcp"}`}, "there is no issuer"},
		{"no PKCE", `Bearer resource_metadata="HERE/m"`, 401, map[string]string{"/m": `{"resource":"HERE/x/mcp","authorization_servers":["HERE"]}`,
			server: `{"issuer":"HERE","authorization_endpoint":"HERE/a","token_endpoint":"HERE/t"}`}, "does not say that it knows PKCE"},
		{"metadata over http", `Bearer resource_metadata="http://other.example/m"`, 401, nil, "is not https"},
		{"not an MCP server", "", 200, map[string]string{server: metadata + "}"}, "reading the metadata of the MCP server"},
	} {
		t.Run(test.name, func(t *testing.T) {
			here := ""
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/x/mcp" {
					w.Header().Set("WWW-Authenticate", strings.ReplaceAll(test.challenge, "HERE", here))
					w.WriteHeader(test.status)
				} else if text, ok := test.documents[r.URL.Path]; ok {
					_, _ = io.WriteString(w, strings.ReplaceAll(text, "HERE", here))
				} else {
					http.NotFound(w, r)
				}
			}))
			t.Cleanup(s.Close)
			here = s.URL
			p, err := provider.Client{}.DiscoverMCP(t.Context(), s.URL+"/x/mcp")
			got := fmt.Sprint(p.Scope, " ", p.TokenParams["resource"])
			if err != nil {
				got = err.Error()
			} else if p.AuthParams["resource"] != p.TokenParams["resource"] {
				t.Errorf("resource %q at one, %q at the other", p.AuthParams, p.TokenParams)
			}
			if got = strings.ReplaceAll(got, here, "HERE"); !strings.Contains(got, test.want) {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

// A server that lets anybody initialize says what it wants when its tools are asked for.
func TestDiscoverMCPOpen(t *testing.T) {
	here := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.URL.Path == "/m":
			_, _ = io.WriteString(w, `{"resource":"`+here+`/mcp","authorization_servers":["`+here+`"],"scopes_supported":["other"]}`)
		case r.URL.Path == "/.well-known/oauth-authorization-server":
			_, _ = io.WriteString(w, `{"issuer":"`+here+`","authorization_endpoint":"`+here+`/a","token_endpoint":"`+here+`/t","code_challenge_methods_supported":["S256"]}`)
		case r.URL.Path == "/mcp" && strings.Contains(string(body), `"initialize"`):
			w.Header().Set("Mcp-Session-Id", "s1")
		case r.URL.Path == "/mcp" && r.Header.Get("Mcp-Session-Id") == "s1":
			w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+here+`/m", scope="tools"`)
			w.WriteHeader(http.StatusUnauthorized)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	here = s.URL
	if p, err := (provider.Client{}).DiscoverMCP(t.Context(), s.URL+"/mcp"); err != nil || p.Scope != "tools" {
		t.Errorf("scope %q, %v", p.Scope, err)
	}
}

// An issuer that promises to say who it is (RFC 9207) must.
func TestRequireIss(t *testing.T) {
	p := provider.Provider{Issuer: "https://op.example", Options: provider.Options{RequireIss: true}}
	for query, good := range map[string]bool{"code=c&iss=https://op.example": true, "code=c": false, "code=c&iss=https://other.example": false, "code=c&iss=": false} {
		q, _ := url.ParseQuery(query)
		if _, _, err := p.ParseCallback(q); (err == nil) != good {
			t.Errorf("%s: %v", query, err)
		}
	}
}
