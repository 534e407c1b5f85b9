package deploy

import (
	"html"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// A slip is a mistake in what token.cgi says, or in the folders that it names: the
// program starts, and tells the person in the browser.
type slip struct {
	name   string
	make   func(h *host)
	path   string // below BASE; "" is BASE
	status int
	says   []string // the cause, and what to do
}

// withLine changes one line of token.cgi.
func withLine(old, new string) func(*host) {
	return func(h *host) {
		h.edit("site/auth/token.cgi", func(s string) string {
			for l := range strings.Lines(s) {
				if strings.HasPrefix(l, old) {
					return strings.Replace(s, l, strings.ReplaceAll(new, "BASE", h.base)+"\n", 1)
				}
			}
			h.t.Fatalf("token.cgi has no line %s", old)
			return s
		})
	}
}

var slips = []slip{
	{"F1 the endpoint is the token endpoint", withLine("endpoint:", "endpoint: BASE"), "", 503, []string{"is this token endpoint; name your Selfauth"}},
	{"F2 the endpoint is BASE/authorize", withLine("endpoint:", "endpoint: BASE/authorize"), "", 503, []string{"is this token endpoint; name your Selfauth"}},
	{"F7 no folder for the database", withLine("database:", "database: ../../nowhere/tokens.db"), "", 503, []string{"create the folder", "/nowhere"}},
	{"F7 the folder is not empty", func(h *host) { h.write("mintkeep/letter.txt", "x", 0o600) }, "", 503, []string{"only made in an empty folder", "holds letter.txt"}},
	{"F7 no line database", withLine("database:", "# database"), "", 503, []string{"add a line", "database: PATH"}},
	{"F7 a key that there is not", withLine("me:", "mee: https://you.example/"), "", 503, []string{"there is no key", "did you mean me?"}},
	{"E5 the endpoint without https", withLine("endpoint:", "endpoint: http://example.com/auth/"), "", 503, []string{"must begin with https"}},
	{"F9 no file check", func(*host) {}, "/check", 404, []string{"file named check", "mintkeep"}},
	{"F9 check.txt", func(h *host) { h.write("mintkeep/check.txt", "", 0o600) }, "/check", 200, []string{"the database is"}},
	{"F9 check, older than an hour", func(h *host) {
		h.write("mintkeep/check", "", 0o600)
		old := time.Now().Add(-2 * time.Hour)
		if err := os.Chtimes(h.path("mintkeep/check"), old, old); err != nil {
			h.t.Fatal(err)
		}
	}, "/check", 404, []string{"hour"}},
	{"F3 the home page cannot be asked, or has no lines", func(h *host) { h.write("mintkeep/check", "", 0o600) }, "/check", 200, []string{"https://you.example/"}},
	{"F10 two profiles, and nobody is the administrator", func(h *host) {
		withLine("me:", "me: https://you.example/\nme: https://two.example/")(h)
		h.write("mintkeep/check", "", 0o600)
	}, "/check", 200, []string{"administrator", "admin:"}},
	{"F12 only the outbound half", func(h *host) {
		withLine("endpoint:", "# none")(h)
		withLine("url:", "# none")(h)
	}, "", 503, []string{"mintkeep init"}},
}

// Part B of the cases under Apache with suexec: what the person sees names the cause
// and what to do. (F6 and F8, where the program does not start, are TestF6WhyApache's
// and TestDoctorUnderApacheF8F11L6's.)
func TestMistakesUnderApache(t *testing.T) {
	h := suexecHost(t, "/auth/token.cgi")
	h.apache([]string{"cgid", "suexec"}, asNobody+h.cgid())
	for _, m := range slips {
		t.Run(m.name, func(t *testing.T) {
			h.healthy()
			if m.path != "" {
				send(t, h.base, nil, false, "Accept", "text/html").want(t, "page", 200) // makes the database
			}
			m.make(h)
			a := send(t, h.base+m.path, nil, false, "Accept", "text/html")
			page := html.UnescapeString(strings.ReplaceAll(strings.ReplaceAll(a.body, "<wbr>", ""), "<code>", ""))
			page = strings.ReplaceAll(page, "</code>", "")
			if a.status != m.status {
				t.Errorf("%d, want %d: %s", a.status, m.status, page)
			}
			for _, text := range m.says {
				if !strings.Contains(page, text) {
					t.Errorf("the page lacks %q: %s", text, page)
				}
			}
		})
	}
	at := strings.TrimSuffix(h.base, "/auth/token.cgi")
	t.Run("F5 an endpoint that is not there", func(t *testing.T) {
		h.redeemWith(t, withLine("endpoint:", "endpoint: "+at+"/nothing/"), "404")
	})
	t.Run("F5 an endpoint without its slash", func(t *testing.T) {
		h.folder("site/folder", 0o755)
		h.redeemWith(t, withLine("endpoint:", "endpoint: "+at+"/folder"), "301")
	})
	t.Run("F4 another person", func(t *testing.T) {
		h.redeemWith(t, withLine("me:", "me: https://www.you.example/"), "this site is for https://www.you.example/")
	})
}

// redeemWith redeems a code of Selfauth's after a mistake, and wants the app to be
// told that, as a fault that lasts or of the person.
func (h *host) redeemWith(t *testing.T, mistake func(*host), says string) {
	t.Helper()
	h.healthy()
	mistake(h)
	a := send(t, h.base, url.Values{"grant_type": {"authorization_code"}, "code": {h.self.Code(client, client+"cb", "create")},
		"client_id": {client}, "redirect_uri": {client + "cb"}}, false)
	if a.status != 500 && a.status != 400 || !strings.Contains(a.text("error_description"), says) {
		t.Errorf("%d %s, want %q", a.status, a.body, says)
	}
}
