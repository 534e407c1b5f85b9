package endpoint_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"mintkeep/endpoint"
)

// Requests as they stand on the wire, and what must hold for every answer.

// An answer is what came back over the wire.
type answer struct {
	status int
	header http.Header
	body   string
}

var placeholder = regexp.MustCompile(`\{\{([a-z0-9_]+)(?: ([^{}]*))?\}\}`)

// wire turns a request as the tables have it into its bytes: the indentation of
// the source goes, lines end in CRLF, a body of several lines becomes one.
// {{name}} is replaced by a value, {{form name}} by it percent-encoded, {{twice
// name}} by it encoded twice, {{base64 …}} by the rest in base64, {{length}} by
// the length of the body.
func (h *house) wire(text string, values map[string]string) string {
	h.t.Helper()
	get := func(name string) string {
		v, ok := values[name]
		if !ok {
			h.t.Fatalf("nothing stands for {{%s}}", name)
		}
		return v
	}
	fill := func(text string) string {
		return placeholder.ReplaceAllStringFunc(text, func(m string) string {
			p := placeholder.FindStringSubmatch(m)
			switch p[1] {
			case "form":
				return url.QueryEscape(get(p[2]))
			case "twice":
				return url.QueryEscape(url.QueryEscape(get(p[2])))
			case "base64", "length":
				return m
			case "host":
				return h.host
			}
			return get(p[1])
		})
	}
	var head []string
	var body strings.Builder
	inBody := false
	for line := range strings.Lines(strings.TrimLeft(text, "\n")) {
		line = strings.TrimRight(strings.TrimLeft(line, "\t"), "\n")
		switch {
		case inBody:
			body.WriteString(line)
		case line == "":
			inBody = true
		default:
			head = append(head, line)
		}
	}
	content := fill(body.String())
	headText := placeholder.ReplaceAllStringFunc(fill(strings.Join(head, "\r\n")), func(m string) string {
		p := placeholder.FindStringSubmatch(m)
		if p[1] == "length" {
			return strconv.Itoa(len(content))
		}
		return base64.StdEncoding.EncodeToString([]byte(p[2]))
	})
	return headText + "\r\n\r\n" + content
}

// send puts a request of the tables on a socket of its own and reads the answer.
func (h *house) send(text string, values map[string]string) answer {
	h.t.Helper()
	return h.sendRaw(h.wire(text, values))
}

func (h *house) sendRaw(raw string) answer {
	h.t.Helper()
	c, err := net.Dial("tcp", h.host)
	if err != nil {
		h.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(c, raw); err != nil {
		h.t.Fatal(err)
	}
	method, _, _ := strings.Cut(raw, " ")
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		h.t.Fatalf("reading the answer: %v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	a := answer{resp.StatusCode, resp.Header, string(body)}
	h.decent(raw, a)
	return a
}

// decent is what is true of every answer of ours, whoever asked: R3, R6, R8, R29
// and R30.
func (h *house) decent(raw string, a answer) {
	h.t.Helper()
	problem := func(format string, args ...any) { h.t.Helper(); h.t.Errorf(format+" in %+v", append(args, a)...) }
	kind := a.header.Get("Content-Type")
	page := strings.HasPrefix(kind, "text/html")
	if allowed := a.header.Get("Access-Control-Allow-Origin"); page != (allowed == "") && a.status != http.StatusNotFound {
		problem("CORS %q", allowed)
	}
	if a.status == http.StatusNoContent {
		return
	}
	if page && a.status == http.StatusOK {
		return
	}
	if kind != "application/json" && kind != "application/x-www-form-urlencoded" {
		problem("the Content-Type is %q", kind)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		problem("no no-store")
	}
	if a.status >= 300 && a.status < 400 {
		problem("a redirect")
	}
	if strings.HasPrefix(raw, "HEAD ") {
		return
	}
	members, err := a.members()
	if err != nil {
		problem("cannot be read: %v", err)
	}
	for name, v := range members {
		switch v.(type) {
		case string, bool, json.Number:
		default:
			if name != "profile" { // of an answer to a client, who asked for it
				problem("%s is not flat", name)
			}
		}
	}
	if a.status == http.StatusOK {
		return
	}
	for _, name := range []string{"me", "scope", "client_id", "active", "access_token"} {
		if _, there := members[name]; there {
			problem("a failure has %s", name)
		}
	}
	for _, name := range []string{"error", "error_description"} {
		v, _ := members[name].(string)
		if v == "" || strings.ContainsFunc(v, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' }) {
			problem("%s is %q (RFC 6749 section 5.2)", name, v)
		}
	}
}

// members reads the answer by its Content-Type.
func (a answer) members() (map[string]any, error) {
	if a.header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		v, err := url.ParseQuery(a.body)
		m := make(map[string]any)
		for name := range v {
			m[name] = v.Get(name)
		}
		return m, err
	}
	return decodeJSON(a.body)
}

func (a answer) text(name string) string {
	m, _ := a.members()
	switch v := m[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// want checks status and error code in one go; a code of "" means success.
func (a answer) want(t testing.TB, status int, code string) answer {
	t.Helper()
	if a.status != status || a.text("error") != code {
		t.Errorf("got %d %s, want %d %q", a.status, a.body, status, code)
	}
	return a
}

// direct asks a server without a socket, as another process would be asked.
func direct(s *endpoint.Handler, method, body string, header ...string) answer {
	r := httptest.NewRequest(method, "/token", strings.NewReader(body))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return answer{w.Code, w.Result().Header, w.Body.String()}
}
