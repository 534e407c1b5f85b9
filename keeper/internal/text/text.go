// Package text makes strings fit for a log line, a terminal and a shell.
package text

import (
	"net/url"
	"strings"
	"unicode"
)

// ValidName reports whether s can name a user, a connection, a provider or an
// API key: 1 to 200 bytes without slash or control characters, because names
// stand in URLs, log lines and on terminals.
func ValidName(s string) bool {
	if s == "" || len(s) > 200 || s == "." || s == ".." || s[0] == '-' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return isControl(r) || r == '/' || r == 0xfffd })
}

// isControl reports whether a terminal takes the character as a command, or it
// changes the direction of the text around it.
func isControl(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }

// Redact makes what a provider said fit for a log line: at most 200 bytes, one
// line, no control characters, and "[hidden]" for each of the secrets, however
// they are escaped.
func Redact(s string, secrets []string) string {
	for _, secret := range secrets {
		if len(secret) > 3 {
			for _, spelling := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
				s = strings.ReplaceAll(s, spelling, "[hidden]")
			}
		}
	}
	s = strings.Map(func(r rune) rune {
		if isControl(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "..."
	}
	return s
}

// FirstLine is s up to its first line break: an error without its hints.
func FirstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// ShellWord quotes s so that a shell takes it as one word.
func ShellWord(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune("-_.@:+", r)
	}) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}
