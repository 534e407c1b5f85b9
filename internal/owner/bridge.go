package owner

import (
	"bytes"
	"embed"
	"html/template"

	"golang.org/x/net/html"

	"mintkeep/internal/page"
)

//go:embed pages/*.html
var pageFiles embed.FS

var templates = page.Templates(pageFiles)

type node = html.Node

func text(s string) *node { return &html.Node{Type: html.TextNode, Data: s} }

func el(name string, attributes []string, children ...*node) *node {
	n := &html.Node{Type: html.ElementNode, Data: name}
	for i := 0; i+1 < len(attributes); i += 2 {
		n.Attr = append(n.Attr, html.Attribute{Key: attributes[i], Val: attributes[i+1]})
	}
	for _, c := range children {
		if c != nil {
			n.AppendChild(c)
		}
	}
	return n
}

func rendered(nodes []*node) template.HTML {
	var b bytes.Buffer
	for _, n := range nodes {
		html.Render(&b, n)
	}
	return template.HTML(b.String())
}
