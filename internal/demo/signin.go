package demo

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// signIn is a sign-in of today: PKCE, mintkeep's authorization endpoint before
// Selfauth, a code that is good once.
func (w *Walk) signIn() {
	w.part("A sign-in of today, in front of the same authorization endpoint")
	const verifier = "a-verifier-that-the-app-keeps-to-itself-until-it-redeems"
	sum := sha256.Sum256([]byte(verifier))
	jar, _ := cookiejar.New(nil) // never fails
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	asked := url.Values{"response_type": {"code"}, "client_id": {w.App}, "redirect_uri": {w.App + "callback"}, "state": {"app-state"},
		"scope": {"create"}, "code_challenge_method": {"S256"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}}
	next := w.visit(browser, "An app sends the browser to mintkeep, which goes on to Selfauth", w.Base+"/authorize?"+asked.Encode(), nil)
	form, err := loginForm(browser, next, w.Self.Password)
	w.judge(err)
	next = w.visit(browser, "The owner types the password and agrees", next, form)
	next = w.visit(browser, "Selfauth sends the browser back; mintkeep fetches its code and makes one of its own", next, nil)
	back, err := url.Parse(next)
	if err == nil && (back.Query().Get("state") != "app-state" || back.Query().Get("iss") != w.Base || !strings.HasPrefix(next, w.App)) {
		err = fmt.Errorf("the app gets %s", next)
	}
	w.judge(err)
	if err != nil {
		return
	}
	w.do(step{"The app redeems that code with its verifier", url.Values{"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")},
		"client_id": {w.App}, "redirect_uri": {w.App + "callback"}, "code_verifier": {verifier}}, "", nil, 200,
		map[string]string{"access_token": "*", "scope": "create", "me": "https://you.example/"}})
}

// visit sends the browser to an address, with a form if there is one, shows what
// came, and returns where it is sent on to.
func (w *Walk) visit(browser *http.Client, title, address string, form url.Values) string {
	fmt.Fprintf(w.Out, "── %s\n\n", title)
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if form != nil {
		req, err = http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	}
	if err != nil {
		w.judge(err)
		return ""
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	where, query, _ := strings.Cut(req.URL.RequestURI(), "?")
	w.show("> ", req.Method+" "+where, nil, strings.ReplaceAll(query, "&", "\n&"))
	resp, err := browser.Do(req)
	if err != nil {
		w.judge(err)
		return ""
	}
	resp.Body.Close()
	to := resp.Header.Get("Location")
	w.show("< ", resp.Status, http.Header{"Location": {strings.NewReplacer("?", "\n?", "&", "\n&").Replace(to)}}, "")
	if to == "" {
		w.judge(errors.New("the browser is sent nowhere"))
	}
	return to
}

// loginForm fetches Selfauth's form and fills it in.
func loginForm(browser *http.Client, address, password string) (url.Values, error) {
	resp, err := browser.Get(address)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	csrf := regexp.MustCompile(`name="_csrf" value="([^"]*)"`).FindSubmatch(page)
	if csrf == nil {
		return nil, errors.New("there is no login form")
	}
	return url.Values{"_csrf": {string(csrf[1])}, "password": {password}, "scopes[]": {"create"}}, nil
}

// keep is the other half: a script asks for the token that another site gave.
func (w *Walk) keep() {
	w.part("A token of another site, kept")
	key := map[string]string{"Authorization": "Bearer " + w.APIKey}
	want := map[string]string{"access_token": "*", "expires_at": "*", "token_type": "Bearer"}
	w.do(step{"A script asks for the token that a site gave the owner", nil, "/keep/token?provider=" + Provider, key, 200, want})
	before := w.tokens["access_token"]
	w.do(step{"It asks for one that lasts longer: mintkeep gets the next from the site first", nil,
		"/keep/token?min_ttl=7000&provider=" + Provider, key, 200, want})
	if w.tokens["access_token"] == before {
		w.judge(errors.New("the token is still the old one"))
	}
	w.do(step{"Without an API key it gets nothing", nil, "/keep/token?provider=" + Provider, nil, 401, map[string]string{"error": "*"}})
}
