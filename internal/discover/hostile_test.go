package discover

import (
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"
)

// hostilePages are pages made so that reading them takes far more than their size:
// the parser and microformats alone need seconds and gigabytes for the first four.
func hostilePages() map[string]string {
	nested := func(open string, text, n int) string {
		return strings.Repeat(open+strings.Repeat("x", text), n) + strings.Repeat("</div>", n)
	}
	megabyte := func(unit string) string { return strings.Repeat(unit, maxPage/len(unit)) }
	return map[string]string{
		"480 nested cards, 73 KB":       nested(`<div class="h-card e-x p-y">`, 118, 480),
		"480 nested cards, 813 KB":      nested(`<div class="h-card e-x p-y">`, 1660, 480),
		"480 nested apps":               nested(`<div class="h-app p-name">`, 0, 480),
		"200 open <b>":                  strings.Repeat("<b>", 200) + strings.Repeat("<p>x", 100_000/4),
		"1 MB of <a>":                   megabyte("<a>"),
		"1 MB of <a href>":              megabyte("<a href=x rel=me>"),
		"1 MB of links in blocks":       megabyte("<a href=x><div>"),
		"1 MB of links in paragraphs":   megabyte("<a href=x><p>y"),
		"1 MB of links in closed rows":  megabyte("<a href=x><table><a href=y></table>"),
		"1 MB of <b> in foreign titles": strings.Repeat("<svg><title><b></b>", 200) + megabyte("<p>x"),
		"nested names":                  `<p class=h-card>` + strings.Repeat(`<span class="p-name u-url u-uid e-name p-email u-email">`, 60) + strings.Repeat("<i>x</i>", 9_000),
		"names with long texts":         `<p class=h-card>` + strings.Repeat(`<span class="p-name u-url">`, 5) + strings.Repeat("<span>", 50) + strings.Repeat("x", 900_000),
		"alternative texts":             `<p class="h-card">` + strings.Repeat(`<img alt="`+strings.Repeat("x", 2000)+`">`, 500),
		"stray texts in a table":        strings.Repeat("<li>", 9_000) + "<table>" + strings.Repeat("xxxxxxxxxxxxxxxxxxxxxxxxx</li>", 9_000),
		"repeated body":                 "<body " + strings.Repeat("a", 1) + manyAttributes(60_000) + ">" + strings.Repeat("<body b>", 20_000),
		"hCards that include another":   `<p id=a class=vcard><a class=fn>` + strings.Repeat("x", 10_000) + `</a></p>` + strings.Repeat(`<p class="vcard" itemref="a"><a class=include href="#a"></a>`, 5_000),
		"cards side by side":            strings.Repeat(`<p class="h-card p-name u-url">x`, 20_000),
	}
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprint(&b, " a", i)
	}
	return b.String()
}

// honestPage is a home page of about 800 KB with a card, posts and links.
func honestPage() string {
	post := `<article class="h-entry"><h2 class="p-name"><a class="u-url" href="/post">A post</a></h2><div class="e-content"><p>` +
		strings.Repeat("Some words of it. ", 100) + `</p><ul><li><a rel="tag" href="/t">t</a></ul></div></article>`
	return `<!doctype html><html><head><link rel=me href=https://social.example/@jane></head><body><div class=h-feed>` + strings.Repeat(post, 400) + `</div>` + janesCard
}

const janesCard = `<div class="h-card"><a class="p-name u-url u-uid" href="/">Jane Doe</a></div>`

// readAll reads a page in every way that there is.
func readAll(body string) (*App, *Profile) {
	base, _ := url.Parse("https://jane.example/")
	app := (&Page{URL: base, Body: []byte(body)}).app()
	if card := (&Page{URL: base, Body: []byte(body)}).representativeCard(base.String()); card != nil {
		return app, cardProfile(card, base.String())
	}
	return app, nil
}

// cost is what one reading allocates in bytes, and its time at best of three.
func cost(body string) (allocated uint64, best time.Duration) {
	best = time.Hour
	var before, after runtime.MemStats
	for range 3 {
		runtime.ReadMemStats(&before)
		start := time.Now()
		readAll(body)
		best = min(best, time.Since(start))
		runtime.ReadMemStats(&after)
	}
	return (after.TotalAlloc - before.TotalAlloc) / 2, best // an app is read or a card, not both
}

// TestHostilePagesAreBounded: no page costs more than a few honest ones of its size, in
// time and in what is allocated (interface.md section 5).
func TestHostilePagesAreBounded(t *testing.T) {
	honestBytes, honest := cost(honestPage())
	for name, body := range hostilePages() {
		allocated, took := cost(body)
		limit := 10 * honestBytes
		if strings.HasPrefix(name, "480") || strings.HasPrefix(name, "200") {
			limit = 20 << 20 // the four shapes of interface.md
		}
		if allocated > limit {
			t.Errorf("%s: %d MB are allocated", name, allocated>>20)
		}
		if took > 10*honest {
			t.Errorf("%s: it takes %.1f times as long as an honest page", name, float64(took)/float64(honest))
		}
	}
}

// TestHonestPage: the bounds leave what is looked for in a large page of the usual kind.
func TestHonestPage(t *testing.T) {
	if _, p := readAll(honestPage()); p == nil || p.Name != "Jane Doe" {
		t.Errorf("%+v", p)
	}
	for _, n := range []int{40, 60, 500, 600} { // deeper than 64 is not seen, than 512 not parsed
		_, p := readAll(strings.Repeat("<div>", n) + janesCard)
		if (p != nil) != (n < 61) {
			t.Errorf("in %d elements: %+v", n, p)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	pages := hostilePages()
	pages["honest"] = honestPage()
	for name, body := range pages {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				readAll(body)
			}
		})
	}
}
