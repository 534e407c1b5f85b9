package discover

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"willnorris.com/go/microformats"
)

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func htmlRels(text string, at *url.URL) map[string][]string {
	return (&Page{URL: at, Body: []byte(text)}).HTMLRels()
}

func headerRels(at *url.URL, fields ...string) map[string][]string {
	return (&Page{URL: at, Header: http.Header{"Link": fields}}).HeaderRels()
}

// Pages as people write them, and as they should not.
func relPages() []string {
	return []string{
		``,
		`<link rel="token_endpoint" href="/token">`,
		`<!doctype html><html><head><LINK REL='token_endpoint  me' HREF=/token/ /><link rel=token_endpoint href=b></head>`,
		`<base href="https://other.example/x/"><link rel=token_endpoint href=token>`,
		`<base href="/x/"><base href="/y/"><link rel=token_endpoint href=token>`,
		`<a rel="me authorization_endpoint" href="/a?x=1&amp;y=2">x</a><area rel=me href="#m">`,
		`<!-- <link rel=token_endpoint href=/no> --><link rel=token_endpoint href=/yes>`,
		`<!--><link rel=a href=/1><!---><link rel=a href=/2><!-- - -- > --><link rel=a href=/3>`,
		`<script>var x = "<link rel=token_endpoint href=/no>"</script><link rel=token_endpoint href=/yes>`,
		`<script>"</scripty><link rel=a href=/no></SCRIPT ><link rel=a href=/yes>`,
		`<style><link rel=a href=/no></style><title><link rel=a href=/no></title><link rel=a href=/yes>`,
		`<body><textarea><a rel=a href=/no></textarea><a rel=a href=/yes>x</a>`,
		`<noscript><link rel=a href=/no></noscript><link rel=a href=/yes>`,
		`<link rel=a href=/no`,
		`<link rel="a" href="/no`,
		`<link rel="a"href="/yes"><link rel = a href = /spaced><link href=/first href=/second rel=b rel=c>`,
		`<link rel=token_endpoint href="">`,
		`<link href=/none>`,
		`< link rel=a href=/no><2><link/rel="a"/href=/yes>`,
		`</link rel=a href=/no><p title="<link rel=a href=/no>"><link rel=a href=/yes>`,
		`<?xml version="1.0"?><![CDATA[ x ]]><link rel=a href="//host.example/p">`,
		`<link rel=a href="/x" title='">'><link rel=a href='/y"z'>`,
		"<link\trel=a\n\fhref=/ws\r>",
		`<link rel="a b a" href=/twice><link rel=a href=/twice>`,
		`text < text <<link rel=a href=/yes>`,
		`<link rel=a href="https://you.example/&#x61;&quot;">`,
	}
}

// What clients find with a microformats2 parser is what we must see, and the doctor with us.
func TestHTMLRelsAsMicroformats(t *testing.T) {
	at := mustURL(t, "https://you.example/a/b")
	for _, page := range relPages() {
		want := make(map[string][]string)
		for rel, targets := range microformats.Parse(strings.NewReader(page), at).Rels {
			want[strings.ToLower(rel)] = targets
		}
		if got := htmlRels(page, at); !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %v\nwant %v", page, got, want)
		}
	}
}

// Where that parser and the HTML standard differ, the standard counts.
func TestHTMLRelsAsStandard(t *testing.T) {
	at := mustURL(t, "https://you.example/a/b")
	for page, want := range map[string]map[string][]string{
		`<link rel=a href=" /trimmed ">`:               {"a": {"https://you.example/trimmed"}},
		`<link rel=a href=token><base href="/x/">`:     {"a": {"https://you.example/x/token"}},
		`<link rel=a><link rel=b href>`:                {"b": {"https://you.example/a/b"}},
		`<base target=x><base href=/x/><a rel=a href>`: {"a": {"https://you.example/x/"}},
	} {
		if got := htmlRels(page, at); !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %v\nwant %v", page, got, want)
		}
	}
}

func FuzzHTMLRels(f *testing.F) {
	for _, page := range relPages() {
		f.Add(page)
	}
	at := mustURL(f, "https://you.example/a/b")
	f.Fuzz(func(t *testing.T, page string) {
		for rel, targets := range htmlRels(page, at) {
			if rel == "" || strings.ContainsAny(rel, " \t\n\f\r") || rel != strings.ToLower(rel) || len(targets) == 0 {
				t.Errorf("%q: %q", rel, targets)
			}
		}
		// What cannot open anything does not hide the link behind it.
		if got := htmlRels(strings.ReplaceAll(page, "<", "")+`<link rel=doctor href=https://last.example/>`, at); !slices.Contains(got["doctor"], "https://last.example/") {
			t.Errorf("the last link is lost: %q", got)
		}
	})
}

func TestHeaderRels(t *testing.T) {
	at := mustURL(t, "https://you.example/a/")
	for field, want := range map[string]map[string][]string{
		``:                                           {},
		`</t>; rel="token_endpoint"`:                 {"token_endpoint": {"https://you.example/t"}},
		`</t>;rel=token_endpoint`:                    {"token_endpoint": {"https://you.example/t"}},
		`<t>; REL="Token_Endpoint me"`:               {"token_endpoint": {"https://you.example/a/t"}, "me": {"https://you.example/a/t"}},
		`</t> ; rel = "a"`:                           {"a": {"https://you.example/t"}},
		`</t>; rel=a; rel=b`:                         {"a": {"https://you.example/t"}},
		`</t,u>; rel=a, </v>; rel=a`:                 {"a": {"https://you.example/t,u", "https://you.example/v"}},
		`</t>; title="x, </no>; rel=b"; rel=a`:       {"a": {"https://you.example/t"}},
		`</t>; title="\"; rel=b"; rel=a`:             {"a": {"https://you.example/t"}},
		`</t>; rel="a`:                               {"a": {"https://you.example/t"}},
		`</t>; rel=a; anchor="#me"`:                  {},
		`</t>; rel=a; anchor="/a/"`:                  {"a": {"https://you.example/t"}},
		`</t>; rel`:                                  {},
		`</t>`:                                       {},
		`</t; rel=a`:                                 {},
		`junk, </t>; rel=a`:                          {"a": {"https://you.example/t"}},
		`"ju,nk" x, </t>; rel=a`:                     {"a": {"https://you.example/t"}},
		`</t>junk; rel=a, </u>; rel=a`:               {"a": {"https://you.example/u"}},
		`,, ,</t>; ; rel=a;`:                         {"a": {"https://you.example/t"}},
		`<https://o.example/>; rel*=utf-8''b; rel=a`: {"a": {"https://o.example/"}},
		`<>; rel=a`:                                  {"a": {"https://you.example/a/"}},
		`<http://[>; rel=a`:                          {},
	} {
		if got := headerRels(at, field); !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %v\nwant %v", field, got, want)
		}
	}
	if got := headerRels(at, `</1>; rel=a`, `</2>; rel=a`)["a"]; !slices.Equal(got, []string{"https://you.example/1", "https://you.example/2"}) {
		t.Errorf("two headers: %v", got)
	}
}

func FuzzParseLinks(f *testing.F) {
	for _, s := range []string{``, `</t>; rel="a b"`, `<a,b>;rel=x;title="c,\"d", <e>; rel = f`, `"`, `<`, `<>;;=,`, `x"y,z"<a>`} {
		f.Add(s, `/target`)
	}
	f.Fuzz(func(t *testing.T, s, target string) {
		parsed := parseLinks(s)
		for _, l := range parsed {
			if strings.Contains(l.target, ">") {
				t.Errorf("target %q", l.target)
			}
		}
		if len(parsed) > strings.Count(s, "<") {
			t.Errorf("%d links", len(parsed))
		}
		// What comes before does not change a link that is well-formed.
		if strings.ContainsAny(target, ">") || strings.ContainsAny(s, `<"`) {
			return
		}
		all := parseLinks(s + `,<` + target + `>; title="a,\"b" ; Rel = "x Y"; rel=z`)
		if len(all) != 1 || all[0].target != target || !slices.Equal(all[0].rels, []string{"x", "y"}) {
			t.Errorf("after %q: %v", s, all)
		}
	})
}
