package keeper_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/keepertest"
	"mintkeep/keeper/provider"
)

// An access token that no header can carry, or none at all, is refused wherever it is
// from, and the refresh token that came with it is kept: the one before is spent.
func TestE10UnfitAccessToken(t *testing.T) {
	answers := map[string]string{"a line break": `"access_token":"abc\r\nX-Evil: 1",`, "none": ``}
	logins := map[string]*provider.Login{"token endpoint": nil, "JSON login": {LoginPath: "in", RefreshPath: "again", UsernameField: "u", PasswordField: "p",
		SendRefresh: "refresh_token", Access: "access_token", AccessExpires: "expires_in", Refresh: "refresh_token"}}
	for answer, access := range answers {
		for from, login := range logins {
			t.Run(answer+" from the "+from, func(t *testing.T) {
				good, last := true, 0
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body, _ := io.ReadAll(r.Body)
					if last > 0 && !strings.Contains(string(body), fmt.Sprint("refresh-", last)) {
						t.Errorf("asked with %s, and refresh-%d is the last", body, last)
					}
					last++
					access := access
					if good {
						access = `"access_token":"good",`
					}
					fmt.Fprintf(w, `{%s"expires_in":3600,"refresh_token":"refresh-%d"}`, access, last)
				}))
				defer s.Close()
				h := newHouse(t)
				h.provider(func(p *provider.Provider) {
					if p.TokenURL = s.URL; login != nil {
						l := *login
						l.Base, p.Login, p.AuthURL, p.TokenURL, p.DeviceURL, p.RevokeURL, p.IntrospectURL = s.URL, &l, "", "", "", "", ""
					}
				})
				grant := keeper.GrantPassword
				if login != nil {
					grant = keeper.GrantLogin
				}
				_, err := h.Connect(t.Context(), keeper.Target{Provider: "box"}, grant, ask(keepertest.Password))
				check(t, err)
				h.clock.pass(2 * time.Hour)
				good = false
				token, err := h.token()
				wants(t, err, keeper.ErrTemporary)
				equal(t, "access token", string(token.AccessToken), "")
				equal(t, "state", h.state().State, keeper.StateFailing)
				h.clock.pass(time.Hour)
				good = true
				token, err = h.token()
				check(t, err)
				equal(t, "access token", string(token.AccessToken), "good")
			})
		}
	}
}
