package test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"mintkeep/internal/page"
)

// TestElementsInBrowser: everything that pages are made of, on one page, in every look.
// Whoever changes the style sheet looks at it with SCREENSHOTS=dir.
func TestElementsInBrowser(t *testing.T) {
	templates := page.Templates(os.DirFS("testdata/elements"))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &page.Page{Title: "Elements", Form: true, Template: "elements.html", SignOut: "/", Home: "/", Site: "https://ada.example/",
			Links: []page.Link{{URL: "/", Text: "Elements", Current: true}, {URL: "/x", Text: "Another page"}}}
		if err := p.Write(w, http.StatusOK, false, templates()); err != nil {
			t.Error(err)
		}
	}))
	defer srv.Close()
	for _, l := range append(looks(), look{"desk-dark", 1280, true, true}, look{"phone-light", 360, true, false}) {
		t.Run(l.name, func(t *testing.T) {
			b := newBrowser(t, l)
			b.open(srv.URL)
			b.see("Elements", "Broken", "Something folded")
			b.inspect("elements")
		})
	}
}
