package authorize

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"mintkeep/internal/oauth"
)

// FuzzAnswer: whatever an endpoint answers, it is a yes, a no or a fault; and a
// yes comes with 200, a canonical me and a clean scope.
func FuzzAnswer(f *testing.F) {
	const asJSON, asForm = "application/json", "application/x-www-form-urlencoded"
	f.Add(200, asJSON, `{"me":"https://jane.example","scope":"create update"}`)
	f.Add(200, asJSON, `{"me":"HTTPS://Jane.Example?x#","scope":["a","b c",1,null,"\""]}`)
	f.Add(200, asForm, "me=https%3A%2F%2Fjane.example&scope=a+b+a")
	f.Add(200, "text/html", "<h1>Error: Verification Failed</h1>")
	f.Add(200, "text/plain", `{"me":"http://[::1]:80"}`)
	f.Add(201, asJSON, `{"me":"https://jane.example"}`)
	f.Add(302, "", "")
	f.Add(400, asJSON, `{"me":"https://jane.example"}`)
	f.Add(200, asJSON, `{"me":"http://[fe80::1%25eth0]/"}`)
	f.Add(200, asForm, "me=https://%C3%A9.example&scope=%C3%A9+\\+x")
	f.Fuzz(func(t *testing.T, status int, contentType, body string) {
		found, err := readVerification(status, http.Header{"Content-Type": {contentType}}, []byte(body))
		if (found == nil) == (err == nil) {
			t.Fatalf("%v and %v", found, err)
		}
		if found == nil {
			return
		}
		if again, err := oauth.CanonicalURL(found.Me); status != http.StatusOK || err != nil || again != found.Me {
			t.Fatalf("%d: %q is canonically %q, %v", status, found.Me, again, err)
		}
		if u, err := url.Parse(found.Me); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Path == "" || u.Fragment != "" {
			t.Fatalf("me is %q", found.Me)
		}
		if oauth.ParseScope(found.Scope) != found.Scope || strings.Trim(found.Scope, " ") != found.Scope {
			t.Fatalf("scope is %q", found.Scope)
		}
	})
}
