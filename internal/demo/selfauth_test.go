package demo

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	me       = "https://me.example"
	client   = "https://app.example/"
	redirect = "https://app.example/cb/"
	asForm   = "application/x-www-form-urlencoded"
	asJSON   = "application/json"
)

// A box is a Selfauth whose clock the test moves.
type box struct {
	*Selfauth
	clock time.Time
}

func newBox() *box {
	b := &box{clock: time.Unix(1_800_000_000, 0)}
	b.Selfauth = &Selfauth{Me: me, Password: "secret", Key: "key", Now: func() time.Time { return b.clock }}
	return b
}

// post sends form, with the Content-Type of one, to path. An empty accept sends no such header.
func (b *box) post(path string, form url.Values, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", asForm)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}

func redemption(code string) url.Values {
	return url.Values{"code": {code}, "client_id": {client}, "redirect_uri": {redirect},
		"grant_type": {"authorization_code"}, "code_verifier": {"ignored"}}
}

func wantPage(t *testing.T, w *httptest.ResponseRecorder, status int, title string) {
	t.Helper()
	if w.Code != status || !strings.Contains(w.Body.String(), "<title>"+title+"</title>") ||
		w.Header().Get("Content-Type") != "text/html; charset=UTF-8" {
		t.Errorf("got %d %s\n%s\nwant %d %q", w.Code, w.Header().Get("Content-Type"), w.Body, status, title)
	}
}

func wantBody(t *testing.T, w *httptest.ResponseRecorder, kind, body string) {
	t.Helper()
	if w.Code != 200 || w.Header().Get("Content-Type") != kind || w.Body.String() != body {
		t.Errorf("got %d %s %s\nwant 200 %s %s", w.Code, w.Header().Get("Content-Type"), w.Body, kind, body)
	}
}

// What this file expects was compared with Selfauth's own logic under PHP 8.2.

func TestSpellingsOfOneCode(t *testing.T) {
	b := newBox()
	code := b.Code(client, redirect, "create update")
	if want := "6b49d32c:8f0c872f7eb2c046468376e82ad03303967167d4855fa9c220356e396c13a0d4:Y3JlYXRlIHVwZGF0ZQ"; code != want {
		t.Fatalf("got %s, want PHP's %s", code, want)
	}
	i := strings.LastIndex(code, ":") + 4
	for _, tt := range []struct {
		name, code string
		ok         bool
	}{
		{"as minted", code, true},
		{"leading zero", "0" + code, true},
		{"leading zeros", "000" + code, true},
		{"= at the end", code + "=", true},
		{"! at the end", code + "!", true},
		{". in part three", code[:i] + "." + code[i:], true},
		{"left-over bits", code[:len(code)-1] + "V", true},
		{"colon in part three", code[:i] + ":" + code[i:], true},
		{"%3A for the colon", strings.ReplaceAll(code, ":", "%3A"), false},
		{"other scope", code[:i] + "A" + code[i:], false},
		{"later expiry", "1" + code, false},
		{"upper case", strings.ToUpper(code), false},
		{"too big a number", "ffffffffffffffffff" + code, false},
		{"empty", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := b.post("/", redemption(tt.code), asJSON)
			if !tt.ok {
				wantPage(t, w, 400, "Error: Verification Failed")
				return
			}
			wantBody(t, w, asJSON, `{"me":"https:\/\/me.example","scope":"create update"}`)
		})
	}
}

// The HMAC is over (client, redirect) run together, raw.
func TestCodeBelongsToClientAndRedirect(t *testing.T) {
	for _, tt := range []struct{ name, field, value string }{
		{"wrong client", "client_id", "https://other.example/"},
		{"client without slash", "client_id", "https://app.example"},
		{"redirect without slash", "redirect_uri", "https://app.example/cb"},
		{"no URL", "client_id", "app.example"},
		{"custom scheme without authority", "redirect_uri", "app:/cb"},
		{"international URL", "client_id", "https://äpp.example/"},
		{"empty", "redirect_uri", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBox()
			form := redemption(b.Code(client, redirect, "create"))
			form.Set(tt.field, tt.value)
			w := b.post("/", form, asJSON)
			wantPage(t, w, 400, "Error: Verification Failed")
			if !strings.Contains(w.Body.String(), "Given Code Was Invalid") {
				t.Error(w.Body)
			}
		})
	}
}

func TestReplayAndExpiry(t *testing.T) {
	b := newBox()
	code := b.Code(client, redirect, "create")
	for _, tt := range []struct {
		pass   time.Duration
		status int
	}{{0, 200}, {0, 200}, {CodeLife, 200}, {time.Second, 400}} {
		b.clock = b.clock.Add(tt.pass)
		if w := b.post("/", redemption(code), asJSON); w.Code != tt.status {
			t.Errorf("after %v: got %d, want %d", tt.pass, w.Code, tt.status)
		}
	}
	if n := b.Checks.Load(); n != 4 {
		t.Errorf("%d checks", n)
	}
}

func TestFormats(t *testing.T) {
	const scoped, plain = `{"me":"https:\/\/me.example","scope":"a b~"}`, `{"me":"https:\/\/me.example"}`
	const scopedForm, plainForm = "me=https%3A%2F%2Fme.example&scope=a+b%7E", "me=https%3A%2F%2Fme.example"
	for _, tt := range []struct{ accept, scope, kind, want string }{
		{asJSON, "a b~", asJSON, scoped},
		{asJSON, "", asJSON, plain},
		{"*/*", "", asJSON, plain},
		{"application/*;q=0.1", "", asJSON, plain},
		{asForm, "a b~", asForm, scopedForm},
		{asForm, "", asForm, plainForm},
		{asForm + ", " + asJSON, "", asJSON, plain},
		{asJSON + ";q=0.5, " + asForm, "", asForm, plainForm},
		{asForm + ";q=0.5,*/*;q=0.6", "", asJSON, plain},
		{asJSON + ";q=0", "", asJSON, plain}, // named is named
		{asJSON + "; charset=utf-8, */*;q=0.1", "", asJSON, plain},
		{asJSON + "; charset=utf-8", "", "", ""},
		{"text/html", "", "", ""},
		{"", "", "", ""},
	} {
		t.Run(tt.accept, func(t *testing.T) {
			b := newBox()
			w := b.post("/", redemption(b.Code(client, redirect, tt.scope)), tt.accept)
			if tt.kind == "" {
				wantPage(t, w, 406, "Error: No Accepted Response Types")
				return
			}
			wantBody(t, w, tt.kind, tt.want)
		})
	}
}

func TestJunkForScope(t *testing.T) {
	b := newBox()
	w := b.post("/", redemption(b.Code(client, redirect, "")+"="), asJSON)
	wantBody(t, w, asJSON, `{"me":"https:\/\/me.example","scope":""}`)
}

func TestJSONIsASCII(t *testing.T) {
	got := jsonEncode(fields{{"me", "é/\"\\<\n\x01😀"}})
	if want := `{"me":"\u00e9\/\"\\<\n\u0001\ud83d\ude00"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := jsonEncode(fields{{"me", "\xff"}}); got != "" {
		t.Errorf("bad UTF-8: %s", got)
	}
}

func asking(change ...string) string {
	q := url.Values{"me": {me + "/"}, "client_id": {client}, "redirect_uri": {redirect}, "state": {"a b&c"},
		"response_type": {"code"}, "scope": {"create update"}}
	for i := 0; i < len(change); i += 2 {
		q.Set(change[i], change[i+1])
	}
	return "/?" + q.Encode()
}

func TestNoCodeInBody(t *testing.T) {
	b := newBox()
	code := redemption(b.Code(client, redirect, "create"))
	wantPage(t, b.post("/?"+code.Encode(), nil, asJSON), 400, "Error: Faulty Request")
	wantPage(t, b.post(asking()+"&"+code.Encode(), nil, asJSON), 200, "Login")
	r := httptest.NewRequest("POST", asking(), strings.NewReader(code.Encode())) // no Content-Type, so no fields
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	wantPage(t, w, 200, "Login")
	if b.Checks.Load() != 0 {
		t.Error("counted a check")
	}
	wantPage(t, b.post("/", url.Values{"code[]": code["code"]}, asJSON), 400, "Error: Verification Failed")
}

func TestFaultyRequests(t *testing.T) {
	for _, tt := range []struct {
		name, query string
		ok          bool
	}{
		{"as it should be", asking(), true},
		{"me without scheme", asking("me", "me.example"), false},
		{"no me", asking("me", ""), false},
		{"client_id", asking("client_id", "x"), false},
		{"redirect_uri", asking("redirect_uri", "https://under_score.example/"), false},
		{"redirect_uri of an app", asking("redirect_uri", "com.example.app://cb"), true},
		{"state not ASCII", asking("state", "é"), false},
		{"state empty", asking("state", ""), true},
		{"response_type", asking("response_type", "token"), false},
		{"identification with scope", asking("response_type", "id"), false},
		{"identification by default", asking("response_type", "", "scope", ""), true},
		{"code without scope", asking("scope", ""), false},
		{"two spaces in scope", asking("scope", "a  b"), false},
		{"the last of two counts", asking() + "&state=%c3%a9", false},
		{"array", asking() + "&scope[]=a", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			newBox().ServeHTTP(w, httptest.NewRequest("GET", tt.query, nil))
			if tt.ok {
				wantPage(t, w, 200, "Login")
			} else {
				wantPage(t, w, 400, "Error: Faulty Request")
			}
		})
	}
}

// between returns the text of s after before, up to after.
func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return html.UnescapeString(s)
}

// TestBrowser goes the whole way: form, one scope unticked, password, redirect, code, answer.
func TestBrowser(t *testing.T) {
	b := newBox()
	server := httptest.NewServer(b)
	defer server.Close()
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := browser.Get(server.URL + asking("scope", "create update <media>"))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	page := string(body)
	if !strings.Contains(page, `<form method="POST" action="">`) || !strings.Contains(page, `type="password" name="password"`) {
		t.Fatal(page)
	}
	form := url.Values{"_csrf": {between(page, `name="_csrf" value="`, `"`)}, "password": {"secret"}, "submit": {"Submit"}}
	for _, box := range strings.Split(page, `<input type="checkbox"`)[1:] {
		if value := between(box, `name="scopes[]" value="`, `" checked>`); value != "update" {
			form.Add("scopes[]", value)
		}
	}
	if want := []string{"create", "<media>"}; !slices.Equal(form["scopes[]"], want) {
		t.Fatalf("ticked %q", form["scopes[]"])
	}
	res, err = browser.PostForm(res.Request.URL.String(), form)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	to, err := url.Parse(res.Header.Get("Location"))
	if err != nil || res.StatusCode != 302 || !strings.HasPrefix(to.String(), redirect+"?code=") {
		t.Fatal(res.StatusCode, to, err)
	}
	if q := to.Query(); q.Get("me") != me+"/" || q.Get("state") != "a b&c" {
		t.Errorf("redirect to %s", to)
	}
	w := b.post("/", redemption(to.Query().Get("code")), asJSON)
	wantBody(t, w, asJSON, `{"me":"https:\/\/me.example","scope":"create <media>"}`)
}

func TestLogin(t *testing.T) {
	for _, tt := range []struct {
		name   string
		query  string
		change func(*box, url.Values)
		status int
		title  string
	}{
		{"all well", asking(), func(*box, url.Values) {}, 302, ""},
		{"nothing ticked", asking(), func(_ *box, f url.Values) { f.Del("scopes[]") }, 302, ""},
		{"http for https", asking("me", "http://me.example"), func(*box, url.Values) {}, 302, ""},
		{"CSRF missing", asking(), func(_ *box, f url.Values) { f.Del("_csrf") }, 400, "Error: Invalid CSF Code"},
		{"CSRF of another request", asking("state", "x"), func(b *box, f url.Values) {
			f.Set("_csrf", b.sign(b.clock, FormLife, client+redirect+"y", ""))
		}, 400, "Error: Invalid CSF Code"},
		{"CSRF too old", asking(), func(b *box, _ url.Values) { b.clock = b.clock.Add(FormLife + time.Second) }, 400, "Error: Invalid CSF Code"},
		{"wrong password", asking(), func(_ *box, f url.Values) { f.Set("password", "wrong") }, 400, "Error: Login Failed"},
		{"no password set", asking(), func(b *box, f url.Values) { b.Password = ""; f.Set("password", "") }, 400, "Error: Login Failed"},
		{"someone else", asking("me", "https://you.example/"), func(*box, url.Values) {}, 400, "Error: Login Failed"},
		{"scope with a space", asking(), func(_ *box, f url.Values) { f.Set("scopes[]", "a b") }, 400, "Error: Invalid Scopes"},
		{"scopes no array", asking(), func(_ *box, f url.Values) { f.Set("scopes", "a"); f.Del("scopes[]") }, 400, "Error: Invalid Scopes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBox()
			w := httptest.NewRecorder()
			b.ServeHTTP(w, httptest.NewRequest("GET", tt.query, nil))
			form := url.Values{"_csrf": {between(w.Body.String(), `name="_csrf" value="`, `"`)}, "password": {"secret"}, "scopes[]": {"a"}}
			tt.change(b, form)
			w = b.post(tt.query, form, "")
			if tt.status != 302 {
				wantPage(t, w, tt.status, tt.title)
				return
			}
			to, _ := url.Parse(w.Header().Get("Location"))
			if w.Code != 302 || strings.HasSuffix(to.Query().Get("code"), ":") != (form["scopes[]"] == nil) {
				t.Errorf("got %d to %s", w.Code, to)
			}
		})
	}
}

func TestFault(t *testing.T) {
	b := newBox()
	form := redemption(b.Code(client, redirect, "create"))
	down := true
	b.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.PostFormValue("code") == "" {
			t.Error("the body was spent")
		}
		if down {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return down
	}
	if w := b.post("/", form, asJSON); w.Code != 503 {
		t.Errorf("got %d", w.Code)
	}
	down = false
	if w := b.post("/", form, asJSON); w.Code != 200 || b.Checks.Load() != 2 {
		t.Errorf("got %d, %d checks", w.Code, b.Checks.Load())
	}
}

func TestNotConfigured(t *testing.T) {
	w := httptest.NewRecorder()
	new(Selfauth).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	wantPage(t, w, 400, "Error: Configuration Error")
}

func TestMultipart(t *testing.T) {
	b := newBox()
	var body strings.Builder
	for name, values := range redemption(b.Code(client, redirect, "create")) {
		body.WriteString("--B\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + values[0] + "\r\n")
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader(body.String()+"--B--\r\n"))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=B")
	r.Header.Set("Accept", asJSON)
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	wantBody(t, w, asJSON, `{"me":"https:\/\/me.example","scope":"create"}`)
}

func TestConcurrent(t *testing.T) {
	b := newBox()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if w := b.post("/", redemption(b.Code(client, redirect, "create")), asJSON); w.Code != 200 {
				t.Errorf("got %d", w.Code)
			}
		})
	}
	all.Wait()
	if n := b.Checks.Load(); n != 20 {
		t.Errorf("%d checks", n)
	}
}
