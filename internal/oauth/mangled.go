package oauth

import (
	"html"
	"strings"
)

// Mangled says what seems to have happened to a parameter on its way here, as the rest
// of a sentence ("; the code was encoded twice"); "" if it looks whole. It is said to
// who presented a value that was refused: most often a program changed it that stands
// in between.
func Mangled(name, value string) string {
	what := ""
	switch upper := strings.ToUpper(value); {
	case strings.ContainsAny(value, "\r\n"):
		what = "has a line break in it"
	case len(value) > 1 && strings.ContainsRune("\"'`<“„‘«", []rune(value)[0]):
		what = "has quotes around it"
	case strings.Contains(value, "&amp;"), strings.Contains(value, "&#"):
		what = "was written for HTML"
	case strings.Contains(upper, "%25"), strings.Contains(upper, "%3A%2F%2F"),
		!strings.Contains(value, "://") && Unescape(value) != value && !strings.ContainsAny(value, "+ "):
		what = "was encoded twice"
	case strings.TrimSpace(value) != value:
		what = "has a space at its end"
	case strings.Contains(value, " "):
		what = "has a space in it, which a + becomes that was not encoded"
	case strings.HasSuffix(value, "...") || strings.HasSuffix(value, "…"):
		what = "was cut by a program that showed it"
	}
	if what == "" {
		return ""
	}
	return "; the " + name + " " + what
}

// Changed is Mangled where it is known what the value was.
func Changed(name, value, was string) string {
	what := ""
	switch {
	case Unescape(value) == was:
		what = "was encoded twice"
	case Unescape(was) == value:
		what = "was decoded once too often"
	case html.UnescapeString(value) == was:
		what = "was written for HTML"
	case SameURL(value, was):
		what = "is spelt differently, and has to be the same text"
	case len(value) < len(was) && strings.HasPrefix(was, value):
		what = "was cut"
	default:
		return Mangled(name, value)
	}
	return "; the " + name + " " + what
}
