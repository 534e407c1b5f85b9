package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode"

	"mintkeep/endpoint/endpointtest"
)

func demoFlags(in *invocation) { in.boolFlag("stay", "leave both endpoints running at the end") }

// A demo is a stand-in Selfauth, a token endpoint with an empty database, and
// the programs that talk to them.
type demo struct {
	in     *invocation
	base   string // the token endpoint
	auth   string // the stand-in authorization endpoint
	self   *endpointtest.Selfauth
	client string
	secret string // of the resource server
	have   map[string]string
	failed int
}

// runDemo walks the whole inbound flow over real HTTP and shows each exchange.
func runDemo(in *invocation) error {
	if len(in.args) > 0 {
		return in.wrong()
	}
	dir, err := os.MkdirTemp("", "mintkeep-demo")
	if err != nil {
		return wrap("demo", err)
	}
	defer os.RemoveAll(dir)
	d := &demo{in: in, client: "https://app.example/", have: make(map[string]string)}
	stop, err := d.start(filepath.Join(dir, "tokens.db"))
	if err != nil {
		return wrap("demo", err)
	}
	defer stop()
	d.walk()
	if d.failed > 0 {
		return fmt.Errorf("demo: %d steps went otherwise than they must", d.failed)
	}
	fmt.Fprintln(in.stdout, "Everything went as it must.")
	if *in.bools["stay"] {
		d.stay()
	}
	return nil
}

func (d *demo) start(database string) (stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d.self = &endpointtest.Selfauth{Me: "https://you.example", Password: "demo", Key: "demo", Now: d.in.now}
	selfListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d.auth = "http://" + selfListener.Addr().String() + "/auth/"
	d.base = "http://" + l.Addr().String() + "/auth/token"
	c := &config{database: database, url: d.base, endpoint: []string{d.auth}, me: []string{d.self.Me}, journal: "rollback"}
	db, err := openDatabase(d.in.ctx, c, opening{d.in.now(), true, always})
	if err != nil {
		return nil, err
	}
	s := inbound(d.in.process, c, db, newLog(d.in.stderr, ""))
	secret, err := s.AddServer(d.in.ctx, "blog")
	if err != nil {
		return nil, err
	}
	d.secret = string(secret)
	self, mint := &http.Server{Handler: d.self}, &http.Server{Handler: s}
	go self.Serve(selfListener)
	go mint.Serve(l)
	return func() { mint.Close(); self.Close(); db.Close() }, nil
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

func (d *demo) walk() {
	code := d.self.Code(d.client, d.client+"callback", "create update")
	redemption := url.Values{"grant_type": {"authorization_code"}, "code": {code},
		"client_id": {d.client}, "redirect_uri": {d.client + "callback"}}
	me := map[string]string{"me": "https://you.example/", "client_id": d.client, "scope": "create update"}
	d.do(step{"An app redeems the code that it got from the authorization endpoint", redemption, "", nil, 200,
		map[string]string{"access_token": "*", "refresh_token": "*", "token_type": "Bearer", "me": "https://you.example/", "scope": "create update"}})
	d.do(step{"The app posts; the site asks what the token is worth", nil, "", d.bearer(), 200, me})
	d.do(step{"An older site asks the same and understands only forms", nil, "",
		merge(d.bearer(), map[string]string{"Accept": "application/x-www-form-urlencoded"}), 200, me})
	d.do(step{"A newer site introspects, with a name and secret of its own",
		url.Values{"token": {d.have["access_token"]}, "client_id": {"blog"}, "client_secret": {d.secret}}, "/introspect", nil, 200,
		map[string]string{"active": "true", "sub": "https://you.example/"}})
	d.do(step{"The app takes fresh tokens before the old ones expire",
		url.Values{"grant_type": {"refresh_token"}, "refresh_token": {d.have["refresh_token"]}, "client_id": {d.client}}, "", nil, 200,
		map[string]string{"access_token": "*", "refresh_token": "*"}})
	d.do(step{"Somebody redeems the same code again", redemption, "", nil, 400, map[string]string{"error": "invalid_grant"}})
	d.do(step{"… which also ended what the code had given, for one of the two stole it", nil, "", d.bearer(), 401,
		map[string]string{"error": "invalid_token"}})
	redemption.Set("code", d.self.Code(d.client, d.client+"callback", "create"))
	d.do(step{"The owner signs in again", redemption, "", nil, 200, map[string]string{"access_token": "*"}})
	d.do(step{"The app logs out and revokes its token", url.Values{"token": {d.have["access_token"]}}, "/revoke", nil, 200, nil})
	d.do(step{"The token is refused from now on", nil, "", d.bearer(), 401, map[string]string{"error": "invalid_token"}})
}

func (d *demo) bearer() map[string]string {
	return map[string]string{"Authorization": "Bearer " + d.have["access_token"]}
}

func merge(a, b map[string]string) map[string]string {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

func (d *demo) do(s step) {
	fmt.Fprintf(d.in.stdout, "── %s\n\n", s.title)
	if err := d.exchange(s); err != nil {
		d.failed++
		fmt.Fprintf(d.in.stdout, "   NOT AS IT MUST BE: %v\n\n", err)
	}
}

func (d *demo) exchange(s step) error {
	method, body := http.MethodGet, ""
	if s.form != nil {
		method, body = http.MethodPost, s.form.Encode()
	}
	req, err := http.NewRequest(method, d.base+s.path, strings.NewReader(body))
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
	d.show("> ", method+" "+req.URL.Path, req.Header, strings.ReplaceAll(body, "&", "\n&"))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	d.show("< ", resp.Status, http.Header{"Content-Type": resp.Header["Content-Type"], "Www-Authenticate": resp.Header["Www-Authenticate"]}, string(answer))
	return d.compare(s, resp, answer)
}

// compare holds the answer against what it must be and keeps its tokens.
func (d *demo) compare(s step, resp *http.Response, body []byte) error {
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
			d.have[name] = got[name]
		}
	}
	return errors.Join(faults...)
}

// show prints one side of an exchange with its secrets shortened.
func (d *demo) show(mark, first string, header http.Header, body string) {
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
		fmt.Fprint(d.in.stdout, "   ", mark, line)
	}
	fmt.Fprintln(d.in.stdout)
}

// shorten cuts long runs of letters and digits, which secrets are, after a few.
func shorten(text string) string {
	var out strings.Builder
	for text != "" {
		n := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		if n < 0 {
			n = len(text)
		}
		if n > 40 {
			out.WriteString(text[:4] + "…")
		} else {
			out.WriteString(text[:n])
		}
		text = text[n:]
		if text != "" {
			out.WriteByte(text[0])
			text = text[1:]
		}
	}
	return out.String()
}

// stay leaves both endpoints running until a signal.
func (d *demo) stay() {
	fmt.Fprintf(d.in.stdout, "\nBoth endpoints stay; the password is \"demo\". End with Ctrl-C. A page that uses them has\n\n"+
		"<link rel=\"authorization_endpoint\" href=\"%s\">\n<link rel=\"token_endpoint\" href=\"%s\">\n", d.auth, d.base)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
}
