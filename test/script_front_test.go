package test

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"mintkeep/internal/oauth"
	"mintkeep/test/wire"

	"github.com/rogpeppe/go-internal/testscript"
)

const scriptVerifier = "verifier-of-the-scripts-which-is-long-enough"

// goThroughFront goes through the authorization front as a browser does: the app's request,
// Selfauth's form with all boxes ticked, the way back. The front's code is put into
// a variable, to be redeemed with $VERIFIER.
//
//	front CODE create update
//	front CODE -resource https://mcp.example/ read
//
// With a resource the owner is asked, and allows everything.
func goThroughFront(ts *testscript.TestScript, neg bool, args []string) {
	c, base, resource := in(ts), ts.Getenv("BASE"), ""
	if len(args) > 1 && args[1] == "-resource" {
		resource = args[2]
		args = slices.Delete(args, 1, 3)
	}
	sum := sha256.Sum256([]byte(scriptVerifier))
	ask := url.Values{"response_type": {"code"}, "client_id": {ts.Getenv("CLIENT")}, "redirect_uri": {ts.Getenv("CALLBACK")}, "state": {"s"}, "me": {ts.Getenv("ME")},
		"scope": {strings.Join(args[1:], " ")}, "code_challenge_method": {"S256"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}}
	if resource != "" {
		ask.Set("resource", resource)
	}
	begun := c.browse(ts, base+"/authorize?"+ask.Encode(), "")
	cookie, _, _ := strings.Cut(begun.Header.Get("Set-Cookie"), ";")
	if !strings.HasPrefix(cookie, "__Host-mkflow_") {
		ts.Fatalf("the flow's cookie is %q", cookie)
	}
	inner := begun.Header.Get("Location")
	back := signInAtSelfauth(ts, inner, c.auth.Password)
	_, secret, _ := strings.Cut(cookie, "=")
	c.secrets = append(c.secrets, secret, back.Query().Get("flow"), back.Query().Get("code"))
	to := c.finishFront(ts, base+"/callback?"+back.RawQuery, cookie)
	if q := to.Query(); !strings.HasPrefix(to.String(), oauth.WithQuery(ts.Getenv("CALLBACK"), nil)) || q.Get("iss") != "https://example.com/auth/token.cgi" || q.Get("state") != "s" {
		ts.Fatalf("the app is sent %s", to)
	}
	c.secrets = append(c.secrets, to.Query().Get("code"))
	ts.Setenv(args[0], to.Query().Get("code"))
	ts.Setenv("VERIFIER", scriptVerifier)
}

// finishFront goes from Selfauth back to the app, through the consent page if there is one.
func (c *conversation) finishFront(ts *testscript.TestScript, target, cookie string) *url.URL {
	a, err := c.host.do(&wire.Request{Method: http.MethodGet, Target: target, Header: [][2]string{{"Accept", "text/html"}, {"Cookie", cookie}}})
	ts.Check(err)
	location := a.Header.Get("Location")
	if a.Status == http.StatusOK {
		form := url.Values{"answer": {"allow"}}
		for _, field := range regexp.MustCompile(`name="(flow|scope)" value="([^"]*)"`).FindAllStringSubmatch(a.Body, -1) {
			form.Add(field[1], html.UnescapeString(field[2]))
		}
		c.secrets = append(c.secrets, form.Get("flow"))
		a, err = c.host.do(&wire.Request{Method: http.MethodPost, Target: ts.Getenv("BASE") + "/consent", Body: form.Encode(),
			Header: [][2]string{{"Content-Type", "application/x-www-form-urlencoded"}, {"Cookie", cookie}, {"Sec-Fetch-Site", "same-origin"}}})
		ts.Check(err)
		if next := regexp.MustCompile(`content="0; url=([^"]*)"`).FindStringSubmatch(a.Body); next != nil {
			location = html.UnescapeString(next[1])
		}
	}
	to, err := url.Parse(location)
	ts.Check(err)
	return to
}

// person makes Selfauth somebody else's, as they typed it at its set-up, and $ME too.
//
//	person https://bücher.example/
func person(ts *testscript.TestScript, neg bool, args []string) {
	in(ts).auth.Me = args[0]
	ts.Setenv("ME", args[0])
}

// browse asks for a page that redirects.
func (c *conversation) browse(ts *testscript.TestScript, target, cookie string) *wire.Reply {
	r := &wire.Request{Method: http.MethodGet, Target: target, Header: [][2]string{{"Accept", "text/html"}}}
	if cookie != "" {
		r.Header = append(r.Header, [2]string{"Cookie", cookie})
	}
	a, err := c.host.do(r)
	ts.Check(err)
	if a.Status != http.StatusFound {
		ts.Fatalf("%s answers %d %s\n%s", target, a.Status, a.Body, c.host.log())
	}
	return a
}

func signInAtSelfauth(ts *testscript.TestScript, form, password string) *url.URL {
	resp, err := http.Get(form)
	ts.Check(err)
	page := readAll(ts, resp)
	csrf := regexp.MustCompile(`name="_csrf" value="([^"]*)"`).FindStringSubmatch(page)
	if csrf == nil {
		ts.Fatalf("no form at %s: %s", form, page)
	}
	fill := url.Values{"_csrf": {html.UnescapeString(csrf[1])}, "password": {password}}
	for _, box := range regexp.MustCompile(`name="scopes\[\]" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		fill.Add("scopes[]", html.UnescapeString(box[1]))
	}
	stop := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err = stop.PostForm(form, fill)
	ts.Check(err)
	readAll(ts, resp)
	to, err := resp.Location()
	ts.Check(err)
	return to
}

func readAll(ts *testscript.TestScript, resp *http.Response) string {
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	ts.Check(err)
	return string(b)
}
