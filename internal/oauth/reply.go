package oauth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Reply is an answer that is ready to be sent, after everything that it promises
// has been committed.
type Reply struct {
	Status      int    // 200 if 0
	ContentType string // none if empty
	Body        []byte
	Header      map[string]string
	Cookies     []*http.Cookie
}

// NewReply encodes a map, or a struct with JSON tags, as JSON or, if asForm, as
// application/x-www-form-urlencoded without those members that are objects.
func NewReply(v any, asForm bool) (*Reply, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding the reply: %w", err)
	}
	if !asForm {
		return &Reply{ContentType: "application/json", Body: append(text, '\n')}, nil
	}
	var members map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&members); err != nil {
		return nil, fmt.Errorf("encoding the reply as a form: %w", err)
	}
	form := make(url.Values, len(members))
	for name, value := range members {
		if _, object := value.(map[string]any); !object {
			form.Set(name, fmt.Sprint(value))
		}
	}
	return &Reply{ContentType: "application/x-www-form-urlencoded", Body: []byte(form.Encode())}, nil
}

// Redirect is a reply that sends the browser to another address.
func Redirect(status int, to string) *Reply {
	return &Reply{Status: status, Header: map[string]string{"Location": to, "Referrer-Policy": "no-referrer"}}
}

// Write sends the reply, which nobody may store unless its Header says otherwise.
// Scripts of other origins cannot read it if it is HTML. With headOnly (a HEAD
// request) the body is left out.
func (r *Reply) Write(w http.ResponseWriter, headOnly bool) {
	h := w.Header()
	if r.ContentType != "" {
		h.Set("Content-Type", r.ContentType)
	}
	if strings.HasPrefix(r.ContentType, "text/html") {
		h.Del("Access-Control-Allow-Origin")
		h.Del("Access-Control-Expose-Headers")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	for name, value := range r.Header {
		h.Set(name, value)
	}
	for _, c := range r.Cookies {
		http.SetCookie(w, c)
	}
	h.Set("Content-Length", strconv.Itoa(len(r.Body)))
	status := r.Status
	if status == 0 {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	if !headOnly {
		_, _ = w.Write(r.Body)
	}
}
