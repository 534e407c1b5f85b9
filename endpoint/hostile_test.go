package endpoint

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// A page of four times the size takes about four times as long, however it is
// made: whoever names a client_id chooses what we read.
func TestHostilePagesCostLittle(t *testing.T) {
	base, _ := url.Parse("https://evil.example/")
	many := func(n int, each func(int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(each(i))
		}
		return b.String()
	}
	for name, page := range map[string]func(n int) (body, link string){
		"attributes": func(n int) (string, string) {
			return "<p " + many(n, func(i int) string { return fmt.Sprint("a", i, " ") }) + ">", ""
		},
		"links": func(n int) (string, string) {
			return many(n, func(i int) string { return fmt.Sprint("<a rel=redirect_uri href=", i, ">") }), ""
		},
		"names": func(n int) (string, string) {
			return "<div class=h-app><div class='" + strings.Repeat("p-name ", n) + "'>" + strings.Repeat("<br>", n), ""
		},
		"words": func(n int) (string, string) {
			return "<a href=/" + strings.Repeat("x", n) + " rel='" + strings.Repeat("me ", n) + "'>", ""
		},
		"base": func(n int) (string, string) {
			return "<base href=/" + strings.Repeat("x", 10*n) + "/>" + many(n, func(i int) string { return fmt.Sprint("<a rel=me class='h-app u-url' href=", i, "></a>") }), ""
		},
		"nesting":     func(n int) (string, string) { return strings.Repeat("<div class=h-app><b class=p-name>", n), "" },
		"open header": func(n int) (string, string) { return "", strings.Repeat("<,", n) },
		"header": func(n int) (string, string) {
			return "", many(n, func(i int) string { return fmt.Sprint("<", i, ">;rel=redirect_uri,") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			cost := func(n int) time.Duration {
				best := time.Hour
				for range 3 {
					body, link := page(n)
					p := &fetched{url: base, header: http.Header{"Link": {link}}, body: []byte(body)}
					start := time.Now()
					root := parseHTML(p.body)
					p.rels(root, baseOf(root, base), "redirect_uri")
					items(root, base, "h-app", "h-x-app")
					best = min(best, time.Since(start))
				}
				return best
			}
			small, large := cost(10_000), cost(40_000)
			if large > 10*small && large > 200*time.Millisecond {
				t.Errorf("four times the page takes %.1f times as long", float64(large)/float64(small))
			}
		})
	}
}
