package demo

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
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

// urldecode leaves a % that no two digits follow as it is.
func urldecode(s string) string {
	text, _ := url.QueryUnescape(regexp.MustCompile(`%([0-9A-Fa-f]{2})?`).ReplaceAllStringFunc(s, func(p string) string {
		if p == "%" {
			return "%25"
		}
		return p
	}))
	return text
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

func anything(string) bool { return true }

// Selfauth's own patterns follow. $ in PCRE lets one newline follow.

func looksLikeCode(s string) bool     { return matches(`\A[0-9a-f]+:[0-9a-f]{64}:`, s) }
func validState(s string) bool        { return matches(`\A[ -~]*\n?\z`, s) }
func validResponseType(s string) bool { return matches(`\A(id|code)?\n?\z`, s) }
func validScope(s string) bool        { return matches(`\A([!#-\[\]-~]+( [!#-\[\]-~]+)*)?\n?\z`, s) }
func validWord(s string) bool         { return matches(`\A[!#-\[\]-~]+\n?\z`, s) }

func matches(pattern, s string) bool { return regexp.MustCompile(pattern).MatchString(s) }

// validURL is FILTER_VALIDATE_URL: absolute with an authority (custom schemes too), which http and https need
// well-formed; every printable byte but the space, so no IDNs and IRIs.
func validURL(s string) bool {
	p := regexp.MustCompile(`\A([A-Za-z0-9+.-]+):(//([^/?#]*))?[!-~]*\z`).FindStringSubmatch(s)
	if p == nil || !matches(`\A[!-~]*\z`, s) {
		return false
	}
	scheme, host := p[1], p[3]
	hostless := scheme == "mailto" || scheme == "news" || scheme == "file"
	if p[2] == "" {
		return hostless
	}
	if scheme == "file" && strings.HasPrefix(s, "file:///") {
		return true
	}
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		if !matches(`\A([A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*\z`, host[:i]) {
			return false
		}
		host = host[i+1:]
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !matches(`\A\[.*\]\z`, host) {
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
	n, err := strconv.Atoi(regexp.MustCompile(`\A[0-9]+`).FindString(s))
	return s == "" || err == nil && n <= 65535 && len(s) <= 5
}

func validHost(s string) bool {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		addr, err := netip.ParseAddr(s[1 : len(s)-1])
		return err == nil && addr.Is6() && addr.Zone() == ""
	}
	const label = `[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?`
	return len(strings.TrimSuffix(s, ".")) <= 253 && matches(`\A`+label+`(\.`+label+`)*\.?\z`, s)
}
