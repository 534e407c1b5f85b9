package doctor

import (
	"html"
	"net/url"
	"slices"
	"strings"
)

// htmlRels are the targets of each relation in a page's link and a
// elements, absolute, in document order, as microformats2 parsers read them.
//
// It reads tags by itself: golang.org/x/net/html's parser fills a table of
// entities when a program starts, every CGI process included, and microformats
// compiles regular expressions. The tests hold this function against both.
func htmlRels(page string, at *url.URL) map[string][]string {
	var links []tag
	base := ""
	for t := range tags(page) {
		switch t.name {
		case "link", "a":
			links = append(links, t)
		case "base":
			if base == "" {
				base = strings.TrimSpace(t.attributes["href"])
			}
		}
	}
	if u, err := at.Parse(base); err == nil {
		at = u
	}
	rels := make(map[string][]string)
	for _, t := range links {
		href, has := t.attributes["href"]
		target, err := at.Parse(strings.TrimSpace(href))
		if !has || err != nil {
			continue
		}
		for _, word := range strings.Fields(strings.ToLower(t.attributes["rel"])) {
			if !slices.Contains(rels[word], target.String()) {
				rels[word] = append(rels[word], target.String())
			}
		}
	}
	return rels
}

// A tag is the beginning of an element. Of attributes given twice the first counts.
type tag struct {
	name       string
	attributes map[string]string
}

// tags yields the start tags of a page (HTML standard, section 13.2.5).
func tags(page string) func(yield func(tag) bool) {
	return func(yield func(tag) bool) {
		for {
			_, rest, found := strings.Cut(page, "<")
			if !found {
				return
			}
			switch {
			case strings.HasPrefix(rest, "!--"):
				page = afterComment(rest[len("!--"):])
			case strings.HasPrefix(rest, "!"), strings.HasPrefix(rest, "?"):
				_, page, _ = strings.Cut(rest, ">")
			case strings.HasPrefix(rest, "/"):
				_, page = readTag(rest[1:])
			case rest != "" && letter(rest[0]):
				var t tag
				t, page = readTag(rest)
				if !yield(t) {
					return
				}
				page = afterRaw(t.name, page)
			default:
				page = rest
			}
		}
	}
}

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// afterComment goes behind a comment; <!--> and <!---> are whole ones.
func afterComment(s string) string {
	for _, whole := range []string{">", "->"} {
		if rest, is := strings.CutPrefix(s, whole); is {
			return rest
		}
	}
	_, rest, _ := strings.Cut(s, "-->")
	return rest
}

// afterRaw goes behind the content of elements in which tags are text.
func afterRaw(name, s string) string {
	switch name {
	case "script", "style", "title", "textarea", "noscript", "iframe", "noembed", "noframes", "xmp":
	default:
		return s
	}
	for from := 0; ; {
		n := strings.Index(s[from:], "</")
		if n < 0 {
			return ""
		}
		from += n + len("</")
		end := from + len(name)
		if end < len(s) && strings.EqualFold(s[from:end], name) && strings.IndexByte(" \t\r\n\f/>", s[end]) >= 0 {
			return s[from-len("</"):]
		}
	}
}

const space = " \t\r\n\f"

// readTag reads a tag from its name on to behind its ">".
func readTag(s string) (t tag, rest string) {
	n := strings.IndexAny(s, space+"/>")
	if n < 0 {
		return tag{}, ""
	}
	t = tag{name: strings.ToLower(s[:n]), attributes: make(map[string]string)}
	for s = s[n:]; ; {
		s = strings.TrimLeft(s, space+"/")
		if s == "" {
			return tag{}, "" // the page ends within the tag, which then is none
		}
		if s[0] == '>' {
			return t, s[1:]
		}
		n := strings.IndexAny(s[1:], space+"/>=") // a name may begin with "="
		if n < 0 {
			return tag{}, ""
		}
		name, value := strings.ToLower(s[:n+1]), ""
		s = strings.TrimLeft(s[n+1:], space)
		if after, has := strings.CutPrefix(s, "="); has {
			value, s = readAttribute(strings.TrimLeft(after, space))
		}
		if _, twice := t.attributes[name]; !twice {
			t.attributes[name] = html.UnescapeString(value)
		}
	}
}

// readAttribute reads a value with or without quotes.
func readAttribute(s string) (value, rest string) {
	if s != "" && (s[0] == '"' || s[0] == '\'') {
		value, rest, _ = strings.Cut(s[1:], s[:1])
		return value, rest
	}
	n := strings.IndexAny(s, space+">")
	if n < 0 {
		return s, ""
	}
	return s[:n], s[n:]
}

// sameURL compares two addresses as clients that canonicalise do: scheme and
// host in any case, no path is the path /.
func sameURL(a, b string) bool { return a == b || canonical(a) == canonical(b) }

func canonical(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return s
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String()
}
