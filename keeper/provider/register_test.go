package provider_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"mintkeep/keeper/provider"
)

// A client is registered without a secret where that is offered and none in a header
// is: what is not there does not expire.
func TestRegisteredAuthMethod(t *testing.T) {
	for offered, want := range map[string]string{`null`: "client_secret_basic", `["client_secret_post","client_secret_basic","none"]`: "client_secret_basic",
		`["client_secret_post","none"]`: "none", `["client_secret_post"]`: "client_secret_post", `["none"]`: "none", `["private_key_jwt"]`: "none"} {
		asked := ""
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var q struct {
				Method string `json:"token_endpoint_auth_method"`
			}
			_ = json.NewDecoder(r.Body).Decode(&q)
			asked = q.Method
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{"client_id":"c"}`)
		}))
		var methods []string
		if err := json.Unmarshal([]byte(offered), &methods); err != nil {
			t.Fatal(err)
		}
		p := provider.Provider{Name: "p", TokenURL: s.URL, Registers: provider.Registers{URL: s.URL, Methods: methods}}
		if _, err := (provider.Client{}).Register(t.Context(), &p, "https://you.example/token"); err != nil || asked != want {
			t.Errorf("%s offered: asked for %q, %v; want %q", offered, asked, err, want)
		}
		s.Close()
	}
}
