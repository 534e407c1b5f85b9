package test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// identityOnly is an authorization endpoint that says only who the person is, at once.
func identityOnly(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if r.Method == http.MethodPost {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"me":%q}`, owned)
		return
	}
	back, _ := url.Parse(q.Get("redirect_uri"))
	back.RawQuery += "&" + url.Values{"code": {rand.Text()}, "state": {q.Get("state")}}.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// TestAllowedTwiceInBrowser: who clicks Allow twice gets to the app.
func TestAllowedTwiceInBrowser(t *testing.T) {
	k := ownedSite(t, http.HandlerFunc(identityOnly))
	b := newBrowser(t, look{"desk", 1280, true, false})
	slow := &httputil.ReverseProxy{ModifyResponse: func(r *http.Response) error {
		if r.Request.Method == http.MethodPost {
			time.Sleep(300 * time.Millisecond) // as on a small host: the second click comes before the first answer
		}
		return nil
	}}
	front := httptest.NewServer(slow)
	t.Cleanup(front.Close)
	k.serveBehind(slow, front.URL+"/token")
	app := anApp(t, k)
	for range 5 {
		b.open(app.URL)
		b.see("Sign in with your site")
		b.press("Sign in with your site")
		b.see("in?", "change posts")
		said, err := b.js(`(() => { const r = document.querySelector('button[value=allow]').getBoundingClientRect(); return JSON.stringify([r.x + 9, r.y + 9]) })()`)
		var at [2]float64
		if err == nil {
			err = json.Unmarshal([]byte(said), &at)
		}
		if err == nil {
			err = chromedp.Do(b.ctx, chromedp.MouseClickXY(at[0], at[1]), chromedp.MouseClickXY(at[0], at[1]))
		}
		if err != nil {
			t.Fatal(err)
		}
		b.see("granted: create update media, to " + owned)
	}
}
