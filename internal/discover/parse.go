package discover

import (
	"bytes"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"mintkeep/internal/oauth"
)

const (
	maxTokens = 20_000 // of a page; what follows is not read
	maxAttr   = oauth.MaxURL
)

// parse reads a page with the parser of golang.org/x/net/html, which follows the
// HTML standard, after simplify has taken out what makes that parser's work or its
// tree grow faster than the page. It returns nil for a page whose elements lie more
// than 512 deep.
func parse(page []byte) *html.Node {
	simple, texts := simplify(page)
	root, err := html.Parse(bytes.NewReader(simple))
	if err != nil {
		return nil
	}
	restoreTexts(root, texts)
	return root
}

// simplify rewrites a page for the parser. It keeps the first 20,000 tokens; of the
// attributes, those that are looked at, up to 2,048 bytes each.
//   - Formatting elements (b, font, …) become span: 200 open ones are opened again
//     in every paragraph that follows, so that 100 KB gave 2.5 million nodes.
//   - Elements whose content is never looked at (script, svg, …) are left out. This
//     also keeps the parser from taking for text what was read as tags here.
//   - A text becomes a wbr element with its number in the second result: the parser
//     joins neighbouring texts one by one, in time that grows with their square.
func simplify(page []byte) (simple []byte, texts []string) {
	var b bytes.Buffer
	z := html.NewTokenizer(bytes.NewReader(page))
	for range maxTokens {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			return b.Bytes(), texts
		case html.DoctypeToken:
			b.Write(z.Raw())
		case html.TextToken:
			if text := string(z.Text()); strings.TrimSpace(text) == "" {
				b.WriteByte(' ')
			} else {
				b.WriteString(`<wbr title=` + strconv.Itoa(len(texts)) + `>`)
				texts = append(texts, text)
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			switch use, tag := rewriteTag(string(name)); use {
			case keepTag:
				b.WriteString("<" + tag)
				writeAttributes(&b, z, more)
				b.WriteByte('>')
			case dropContent:
				if kind == html.StartTagToken || !isForeign(tag) {
					skipContent(z, tag)
				}
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if use, tag := rewriteTag(string(name)); use == keepTag {
				b.WriteString("</" + tag + ">")
			}
		}
	}
	return b.Bytes(), texts
}

// What becomes of an element.
const (
	keepTag     = iota
	dropTag     // but its content stays
	dropContent // and the tag
)

func rewriteTag(name string) (use int, tag string) {
	switch name {
	case "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u":
		return keepTag, "span"
	case "wbr", "select", "option", "optgroup", "frameset", "frame", "applet", "marquee":
		return dropTag, name
	case "script", "style", "title", "textarea", "iframe", "noembed", "noframes", "noscript", "xmp", "plaintext", "svg", "math":
		return dropContent, name
	}
	return keepTag, name
}

func isForeign(tag string) bool { return tag == "svg" || tag == "math" }

// skipContent reads up to the end tag of an element whose start tag was just read.
func skipContent(z *html.Tokenizer, tag string) {
	hasTags := isForeign(tag) || tag == "noscript" // all others are text to the tokenizer
	for open := 1; open > 0; {
		kind := z.Next()
		switch kind {
		case html.ErrorToken:
			return
		case html.StartTagToken, html.EndTagToken, html.SelfClosingTagToken:
		default:
			continue
		}
		name, _ := z.TagName()
		same := string(name) == tag
		switch {
		case same && kind == html.EndTagToken:
			open--
		case same && kind == html.StartTagToken && isForeign(tag):
			open++
		}
		if hasTags && kind != html.EndTagToken {
			z.NextIsNotRawText()
		}
	}
}

func writeAttributes(b *bytes.Buffer, z *html.Tokenizer, more bool) {
	for more {
		var key, val []byte
		key, val, more = z.TagAttr()
		switch string(key) {
		case "href", "src", "data", "poster":
			val = bytes.TrimSpace(val)
		case "class", "rel", "alt", "title", "value":
		default:
			continue
		}
		if len(val) <= maxAttr {
			b.WriteString(" " + string(key) + `="` + html.EscapeString(string(val)) + `"`)
		}
	}
}

// restoreTexts puts the texts in place of the elements that stand for them.
func restoreTexts(n *html.Node, texts []string) {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.DataAtom == atom.Wbr {
			i, _ := strconv.Atoi(c.Attr[0].Val)
			*c = html.Node{Parent: c.Parent, PrevSibling: c.PrevSibling, NextSibling: c.NextSibling, Type: html.TextNode, Data: texts[i]}
			continue
		}
		restoreTexts(c, texts)
	}
}

func attr(n *html.Node, name string) (value string, has bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}
