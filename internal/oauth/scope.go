package oauth

import (
	"slices"
	"strings"
)

// ParseScope turns a scope as decoded from JSON or a form (a string, or a list
// of strings) into scope tokens with single spaces between (RFC 6749 section
// 3.3), each once and in their order. What cannot be a scope token is left out.
func ParseScope(v any) string {
	var words []string
	switch v := v.(type) {
	case string:
		words = strings.Fields(v)
	case []any:
		for _, w := range v {
			if w, ok := w.(string); ok {
				words = append(words, strings.Fields(w)...)
			}
		}
	}
	var out []string
	for _, w := range words {
		if IsScopeToken(w) && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return strings.Join(out, " ")
}

// IsScopeToken reports whether w is a scope-token (RFC 6749 section 3.3).
func IsScopeToken(w string) bool {
	for _, c := range []byte(w) {
		if c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return w != ""
}

// HasScope reports whether a scope, a space-separated list, contains a word.
func HasScope(scope, word string) bool { return slices.Contains(strings.Fields(scope), word) }

// NarrowScope is the scope of a refresh request (RFC 6749 section 6): the asked
// one if the granted one contains all of it, the granted one if none is asked
// for; false if it would widen the grant.
func NarrowScope(granted, asked string) (scope string, ok bool) {
	if strings.TrimSpace(asked) == "" {
		return granted, true
	}
	have := strings.Fields(granted)
	for _, w := range strings.Fields(asked) {
		if !slices.Contains(have, w) {
			return "", false
		}
	}
	return ParseScope(asked), true
}

// KnownScopes are the scopes of IndieAuth, Micropub and Microsub that
// ScopeWords has words for.
func KnownScopes() []string {
	return []string{"profile", "email", "create", "draft", "update", "delete", "undelete", "media",
		"read", "follow", "mute", "block", "channels", "save"}
}

// ScopeWords says in words what a scope token lets an app do.
func ScopeWords(scope string) string {
	switch scope {
	case "profile":
		return "see your name, photo and address"
	case "email":
		return "see your e-mail address"
	case "create", "post":
		return "publish posts"
	case "draft":
		return "write drafts"
	case "update":
		return "change posts"
	case "delete":
		return "delete posts"
	case "undelete":
		return "bring deleted posts back"
	case "media":
		return "upload files"
	case "read":
		return "read what you follow"
	case "follow":
		return "follow and unfollow"
	case "mute":
		return "mute people"
	case "block":
		return "block people"
	case "channels":
		return "manage channels"
	case "save":
		return "save links"
	case "offline_access":
		return "stay signed in"
	}
	return "do what it calls"
}
