package endpoint_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mintkeep/internal/discover"
)

// TestNamesOfManyApps: the page of apps comes in seconds, however many of them have gone
// and do not answer; each time it is asked for, more of the others have their names.
func TestNamesOfManyApps(t *testing.T) {
	schema, err := os.ReadFile(filepath.Join("..", "schema.sql"))
	if err != nil {
		t.Fatal(err)
	}
	for name, places := range map[string]int{"as CGI": 1, "in a process that stays": 0} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "tokens.db")
			synctest.Test(t, func(t *testing.T) {
				h := &house{t: t, clock: &clock{t: time.Now()}, settings: standard()}
				db := openFile(t, file, "_busy_timeout=8000")
				if _, err := db.Exec(string(schema)); err != nil {
					t.Fatal(err)
				}
				s := h.serverOn(db)
				s.Authorize.Discover = &discover.Client{Places: places, Public: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					if strings.HasPrefix(r.URL.Host, "gone") {
						<-r.Context().Done()
						return nil, r.Context().Err()
					}
					w := httptest.NewRecorder()
					w.WriteString(`<p class=h-app>An app</p>`)
					return w.Result(), nil
				})}}
				var ids []string
				for _, host := range strings.Fields("gone1 gone2 gone3 gone4 gone5 gone6 gone7 app1 app2 app3") {
					ids = append(ids, "https://"+host+".example/")
				}
				for range 8 {
					start := time.Now()
					names := s.Authorize.ClientNames(t.Context(), ids)
					if d := time.Since(start); d > 4*time.Second {
						t.Errorf("it took %v", d)
					}
					if h.clock.pass(time.Second); names["https://app1.example/"]+names["https://app2.example/"]+names["https://app3.example/"] == "An appAn appAn app" {
						return
					}
				}
				t.Error("an app that answers was never asked")
			})
		})
	}
}
