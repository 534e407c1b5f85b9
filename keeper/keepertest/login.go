package keepertest

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// login is POST /json/Authentication.
func (p *Provider) login(w http.ResponseWriter, r *http.Request) {
	var q struct{ Username, Password, Usertype string }
	_ = json.NewDecoder(r.Body).Decode(&q)
	p.counts["login"]++
	if q.Username != Username || q.Password != Password || q.Usertype != "01" {
		write(w, http.StatusUnauthorized, map[string]string{"message": "wrong user name or password"})
		return
	}
	p.answerLogin(w, &grant{login: true})
}

// loginRefresh is POST /json/Authentication/Refresh; its refresh tokens always rotate.
func (p *Provider) loginRefresh(w http.ResponseWriter, r *http.Request) {
	var q struct{ AccessToken, RefreshToken string }
	_ = json.NewDecoder(r.Body).Decode(&q)
	p.counts["login_refresh"]++
	g := p.spend(q.RefreshToken)
	if a, ok := p.access[q.AccessToken]; g == nil || !g.login || !ok || a.grant != g {
		write(w, http.StatusUnauthorized, map[string]string{"message": "unknown tokens"})
		return
	}
	p.answerLogin(w, g)
}

func (p *Provider) answerLogin(w http.ResponseWriter, g *grant) {
	write(w, http.StatusOK, map[string]any{"accessToken": p.mint(g), "accessTokenExpired": int(p.Lifetime.Seconds()),
		"refreshToken": p.renew(g), "refreshTokenExpired": p.Now().UTC().Add(24 * time.Hour).Format("2006-01-02T15:04:05.0000000Z")})
}

// logout is POST /json/Authentication/Logout: the refresh token as a JSON
// string, the access token as bearer.
func (p *Provider) logout(w http.ResponseWriter, r *http.Request) {
	var token string
	bad := json.NewDecoder(r.Body).Decode(&token) != nil
	p.counts["logout"]++
	a, ok := p.access[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	g := p.grants[token]
	if token == "" { // of a client that reads no refresh token
		g = a.grant
	}
	if bad || !ok || g == nil || a.grant != g {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	g.dead = true
	w.WriteHeader(http.StatusOK)
}
