package oauth

import (
	"html"
	"regexp"
	"strings"
	"sync"
)

// anyTag is compiled when somebody fails, not at every start.
var anyTag = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?s)<(style|script).*?</(style|script)>|<[^>]*>`) })

// FirstWords is the beginning of what a body says to a person, without tags, to follow
// "answered with status 404".
func FirstWords(body []byte) string {
	text := strings.Join(strings.Fields(string(anyTag().ReplaceAll(body[:min(len(body), 4096)], []byte(" ")))), " ")
	if text == "" {
		return " and nothing else"
	}
	text = html.UnescapeString(text)
	return ": " + strings.ToValidUTF8(text[:min(len(text), 80)], "")
}
