package endpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// A reply is an answer ready to be written, after everything it promises is
// committed.
type reply struct {
	status      int // 200 if 0
	contentType string
	body        []byte
	header      map[string]string
	cookies     []*http.Cookie
}

// Fields are an object, in the order of writing. A value is a string, a number
// or a truth value, for resource servers decode no deeper (R3); only metadata
// has lists, and an answer to a client its profile.
type fields []member

type member struct {
	name  string
	value any
}

// text is the member of that name if it is a text.
func (f fields) text(name string) string {
	for _, m := range f {
		if v, ok := m.value.(string); ok && m.name == name {
			return v
		}
	}
	return ""
}

// MarshalJSON writes the members in their order.
func (f fields) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, 256), '{')
	for i, m := range f {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(strconv.AppendQuote(b, m.name), ':')
		switch v := m.value.(type) {
		case bool:
			b = strconv.AppendBool(b, v)
		case int64:
			b = strconv.AppendInt(b, v, 10)
		case string:
			b = appendText(b, v)
		default:
			value, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			b = append(b, value...)
		}
	}
	return append(b, '}'), nil
}

// appendText appends a JSON string. Most are plain, and need nothing but quotes.
func appendText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || strings.IndexByte(`"\<>&`, c) >= 0 {
			value, _ := json.Marshal(text) // cannot fail for a string
			return append(b, value...)
		}
	}
	return append(append(append(b, '"'), text...), '"')
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (f *fields) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		value, err := d.Token()
		if err != nil {
			return err
		}
		*f = append(*f, member{fmt.Sprint(name), value})
	}
	return nil
}

func formReply(f fields) *reply {
	v := make(url.Values, len(f))
	for _, m := range f {
		if m.name != "profile" { // a form has no objects
			v.Set(m.name, fmt.Sprint(m.value))
		}
	}
	return &reply{contentType: "application/x-www-form-urlencoded", body: []byte(v.Encode())}
}

func encode(f fields, form bool) (*reply, error) {
	if form {
		return formReply(f), nil
	}
	b, err := f.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encoding the answer: %w", err)
	}
	return &reply{contentType: "application/json", body: append(b, '\n')}, nil
}

func (p *reply) write(w http.ResponseWriter, headOnly bool) {
	h := w.Header()
	if p.contentType != "" {
		h.Set("Content-Type", p.contentType)
	}
	if strings.HasPrefix(p.contentType, "text/html") { // other sites' scripts have no business with pages
		h.Del("Access-Control-Allow-Origin")
		h.Del("Access-Control-Expose-Headers")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	for name, value := range p.header {
		h.Set(name, value)
	}
	for _, c := range p.cookies {
		http.SetCookie(w, c)
	}
	h.Set("Content-Length", strconv.Itoa(len(p.body)))
	if p.status == 0 {
		p.status = http.StatusOK
	}
	w.WriteHeader(p.status)
	if !headOnly {
		w.Write(p.body)
	}
}

// Error is a failure that is told to the caller: an OAuth error code, words
// for a person and, inside only, the cause. RFC 6749 section 5.2.
type Error struct {
	Status      int
	Code        string            // error
	Description string            // error_description
	Header      map[string]string // further headers
	Cause       error             // for the log
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Code + ": " + e.Description + ": " + e.Cause.Error()
	}
	return e.Code + ": " + e.Description
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

func badRequest(description string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "invalid_request", Description: description}
}

func badGrant(description string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "invalid_grant", Description: description}
}

// unavailable is a fault of ours or of an endpoint's, never the caller's.
func unavailable(description string, cause error) *Error {
	return &Error{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable",
		Description: description, Cause: cause, Header: map[string]string{"Retry-After": "30"}}
}

// fail is the one place that writes errors.
func (s *Server) fail(w http.ResponseWriter, q *request, err error) {
	e := new(Error)
	if !errors.As(err, &e) {
		e = &Error{Status: http.StatusInternalServerError, Code: "server_error",
			Description: "something is wrong here; the owner finds the cause in the error log", Cause: err}
		if s.Unavailable(err) {
			e = unavailable("the token database is busy, full or not writable; try again later", err)
		}
	}
	if e.Status >= 500 {
		s.Log.Error("request failed", "method", q.http.Method, "route", q.word, "error", e.Error())
	}
	rep := q.errorReply(e)
	rep.status = e.Status
	rep.write(w, q.http.Method == http.MethodHead)
}

func (q *request) errorReply(e *Error) *reply {
	if q.page {
		if rep, err := errorPage(e); err == nil {
			return rep
		}
	}
	rep, _ := encode(fields{{"error", e.Code}, {"error_description", e.Description}}, q.answerForm)
	rep.header = e.Header
	return rep
}

// quality returns the q value that an Accept header gives to a media type,
// and whether it names the type (wildcards do not count).
func quality(accept, mediaType string) (q float64, named bool) {
	for part := range strings.SplitSeq(accept, ",") {
		name, params, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err != nil || name != mediaType {
			continue
		}
		q = 1
		if v, ok := params["q"]; ok {
			q, _ = strconv.ParseFloat(v, 64)
		}
		return q, q > 0
	}
	return 0, false
}

// wantsForm negotiates the format of a GET verification (R2): what Accept
// names; else form for a GET that carries a form Content-Type, as the
// form-only resource servers' do; else the default.
func (q *request) wantsForm(defaultForm bool) bool {
	accept := strings.Join(q.http.Header.Values("Accept"), ",")
	asJSON, json := quality(accept, "application/json")
	asForm, form := quality(accept, "application/x-www-form-urlencoded")
	if json || form {
		return asForm > asJSON
	}
	if media, _, _ := mime.ParseMediaType(q.http.Header.Get("Content-Type")); media == "application/x-www-form-urlencoded" {
		return true
	}
	return defaultForm
}

// onlyForm reports whether a client of the token grant asked for form and not
// for JSON (R27).
func (q *request) onlyForm() bool {
	accept := strings.Join(q.http.Header.Values("Accept"), ",")
	_, json := quality(accept, "application/json")
	_, form := quality(accept, "application/x-www-form-urlencoded")
	return form && !json
}

// prefersHTML tells a browser from a program.
func (q *request) prefersHTML() bool {
	accept := strings.Join(q.http.Header.Values("Accept"), ",")
	asHTML, html := quality(accept, "text/html")
	asJSON, _ := quality(accept, "application/json")
	return html && asHTML > asJSON
}
