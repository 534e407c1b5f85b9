package page

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

var pages = fstest.MapFS{
	"pages/text.html":  {Data: []byte(`<p>{{.}}</p>`)},
	"pages/times.html": {Data: []byte(`{{ago (index . 0) (index . 1)}}; {{exact (index . 0) (index . 1)}}`)},
	"pages/wrong.html": {Data: []byte(`{{.Nothing}}`)},
}

// write renders a page and returns its style too.
func write(t *testing.T, p *Page) (rec *httptest.ResponseRecorder, style string) {
	t.Helper()
	rec = httptest.NewRecorder()
	if err := p.Write(rec, http.StatusTeapot, false, Templates(pages)()); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(rec.Body.String(), "<style>")
	style, _, _ = strings.Cut(rest, "</style>")
	return rec, style
}

// The policy allows the style of the page as it was sent, and nothing else.
func TestPolicy(t *testing.T) {
	for _, form := range []bool{false, true} {
		rec, style := write(t, &Page{Title: "</style><style>x", Template: "text.html", Data: "</style>", Form: form})
		sum := sha256.Sum256([]byte(style))
		action := map[bool]string{false: "'none'", true: "'self'"}[form]
		want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; base-uri 'none'; form-action " + action + "; frame-ancestors 'none'"
		if got := rec.Header().Get("Content-Security-Policy"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if !strings.Contains(style, "@media(min-width:42rem)") || strings.Contains(style, "/*") {
			t.Errorf("the style is %q", style)
		}
		if strings.Count(rec.Body.String(), "<style>") != 1 || rec.Code != http.StatusTeapot {
			t.Errorf("%d: %s", rec.Code, rec.Body)
		}
	}
}

// An app's own scheme is no reason to leave an address out, for it has been checked.
func TestRefresh(t *testing.T) {
	rec, _ := write(t, &Page{Template: "text.html", Data: "x", Refresh: `com.example.app:/back?code=a&state="><script>`})
	if !strings.Contains(rec.Body.String(), `content="0; url=com.example.app:/back?code=a&amp;state=`) || strings.Contains(rec.Body.String(), "<script") {
		t.Error(rec.Body)
	}
}

// Times stand in words, the exact one in the element, and beside it where a row is opened.
func TestTimes(t *testing.T) {
	at := time.Date(2026, 7, 1, 14, 0, 0, 0, time.FixedZone("CEST", 7200))
	for after, want := range map[time.Duration]string{
		10 * time.Second: "just now", -time.Minute: "in a minute", 3 * time.Hour: "3 hours ago", 90 * time.Minute: "90 minutes ago",
		36 * time.Hour: "36 hours ago", -90 * 24 * time.Hour: "in 90 days", 240 * 24 * time.Hour: "7 months ago", 800 * 24 * time.Hour: "2 years ago",
	} {
		rec, _ := write(t, &Page{Template: "times.html", Data: []time.Time{at.Add(after), at}})
		one := `<time datetime="2026-07-01T12:00:00Z" title="1 Jul 2026, 12:00 UTC">` + want + `</time>`
		if !strings.Contains(rec.Body.String(), one+"; "+one+` <span class="soft">1 Jul 2026, 12:00 UTC</span>`) {
			t.Errorf("%v: %s", after, rec.Body.String()[strings.Index(rec.Body.String(), "<main"):])
		}
	}
	if rec, _ := write(t, &Page{Template: "times.html", Data: []time.Time{at, {}}}); !strings.Contains(rec.Body.String(), "never; never") {
		t.Error(rec.Body)
	}
}

// Of a page that cannot be rendered, nothing is sent.
func TestNotRendered(t *testing.T) {
	rec := httptest.NewRecorder()
	if err := (&Page{Template: "wrong.html", Data: 1}).Write(rec, http.StatusOK, false, Templates(pages)()); err == nil || rec.Body.Len() > 0 || len(rec.Header()) > 0 {
		t.Errorf("%v: %q %v", err, rec.Body, rec.Header())
	}
}

func TestCookie(t *testing.T) {
	for base, prefix := range map[string]string{"http://localhost/token": "", "https://you.example/token": "__Host-"} {
		c := Cookie(base, CookieName(base, "mk"), "v", time.Minute)
		if !strings.HasPrefix(c.Name, prefix+"mk_") || c.Secure != (prefix != "") || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode ||
			c.Path != "/" || c.Domain != "" || c.MaxAge != 60 {
			t.Errorf("at %s: %v", base, c)
		}
		if c := Cookie(base, c.Name, "", time.Minute); c.MaxAge != -1 {
			t.Errorf("an empty value does not delete: %v", c)
		}
	}
	if CookieName("https://a.example/x", "mk") == CookieName("https://a.example/y", "mk") {
		t.Error("two installations on one host have the same cookies")
	}
}
