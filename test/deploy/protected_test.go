package deploy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mintkeep/internal/oauth"
	"mintkeep/test/tools"
	"mintkeep/test/wire"
)

// readdressed is a file of deploy/ for one's own addresses, wherever they stand.
func readdressed(t *testing.T, file string, changes ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(files, file))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(string(b), changes[i]) {
			t.Fatalf("%s: %q is not there", file, changes[i])
		}
	}
	return strings.NewReplacer(changes...).Replace(string(b))
}

// A service is what a token opens: it says what arrived.
func service(t *testing.T) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "service %s %s %s\n", r.Method, r.URL, body)
		for name, values := range r.Header {
			if folded := strings.ReplaceAll(strings.ToLower(name), "_", "-"); strings.HasPrefix(folded, "mintkeep-") || folded == "authorization" {
				fmt.Fprintf(w, "%s: %q\n", name, values)
			}
		}
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// resourceHost is a host whose token endpoint serves beside the web server.
func resourceHost(t *testing.T, flags ...string) (h *host, resource, secret string) {
	t.Helper()
	h = newHost(t, "/token")
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	h.base = "http://" + address + "/token"
	h.serve(address, flags...)
	resource = fmt.Sprintf("http://127.0.0.1:%d/mcp", h.port)
	return h, resource, h.mintkeep("server", "add", "mcp", "-resource", resource, "-scope", "notes")
}

// tokenFor signs in to an app for a resource.
func (h *host) tokenFor(t *testing.T, resource string) string {
	t.Helper()
	const verifier = "a-verifier-of-the-client-that-is-43-characters-long"
	ask := url.Values{"response_type": {"code"}, "client_id": {client}, "redirect_uri": {redirect}, "state": {"s"},
		"code_challenge": {oauth.Challenge(verifier)}, "code_challenge_method": {"S256"}, "resource": {resource}}
	time.Sleep(1100 * time.Millisecond) // Selfauth's codes of one second are alike
	back, err := wire.SignIn(h.base+"/authorize?"+ask.Encode(), h.self.Password)
	if err != nil {
		t.Fatal(err)
	}
	a := post(t, h.base, url.Values{"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "client_id": {client},
		"redirect_uri": {redirect}, "code_verifier": {verifier}, "resource": {resource}})
	a.want(t, "redeem", 200)
	return a.text("access_token")
}

// isProtected: nothing but a living bearer for this resource opens it, whatever else
// the request says; the service learns who it is from the web server alone.
func (h *host) isProtected(t *testing.T, resource string, cached time.Duration) {
	t.Helper()
	token, other, site := h.tokenFor(t, resource), h.tokenFor(t, strings.TrimSuffix(h.base, "/token")+"/mcp"), h.redeem(t)
	metadata := strings.Replace(resource, "/mcp", "/.well-known/oauth-protected-resource/mcp", 1)
	for name, header := range map[string][]string{
		"nothing":               nil,
		"a browser":             {"Accept", "text/html"},
		"anything":              {"Accept", "*/*"},
		"a form":                {"Accept", "application/x-www-form-urlencoded", "Content-Type", "application/x-www-form-urlencoded"},
		"another's token":       {"Authorization", "Bearer " + other},
		"the site's token":      {"Authorization", "Bearer " + site},
		"no token":              {"Authorization", "Bearer "},
		"an unknown one":        {"Authorization", "Bearer mka_" + strings.Repeat("x", 49)},
		"a cut one":             {"Authorization", "Bearer " + token[:len(token)-1]},
		"a name":                {"Authorization", "Basic bWU6cHc=", "Accept", "text/html"},
		"who it says it is":     {"Mintkeep-Me", "https://you.example/", "Mintkeep-Client-Id", client, "Mintkeep-Scope", "notes"},
		"another method's":      {"X-HTTP-Method-Override", "OPTIONS", "X-Original-Method", "OPTIONS"},
		"another address":       {"X-Original-URI", "/public", "X-Rewrite-URL", "/", "X-Forwarded-Uri", "/?resource="},
		"a length that is none": {"Content-Length", "0", "Accept", "text/html"},
	} {
		a := send(t, resource, nil, false, header...)
		if a.status != 401 || strings.Contains(a.body, "service") || !strings.Contains(a.header.Get("WWW-Authenticate"), `resource_metadata="`+metadata+`"`) {
			t.Errorf("%s: %d %q %s", name, a.status, a.header["Www-Authenticate"], a.body)
		}
	}
	for _, more := range []string{"?resource=" + url.QueryEscape(resource), "/", "/x?access_token=" + token, "/%2e%2e/mcp"} {
		get(t, resource+more, "").want(t, more, 401)
	}
	for _, path := range []string{"//mcp", "/./mcp", "/x/../mcp", "/%6dcp", "/mcp%2fx", "/mcp;x", "/mcpx", "/MCP", "/mintkeep-asked"} {
		if a := get(t, strings.TrimSuffix(resource, "/mcp")+path, ""); strings.Contains(a.body, "service") || a.status == 200 && a.body != "" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	lies := []string{"Authorization", "Bearer " + token, "Mintkeep-Me", "https://evil.example/", "Mintkeep-Client-Id", "x", "Mintkeep-Scope", "admin", "Mintkeep_Me", "x", "mintkeep_scope", "x"}
	a := send(t, resource+"/tool?a=b", nil, false, lies...)
	a.want(t, "a living token", 200)
	for _, want := range []string{"service GET /mcp/tool?a=b", `Mintkeep-Me: ["https://you.example/"]`, `Mintkeep-Client-Id: ["` + client + `"]`, `Mintkeep-Scope: ["notes"]`} {
		if !strings.Contains(a.body, want) || strings.Count(strings.ToLower(a.body), "mintkeep") != 3 || strings.Contains(a.body, "Authorization") {
			t.Errorf("%s is wanted in %s", want, a.body)
		}
	}
	a = post(t, resource, url.Values{"x": {"y"}}, "Authorization", "Bearer "+token)
	if a.status != 200 || !strings.Contains(a.body, "service POST /mcp x=y") {
		t.Errorf("POST: %d %s", a.status, a.body)
	}
	a = get(t, metadata, "")
	servers, _ := a.json["authorization_servers"].([]any)
	if a.status != 200 || a.text("resource") != resource || len(servers) != 1 || servers[0] != h.base || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		t.Errorf("%s: %d %s %s", metadata, a.status, a.header["Content-Type"], a.body)
	}
	post(t, h.base+"/revoke", url.Values{"token": {token}}).want(t, "revoke", 200)
	time.Sleep(cached)
	get(t, resource, token).want(t, "a revoked token", 401)
}

func TestResourceNginx(t *testing.T) {
	h, resource, _ := resourceHost(t)
	h.nginx(readdressed(t, "resource-nginx.conf", "https://example.com/mcp", resource, "https://example.com/token", h.base, "127.0.0.1:3000", service(t)))
	h.isProtected(t, resource, 0)
}

func TestResourceCaddy(t *testing.T) {
	h, resource, _ := resourceHost(t)
	h.caddy(readdressed(t, "resource-Caddyfile", "\nexample.com {", fmt.Sprintf("\nhttp://127.0.0.1:%d {", h.port), "https://example.com/mcp", resource,
		"https://example.com/token", h.base, "https://example.com {", strings.TrimSuffix(h.base, "/token")+" {", "127.0.0.1:3000", service(t)))
	h.isProtected(t, resource, 0)
}

func TestResourceApache(t *testing.T) {
	tools.Need(t, "libapache2-mod-oauth2", modules+"/mod_oauth2.so")
	h, resource, secret := resourceHost(t)
	h.folder("site/.well-known/oauth-protected-resource", 0o755)
	h.write("site/.well-known/oauth-protected-resource/mcp", `{"resource": "`+resource+`", "authorization_servers": ["`+h.base+`"]}`, 0o644)
	h.apache([]string{"oauth2", "headers", "proxy", "proxy_http"}, readdressed(t, "resource-apache.conf", "https://example.com/token", h.base,
		"https://example.com/.well-known", strings.TrimSuffix(resource, "/mcp")+"/.well-known", "127.0.0.1:3000", service(t),
		"client_secret=SECRET", "client_secret="+secret, "expiry=10", "expiry=1"))
	h.isProtected(t, resource, 2500*time.Millisecond)
}
