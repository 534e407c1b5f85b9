package endpoint_test

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/html"
)

// An indiekit is an authorization endpoint of the modern kind: it wants PKCE, a
// redirect at the client's own host, reads the client's metadata, and says who it is
// and nothing else. Everybody who comes is signed in.
type indiekit struct {
	me    string
	html  bool // refuses codes with a page, so that the probe learns nothing
	loose bool // takes any redirect
	scope bool // says scope, too
	cold  bool // was just started: 500 to everything until its first valid authorization request (case L3)

	probed http.HandlerFunc // answers codes that it did not issue, if set

	mu    sync.Mutex
	codes map[string]url.Values
	seen  []url.Values
}

func (k *indiekit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r.Method == http.MethodGet {
		k.authorize(w, r.URL.Query())
		return
	}
	r.ParseForm()
	asked, ok := k.codes[r.PostForm.Get("code")]
	delete(k.codes, r.PostForm.Get("code"))
	if !ok || asked.Get("redirect_uri") != r.PostForm.Get("redirect_uri") || asked.Get("client_id") != r.PostForm.Get("client_id") ||
		asked.Get("code_challenge") != s256(r.PostForm.Get("code_verifier")) || r.PostForm.Get("grant_type") != "authorization_code" {
		if k.probed != nil {
			k.probed(w, r)
			return
		}
		if k.html {
			http.Error(w, "<h1>no</h1>", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if k.cold {
			w.WriteHeader(http.StatusInternalServerError)
			io.WriteString(w, `{"error":"Internal Server Error","error_description":"Cannot read properties of undefined"}`)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error":"invalid_grant"}`)
		return
	}
	answer := map[string]string{"me": k.me}
	if k.scope {
		answer["scope"] = asked.Get("scope")
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

func (k *indiekit) authorize(w http.ResponseWriter, q url.Values) {
	k.seen = append(k.seen, q)
	client, _ := url.Parse(q.Get("client_id"))
	redirect, _ := url.Parse(q.Get("redirect_uri"))
	if q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || client.Host != redirect.Host && !k.loose {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	if k.codes == nil {
		k.codes = make(map[string]url.Values)
	}
	k.cold = false
	code := "one-time_code." + s256(time.Now().String())
	k.codes[code] = q
	to := q.Get("redirect_uri") + "?"
	if redirect.RawQuery != "" {
		to = q.Get("redirect_uri") + "&"
	}
	w.Header().Set("Location", to+url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {"https://kit.example/"}}.Encode())
	w.WriteHeader(http.StatusFound)
}

// A wordpress is the IndieAuth plugin 4.4 as an authorization endpoint: like an indiekit,
// but before it shows its page it reads the client's as HTML, whatever it asked for, and
// asks again while that gives no name (case L1: the real one without end).
type wordpress struct {
	indiekit
	reads int
	name  string
}

func (p *wordpress) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		for p.reads, p.name = 0, ""; p.name == "" && p.reads < 50; p.reads++ {
			p.name = p.clientName(r.URL.Query().Get("client_id"))
		}
		if p.name == "" {
			http.Error(w, "504 Gateway Timeout", http.StatusGatewayTimeout)
			return
		}
	}
	p.indiekit.ServeHTTP(w, r)
}

// clientName is the name of a page's h-app, else of its manifest, else its title.
func (p *wordpress) clientName(id string) string {
	resp, err := http.Get(id)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	page, err := html.Parse(resp.Body)
	if err != nil {
		return ""
	}
	var app, manifest, title string
	inApp := false
	for n := range page.Descendants() {
		attr := make(map[string]string)
		for _, a := range n.Attr {
			attr[a.Key] = a.Val
		}
		classes := strings.Fields(attr["class"])
		inApp = inApp || slices.Contains(classes, "h-app")
		switch {
		case inApp && slices.Contains(classes, "p-name") && n.FirstChild != nil:
			app = cmp.Or(app, n.FirstChild.Data)
		case n.Data == "link" && attr["rel"] == "manifest":
			manifest = cmp.Or(manifest, p.manifestName(attr["href"]))
		case n.Data == "title" && n.FirstChild != nil:
			title = cmp.Or(title, n.FirstChild.Data)
		}
	}
	return cmp.Or(app, manifest, title)
}

func (p *wordpress) manifestName(address string) string {
	resp, err := http.Get(address)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var said struct{ Name string }
	json.NewDecoder(resp.Body).Decode(&said)
	return said.Name
}
