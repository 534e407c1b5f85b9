package demo

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// This file reads and writes as PHP's functions do where that differs from Go's.

// quality is the q value Accept gives a media type, and whether it names the type at all; a type named with q=0 is still
// named. An element with a parameter other than a final q is overlooked, so "application/json; charset=utf-8" is not JSON.
func quality(mime, accept string) (q float64, named bool) {
	major, _, _ := strings.Cut(mime, "/")
	qs := map[string]float64{}
	for element := range strings.SplitSeq(accept, ",") {
		element = strings.Trim(element, " \t\n\v\f\r")
		for _, kind := range []string{"*/*", major + "/*", mime} {
			if rest, ok := strings.CutPrefix(element, kind); ok {
				if q, ok := finalQ(rest); ok {
					qs[kind] = q
				}
			}
		}
	}
	for _, kind := range []string{mime, major + "/*", "*/*"} {
		if q, ok := qs[kind]; ok {
			return q, true
		}
	}
	return 0, false
}

// finalQ reads the q parameter that ends s; an s of nothing means 1. PHP stops at the second point.
func finalQ(s string) (float64, bool) {
	if s == "" {
		return 1, true
	}
	m := regexp.MustCompile(`(?s)\A.*;[\s\v]*q[\s\v]*=[\s\v]*([0-9]*\.?[0-9]*)([0-9.]*)[\s\v]*\z`).FindStringSubmatch(s)
	if m == nil || m[1]+m[2] == "" {
		return 0, false
	}
	q, err := strconv.ParseFloat("0"+m[1], 64)
	return q, err == nil
}

// hexdec passes over whatever is no hexadecimal digit, and so over leading zeros in effect. PHP goes on in floating point
// where this is not ok, and no signature was ever made over such a number.
func hexdec(s string) (n int64, ok bool) {
	n, err := strconv.ParseInt("0"+regexp.MustCompile(`[^0-9A-Fa-f]`).ReplaceAllString(s, ""), 16, 64)
	return n, err == nil
}

func base64URLEncode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// base64URLDecode never fails: it takes both alphabets at once, passes over all other bytes and any =, and drops the bits
// left over at the end. (Selfauth pads by length first; since = is passed over, that changes nothing.)
func base64URLDecode(s string) string {
	s = regexp.MustCompile(`[^A-Za-z0-9+/]`).ReplaceAllString(strings.NewReplacer("-", "+", "_", "/").Replace(s), "")
	out, _ := base64.RawStdEncoding.DecodeString(s) // a single character at the end says nothing
	return string(out)
}

// buildQuery is http_build_query, which escapes the tilde as well.
func buildQuery(f fields) string {
	pairs := make([]string, len(f))
	for i, x := range f {
		pairs[i] = x.name + "=" + strings.ReplaceAll(url.QueryEscape(x.value), "~", "%7E")
	}
	return strings.Join(pairs, "&")
}

// jsonEncode is json_encode without flags: slashes escaped, nothing but ASCII, and no output at all for bad UTF-8.
func jsonEncode(f fields) string {
	var out []byte
	for i, x := range f {
		if !utf8.ValidString(x.value) {
			return ""
		}
		out = append(out, "{,"[min(i, 1)])
		out = append(out, `"`+x.name+`":`...)
		out = appendJSON(out, x.value)
	}
	return string(append(out, '}'))
}

func appendJSON(out []byte, s string) []byte {
	out = append(out, '"')
	for _, c := range s {
		switch {
		case c == '/' || c == '"' || c == '\\':
			out = append(out, '\\', byte(c))
		case c < ' ':
			control, _ := json.Marshal(string(c)) // \n and the like, else \u00..
			out = append(out, control[1:len(control)-1]...)
		case c < utf8.RuneSelf:
			out = append(out, byte(c))
		default:
			for _, unit := range utf16.Encode([]rune{c}) {
				out = append(out, `\u`...)
				out = append(out, strconv.FormatInt(0x10000|int64(unit), 16)[1:]...)
			}
		}
	}
	return append(out, '"')
}
