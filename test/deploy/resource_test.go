package deploy

import (
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"mintkeep/test/tools"
)

// protected is an Apache with a page that only a living token opens, and beside
// it the token endpoint at h.base.
func protected(t *testing.T) (h *host, secret string) {
	t.Helper()
	h = newHost(t, "/token")
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	h.base = "http://" + address + "/token"
	h.serve(address)
	h.folder("site/private", 0o755)
	h.write("site/private/page.txt", "only for friends\n", 0o644)
	return h, h.mintkeep("server", "add", "apache")
}

// letsIn: the living are let in, nobody else, and the revoked no longer, at the
// latest after the module has forgotten them.
func (h *host) letsIn(t *testing.T, cached time.Duration) {
	t.Helper()
	page := fmt.Sprintf("http://127.0.0.1:%d/private/page.txt", h.port)
	token, other := h.redeem(t), h.redeem(t)
	a := get(t, page, token)
	if a.want(t, "living token", 200); a.body != "only for friends\n" {
		t.Errorf("living token: %q", a.body)
	}
	get(t, page, "").want(t, "no token", 401)
	get(t, page, "mka_"+strings.Repeat("x", 43)).want(t, "unknown token", 401)
	post(t, h.base+"/revoke", url.Values{"token": {token}}).want(t, "revoke", 200)
	time.Sleep(cached)
	get(t, page, token).want(t, "revoked token", 401)
	get(t, page, other).want(t, "the other token", 200)
}

func (h *host) modOAuth2(changes ...string) {
	h.t.Helper()
	tools.Need(h.t, "libapache2-mod-oauth2", modules+"/mod_oauth2.so")
	h.apache([]string{"oauth2"}, edited(h.t, "resource-mod_oauth2.conf", append(changes, "https://example.com/token", h.base)...))
}

func TestModOAuth2Basic(t *testing.T) {
	h, secret := protected(t)
	h.modOAuth2("client_id=NAME", "client_id=apache", "=SECRET", "="+secret, "expiry=10", "expiry=1")
	h.letsIn(t, 2500*time.Millisecond)
}

func TestModOAuth2Post(t *testing.T) {
	h, secret := protected(t)
	h.modOAuth2("auth=client_secret_basic", "auth=client_secret_post", "client_id=NAME", "client_id=apache", "=SECRET", "="+secret, "expiry=10", "expiry=1")
	h.letsIn(t, 2500*time.Millisecond)
}

func (h *host) modAuthOpenIDC(changes ...string) {
	h.t.Helper()
	tools.Need(h.t, "libapache2-mod-auth-openidc", modules+"/mod_auth_openidc.so")
	to, err := url.Parse(h.base)
	if err != nil {
		h.t.Fatal(err)
	}
	to.Path = "/"
	front := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(to)) // the module insists on https
	h.t.Cleanup(front.Close)
	h.write("run/ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})), 0o644)
	h.apache([]string{"auth_openidc"}, "OIDCCABundlePath "+h.path("run/ca.pem")+"\n"+
		edited(h.t, "resource-mod_auth_openidc.conf", append(changes, "https://example.com/", front.URL+"/")...))
}

func TestModAuthOpenIDCBasic(t *testing.T) {
	h, secret := protected(t)
	h.modAuthOpenIDC("OIDCOAuthClientID NAME", "OIDCOAuthClientID apache", "OIDCOAuthClientSecret SECRET", "OIDCOAuthClientSecret "+secret)
	h.letsIn(t, 0)
}

// asBearer adds the two lines that the file describes.
func asBearer(what string) []string {
	return []string{"OIDCOAuthClientSecret SECRET\n", "OIDCOAuthClientSecret SECRET\nOIDCOAuthIntrospectionEndpointAuth bearer_access_token\n" +
		"OIDCOAuthIntrospectionClientAuthBearerToken " + what + "\n"}
}

func TestModAuthOpenIDCBearer(t *testing.T) {
	h, secret := protected(t)
	h.modAuthOpenIDC(asBearer(secret)...)
	h.letsIn(t, 0)
}

func TestModAuthOpenIDCToken(t *testing.T) {
	h, _ := protected(t)
	h.modAuthOpenIDC(asBearer(`""`)...)
	h.letsIn(t, 0)
}
