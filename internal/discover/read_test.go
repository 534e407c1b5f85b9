package discover

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"willnorris.com/go/microformats"
)

// Pages as people write them, each read as microformats reads it.
func pages() map[string]string {
	return map[string]string{
		"usual": `<!doctype html><html lang=en><head><meta charset=utf-8><title>Jane</title><link rel="me" href="https://social.example/@jane">
			<link rel=stylesheet href=x.css><style>.h-card{color:red}</style></head><body><div class="h-card"><img class="u-photo" src="/me.jpg" alt="">
			<a class="p-name u-url u-uid" rel="me" href="/">Jane Doe</a><p class="p-note">Hello &amp; welcome <a class=u-email href="mailto:jane@example.com">mail</a></p></div></body></html>`,
		"implied, all of it":      `<a class="h-card" href="https://jane.example/"><img src="me.png" alt="Jane"></a>`,
		"implied, text":           `<p class=h-card>  Jane   <b>Doe</b> </p>`,
		"implied, link inside":    `<div class="h-card"><a href="/x">Jane Doe</a></div>`,
		"implied, two links":      `<div class="h-card"><a href="/x">Jane</a> <a href="/y">Doe</a></div>`,
		"implied, img and text":   `<span class="h-card"><img src="a.jpg" alt="A"> Jane</span>`,
		"implied, deep":           `<div class=h-card><span><img src=a.jpg alt=Jane></span></div>`,
		"implied, abbr":           `<abbr class=h-card title="Jane Doe">JD</abbr>`,
		"not implied":             `<div class="h-card"><span class="p-nickname">jd</span> Jane <a href=/x>x</a></div>`,
		"other u- prevents":       `<div class="h-card">Jane <a class=u-key href=/key>k</a><a href=/>home</a><img src=a></div>`,
		"nested card":             `<div class="h-entry"><p class="p-author h-card"><a class="u-url" href="/">Jane</a></p><p class=p-name>Post</p></div>`,
		"card in card":            `<div class="h-card"><a class="p-name u-url" href="/">Jane</a> of <span class="p-org h-card"><a class="p-name u-url" href="https://org.example/">Org</a></span></div>`,
		"two cards":               `<div class=h-card><a class="u-url p-name" href="/a">A</a></div><div class=h-card><a class="u-url p-name" href="/b">B</a></div>`,
		"entities":                `<p class="h-card"><a class="p-name u-url" href="/?a=1&amp;b=2">J&auml;ne &lt;3 &#x1F600; &notanentity;</a></p>`,
		"capitals, quotes":        `<DIV CLASS='h-card'><A CLASS="u-url" HREF='/'  REL=ME>x</A><SPAN class=p-name>Jane "J" Doe</SPAN></DIV>`,
		"base":                    `<head><base href="https://other.example/dir/"></head><p class=h-card><a class="u-url p-name" href="x">J</a><img class=u-photo src=p.png></p>`,
		"script and comment":      `<script>document.write('<div class="h-card"><a class=u-url href=/evil>E</a></div>')</script><!-- <p class=h-card>no</p> --><div class=h-card><a class="p-name u-url" href=/>J</a></div>`,
		"template":                `<template><div class=h-card>no</div></template><div class=h-card><a class="p-name u-url" href=/>J</a></div>`,
		"unclosed list":           `<ul><li class=h-card><a class="u-url p-name" href=/a>A</a><li class=h-card><a class="u-url p-name" href=/b>B</a></ul>`,
		"unclosed paragraphs":     `<p class=h-card><a class="u-url p-name" href=/a>A</a><p><a class="u-url" href=/b>B</a><div>x</div>`,
		"stray end tags":          `</div></p><div class=h-card></b><a class="u-url p-name" href=/>J</a></i></div></div>`,
		"void elements":           `<div class=h-card><img class=u-photo src=p.png><br><input type=hidden value=x><hr><a class="u-url p-name" href=/>J</a></div>`,
		"data and value":          `<div class=h-card><data class=p-name value="Jane D">jd</data><data class=u-uid value="/u"></data><span class=u-url>https://jane.example/s</span></div>`,
		"name with img":           `<div class=h-card><a class="p-name u-url" href=/><img src=a alt="Jane"> Doe</a></div>`,
		"e-mail as text":          `<div class=h-card><a class="p-name u-url" href=/>J</a><a class="u-email" href="mailto:j@example.com">x</a></div>`,
		"app":                     `<div class="h-app"><a href="/" class="u-url p-name">The App</a><img src="/logo.png" class="u-logo"></div>`,
		"x-app":                   `<div class="h-x-app"><h1 class=p-name>Old App</h1><a class=u-url href=/>x</a></div>`,
		"hCard":                   `<div class="vcard"><a class="url fn" href="/">Jane</a><img class="photo" src="p.png"></div>`,
		"several rels":            `<link rel="redirect_uri" href="/cb"><link rel="Redirect_URI me" href="app://cb"><a rel="nofollow redirect_uri" href="https://x.example/">x</a><link rel=redirect href=/no>`,
		"attribute without value": `<div hidden class="h-card" data-x='a"b'><a download class="p-name u-url" href=/ >J</a></div>`,
		"table":                   `<table><tr><td class=h-card><a class="u-url p-name" href=/a>A</a><td class=h-card><a class="u-url p-name" href=/b>B</a></table>`,
		"definition list":         `<dl><dt>x<dd class=h-card><a class="u-url p-name" href=/a>A</a><dd class=h-card><a class="u-url p-name" href=/b>B</a></dl>`,
		"class twice":             `<p class=h-card class="x"><a class="u-url p-name" href=/>J</a></p>`,
		"empty":                   ``,
		"text":                    `no html at all < > & "`,
	}
}

func TestReadsLikeMicroformats(t *testing.T) {
	base, _ := url.Parse("https://jane.example/")
	for name, text := range pages() {
		t.Run(name, func(t *testing.T) {
			theirs := microformats.Parse(strings.NewReader(text), base)
			p := &Page{URL: base, Header: http.Header{}, Body: []byte(text)}
			for _, rel := range []string{"me", "redirect_uri"} {
				var want []string
				for key, urls := range theirs.Rels { // keys are case-sensitive there
					if strings.EqualFold(key, rel) {
						want = append(want, urls...)
					}
				}
				if rel == "redirect_uri" && name == "several rels" {
					want = []string{"https://jane.example/cb", "app://cb", "https://x.example/"}
				}
				if got := p.Rels()[rel]; !slices.Equal(got, want) {
					t.Errorf("rel=%s: %v, microformats %v", rel, got, want)
				}
			}
			for _, class := range []string{"h-card", "h-app", "h-x-app"} {
				got := (&Page{URL: base, Body: []byte(text)}).document().items(class)
				want := all(theirs.Items, class, nil)
				if len(got) != len(want) {
					t.Errorf("%d of %s, microformats %d", len(got), class, len(want))
					continue
				}
				for i := range got {
					compare(t, got[i], want[i])
				}
			}
		})
	}
}

// all are the items of a class, nested ones too, in their order.
func all(items []*microformats.Microformat, class string, found []*microformats.Microformat) []*microformats.Microformat {
	for _, it := range items {
		if slices.Contains(it.Type, class) {
			found = append(found, it)
		}
		for _, values := range it.Properties {
			for _, v := range values {
				if nested, ok := v.(*microformats.Microformat); ok {
					found = all([]*microformats.Microformat{nested}, class, found)
				}
			}
		}
		found = all(it.Children, class, found)
	}
	return found
}

func compare(t *testing.T, got, want *item) {
	t.Helper()
	one := func(names ...string) string {
		for _, name := range names {
			for _, v := range want.Properties[name] {
				switch v := v.(type) {
				case string:
					return v
				case map[string]string:
					return v["value"]
				case *microformats.Microformat:
					return v.Value
				}
			}
		}
		return ""
	}
	for _, p := range []struct{ what, got, want string }{
		{"name", cleanName(first(got, "name")), strings.Join(strings.Fields(one("name")), " ")}, {"photo", first(got, "photo", "logo"), one("photo", "logo")},
		{"uid", first(got, "uid"), one("uid")}, {"email", first(got, "email"), one("email")},
	} {
		if p.got != p.want {
			t.Errorf("%s is %q, microformats %q", p.what, p.got, p.want)
		}
	}
	var urls []string
	for _, v := range want.Properties["url"] {
		if s, ok := v.(string); ok {
			urls = append(urls, s)
		}
	}
	if u := values(got, "url"); !slices.Equal(u, urls) {
		t.Errorf("url is %q, microformats %q", u, urls)
	}
}

// FuzzRead: whatever a page holds, reading it ends, soon, and gives no more than it has.
func FuzzRead(f *testing.F) {
	for _, text := range pages() {
		f.Add(text, "")
	}
	f.Add(strings.Repeat("<div class=h-card>", 1000), `<x>;rel="`+strings.Repeat(`\"`, 100))
	f.Add("<A\x80 \x80=\x80>", "")
	f.Add(`<A ClAss=h-card><A ClAss="u-email"href="mAilto:@ 0">`, "")
	f.Add(`<a class="h-card u-email" href="mailto:a@b%0d%0aBcc:%3cx%3e">`, "")
	f.Add("<a b=c/d e f='g><p x=\"", `<a>;b;c=,<`)
	f.Add("<![CDATA[<p>]]><svg><title><p></svg><textarea><b class=h-card>", "")
	base, _ := url.Parse("https://jane.example/x/")
	f.Fuzz(func(t *testing.T, text, link string) {
		start := time.Now()
		p := &Page{URL: base, Header: http.Header{"Link": {link}}, Body: []byte(text)}
		p.Rels()
		for _, it := range p.document().items("h-card", "h-app") {
			got := cardProfile(it, "https://jane.example/")
			if len([]rune(got.Name)) > 81 || strings.ContainsAny(got.Email, " \n<") || got.Photo != "" && !strings.HasPrefix(got.Photo, "http") {
				t.Errorf("%+v", got)
			}
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%d bytes took %v", len(text), d)
		}
	})
}
