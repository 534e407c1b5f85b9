package test

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"

	"mintkeep/test/wire"
)

// TestSetupInBrowser: the pages before there is a database, as CGI answers them: the first
// visit, a fault of the configuration (F7), a check that is closed (F9), and the fixed sentence.
func TestSetupInBrowser(t *testing.T) {
	h := newTestHost(t, released(t), "cgi")
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reply, err := h.do(&wire.Request{Method: "GET", Target: h.script + r.URL.Path, Header: [][2]string{{"Accept", "text/html"}}})
		if err != nil {
			t.Error(err)
			return
		}
		maps.Copy(w.Header(), reply.Header)
		w.WriteHeader(reply.Status)
		io.WriteString(w, reply.Body)
	}))
	defer srv.Close()
	for _, l := range looks() {
		t.Run(l.name, func(t *testing.T) {
			b := newBrowser(t, l)
			show := func(name, address string, words ...string) {
				t.Helper()
				b.open(srv.URL + address)
				b.see(words...)
				b.inspect(name)
			}
			h.script = "/auth/direct.cgi"
			if err := link(released(t), h.path("public_html"+h.script)); err != nil && l.name == "desk" {
				t.Fatal(err)
			}
			show("setup", "", "Two steps are left.", "Make a folder", "mintkeep.conf", "I have done that")
			h.script = scriptPath
			faulty := []string{"database: ../../nowhere/tokens.db", "endpoint: " + h.authURL}
			if err := h.configure(faulty...); err != nil {
				t.Fatal(err)
			}
			show("fault", "", "is not set up", "create the folder")
			h.mustConfigure(t)
			show("no-check", "/check", "Nothing is checked yet", "with the name check")
			show("public", "", "It runs. Now try it.")
			if err := h.configure("database: ../../mintkeep/tokens.db", "colour: blue"); err != nil {
				t.Fatal(err)
			}
			show("not-ready", "", "is not ready", "mintkeep doctor")
		})
	}
}
