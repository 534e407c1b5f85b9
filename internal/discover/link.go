package discover

import "strings"

// A link is one link-value of a Link header (RFC 8288 section 3).
type link struct {
	target string
	rels   []string // in lower case
	anchor string   // what it is a link of, "" for the page itself
}

// parseLinks reads a Link header as RFC 8288, appendix B.2 does: what cannot be
// part of a link is skipped to the next comma.
func parseLinks(field string) []link {
	var links []link
	for rest := field; ; {
		rest = strings.TrimLeft(rest, ", \t")
		if rest == "" {
			return links
		}
		target, after, closed := strings.Cut(rest, ">")
		if !closed {
			return links
		}
		if rest[0] != '<' {
			_, rest = cutUnquoted(rest)
			continue
		}
		l := link{target: target[1:]}
		rest = l.parseParams(after)
		links = append(links, l)
	}
}

// parseParams reads ;name=value pairs up to the comma that ends the link. Of each
// name the first counts (section 3.3).
func (l *link) parseParams(s string) (rest string) {
	seen := make(map[string]bool)
	for {
		s = strings.TrimLeft(s, " \t")
		if s == "" || s[0] == ',' {
			return s
		}
		if s[0] != ';' {
			_, s = cutUnquoted(s) // junk after the target or a value
			return s
		}
		s = strings.TrimLeft(s[1:], " \t")
		n := strings.IndexAny(s, "=;, \t")
		if n < 0 {
			n = len(s)
		}
		name, value := strings.ToLower(s[:n]), ""
		s = strings.TrimLeft(s[n:], " \t")
		if after, has := strings.CutPrefix(s, "="); has {
			value, s = parseValue(strings.TrimLeft(after, " \t"))
		}
		switch {
		case seen[name]:
		case name == "rel":
			l.rels = strings.Fields(strings.ToLower(value))
		case name == "anchor":
			l.anchor = value
		}
		seen[name] = true
	}
}

// parseValue reads a token or a quoted string with its escapes.
func parseValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		n := strings.IndexAny(s, ";, \t")
		if n < 0 {
			n = len(s)
		}
		return s[:n], s[n:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

// cutUnquoted cuts at the first comma outside quotes.
func cutUnquoted(s string) (before, after string) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ',':
			return s[:i], s[i+1:]
		case '"':
			_, rest := parseValue(s[i:])
			i = len(s) - len(rest) - 1
		}
	}
	return s, ""
}
