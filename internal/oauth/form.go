package oauth

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxBody is the largest request or response body that is read, in bytes.
const MaxBody = 64 << 10

// Fields says how the parameters of one request are read.
type Fields struct {
	Names    []string // those that the handler reads; all others are ignored and may repeat
	Repeated string   // the one of Names that may repeat; its values are joined by spaces
	Opaque   string   // the one of Names that may hold any bytes
}

// Form is the parameters of a request.
type Form struct {
	Values map[string]string // without those that are empty
	Bare   []string          // keys without "="
}

// ReadBody reads the body of a form POST. It fails with an *Error if the body is
// larger than MaxBody, incomplete, or has a Content-Type other than
// application/x-www-form-urlencoded. A body without Content-Type is taken; so is
// an empty one with any.
func ReadBody(r *http.Request) (string, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, MaxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return "", &Error{Status: http.StatusRequestEntityTooLarge, Code: "invalid_request", Description: "the body is larger than 64 KiB"}
	}
	if err != nil {
		return "", InvalidRequest("the body could not be read to its end")
	}
	if len(body) > 0 && r.Header.Get("Content-Type") != "" && !IsForm(r.Header) {
		return "", &Error{Status: http.StatusUnsupportedMediaType, Code: "invalid_request",
			Description: "send the parameters as application/x-www-form-urlencoded"}
	}
	return string(body), nil
}

// ParseForm reads name=value pairs. A value that is not percent-encoded properly
// is taken as it stands: some clients do not encode at all (C14). A parameter
// that repeats (RFC 6749 section 3.2), is too long or has control characters is an *Error.
func ParseForm(raw string, fields Fields) (Form, error) {
	f := Form{Values: make(map[string]string)}
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, hasValue := strings.Cut(pair, "=")
		name, value = Unescape(name), Unescape(value)
		if !hasValue && name != "" {
			f.Bare = append(f.Bare, name)
		}
		if rest, html := strings.CutPrefix(name, "amp;"); html && slices.Contains(fields.Names, rest) {
			return f, InvalidRequest("the parameter " + rest + " arrived as " + name + ": the body was written for HTML")
		}
		if !slices.Contains(fields.Names, name) || value == "" {
			continue
		}
		if name == fields.Repeated {
			value = strings.TrimPrefix(f.Values[name]+" "+value, " ")
		} else if _, twice := f.Values[name]; twice {
			return f, InvalidRequest("the parameter " + name + " is given more than once")
		}
		if most := maxLength(name); len(value) > most {
			return f, InvalidRequest("the parameter " + name + " is longer than " + strconv.Itoa(most) + " bytes")
		}
		if name != fields.Opaque && !IsPrintable(value) {
			return f, InvalidRequest("the parameter " + name + " contains characters that cannot be part of it" + Mangled(name, value))
		}
		f.Values[name] = value
	}
	return f, nil
}

// maxLength is how long a parameter may be, in bytes: less than the whole request for
// those that are stored before anybody has signed in.
func maxLength(name string) int {
	switch name {
	case "client_id", "redirect_uri", "me":
		return MaxURL
	case "state", "scope":
		return 2 * MaxURL
	}
	return MaxBody
}

// Unescape decodes percent-encoding and "+". What is not encoded properly is
// returned as it is.
func Unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// IsPrintable reports whether s is UTF-8 without ASCII control characters.
func IsPrintable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}
