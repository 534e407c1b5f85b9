package oauth

import (
	"net/url"
	"testing"
)

// Kind (1) of case C1: the same URL spelt differently, and others that only look so.
func TestC1SameURL(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"https://You.example", "HTTPS://you.example/", true},
		{"https://bücher.example/", "https://xn--bcher-kva.example", true},
		{"https://BÜCHER.example/", "https://XN--BCHER-KVA.example/", true},
		{"https://b%C3%BCcher.example/", "https://bu\u0308cher.example/", true},
		{"https://straße.example/", "https://xn--strae-oqa.example/", true},
		{"https://例え。テスト/", "https://xn--r8jz45g.xn--zckzah/", true},
		{"https://you.example:443/", "https://you.example/", true},
		{"http://you.example:80", "http://you.example/", true},
		{"https://you.example./", "https://you.example/", true},
		{"https://you.example/%7Eyou", "https://you.example/~you", true},
		{"https://you.example/%c3%a4", "https://you.example/ä", true},
		{"https://you.example/a/../b/./c", "https://you.example/b/c", true},
		{"https://you.example/a/%2e%2E/b", "https://you.example/b", true},
		{"https://you.example/?q=%6Ae", "https://you.example/?q=je", true},
		{"https://you.example#", "https://you.example/", true},
		{"https://[::1]:443/", "https://[::1]/", true},
		{"https://you.example/a", "https://you.example/a/", false},
		{"http://you.example/", "https://you.example/", false},
		{"https://you.example:80/", "https://you.example/", false},
		{"https://you.example/?a", "https://you.example/?b", false},
		{"https://you.example/A", "https://you.example/a", false},
		{"https://you.example/a%2Fb", "https://you.example/a/b", false},
		{"https://you.example/%2541", "https://you.example/A", false},
		{"https://you.example/?a=%26", "https://you.example/?a=&", false},
		{"https://you.example//a", "https://you.example/a", false},
		{"https://strasse.example/", "https://straße.example/", false},
		{"https://аpple.example/", "https://apple.example/", false}, // the first letter is Cyrillic
		{"https://you.example/", "https://www.you.example/", false},
	} {
		if got := SameURL(c.a, c.b); got != c.same {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
		one, err := CanonicalURL(c.a)
		if again, err2 := CanonicalURL(one); err != nil || err2 != nil || again != one || !isASCII(one) {
			t.Errorf("%s becomes %s, then %s", c.a, one, again)
		}
	}
}

// A redirect address is compared as it stands, but for the alphabet of its host.
func TestC1Redirect(t *testing.T) {
	for _, c := range []struct {
		client, redirect string
		same             bool
	}{
		{"https://bücher.example/", "https://xn--bcher-kva.example/cb", true},
		{"https://xn--bcher-kva.example/", "https://Bücher.example:443/cb?ä", true},
		{"https://app.example", "https://app.example./cb", true},
		{"https://bücher.example/", "https://bucher.example/cb", false},
		{"https://app.example/", "http://app.example:443/cb", false},
	} {
		id, err1 := ParseClientID(c.client)
		to, err2 := ParseRedirect(c.redirect)
		if err1 != nil || err2 != nil || SameOrigin(id, to) != c.same {
			t.Errorf("%s and %s: not %v, %v, %v", c.client, c.redirect, c.same, err1, err2)
		}
	}
	list := []string{"https://bücher.example/cb", "https://app.example/a%2Db"}
	for redirect, want := range map[string]bool{
		"https://xn--bcher-kva.example/cb": true, "https://bücher.example/cb": true, "https://app.example/a%2Db": true,
		"https://app.example/a-b": false, "https://APP.example/a%2Db": false, "https://xn--bcher-kva.example/cb/": false,
	} {
		if Listed(list, redirect) != want {
			t.Errorf("%s: not %v", redirect, want)
		}
	}
	for _, bad := range []string{"https://app.example／x/", "https://xn--\u00fc.example/", "https://a\u202eb.example/", "my.äpp:/cb", "https://１２７.１/"} {
		if _, err := ParseRedirect(bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	if got := WithQuery("https://bücher.example/ä?ö=1", nil); got != "https://xn--bcher-kva.example/%C3%A4?%C3%B6=1&" {
		t.Error(got)
	}
}

// No letter is lost where only ASCII may stand.
func TestC1PlainASCII(t *testing.T) {
	if got := PlainASCII("Käthe \"sagt\"\n\\nein…"); got != "K%C3%A4the sagtnein%E2%80%A6" {
		t.Error(got)
	}
}

// FuzzC1Canonical: what is canonical is ASCII, stays as it is, and is read as Go reads it.
func FuzzC1Canonical(f *testing.F) {
	for _, s := range []string{"https://bücher.example/ä?ö", "HTTP://a.:80/%7e/%2e%2E/./b", "https://[fe80::1%25eth0]:443/", "https://a/%%32%65?%%41", "https://a／b/",
		"https://xn--bcher-kva.example//a/..//", "https://a%E3%80%82b/", "https://１.2/", "https://a/?#", "https://a:/\\..\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := CanonicalURL(s)
		if err != nil {
			return
		}
		u, err := url.Parse(c)
		if again, err2 := CanonicalURL(c); err != nil || err2 != nil || again != c || !isASCII(c) || u.Hostname() == "" {
			t.Errorf("%q becomes %q, then %q, %v, %v", s, c, again, err, err2)
		}
	})
}
