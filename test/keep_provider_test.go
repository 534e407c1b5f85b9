package test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"mintkeep/test/tools"

	"github.com/chromedp/chromedp"
	"golang.org/x/net/html"
)

// A real provider (npm oidc-provider), and people with real browsers.

const (
	providerClient = "mintkeep"
	providerSecret = "client-secret-at-the-provider"
)

// startProvider starts testdata/clients/provider.mjs and registers it as "op",
// with a gate before its token endpoint.
func startProvider(t *testing.T, k *keepSite) *gate {
	t.Helper()
	nodeModules(t, "oidc-provider")
	cmd := exec.Command("node", "provider.mjs")
	cmd.Dir = "testdata/clients"
	cmd.Env = append(os.Environ(), "CLIENT_ID="+providerClient, "CLIENT_SECRET="+providerSecret)
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	issuer, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the provider did not start: %v", err)
	}
	issuer = strings.TrimSpace(issuer)
	k.ok(providerSecret+"\n", "provider", "add", "op", "-issuer", issuer, "-client-id", providerClient, "-scope", "openid offline_access read")
	g := newGate(t, issuer)
	k.ok("", "provider", "set", "op", "-token-url", g.URL+"/token")
	return g
}

// aConnect is a `connect` under way, waiting for a person.
type aConnect struct {
	cmd    *exec.Cmd
	stdout strings.Builder
	stderr *bufio.Reader
}

func (k *keepSite) connecting(args ...string) *aConnect {
	k.t.Helper()
	c := &aConnect{cmd: k.command("", append([]string{"connect"}, args...)...)}
	c.cmd.Stdout = &c.stdout
	pipe, err := c.cmd.StderrPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		k.t.Fatal(err)
	}
	c.stderr = bufio.NewReader(pipe)
	k.t.Cleanup(func() { _ = c.cmd.Process.Kill() })
	return c
}

// says waits for a line that fits and returns its first group.
func (c *aConnect) says(t *testing.T, pattern string) string {
	t.Helper()
	said := ""
	for {
		line, err := c.stderr.ReadString('\n')
		said += line
		if m := regexp.MustCompile(pattern).FindStringSubmatch(line); m != nil {
			return m[1]
		}
		if err != nil {
			t.Fatalf("connect said %q", said)
		}
	}
}

func (c *aConnect) done(t *testing.T) {
	t.Helper()
	rest, _ := io.ReadAll(c.stderr)
	if err := c.cmd.Wait(); err != nil {
		t.Fatalf("connect: %v: %s", err, rest)
	}
}

// click goes through the provider's pages without a browser: it fills in every
// form and sends it, until there is none.
func click(t *testing.T, address string, fill ...map[string]string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Jar: jar, Timeout: 20 * time.Second}
	res, err := c.Get(address)
	for range 10 {
		if err != nil {
			t.Fatal(err)
		}
		page, err2 := html.Parse(res.Body)
		res.Body.Close()
		if err2 != nil {
			t.Fatal(err2)
		}
		action, values := form(page)
		for _, fields := range fill {
			for name, value := range fields {
				if values.Has(name) {
					values.Set(name, value)
				}
			}
		}
		if action == "" {
			if res.StatusCode >= 400 {
				t.Fatalf("%s answers %d", res.Request.URL, res.StatusCode)
			}
			return
		}
		to, err2 := res.Request.URL.Parse(action)
		if err2 != nil {
			t.Fatal(err2)
		}
		res, err = c.PostForm(to.String(), values)
	}
	t.Fatal("the provider's forms never end")
}

// form is the first form of a page, filled in.
func form(page *html.Node) (action string, values url.Values) {
	values = make(url.Values)
	for n := range page.Descendants() {
		attr := make(map[string]string)
		for _, a := range n.Attr {
			attr[a.Key] = a.Val
		}
		switch {
		case n.Data == "form" && action == "":
			action = attr["action"]
		case n.Data == "input" && attr["name"] == "login", n.Data == "input" && attr["name"] == "password":
			values.Set(attr["name"], "ada")
		case n.Data == "input" && attr["name"] != "":
			values.Set(attr["name"], attr["value"])
		}
	}
	return action, values
}

// chromium goes through the provider's pages in a headless Chromium, until
// the browser shows a page with the text.
func chromium(t *testing.T, address, until string, flags ...chromedp.ExecAllocatorOption) {
	t.Helper()
	ctx := startChromium(t, flags...)
	const fill = `(() => {
		const text = document.body ? document.body.innerText : ''
		const form = document.querySelector('form')
		if (!form) return text
		for (const i of form.querySelectorAll('input[name=login],input[name=password]')) i.value = 'ada'
		if (!form.dataset.sent) { form.dataset.sent = 'yes'; form.querySelector('[type=submit]')?.click() }
		return ''
	})()`
	if _, err := chromedp.Run(ctx, chromedp.Navigate(address)); err != nil {
		t.Fatal(err)
	}
	text, err := "", error(nil)
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if text, err = chromedp.Run(ctx, chromedp.Evaluate[string](fill)); err == nil && strings.Contains(text, until) {
			return
		}
	}
	t.Fatalf("the browser never showed %q, but %q, %v", until, text, err)
}

// startChromium starts a headless Chromium for one test.
func startChromium(t *testing.T, flags ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	program := tools.Path(t, "chromium", "chromium")
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), append(append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program),
		chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true)), flags...)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// TestProvider walks through what a real provider can do, with the real program.
func TestProvider(t *testing.T) {
	t.Parallel() // most of its time it waits for a lease to end
	k := newKeepSite(t)
	g := startProvider(t, k)
	k.serve()
	good := func(name string) bool {
		return strings.Contains(k.ok("", "introspect", name), `"active": true`)
	}
	t.Run("code in a browser, loopback", func(t *testing.T) {
		c := k.connecting("op", "-as", "loop")
		chromium(t, c.says(t, `(http://\S*code_challenge=\S*)`), "Done.")
		c.done(t)
		if k.ok("", "get", "loop") == "" || !good("loop") {
			t.Error("the token is not good at the provider")
		}
	})
	t.Run("code in a browser, ticket", func(t *testing.T) {
		link := k.ok("", "connect", "op", "-as", "web", "-web")
		chromium(t, link, `connected as "web"`)
		if !good("web") {
			t.Error("the token is not good at the provider")
		}
		if res, err := http.Get(link); err != nil || res.StatusCode != http.StatusBadRequest {
			t.Errorf("the link a second time: %v %v", res.StatusCode, err)
		}
	})
	t.Run("device", func(t *testing.T) {
		c := k.connecting("op", "-as", "device", "-grant", "device")
		c.says(t, `enter the code: (\S+)`)
		click(t, c.says(t, `or simply open: (\S+)`))
		c.done(t)
		if !good("device") {
			t.Error("the token is not good at the provider")
		}
	})
	t.Run("client credentials", func(t *testing.T) {
		k.ok("", "connect", "op", "-as", "machine", "-grant", "client_credentials", "-scope", "read")
		first := k.ok("", "get", "machine")
		k.sql(`UPDATE connections SET expires = '2020-01-01 00:00:00' WHERE connection_name = 'machine'`)
		if second := k.ok("", "get", "machine"); second == first || !good("machine") {
			t.Error("no new token")
		}
	})
	t.Run("registration", func(t *testing.T) { // issue Reach, 1: no string is copied by hand
		k.ok("", "provider", "add", "self", "-issuer", g.issuer)
		c := k.connecting("self")
		click(t, c.says(t, `(http://\S*code_challenge=\S*)`))
		c.done(t)
		click(t, k.ok("", "connect", "self", "-as", "selfweb", "-web"))
		for _, name := range []string{"self", "selfweb"} {
			if first := k.ok("", "get", name); !good(name) {
				t.Errorf("%s: the token %s is not good at the provider", name, first)
			}
			k.ok("", "refresh", name) // offline_access is asked for where it is supported
			k.ok("", "forget", name)
		}
		k.ok("", "provider", "remove", "self")
	})
	t.Run("rotation", func(t *testing.T) {
		for range 3 {
			k.ok("", "refresh", "device")
			if !good("device") {
				t.Error("the token is not good at the provider")
			}
		}
	})
	t.Run("fifty at once", func(t *testing.T) {
		oneRefresh(t, k, g, "device", func(string) bool { return good("device") })
	})
	t.Run("revocation", func(t *testing.T) {
		token := k.ok("", "get", "device")
		if out := k.ok("", "forget", "device", "-json"); !strings.Contains(out, `"result": "revoked"`) {
			t.Errorf("forget says %s", out)
		}
		k.fails(1, "no connection", "get", "device")
		// Another connection's credentials show what the provider thinks of the token.
		k.ok(token, "connect", "op", "-as", "gone", "-grant", "jwt")
		if good("gone") {
			t.Error("the token is still good at the provider")
		}
	})
	t.Run("an answer lost", func(t *testing.T) { // the rotated refresh token presented again ends the grant
		tools.Path(t, "chromium", "chromium") // which connected "web"
		k.killed(g, "answer", "web")
		k.fails(1, "hint: connect again: mintkeep connect op -as web", "get", "web")
		k.fails(1, "dead or failing: 1", "connections", "-check")
	})
}
