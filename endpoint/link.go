package endpoint

import "strings"

// linkTargets are the targets of a Link header's links with the given relation
// (RFC 8288 section 3): the first rel of a link counts, and a link that says
// that it is about another page (anchor) does not.
func linkTargets(header, rel string) []string {
	var out []string
	for rest := header; ; {
		open := strings.IndexByte(rest, '<')
		if open < 0 {
			return out
		}
		target, after, ok := strings.Cut(rest[open+1:], ">")
		if !ok {
			return out
		}
		params, next := linkParams(after)
		if _, anchored := params["anchor"]; !anchored && hasWord(params["rel"], rel) {
			out = append(out, strings.TrimSpace(target))
		}
		rest = next
	}
}

// linkParams reads `;name=value` pairs up to the comma before the next link.
func linkParams(s string) (params map[string]string, rest string) {
	params = make(map[string]string)
	for {
		s = strings.TrimLeft(s, " \t;")
		if s == "" || s[0] == ',' {
			return params, s
		}
		end := strings.IndexAny(s, "=;,")
		if end < 0 {
			end = len(s)
		}
		name := strings.ToLower(strings.TrimSpace(s[:end]))
		value := ""
		if s = s[end:]; strings.HasPrefix(s, "=") {
			value, s = linkValue(strings.TrimLeft(s[1:], " \t"))
		}
		if _, twice := params[name]; !twice {
			params[name] = value
		}
	}
}

func linkValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ";,")
		if end < 0 {
			end = len(s)
		}
		return strings.TrimSpace(s[:end]), s[end:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:]
		case '\\':
			i++
		}
		if i < len(s) {
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}
