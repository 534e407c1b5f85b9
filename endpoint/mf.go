package endpoint

import (
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// An item is a microformat (https://microformats.org/wiki/microformats2-parsing):
// an h-card, a person, or an h-app, a program, with what we use of it. The first
// of several values counts, but of url each.
type item struct {
	name, photo, uid, email string
	url                     []string
}

// maxURLs is how many addresses of one person are looked at.
const maxURLs = 50

// items finds the items of the given classes, nested ones too, in their order.
func items(root *html.Node, base *url.URL, classes ...string) []*item {
	var out []*item
	walk(root, func(n *html.Node) bool {
		for _, class := range classes {
			if hasClass(n, class) {
				out = append(out, readItem(n, base))
				break
			}
		}
		return true
	})
	return out
}

func hasClass(n *html.Node, class string) bool {
	for c := range strings.FieldsSeq(attr(n, "class")) {
		if c == class {
			return true
		}
	}
	return false
}

// isRoot tells elements that begin an item of their own.
func isRoot(n *html.Node) bool {
	for c := range strings.FieldsSeq(attr(n, "class")) {
		if name, ok := strings.CutPrefix(c, "h-"); ok && name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" || c == "vcard" {
			return true
		}
	}
	return false
}

func readItem(root *html.Node, base *url.URL) *item {
	it := &item{}
	old := hasClass(root, "vcard") && !hasClass(root, "h-card")
	named, texts, urls, nested := false, false, false, false
	looked := make(map[*string]bool)
	first := func(to *string, read func(*html.Node, *url.URL) string, n *html.Node) {
		if !looked[to] {
			looked[to], *to = true, read(n, base)
		}
	}
	walk(root, func(n *html.Node) bool {
		for c := range strings.FieldsSeq(attr(n, "class")) {
			kind, property := classProperty(c, old)
			switch {
			case kind == "":
				continue
			case kind == "u":
				urls = true
			default:
				texts = true
			}
			switch property {
			case "name":
				named = true
				first(&it.name, textValue, n)
			case "url":
				if len(it.url) < maxURLs {
					it.url = append(it.url, urlValue(n, base))
				}
			case "uid":
				first(&it.uid, urlValue, n)
			case "photo", "logo":
				first(&it.photo, urlValue, n)
			case "email":
				first(&it.email, urlValue, n)
			}
		}
		nested = nested || isRoot(n)
		return !isRoot(n)
	})
	if old {
		return it
	}
	if !named && !texts && !nested {
		it.name = impliedName(root, base)
	}
	if it.photo == "" && !urls && !nested {
		it.photo = impliedURL(root, base, "img", "src")
	}
	if len(it.url) == 0 && !urls && !nested {
		if u := impliedURL(root, base, "a", "href"); u != "" {
			it.url = []string{u}
		}
	}
	return it
}

// classProperty splits p-name into p and name; those of hCard, the older
// microformat, have no prefix.
func classProperty(class string, old bool) (kind, property string) {
	if old {
		switch class {
		case "fn":
			return "p", "name"
		case "url", "photo", "logo", "email", "uid":
			return "u", class
		}
		return "", ""
	}
	kind, property, ok := strings.Cut(class, "-")
	if !ok || !slices.Contains([]string{"p", "u", "e", "dt"}, kind) {
		return "", ""
	}
	return kind, property
}

// textValue is a p- property.
func textValue(n *html.Node, base *url.URL) string {
	switch {
	case (n.Data == "abbr" || n.Data == "link") && attr(n, "title") != "":
		return attr(n, "title")
	case (n.Data == "data" || n.Data == "input") && attr(n, "value") != "":
		return attr(n, "value")
	case (n.Data == "img" || n.Data == "area") && attr(n, "alt") != "":
		return attr(n, "alt")
	}
	return textContent(n)
}

// urlValue is a u- property.
func urlValue(n *html.Node, base *url.URL) string {
	value := ""
	switch n.Data {
	case "a", "area", "link":
		value = attr(n, "href")
	case "img", "audio", "source", "iframe", "video":
		value = attr(n, "src")
	case "object":
		value = attr(n, "data")
	default:
		value = textValue(n, base)
	}
	u, err := base.Parse(strings.TrimSpace(value))
	if err != nil {
		return value
	}
	return u.String()
}

// textContent is the text in an element, runs of white space made one.
func textContent(n *html.Node) string {
	var b strings.Builder
	var add func(*html.Node)
	add = func(n *html.Node) {
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			switch {
			case c.Type == html.TextNode:
				b.WriteString(c.Data)
			case c.Data == "img" && attr(c, "alt") != "":
				b.WriteString(" " + attr(c, "alt") + " ")
			case c.Data == "br":
				b.WriteString(" ")
			case c.Data != "script" && c.Data != "style" && c.Data != "template":
				add(c)
			}
		}
	}
	add(n)
	return strings.Join(strings.Fields(b.String()), " ")
}

// impliedName is the name of an item that says nothing else: its image's or the
// image's that is all it has, else its text.
func impliedName(n *html.Node, base *url.URL) string {
	for range 3 {
		if (n.Data == "img" || n.Data == "area") && attr(n, "alt") != "" || n.Data == "abbr" && attr(n, "title") != "" {
			return textValue(n, base)
		}
		child := onlyElement(n)
		if child == nil || isRoot(child) {
			break
		}
		if child.Data != "img" && child.Data != "area" && child.Data != "abbr" && onlyElement(child) == nil {
			break
		}
		n = child
	}
	return textContent(n)
}

// impliedURL looks for the only img or a of an item.
func impliedURL(n *html.Node, base *url.URL, tag, attribute string) string {
	for range 3 {
		if n.Data == tag && attr(n, attribute) != "" {
			return urlValue(n, base)
		}
		var of []*html.Node
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			if c.Type == html.ElementNode && c.Data == tag {
				of = append(of, c)
			}
		}
		switch only := onlyElement(n); {
		case len(of) == 1 && !isRoot(of[0]):
			n = of[0]
		case only != nil && !isRoot(only):
			n = only
		default:
			return ""
		}
	}
	return ""
}

func onlyElement(n *html.Node) *html.Node {
	var only *html.Node
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type == html.ElementNode && only != nil {
			return nil
		}
		if c.Type == html.ElementNode {
			only = c
		}
	}
	return only
}
