package endpoint_test

import (
	"net/http"
	"strings"
	"testing"

	"mintkeep/internal/store"
)

// TestLettersOfStrangers: no character that an app puts into its name or address is
// invisible, turns the text around it, or covers the lines above, on any page.
func TestLettersOfStrangers(t *testing.T) {
	h := kitHouse(t, &indiekit{me: jane})
	o := h.outside()
	v := h.visitor()
	name := "App"
	o.HandleFunc("evil.example/", func(w http.ResponseWriter, r *http.Request) {
		serve("text/html", "<p class=h-app>"+name)(w, r)
	})
	const turned = "\u202e\u2066\u200b"
	id := "http://evil.example/%E2%80%AE%E2%81%A6%E2%80%8Belpmaxe.knab"
	for _, s := range []sight{
		v.begin(modern("client_id", id, "redirect_uri", "http://evil.example/cb", "scope", `"`)),
		v.begin(modern("client_id", "http://evil.example/", "redirect_uri", "http://evil.example/\u202e%E2%80%AEcb", "scope", `"`)),
		v.consentPage(modern("client_id", id, "redirect_uri", "http://evil.example/cb")),
		v.answer(v.consentPage(modern("client_id", "http://evil.example/x", "redirect_uri", "http://evil.example/\u202ecb")), nil),
	} {
		if strings.ContainsAny(s.text, turned) {
			t.Errorf("%q", s.text[strings.Index(s.text, "<main"):])
		}
	}
	for i, c := range [][2]string{
		{"Kaf\u0301\u0302\u0303\u0304\u0305\u0306\u0307 one", "Kaf\u0301\u0302\u0303 one"},
		{"\u3164\u115f\uffa0\u2800\u034f\U000e0041", ""}, {"\u2800 Two \u3164", "Two"}, {"T\u00adhr\ufeffee\ue000", "Three"},
		{"ｅ-mail 日本語 שלום ไม้ Việt", "ｅ-mail 日本語 שלום ไม้ Việt"}, {"\u2067turned\u2069", "turned"},
	} {
		name = c[0]
		if got, _ := h.Authorize.Client(t.Context(), "http://evil.example/name/"+string(rune('a'+i))); got != c[1] {
			t.Errorf("%q is called %q, want %q", c[0], got, c[1])
		}
	}
}

// TestL1Cache: what a cache may keep of BASE/client is not handed to those who ask for
// another form of it.
func TestL1Cache(t *testing.T) {
	h := newHouse(t)
	for accept, kept := range map[string]bool{"application/json": true, "text/html": false, "*/*": false} {
		r, _ := http.NewRequest(http.MethodGet, h.URL+"/client", nil)
		r.Header.Set("Accept", accept)
		s := h.visitor().see(new(http.Client).Do(r))
		if got := s.Header.Get("Cache-Control"); kept != strings.HasPrefix(got, "public") || kept && s.Header.Get("Vary") != "Accept" {
			t.Errorf("Accept %s: %v", accept, s.Header)
		}
	}
}

// TestLettersInTheLog: nor do they in the log, where strangers' refusals are shown.
func TestLettersInTheLog(t *testing.T) {
	h := newHouse(t)
	form := values("no code")
	form["client_id"] = "a\u202eb\u200b\u2066\u00e9 日"
	h.send(redeemText, form).want(t, http.StatusBadRequest, "invalid_grant")
	events, err := store.Events(t.Context(), h.Grants.DB, 0, 1)
	if err != nil || len(events) != 1 || events[0].ClientID != "a\ufffdb\ufffd\ufffd\u00e9 日" {
		t.Errorf("%+v, %v", events, err)
	}
}

// TestC2Document: a byte order mark before a client metadata document is skipped, as
// before other JSON.
func TestC2Document(t *testing.T) {
	h := newHouse(t)
	h.outside().HandleFunc("docs.example/c.json", serve("application/json", "\ufeff"+document("/c.json", `,"redirect_uris":["http://docs.example/cb"]`)))
	s := h.visitor().begin(modern("client_id", "http://docs.example/c.json", "redirect_uri", "http://docs.example/cb"))
	if s.StatusCode != http.StatusFound {
		t.Errorf("%d %s", s.StatusCode, s.text)
	}
}
