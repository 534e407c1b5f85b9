package keeper_test

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/keepertest"
)

// site serves the house over real HTTP, so that a browser can come back to it.
func (h *house) site() (*httptest.Server, *http.Client) {
	srv := httptest.NewServer(http.StripPrefix("", h.handler()))
	h.t.Cleanup(srv.Close)
	h.URL = srv.URL + "/auth/token.cgi"
	jar, err := cookiejar.New(nil)
	check(h.t, err)
	return srv, &http.Client{Jar: jar}
}

func TestConnectInBrowser(t *testing.T) {
	h := newHouse(t)
	h.provider()
	_, browser := h.site()
	ctx := context.Background()
	link, err := h.Browser().Ticket(ctx, keeper.Target{Provider: "box", Name: "web", User: "ada"}, keeper.Ask{})
	check(t, err)
	res, err := browser.Get(string(link))
	check(t, err)
	_ = res.Body.Close()
	equal(t, "status", res.StatusCode, 200)
	equal(t, "plain without Page", res.Header.Get("Content-Type"), "text/plain; charset=utf-8")
	c, err := h.Connection(ctx, "ada", "web")
	check(t, err)
	equal(t, "grant", c.Grant, keeper.GrantCode)
	for what, address := range map[string]string{"used link": string(link), "finished flow": res.Request.URL.String()} {
		res, err := browser.Get(address)
		check(t, err)
		_ = res.Body.Close()
		equal(t, what, res.StatusCode, 400)
	}
	link, err = h.Browser().Ticket(ctx, keeper.Target{Provider: "box"}, keeper.Ask{})
	check(t, err)
	h.clock.pass(11 * time.Minute)
	res, err = browser.Get(string(link))
	check(t, err)
	equal(t, "old link", res.StatusCode, 400)
}

// A connection that is there is never replaced by one with another scope without a word:
// neither where the link is made nor on the page that it ends at.
func TestConnectInBrowserWithAnotherScope(t *testing.T) {
	h := newHouse(t)
	h.provider()
	_, browser := h.site()
	for _, test := range []struct {
		scope string
		told  bool
	}{{"read", false}, {"", false}, {"write", true}, {"write", false}} {
		var said strings.Builder
		link, err := h.Browser().Ticket(context.Background(), keeper.Target{Provider: "box", Scope: test.scope}, keeper.Ask{Out: &said})
		check(t, err)
		res, err := browser.Get(string(link))
		check(t, err)
		page, err := io.ReadAll(res.Body)
		check(t, err)
		_ = res.Body.Close()
		const notice = `was connected with the scope "read", which this replaces`
		equal(t, "told where the link is made", strings.Contains(said.String(), notice), test.told)
		equal(t, "told on the page", strings.Contains(string(page), notice), test.told)
	}
}

func TestConnectGuards(t *testing.T) {
	h := newHouse(t)
	h.provider()
	_, browser := h.site()
	status := func(address string, headers ...string) int {
		req, err := http.NewRequest("GET", address, nil)
		check(t, err)
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		res, err := browser.Do(req)
		check(t, err)
		_ = res.Body.Close()
		return res.StatusCode
	}
	equal(t, "nobody", status(h.URL+"/keep/connect?provider=box"), 403)
	equal(t, "bad ticket", status(h.URL+"/keep/connect?provider=box&ticket=x"), 400)
	equal(t, "bad state", status(h.URL+"/keep/callback?state=x&code=y"), 400)
	h.admin = true
	equal(t, "other site", status(h.URL+"/keep/connect?provider=box", "Sec-Fetch-Site", "cross-site"), 403)
	equal(t, "unknown provider", status(h.URL+"/keep/connect?provider=nothing"), 404)
	equal(t, "administrator", status(h.URL+"/keep/connect?provider=box"), 200)
	equal(t, "no such page", status(h.URL+"/keep/nothing"), 404)
	// A flow that was begun in one browser cannot be finished in another.
	browser.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if strings.Contains(req.URL.Path, "callback") {
			return http.ErrUseLastResponse
		}
		return nil
	}
	res, err := browser.Get(h.URL + "/keep/connect?provider=box")
	check(t, err)
	_ = res.Body.Close()
	other, err := http.Get(res.Header.Get("Location"))
	check(t, err)
	_ = other.Body.Close()
	equal(t, "another browser", other.StatusCode, 403)
	own, err := browser.Get(res.Header.Get("Location"))
	check(t, err)
	_ = own.Body.Close()
	equal(t, "the browser where it was begun, after that", own.StatusCode, 200)
}

// A site that hangs or cuts the connection when the code is redeemed is what is wrong,
// not the database, nor this program.
func TestSiteDoesNotAnswerTheBrowser(t *testing.T) {
	for what, breaks := range map[string]func(h *house){
		"cut": func(h *house) { h.box.DropRequest("/token", 1) },
		"hangs": func(h *house) {
			h.Timeout = 50 * time.Millisecond
			h.box.Set(func(b *keepertest.Provider) { b.Delay = 500 * time.Millisecond })
		},
	} {
		h := newHouse(t)
		h.provider()
		_, browser := h.site()
		breaks(h)
		link, err := h.Browser().Ticket(context.Background(), keeper.Target{Provider: "box"}, keeper.Ask{})
		check(t, err)
		res, err := browser.Get(string(link))
		check(t, err)
		body, err := io.ReadAll(res.Body)
		check(t, err)
		_ = res.Body.Close()
		equal(t, what+": status", res.StatusCode, 503)
		if said := string(body); !strings.Contains(said, "sking the provider") || strings.Contains(said, "database") {
			t.Errorf("%s: %s", what, said)
		}
	}
}
