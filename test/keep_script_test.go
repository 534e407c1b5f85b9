package test

import (
	"bufio"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"mintkeep/keeper/keepertest"
	"mintkeep/test/wire"
)

// A scriptBox is the provider in a box of a script, and what it was asked last: of
// each grant type and path.
type scriptBox struct {
	*keepertest.Provider
	mu   sync.Mutex
	last map[string]url.Values
}

func (b *scriptBox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	form := maps.Clone(r.Form)
	b.mu.Lock()
	b.last[r.URL.Path], b.last[form.Get("grant_type")] = form, form
	b.mu.Unlock()
	b.Provider.ServeHTTP(w, r)
}

// asked is a parameter of the last request of that kind.
func (b *scriptBox) asked(what, name string) (value string, there bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last[what].Get(name), b.last[what].Has(name)
}

// box is the provider in a box of a script, beside $AUTH.
//
//	box start             at $BOX; its client and its user's password are secrets
//	box nopkce            it refuses requests with PKCE
//	box tells read,write  the scope that it grants, in the redirect alone
//	box registers         clients register by RFC 7591; box documents: by their metadata documents
//	box resource          it is an MCP server's
//	box fail /token 2 503 the next two token requests fail
//	box kill              every grant is withdrawn
//	box counts login 2    so many requests arrived
//	box knows $TOKEN      the token is good; `! box knows` that it is not
//	box asked refresh_token audience=x
//	                      the last such request (a grant type or path) had the
//	                      parameter; `! box asked refresh_token scope`: it had not
//	box connect -listen localhost:0
//	                      mintkeep connect box, and a browser that opens its address
//	box visit $LINK       a browser opens the link of connect -web; `<` looks at where it ends
func box(ts *testscript.TestScript, neg bool, args []string) {
	c := in(ts)
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		ts.Check(err)
		return n
	}
	switch args[0] {
	case "start":
		c.startBox(ts)
	case "nopkce":
		c.box.Set(func(p *keepertest.Provider) { p.NoPKCE = true })
	case "tells":
		c.box.Set(func(p *keepertest.Provider) { p.Redirect = args[1] })
	case "registers":
		c.box.Set(func(p *keepertest.Provider) { p.Registers = true })
	case "documents":
		c.box.Set(func(p *keepertest.Provider) { p.Documents = c.readDocument })
	case "resource":
		c.box.Set(func(p *keepertest.Provider) { p.Resource = true })
	case "fail":
		c.box.Fail(args[1], number(args[2]), number(args[3]), args[4:]...)
	case "kill":
		c.box.Kill()
	case "counts":
		if got := c.box.Count(args[1]); got != number(args[2]) {
			ts.Fatalf("%d requests", got)
		}
	case "knows":
		if c.box.Active(args[1]) == neg {
			ts.Fatalf("active: %v", neg)
		}
	case "asked":
		name, want, exact := strings.Cut(args[2], "=")
		if value, there := c.box.asked(args[1], name); there == neg || exact && value != want {
			ts.Fatalf("%s: %q", name, value)
		}
	case "connect":
		c.connectBox(ts, args[1:])
	case "visit":
		c.visit(ts, args[1])
	default:
		ts.Fatalf("box %s?", args[0])
	}
}

func (c *conversation) startBox(ts *testscript.TestScript) {
	b := &scriptBox{Provider: keepertest.New(), last: make(map[string]url.Values)}
	b.Now, b.Rotate, b.DetectReuse = testClock(c.clock), true, true
	srv := httptest.NewServer(b)
	ts.Defer(srv.Close)
	c.box = b
	c.secrets = append(c.secrets, keepertest.ClientSecret, keepertest.Password, "box-access-", "box-refresh-", "box-registered-", "box-registration-")
	for name, value := range map[string]string{"BOX": srv.URL, "BOX_CLIENT": keepertest.ClientID, "BOX_SECRET": keepertest.ClientSecret,
		"BOX_USER": keepertest.Username, "BOX_PASSWORD": keepertest.Password} {
		ts.Setenv(name, value)
	}
}

// connectBox runs `mintkeep connect box` and opens the address that it prints.
func (c *conversation) connectBox(ts *testscript.TestScript, args []string) {
	cmd := exec.Command(c.host.path("bin/mintkeep"), append([]string{"connect", "box"}, args...)...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), clockVariable+"="+c.clock, quickRace)
	said, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	all, lines := &strings.Builder{}, bufio.NewScanner(said)
	for lines.Scan() {
		all.WriteString(lines.Text() + "\n")
		if address := strings.TrimSpace(lines.Text()); strings.HasPrefix(address, ts.Getenv("BOX")+"/") {
			resp, err := http.Get(address)
			ts.Check(err)
			resp.Body.Close()
			back, _ := c.box.asked("/authorize", "redirect_uri")
			ts.Setenv("BOX_REDIRECT", back)
		}
	}
	if err := cmd.Wait(); err != nil {
		ts.Fatalf("mintkeep connect box: %v\n%s", err, all)
	}
}

// readDocument reads the program's own client metadata document: its redirect addresses.
func (c *conversation) readDocument(id string) []string {
	var m struct {
		ID        string   `json:"client_id"`
		Method    string   `json:"token_endpoint_auth_method"`
		Redirects []string `json:"redirect_uris"`
	}
	reply, err := c.host.do(&wire.Request{Method: http.MethodGet, Target: strings.TrimPrefix(id, "https://example.com")})
	if err != nil || json.Unmarshal([]byte(reply.Body), &m) != nil || m.ID != id || m.Method != "none" {
		return nil
	}
	return m.Redirects
}

// visit follows a link of `connect -web` to the box and back.
func (c *conversation) visit(ts *testscript.TestScript, link string) {
	get := func(target, cookie string) *wire.Reply {
		r := &wire.Request{Method: http.MethodGet, Target: strings.TrimPrefix(target, "https://example.com"), Header: [][2]string{{"Accept", "text/html"}, {"Cookie", cookie}}}
		reply, err := c.host.do(r)
		ts.Check(err)
		return reply
	}
	begun := get(link, "")
	req, err := http.NewRequest(http.MethodGet, begun.Header.Get("Location"), nil)
	ts.Check(err)
	resp, err := http.DefaultTransport.RoundTrip(req) // follows no redirect
	ts.Check(err)
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	cookie, _, _ := strings.Cut(begun.Header.Get("Set-Cookie"), ";")
	c.heard = get(resp.Header.Get("Location"), cookie)
}

// typed prints a text, so that `stdin stdout` hands it to the next command: a
// file would be searched for secrets.
func typed(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(ts.Exec("printf", "%s\n", args[0]))
}
