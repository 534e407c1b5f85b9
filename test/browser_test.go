package test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// A browser is a Chromium that a test leads through pages as a person would.
type browser struct {
	t       *testing.T
	ctx     context.Context
	name    string
	scripts bool
	width   int64
	axe     string // axe-core's source
	shots   int
}

// A look is a way in which people look at pages.
type look struct {
	name    string
	width   int64
	scripts bool
	dark    bool
}

func looks() []look {
	return []look{{"desk", 1280, true, false}, {"phone", 360, true, true}, {"noscript", 360, false, false}}
}

func newBrowser(t *testing.T, l look) *browser {
	t.Helper()
	b := &browser{t: t, ctx: startChromium(t), name: l.name, scripts: l.scripts, width: l.width}
	nodeModules(t, "axe-core")
	source, err := os.ReadFile("testdata/clients/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	b.axe = string(source)
	scheme := map[bool]string{false: "light", true: "dark"}[l.dark]
	err = chromedp.Do(b.ctx, chromedp.EmulateViewport(l.width, 800), chromedp.Func(func(ctx context.Context, s *chromedp.Target) error {
		media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
		if _, err := cdp.Call(ctx, s, emulation.SetEmulatedMedia, media); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, s, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !l.scripts})
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *browser) open(address string) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.Navigate(address)); err != nil {
		b.t.Fatalf("%s: %v", address, err)
	}
}

// js asks the page by DevTools, which also works where scripts are off.
func (b *browser) js(expression string) (string, error) {
	return chromedp.Run(b.ctx, chromedp.Evaluate[string](expression))
}

// see waits for a page that shows all the words.
func (b *browser) see(words ...string) {
	b.t.Helper()
	text, err := "", error(nil)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		text, err = b.js(`document.readyState == 'complete' && document.body && !document.body.dataset.left ? document.body.innerText : ''`)
		missing := ""
		for _, w := range words {
			if !strings.Contains(text, w) {
				missing = w
			}
		}
		if err == nil && missing == "" {
			return
		}
	}
	where, _ := b.js(`location.href`)
	b.t.Fatalf("the browser never showed %q, but, at %s, %q, %v", words, where, text, err)
}

// press clicks the link, button or summary that says the words, or is called so.
// A page that is being left is marked, so that see waits for the next one.
func (b *browser) press(words string) {
	b.t.Helper()
	b.on(fmt.Sprintf(`((all, words) => {
		const said = e => [e.getAttribute('aria-label'), e.innerText.trim(), e.value].filter(s => s)
		return all.find(e => said(e).includes(words)) || all.find(e => said(e).some(s => s.startsWith(words)))
	})([...document.querySelectorAll('a,button,summary,input[type=submit]')], %s)`, strconv.Quote(words)), `if (e.tagName != 'SUMMARY') document.body.dataset.left = 'yes'; e.click()`)
}

func (b *browser) fill(selector, value string) {
	b.t.Helper()
	b.on(`document.querySelector(`+strconv.Quote(selector)+`)`, `e.value = `+strconv.Quote(value))
}

func (b *browser) tick(selector string) {
	b.t.Helper()
	b.on(`document.querySelector(`+strconv.Quote(selector)+`)`, `e.click()`)
}

// on does something with an element of a page that see has seen.
func (b *browser) on(find, do string) {
	b.t.Helper()
	found, err := b.js(`(() => { const e = ` + find + `; if (!e) return 'none on ' + document.body.innerText; ` + do + `; return '' })()`)
	if err != nil || found != "" {
		b.t.Fatalf("%s: %s %v", find, found, err)
	}
}

// inspect holds the page that is shown against what every page must be: nothing sticks
// out at the side at any width (the menu slides in its own box), axe-core finds nothing,
// and nothing was fetched. With SCREENSHOTS=dir it is also photographed.
func (b *browser) inspect(name string) {
	b.t.Helper()
	for _, width := range []int64{320, 360, 768, 1280, b.width} {
		if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(width, 800)); err != nil {
			b.t.Fatal(err)
		}
		b.fits(fmt.Sprintf("%s at %d px", name, width))
	}
	if b.scripts {
		b.runAxe(name)
	}
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	b.shots++
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%02d-%s.png", b.name, b.shots, name)), png, 0o644)
	}
	if err != nil {
		b.t.Error(err)
	}
}

// fits asserts that the page is no wider than the window and a single file.
func (b *browser) fits(name string) {
	b.t.Helper()
	wide, err := b.js(`(() => {
		const width = document.documentElement.clientWidth, out = []
		if (document.documentElement.scrollWidth > width) out.push('page ' + document.documentElement.scrollWidth)
		for (const e of document.body.querySelectorAll('*')) if (e.getBoundingClientRect().right > width + 1 && !e.closest('.tabs')) out.push(e.tagName + ' ' + e.innerText)
		return out.concat(performance.getEntriesByType('resource').map(e => 'fetches ' + e.name)).join('; ')
	})()`)
	if err != nil || wide != "" {
		b.t.Errorf("%s: wider than the window, or more than one file: %s %v", name, wide, err)
	}
}

func (b *browser) runAxe(name string) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.Evaluate[chromedp.Void](b.axe)); err != nil {
		b.t.Fatal(err)
	}
	faults, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`axe.run(document).then(r =>
		r.violations.map(v => v.id + ': ' + v.help + ': ' + v.nodes.map(n => n.html).join(' ')).join('\n'))`, chromedp.EvalAwaitPromise))
	if err != nil || faults != "" {
		b.t.Errorf("axe-core on %s: %s %v", name, faults, err)
	}
}
