// Package demo is the verb demo, which walks through both halves over real HTTP, and the authorization endpoint that
// it and the tests stand in for: a Selfauth in a box. (A provider for the outbound half is keeper/keepertest.)
package demo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// appURL is the client of the demonstration.
const appURL = "https://app.example/"

// Server is the name of the resource server that the token endpoint must know.
const Server = "blog"

// Provider is the name of the site whose token is kept.
const Provider = "box"

// A Walk goes through the whole flow and shows each exchange, its secrets shortened.
type Walk struct {
	Out    io.Writer
	Base   string    // the URL of a token endpoint with an empty database
	Self   *Selfauth // which that trusts
	App    string    // a client on loopback, for the authorization endpoint
	Secret string    // of the resource server Server
	APIKey string    // of a script that reads the token of Provider, which is connected

	tokens map[string]string // received last, by the name of the member
	failed int
}

// Run goes through all steps. It fails if one of them went otherwise than it must.
func (w *Walk) Run() error {
	w.tokens = make(map[string]string)
	w.redeem()
	w.signIn()
	w.keep()
	if w.failed > 0 {
		return fmt.Errorf("%d steps went otherwise than they must", w.failed)
	}
	_, err := fmt.Fprintln(w.Out, "Everything went as it must.")
	return err
}

// A step is one exchange: what is sent, and what must come back.
type step struct {
	title  string
	form   url.Values        // POST, else GET
	path   string            // below BASE
	header map[string]string // in addition
	status int
	want   map[string]string // members of the answer; a value of "*" is any
}

// redeem is the token endpoint beside an authorization endpoint.
func (w *Walk) redeem() {
	w.part("Tokens for codes of the authorization endpoint")
	code := w.Self.Code(appURL, appURL+"callback", "create update")
	redemption := url.Values{"grant_type": {"authorization_code"}, "code": {code},
		"client_id": {appURL}, "redirect_uri": {appURL + "callback"}}
	me := map[string]string{"me": "https://you.example/", "client_id": appURL, "scope": "create update"}
	w.do(step{"An app redeems the code that it got from the authorization endpoint", redemption, "", nil, 200,
		map[string]string{"access_token": "*", "refresh_token": "*", "token_type": "Bearer", "me": "https://you.example/", "scope": "create update"}})
	w.do(step{"The app posts; the site asks what the token is worth", nil, "", w.bearer(), 200, me})
	w.do(step{"An older site asks the same and understands only forms", nil, "",
		map[string]string{"Authorization": w.bearer()["Authorization"], "Accept": "application/x-www-form-urlencoded"}, 200, me})
	w.do(step{"A newer site introspects, with a name and secret of its own",
		url.Values{"token": {w.tokens["access_token"]}, "client_id": {Server}, "client_secret": {w.Secret}}, "/introspect", nil, 200,
		map[string]string{"active": "true", "sub": "https://you.example/"}})
	w.do(step{"The app takes fresh tokens before the old ones expire",
		url.Values{"grant_type": {"refresh_token"}, "refresh_token": {w.tokens["refresh_token"]}, "client_id": {appURL}}, "", nil, 200,
		map[string]string{"access_token": "*", "refresh_token": "*"}})
	w.do(step{"Somebody redeems the same code again", redemption, "", nil, 400, map[string]string{"error": "invalid_grant"}})
	w.do(step{"… which also ended what the code had given, for one of the two stole it", nil, "", w.bearer(), 401,
		map[string]string{"error": "invalid_token"}})
	redemption.Set("code", w.Self.Code(appURL, appURL+"callback", "create"))
	w.do(step{"The owner signs in again", redemption, "", nil, 200, map[string]string{"access_token": "*"}})
	w.do(step{"The app logs out and revokes its token", url.Values{"token": {w.tokens["access_token"]}}, "/revoke", nil, 200, nil})
	w.do(step{"The token is refused from now on", nil, "", w.bearer(), 401, map[string]string{"error": "invalid_token"}})
}

func (w *Walk) bearer() map[string]string {
	return map[string]string{"Authorization": "Bearer " + w.tokens["access_token"]}
}

// part is the heading of some steps.
func (w *Walk) part(title string) { fmt.Fprintf(w.Out, "══ %s\n\n", title) }

func (w *Walk) do(s step) {
	fmt.Fprintf(w.Out, "── %s\n\n", s.title)
	w.judge(w.exchange(s))
}

// judge counts a step that went otherwise than it must.
func (w *Walk) judge(err error) {
	if err != nil {
		w.failed++
		fmt.Fprintf(w.Out, "   NOT AS IT MUST BE: %v\n\n", err)
	}
}

func (w *Walk) exchange(s step) error {
	method, body := http.MethodGet, ""
	if s.form != nil {
		method, body = http.MethodPost, s.form.Encode()
	}
	req, err := http.NewRequest(method, w.Base+s.path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range s.header {
		req.Header.Set(name, value)
	}
	w.show("> ", method+" "+req.URL.RequestURI(), req.Header, strings.ReplaceAll(body, "&", "\n&"))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	shown := http.Header{"Content-Type": resp.Header["Content-Type"], "Www-Authenticate": resp.Header["Www-Authenticate"]}
	w.show("< ", resp.Status, shown, string(answer))
	return w.compare(s, resp, answer)
}

// compare holds the answer against what it must be and keeps its tokens.
func (w *Walk) compare(s step, resp *http.Response, body []byte) error {
	if resp.StatusCode != s.status {
		return fmt.Errorf("status %d, want %d", resp.StatusCode, s.status)
	}
	got := make(map[string]string)
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		var members map[string]any
		if err := json.Unmarshal(body, &members); err != nil {
			return err
		}
		for name, v := range members {
			got[name] = fmt.Sprint(v)
		}
	} else {
		v, err := url.ParseQuery(string(body))
		if err != nil {
			return err
		}
		for name := range v {
			got[name] = v.Get(name)
		}
	}
	var faults []error
	for name, want := range s.want {
		if got[name] == "" || want != "*" && got[name] != want {
			faults = append(faults, fmt.Errorf("%s is %q, want %q", name, got[name], want))
		}
	}
	for _, name := range []string{"access_token", "refresh_token"} {
		if got[name] != "" {
			w.tokens[name] = got[name]
		}
	}
	return errors.Join(faults...)
}

// show prints one side of an exchange with its secrets shortened.
func (w *Walk) show(mark, first string, header http.Header, body string) {
	var b bytes.Buffer
	fmt.Fprintln(&b, first)
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, v := range header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	if body = strings.TrimSpace(body); body != "" {
		fmt.Fprintf(&b, "\n%s\n", body)
	}
	text := shorten(b.String())
	for line := range strings.Lines(text) {
		fmt.Fprint(w.Out, "   ", mark, line)
	}
	fmt.Fprintln(w.Out)
}

// shorten cuts long runs of letters and digits, which secrets are, after a few.
func shorten(text string) string {
	return regexp.MustCompile(`([0-9A-Za-z]{4})[0-9A-Za-z]{37,}`).ReplaceAllString(text, "$1…")
}
