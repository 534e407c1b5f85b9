package discover

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// describe writes the properties that are read of each item, a line for each item.
func describe(items []*item) string {
	var lines []string
	for _, it := range items {
		line := ""
		for _, property := range []string{"name", "url", "uid", "photo", "logo", "email"} {
			if v := values(it, property); len(v) > 0 {
				line += fmt.Sprintf(" %s=%s", property, strings.Join(v, ","))
			}
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	return strings.Join(lines, "; ")
}

// TestCards: what microformats' test suite (https://github.com/microformats/tests,
// the cases microformats-v2/h-card and mixed of the given names) asks of a parser.
func TestCards(t *testing.T) {
	const link, img = `<a href=ann.html>Ann Lee</a>`, `<img src=ann.png alt="Ann Lee">`
	const all = "name=Ann Lee photo=http://example.com/ann.png"
	const linked = "name=Ann Lee url=http://example.com/ann.html"
	card := func(inner string) string { return `<div class=h-card>` + inner + `</div>` }
	for _, tt := range []struct{ name, page, want string }{
		{"justaname", `<p class=h-card>Ann Lee</p>`, "name=Ann Lee"},
		{"justahyperlink", `<a class=h-card href=http://ann.example/>Ann Lee</a>`, "name=Ann Lee url=http://ann.example/"},
		{"hyperlinkedphoto", `<a class=h-card href=http://ann.example/> ` + img + ` </a>`, "name=Ann Lee url=http://ann.example/ photo=http://example.com/ann.png"},
		{"childimplied", `<a class=h-card href=http://ann.example/ title=x> <article> <h2 class=p-name>Ann Lee</h2> <img src=ann.png> </article> </a>`,
			"name=Ann Lee url=http://ann.example/ photo=http://example.com/ann.png"},
		{"baseurl", `<base href="http://other.example"/>` + card(`<a class="p-name u-url" href=http://ann.example/>Ann</a> <img class=u-photo src="images/a.gif"/>`),
			"name=Ann url=http://ann.example/ photo=http://other.example/images/a.gif"},
		{"relativeurls", `<base href=http://other.example>` + card(`<a class="p-name u-url" href=/ann>Ann</a> (<a class="p-org h-card" href=bios/x/>Org</a>)`),
			"name=Ann url=http://other.example/ann; name=Org url=http://other.example/bios/x/"},
		{"relativeurlsempty", `<base href=http://other.example/me>` + card(`<a class="p-name u-url" href="">Ann</a> <data class=u-uid>`),
			"name=Ann url=http://other.example/me uid=http://other.example/me"},
		{"extendeddescription", card(`<img class=u-photo alt=photo src=http://p.example/a.jpg> <p><a class="p-name u-url" href=http://ann.example/>Ann</a>
			(<a class=u-url href=https://social.example/ann>@ann</a>) <span class=p-org>Org</span></p> <p class=p-note>Ann is responsible.</p>`),
			"name=Ann url=http://ann.example/,https://social.example/ann photo=http://p.example/a.jpg"},
		{"hcard", card(`<a class="p-name u-url" href=http://ann.example/>Ann</a> (<a class="p-org h-card" href=http://org.example/>Org</a>)`),
			"name=Ann url=http://ann.example/; name=Org url=http://org.example/"},
		{"nested", card(`<a class="p-name u-url" href=http://ann.example/>Ann</a> (<a class="h-org h-card" href=http://org.example/>Org</a>)`),
			"name=Ann url=http://ann.example/; name=Org url=http://org.example/"},
		{"impliedname: img", `<img class=h-card src=ann.png alt="Ann Lee">`, all},
		{"impliedname: area", `<area class=h-card href=ann.html alt="Ann Lee">`, linked},
		{"impliedname: abbr", `<abbr class=h-card title="Ann Lee">AL</abbr>`, "name=Ann Lee"},
		{"impliedname: img inside", card(img), all},
		{"impliedname: area inside", card(`<area href=ann.html alt="Ann Lee">`), linked},
		{"impliedname: abbr inside", card(`<abbr title="Ann Lee">AL</abbr>`), "name=Ann Lee"},
		{"impliedname: img deeper", card(`<span>` + img + `</span>`), all},
		{"impliedname: area deeper", card(`<span><area href=ann.html alt="Ann Lee"></span>`), linked},
		{"impliedname: abbr deeper", card(`<span><abbr title="Ann Lee">AL</abbr></span>`), "name=Ann Lee"},
		{"impliedname: not with a nested one", card(`<img class=h-card src=ann.png alt="Ann Lee">Name`), "; " + all},
		{"impliedname: nor with a deeper one", card(`<span class=h-card><abbr title="Ann Lee">AL</abbr></span>`), "; name=Ann Lee"},
		{"impliedname: not with a p-", card(`Ann, <span class=p-org>Org</span>`), ""},
		{"impliedname: without script and style", `<p class=h-card><style>p{color:red}</style> <span>Ann</span> <span>Lee</span><script src=x></script> <img src=/p.jpg alt=Jr.> </p>`,
			"name=Ann Lee Jr. photo=http://example.com/p.jpg"},
		{"impliedphoto: object", `<object class=h-card data=ann.png>Ann Lee</object>`, all},
		{"impliedphoto: object inside", card(`<object data=ann.png>Ann Lee</object>`), all},
		{"impliedphoto: object deeper", card(`<span><object data=ann.png>Ann Lee</object></span>`), all},
		{"impliedphoto: not of two links", card(`<a href=https://ann.example><img src=a.jpg></a> <span class=p-name>Ann</span>`), "name=Ann url=https://ann.example"},
		{"impliedphoto: not of two images", card(`<a href=https://ann.example class="p-name u-url">Ann <img src=a.jpg alt=""> <img src=b.jpg alt=""></a>`), "name=Ann url=https://ann.example"},
		{"impliedurl", card(link + `<p></p>`), linked},
		{"impliedurl: area", card(`<area href=ann.html>Ann Lee</area><p></p>`), linked},
		{"impliedurl: not of a nested one", card(`<a class=h-card href=ann.html>Ann Lee</a><p></p>`), "; " + linked},
		{"impliedurlempty", card(`<a href="">Ann Lee</a><p></p>`), "name=Ann Lee url=http://example.com/"},
		{"p-property: value class", card(`<span class=p-name> <span class="p-given-name value">Ann</span> <abbr title=Peter>P</abbr> <span class="value ">Lee</span> </span>`), "name=AnnLee"},
		{"ignoretemplate", card(`<p>Jan</p> <span class=p-name> <span class=value>Ann</span> <abbr>H</abbr> <template class=value>No</template> </span>
			<p class="p-org h-card"> 10M <template class=p-name> No </template> </p>`), "name=Ann; name=10M"},
		{"vendorprefix", `<p class=h-car1d>a</p><p class=h-car_d>b</p><p class=x-card>c</p><p class=x-h-card>d</p><p class=h-card>Ann</p>`, "name=Ann"},
		{"vendorprefix: what is an item of its own", `<div class=h-card><a class=u-url href=/a></a><p class=h-8to8-vendor-card><a class=u-url href=/b></a></p><p class=h-8-8-v><a class=u-url href=/c></a></p></div>`,
			"url=http://example.com/a,http://example.com/c"},
		{"vendorprefixproperty", card(`<p class=p-nam1e>a</p><p class=p-nam_e>b</p><p class=x-p-name>c</p><p class=p-name>Ann</p><p class=p-v-name>d</p>`), "name=Ann"},
		{"tworoots (microformats-mixed)", `<div class="vcard h-card"><div class="fn n p-name">Ann Lee</div></div>`, "name=Ann Lee"},
		{"mixedproperties (microformats-mixed)", card(`<p><a class="p-name p-org u-url" href=http://org.example/>Org</a> <img class=logo src=../logo.jpg></p>
			<p class=adr><span class=street-address>3rd St.</span> <span class=p-country-name>Country</span></p>`), "name=Org url=http://org.example/"},
		{"hcard (microformats-v1)", `<p class=vcard><a class="fn url" href=http://ann.example/>Ann Lee</a> <span class=n>x</span></p>`, "name=Ann Lee url=http://ann.example/"},
	} {
		p := &Page{URL: mustURL(t, "http://example.com/"), Body: []byte(tt.page)}
		if got := describe(p.document().items("h-card")); got != tt.want {
			t.Errorf("%s: %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// TestRelCases: as microformats-v2/rel of the same suite.
func TestRelCases(t *testing.T) {
	for name, tt := range map[string]struct {
		page string
		want map[string][]string
	}{
		"license":  {`<a rel=license href=http://c.example/by/2.5/>cc</a>`, map[string][]string{"license": {"http://c.example/by/2.5/"}}},
		"nofollow": {`<a rel=nofollow href=http://m.example/wiki/m:copy>c</a>`, map[string][]string{"nofollow": {"http://m.example/wiki/m:copy"}}},
		"rel-urls": {`<a rel=author href=/a>a</a><a rel=author href=/b>b</a><a rel="alternate home" href=/fr media=handheld hreflang=fr>f</a>`,
			map[string][]string{"author": {"http://example.com/a", "http://example.com/b"}, "alternate": {"http://example.com/fr"}, "home": {"http://example.com/fr"}}},
		"duplicate-rels": {`<a rel=bookmark href=/1><time>May</time></a></span><a rel="category tag" href=/c>A</a><a rel="category tag" href=/c>A</a><a rel=bookmark href=/2>x</a>`,
			map[string][]string{"bookmark": {"http://example.com/1", "http://example.com/2"}, "category": {"http://example.com/c"}, "tag": {"http://example.com/c"}}},
		"varying-text-duplicate-rels": {`<a rel=tag href=/c>A</a> <a rel=tag href=/c>B</a>`, map[string][]string{"tag": {"http://example.com/c"}}},
		"xfn-elsewhere": {`<ul><li><a rel=me href=http://x.example/ann>x</a><li><a rel=me href="https://y.example/u/0/1/about">y</a></ul>`,
			map[string][]string{"me": {"http://x.example/ann", "https://y.example/u/0/1/about"}}},
		"xfn-all": {`<a rel="friend met co-worker" href=/j>j</a><a rel=me href=/i>i</a>`,
			map[string][]string{"friend": {"http://example.com/j"}, "met": {"http://example.com/j"}, "co-worker": {"http://example.com/j"}, "me": {"http://example.com/i"}}},
	} {
		if got := htmlRels(tt.page, mustURL(t, "http://example.com/")); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestReferencesInAttributes (L11): "&section=" is no "§" and "&param=" no "¶": what looks like
// a character reference without its semicolon is left alone before "=" (HTML standard,
// named character reference state).
func TestReferencesInAttributes(t *testing.T) {
	for in, want := range map[string]string{
		"/index.php?page=auth&section=login":         "http://example.com/index.php?page=auth&section=login",
		"https://app.example/cb?x=1&param=2&copy=3":  "https://app.example/cb?x=1&param=2&copy=3",
		"/?a=1&amp;section=2":                        "http://example.com/?a=1&section=2",
		"/?a&notit;=1&lt=2&reg":                      "http://example.com/?a&notit;=1&lt=2®",
		"https://app.example/&#x61;?q=&quot;&#38;b=": `https://app.example/a?q="&b=`,
	} {
		page := `<link rel="redirect_uri authorization_endpoint" href="` + in + `"><p class=h-card><a class=u-url href="` + in + `">x</a></p>`
		p := &Page{URL: mustURL(t, "http://example.com/"), Body: []byte(page)}
		want = mustURL(t, want).String()
		if got := p.Rels()["authorization_endpoint"]; len(got) != 1 || got[0] != want {
			t.Errorf("%s as a rel: %s", in, got)
		}
		if got := describe(p.document().items("h-card")); got != "name=x url="+want {
			t.Errorf("%s as u-url: %s", in, got)
		}
	}
}

// TestApps: client metadata of a page (IndieAuth section 4.2).
func TestApps(t *testing.T) {
	for _, tt := range []struct{ page, link, name, redirects string }{
		{`<div class=h-app><a class="u-url p-name" href=/>The App</a><img class=u-logo src=/l.png></div>`, "", "The App", ""},
		{`<div class=h-x-app><h1 class=p-name>Old App</h1></div>`, "", "Old App", ""},
		{`<a class=h-app href=/>Implied App</a>`, "", "Implied App", ""},
		{`<a class=h-app href=/><img src=l.png alt="Logo App"></a>`, "", "Logo App", ""},
		{`<div class="h-app h-x-app"><b class=p-name>Both</b></div>`, "", "Both", ""},
		{`<div class=h-app><span class=p-summary>no name</span></div><div class=h-app><p class=p-name>Second</p></div>`, "", "Second", ""},
		{`<div class=h-entry><div class="p-x h-app"><p class=p-name>Within</p></div></div>`, "", "Within", ""},
		{`<div class=h-app><p class=p-name>` + strings.Repeat("n", 200) + `</p></div>`, "", strings.Repeat("n", 80) + "…", ""},
		{`<div class=h-app><p class=p-name>a &#x202e;b <b>c</b><br>d</p></div>`, "", "a b cd", ""},
		{`<div class=h-card><p class=p-name>A person</p></div><title>A title</title>`, "", "", ""},
		{`<link rel=redirect_uri href=/cb><a rel="x Redirect_URI" href="com.example.app://cb">x</a>`, `</header>; rel=redirect_uri`, "", "http://example.com/header http://example.com/cb com.example.app://cb"},
		{`<div class=h-app><a class="u-url p-name" rel=redirect_uri href="/cb?a=1&section=2">App</a></div>`, "", "App", "http://example.com/cb?a=1&section=2"},
		{`<template><link rel=redirect_uri href=/no></template><noscript><link rel=redirect_uri href=/no></noscript><!-- <link rel=redirect_uri href=/no> -->`, "", "", ""},
		{`<svg><title><link rel=redirect_uri href=/no></title><svg></svg><a href=/no rel=redirect_uri /></svg><link rel=redirect_uri href=/cb>`, "", "", "http://example.com/cb"},
		{``, "", "", ""},
	} {
		p := &Page{URL: mustURL(t, "http://example.com/"), Header: http.Header{"Link": {tt.link}}, Body: []byte(tt.page)}
		app := p.app()
		if got := strings.Join(app.RedirectURIs, " "); app.Name != tt.name || got != tt.redirects {
			t.Errorf("%s\nis %q with %s", tt.page, app.Name, got)
		}
	}
}

// TestRepresentativeCard: the three rules, and what each leaves to the next
// (https://microformats.org/wiki/representative-h-card-parsing). The page is at
// http://ann.example/, after a redirect from http://www.ann.example/ where noted.
func TestRepresentativeCard(t *testing.T) {
	card := func(name string, properties ...string) string {
		var b strings.Builder
		for _, p := range properties {
			class, href, _ := strings.Cut(p, " ")
			fmt.Fprintf(&b, `<a class="%s" href="%s"></a>`, class, href)
		}
		return `<div class=h-card><b class=p-name>` + name + `</b>` + b.String() + `</div>`
	}
	const me = `<link rel=me href=https://social.example/ann>`
	for _, tt := range []struct{ rule, page, want string }{
		{"1: uid and url are the page's", card("Ann", "u-uid /", "u-url /"), "Ann"},
		{"1: before a card that comes first", card("Bob", "u-url https://bob.example/") + card("Ann", "u-uid /", "u-url /"), "Ann"},
		{"1: before rule 2", me + card("Bob", "u-url https://social.example/ann") + card("Ann", "u-uid /", "u-url /"), "Ann"},
		{"1: the first of two", card("Ann", "u-uid /", "u-url /") + card("Bob", "u-uid /", "u-url /"), "Ann"},
		{"1: in an entry", `<div class=h-entry><div class="p-author h-card"><a class="p-name u-url u-uid" href=/>Ann</a></div></div>` + card("Bob", "u-url /b"), "Ann"},
		{"1: the second url counts", card("Ann", "u-uid /", "u-url /blog", "u-url /") + card("Bob", "u-url /b"), "Ann"},
		{"1: uid alone is not enough", card("Ann", "u-uid /", "u-url /other") + card("Bob", "u-url /b"), ""},
		{"1: url alone is not, with two cards", card("Ann", "u-url /") + card("Bob", "u-url /b"), ""},
		{"1: host in capitals, no slash", card("Ann", "u-uid HTTP://ANN.example", "u-url http://Ann.Example") + card("Bob", "u-url /b"), "Ann"},
		{"1: another page of the site", card("Ann", "u-uid /about", "u-url /about") + card("Bob", "u-url /b"), ""},
		{"1: the address before the redirect", card("Ann", "u-uid http://www.ann.example/", "u-url http://www.ann.example/") + card("Bob", "u-url /b"), "Ann"},
		{"2: a url is rel=me", me + card("Bob", "u-url https://bob.example/") + card("Ann", "u-url https://social.example/ann"), "Ann"},
		{"2: on the card's own link", card("Bob", "u-url /b") + `<p class=h-card><a class="p-name u-url" rel=me href=https://social.example/ann>Ann</a></p>`, "Ann"},
		{"2: before rule 3", me + card("Ann", "u-url https://social.example/ann"), "Ann"},
		{"2: the first of two", me + card("Ann", "u-url https://social.example/ann") + card("Bob", "u-url https://social.example/ann"), "Ann"},
		{"2: not another's rel=me", me + card("Bob", "u-url https://social.example/bob") + card("Eve", "u-url https://social.example/"), ""},
		{"3: the only card, with the page's url", card("Ann", "u-url /"), "Ann"},
		{"3: the only card, with other urls first", card("Ann", "u-url https://social.example/ann", "u-url /"), "Ann"},
		{"3: the only card of another page", card("Bob", "u-url https://bob.example/"), ""},
		{"3: the only card without url", card("Bob"), ""},
		{"3: an old hCard", `<p class=vcard><a class="fn url" href=/>Ann</a></p>`, "Ann"},
		{"none", `<p>Ann</p>`, ""},
	} {
		p := &Page{URL: mustURL(t, "http://ann.example/"), Body: []byte(tt.page)}
		got := ""
		if c := p.representativeCard("http://www.ann.example/"); c != nil {
			got = cardProfile(c, "http://www.ann.example/").Name
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.rule, got, tt.want)
		}
	}
}
