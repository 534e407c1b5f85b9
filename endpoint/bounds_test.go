package endpoint_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"mintkeep/internal/store"
)

// What strangers make us store has a bound (interface.md section 5).

// TestE2Lengths: what is too long is refused before anything is stored or asked.
func TestE2Lengths(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	const app, back = "https://app.example/", "https://app.example/callback?"
	fill := func(begin string, n int) string { return begin + strings.Repeat("x", n-len(begin)) }
	for name, change := range map[string][]string{
		"E2 client_id of 60 KB":  {"client_id", fill(app, 60<<10)},
		"client_id":              {"client_id", fill(app, 2049)},
		"redirect_uri":           {"redirect_uri", fill(back, 2049)},
		"redirect_uri of 60 KB":  {"redirect_uri", fill(back, 60<<10)},
		"E2 state of 60 KB":      {"state", fill("", 60<<10)},
		"state":                  {"state", fill("", 4097)},
		"me":                     {"me", fill("https://jane.example/", 2049)},
		"scope":                  {"scope", strings.Repeat("a ", 2048) + "a"},
		"scope of one word":      {"scope", fill("", 4097)},
		"state of many bytes":    {"state", strings.Repeat("ö", 2049)},
		"all at once":            {"state", fill("", 4097), "client_id", fill(app, 2049), "redirect_uri", fill(back, 2049)},
		"as much as is sent now": {"state", fill("", 50_000), "scope", fill("", 8_000)},
	} {
		s := v.begin(modern(change...))
		_, said, _ := strings.Cut(s.text, "</style>")
		if s.StatusCode != http.StatusBadRequest || said == "" || len(said) > 8<<10 {
			t.Errorf("%s: %d, %d bytes", name, s.StatusCode, len(said))
		}
		s.page(t, http.StatusBadRequest, "longer than")
	}
	v.begin(modern("client_id", fill(app, 2048), "redirect_uri", fill(back, 2048), "state", fill("", 4096), "scope", fill("", 4096))).to()
	ask := func(name, value string) answer {
		form := values("mkc_x")
		form[name] = value
		return h.send(redeemText, form)
	}
	for name, value := range map[string]string{"client_id": fill(app, 2049), "redirect_uri": fill(back, 2049)} {
		ask(name, value).want(t, http.StatusBadRequest, "invalid_request")
	}
	ask("client_id", fill(app, 2048)).want(t, http.StatusBadRequest, "invalid_grant")
	ask("redirect_uri", fill(back, 2048)).want(t, http.StatusBadRequest, "invalid_grant")
	var n int
	if err := h.Grants.DB.QueryRow(`SELECT (SELECT count(*) FROM authorizations) + (SELECT count(*) FROM events)`).Scan(&n); err != nil || n != 1 {
		t.Errorf("%d rows, %v", n, err) // the one with everything as long as it may be
	}
}

// TestE2Log: ten thousand refused redemptions of 60 KB, from as many addresses as it takes,
// neither fill the disk nor push out what the owner must see.
func TestE2Log(t *testing.T) {
	n := 2_500
	if os.Getenv("MINTKEEP_LONG") != "" {
		n = 10_000
	}
	h := newHouse(t)
	used := h.code()
	h.redeem(used).want(t, http.StatusOK, "")
	size := func() int64 {
		i, err := os.Stat(h.file)
		if err != nil {
			t.Fatal(err)
		}
		return i.Size()
	}
	before := size()
	long := strings.Repeat("x", 60<<10)
	for i := range n {
		h.from(fmt.Sprintf("198.51.%d.%d:1", i/30/200, 1+i/30%200))
		form := values(fmt.Sprint(i) + long[:50<<10]) // of which nothing is stored
		form["client_id"] = "https://app.example/" + strings.Repeat("é", 900)
		if i%3 == 0 {
			form["client_id"], form["code"] = long, "x"
		}
		if a := h.send(redeemText, form); a.status != http.StatusBadRequest {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if i == n/2 {
			h.redeem(used).want(t, http.StatusBadRequest, "invalid_grant")
		}
	}
	if grown := size() - before; grown > 1<<20 {
		t.Errorf("the database has grown by %d KB", grown>>10)
	}
	events, err := store.Events(t.Context(), h.Grants.DB, 0, 50)
	if err != nil {
		t.Fatal(err)
	}
	kinds := make(map[string]int)
	for _, e := range events {
		kinds[e.Kind]++
		if len(e.ClientID) > 512 || len(e.Detail) > 512 || !strings.HasPrefix(e.ClientID, "https://app.example/") {
			t.Errorf("client_id of %d bytes, detail of %d: %s", len(e.ClientID), len(e.Detail), e.ClientID)
		}
	}
	if kinds["replay"] != 1 || kinds["issued"] != 1 || kinds["refused"] != 25 {
		t.Errorf("log -n 50 shows %v", kinds)
	}
	if h.events("refused") > 1000 {
		t.Errorf("%d events are kept", h.events("refused"))
	}
	t.Logf("%d refused redemptions: the database has grown by %d KB", n, (size()-before)>>10)
	for range 1010 { // whoever has a used code writes no more than others
		h.redeem(used).want(t, http.StatusBadRequest, "invalid_grant")
	}
	if h.events("replay") != 1000 {
		t.Errorf("%d replays are kept", h.events("replay"))
	}
}

// TestE2Counted: refusals of the last minutes are counted in few rows, whoever sends how many.
func TestE2Counted(t *testing.T) {
	h := newHouse(t)
	_, err := h.Grants.DB.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
		INSERT INTO refusals SELECT i, '2001:db8:' || i || '::/64', ?, 'x' FROM n`, h.clock.now().UTC().Format(time.DateTime))
	if err != nil {
		t.Fatal(err)
	}
	h.redeem("guess").want(t, http.StatusBadRequest, "invalid_grant")
	var n int
	if err := h.Grants.DB.QueryRow(`SELECT count(*) FROM refusals`).Scan(&n); err != nil || n != 2000 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// TestE1SlowPages: thirty-six client pages at once that never end do not stop a sign-in
// whose redirect needs no page. Those that find no place are refused at once.
func TestE1SlowPages(t *testing.T) {
	h := newHouse(t)
	read, end := make(chan string, 36), make(chan bool)
	h.Authorize.Discover.Public = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		read <- r.URL.Host
		<-end
		return nil, http.ErrHandlerTimeout
	})}
	refused := make(chan int, 36)
	var all sync.WaitGroup
	for i := range 36 {
		all.Go(func() {
			app := fmt.Sprintf("https://slow%d.example/", i)
			r := httptest.NewRequest(http.MethodGet, h.URL+"/authorize?"+
				url.Values{"client_id": {app}, "redirect_uri": {"https://elsewhere.example/"}, "response_type": {"code"}}.Encode(), nil)
			r.RemoteAddr = fmt.Sprintf("198.51.100.%d:1", i+1)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			refused <- w.Code
		})
	}
	for range 32 { // four are read
		if status := <-refused; status != http.StatusServiceUnavailable {
			t.Errorf("one that found no place got %d", status)
		}
	}
	v := h.visitor()
	v.redeemAt("", v.goThrough(modern()).Query().Get("code")).want(t, http.StatusOK, "")
	for range 4 { // a slow machine may have let the sign-in pass the last of them
		<-read
	}
	if n := len(read); n != 0 {
		t.Errorf("%d pages more than four are read", n)
	}
	close(end)
	all.Wait()
}
