package demo

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// This file takes parameters in as PHP does ($_GET, $_POST and the filter extension), as far as a client can tell.

// maxBody is PHP's post_max_size as shipped: a longer body is read as if it had no fields.
const maxBody = 8 << 20

// readBody takes the body in, and returns a func that makes it readable again.
func readBody(r *http.Request) (body []byte, rewind func()) {
	if r.Body == nil {
		return nil, func() {}
	}
	rest := r.Body
	body, _ = io.ReadAll(io.LimitReader(rest, maxBody+1)) // a broken-off body is used as far as it came
	return body, func() { r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), rest)) }
}

// A field is one name and value, as sent.
type field struct{ name, value string }

// fields are in the order sent, since the last of a name counts.
type fields []field

// bodyFields reads the fields of a POST body; like PHP it wants a Content-Type that says what they are.
func bodyFields(r *http.Request, body []byte) fields {
	if r.Method != http.MethodPost || len(body) > maxBody {
		return nil
	}
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/x-www-form-urlencoded":
		return parseFields(string(body))
	case "multipart/form-data":
		return multipartFields(body, params["boundary"])
	}
	return nil
}

func multipartFields(body []byte, boundary string) fields {
	var all fields
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := reader.NextPart()
		if err != nil {
			return all
		}
		if value, err := io.ReadAll(part); err == nil && part.FileName() == "" {
			all = append(all, field{part.FormName(), string(value)})
		}
	}
}

// parseFields refuses nothing: a stray % stands for itself, a name without = is an empty field.
func parseFields(s string) fields {
	var all fields
	for pair := range strings.SplitSeq(s, "&") {
		if name, value, _ := strings.Cut(pair, "="); name != "" {
			all = append(all, field{urldecode(name), urldecode(value)})
		}
	}
	return all
}

func urldecode(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			out = append(out, ' ')
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			n, _ := strconv.ParseUint(s[i+1:i+3], 16, 8)
			out = append(out, byte(n))
			i += 2
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// input is what came of one parameter: PHP's null is !sent, its false is sent && !ok. The value is "" unless ok.
type input struct {
	sent, ok bool
	value    string
}

// text reads a parameter that should be a single string.
func (f fields) text(name string, valid func(string) bool) input {
	var in input
	for _, x := range f {
		switch {
		case x.name == name && valid(x.value):
			in = input{true, true, x.value}
		case x.name == name, inArray(x.name, name):
			in = input{sent: true}
		}
	}
	return in
}

// list reads a parameter that should be an array. It is not ok if it came as anything else, or an element is not valid.
func (f fields) list(name string, valid func(string) bool) (values []string, ok bool) {
	ok = true
	for _, x := range f {
		switch {
		case x.name == name:
			values, ok = nil, false
		case inArray(x.name, name):
			ok = valid(x.value) && (ok || values == nil) // an array replaces what is not one
			values = append(values, x.value)
		}
	}
	return values, ok
}

// inArray reports whether PHP would put the field called sent into the array called name.
func inArray(sent, name string) bool {
	rest, ok := strings.CutPrefix(sent, name+"[")
	return ok && strings.Contains(rest, "]")
}

// looksLikeCode is ^[0-9a-f]+:[0-9a-f]{64}: and does not look at what follows.
func looksLikeCode(s string) bool {
	parts := strings.SplitN(s, ":", 3)
	return len(parts) == 3 && parts[0] != "" && len(parts[1]) == 64 && strings.Trim(parts[0]+parts[1], "0123456789abcdef") == ""
}

func anything(string) bool { return true }

// The next three end in $, which in PCRE lets one newline follow.

func validState(s string) bool { return within(strings.TrimSuffix(s, "\n"), isPrintable) }

func validResponseType(s string) bool {
	s = strings.TrimSuffix(s, "\n")
	return s == "" || s == "id" || s == "code"
}

func validScope(s string) bool {
	s = strings.TrimSuffix(s, "\n")
	for word := range strings.SplitSeq(s, " ") {
		if s != "" && (word == "" || !within(word, isScope)) {
			return false
		}
	}
	return true
}

func validWord(s string) bool {
	s = strings.TrimSuffix(s, "\n")
	return s != "" && within(s, isScope)
}

func within(s string, class func(byte) bool) bool {
	for i := range len(s) {
		if !class(s[i]) {
			return false
		}
	}
	return true
}

func isPrintable(c byte) bool { return ' ' <= c && c <= '~' }
func isScope(c byte) bool     { return '!' <= c && c <= '~' && c != '"' && c != '\\' }
func isDigit(c byte) bool     { return '0' <= c && c <= '9' }
func isAlnum(c byte) bool     { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' }
func isHex(c byte) bool       { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

// isURLByte: every printable byte but the space; IDNs and IRIs are refused.
func isURLByte(c byte) bool    { return '!' <= c && c <= '~' }
func isSchemeByte(c byte) bool { return isAlnum(c) || strings.IndexByte("+.-", c) >= 0 }
func isUserByte(c byte) bool   { return isAlnum(c) || strings.IndexByte("-._~!$&'()*+,;=:%", c) >= 0 }

// validURL is FILTER_VALIDATE_URL: absolute with an authority (custom schemes too), which http and https need well-formed.
func validURL(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || scheme == "" || !within(scheme, isSchemeByte) || !within(s, isURLByte) {
		return false
	}
	hostless := scheme == "mailto" || scheme == "news" || scheme == "file"
	rest, ok = strings.CutPrefix(rest, "//")
	if !ok {
		return hostless
	}
	if scheme == "file" && strings.HasPrefix(rest, "/") {
		return true
	}
	host := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host = rest[:i]
	}
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		if _, err := url.PathUnescape(host[:i]); err != nil || !within(host[:i], isUserByte) {
			return false
		}
		host = host[i+1:]
	}
	bracketed := strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]")
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !bracketed {
		if !validPort(host[i+1:]) {
			return false
		}
		host = host[:i]
	}
	if !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return host != ""
	}
	return validHost(host)
}

// validPort allows none after the colon, and letters after the number, as PHP does.
func validPort(s string) bool {
	if s == "" {
		return true
	}
	end := 0
	for end < len(s) && isDigit(s[end]) {
		end++
	}
	n, err := strconv.Atoi(s[:end])
	return err == nil && n <= 65535 && len(s) <= 5
}

func validHost(s string) bool {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		addr, err := netip.ParseAddr(s[1 : len(s)-1])
		return err == nil && addr.Is6() && addr.Zone() == ""
	}
	s = strings.TrimSuffix(s, ".")
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		n := len(label)
		if n == 0 || n > 63 || !isAlnum(label[0]) || !isAlnum(label[n-1]) || strings.Trim(label, "-") == "" {
			return false
		}
		if !within(label, func(c byte) bool { return c == '-' || isAlnum(c) }) {
			return false
		}
	}
	return true
}
