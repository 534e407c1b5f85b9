package endpoint

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/oauth"
)

// What strangers send, and what must hold of it whatever it is.

const (
	likeAccess = "mka_000000000000000000000000000000000000000000012dFLN6"
)

// FuzzRequest: what is parsed can be printed and parsed again; what is not, is
// refused with a status of its own and an answer that can be read.
func FuzzRequest(f *testing.F) {
	const form = "application/x-www-form-urlencoded"
	f.Add("POST", "", form, "*/*", "grant_type=authorization_code&code=1%3A2&client_id=https%3A%2F%2Fapp.example%2F&redirect_uri=https://app.example/cb")
	f.Add("POST", "token=x&token=y", "", "application/json", "")
	f.Add("POST", "", form+"; charset=UTF-8", "", "action=revoke&mka_abc&")
	f.Add("POST", "", form, "", "code=%&client_id=%ff&scope=%00&=&==&%=%")
	f.Add("POST", "", "application/json", "", `{"grant_type":"authorization_code"}`)
	f.Add("GET", "access_token=x", form, form+";q=0.5, application/json;q=nan", "")
	f.Add("PUT", "&&&", "x/y;=", ",;=q", "\x00")
	f.Add("POST", "[2001:db8::1%eth0]:1", "", "", "token=%00%ff")
	h := &Handler{URL: "https://jane.example/auth/token", Grants: &grant.Store{Now: time.Now}, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	f.Fuzz(func(t *testing.T, method, query, contentType, accept, body string) {
		r := &http.Request{Method: method, URL: &url.URL{Path: "/auth/token", RawQuery: query}, RemoteAddr: query, Body: io.NopCloser(strings.NewReader(body)),
			Header: http.Header{"Content-Type": {contentType}, "Accept": {accept}}}
		q, err := h.parse(r, "", false, oauth.Fields{})
		w := httptest.NewRecorder()
		if err != nil {
			e := oauth.AsError(err)
			if e == nil || e.Status != 400 && e.Status != 413 && e.Status != 415 {
				t.Fatalf("%v", err)
			}
			h.errorReply(q, err).Write(w, false)
			var answer map[string]string
			if w.Code != e.Status || json.Unmarshal(w.Body.Bytes(), &answer) != nil || answer["error"] != "invalid_request" {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			return
		}
		v := make(url.Values)
		for name, value := range q.form.Values {
			if !slices.Contains(tokenParams().Names, name) || value == "" || name != "token" && (!utf8.ValidString(value) || strings.ContainsAny(value, "\x00\r\n\x7f")) {
				t.Fatalf("%q=%q got through", name, value)
			}
			v.Set(name, value)
		}
		again, err := oauth.ParseForm(v.Encode(), tokenParams())
		if err != nil || !maps.Equal(again.Values, q.form.Values) || len(again.Bare) != 0 {
			t.Fatalf("%v became %v, %v", q.form, again, err)
		}
		if method != http.MethodPost && (len(q.form.Values) != 0 || len(q.form.Bare) != 0) {
			t.Fatal("parameters of a", method)
		}
		if wantsForm(r.Header, false) && !wantsForm(r.Header, true) {
			t.Fatal("a default of form gives JSON")
		}
		if a := q.Address; a != "" {
			addr, err4 := netip.ParseAddr(a)
			net, err6 := netip.ParsePrefix(a)
			if !(err4 == nil && addr.Is4() && !addr.IsPrivate()) && !(err6 == nil && net.Bits() == 64 && net == net.Masked() && !net.Addr().Is4In6()) {
				t.Fatalf("%q is counted as %q", query, a)
			}
		}
	})
}

// FuzzBearer: whatever stands in the Authorization header, a token that is found
// is a piece of it as it stands, and the case of the scheme does not count.
func FuzzBearer(f *testing.F) {
	for _, h := range []string{"Bearer x", "bearer: x", "Bearer:x", "BEARER\tx  ", "Bearer", "Bearer ", "Bearerx", "Basic eDp5", "Basic x", "", "Bearer \u00a0x", "Basic " + base64.StdEncoding.EncodeToString([]byte("a%zz:b%41"))} {
		f.Add(h, "x")
	}
	f.Add("", likeAccess)
	f.Fuzz(func(t *testing.T, header, token string) {
		q := &request{}
		if err := q.parseAuthorization(&http.Request{Header: http.Header{"Authorization": {header}}}); err != nil {
			t.Fatal(err)
		}
		found := string(q.bearer)
		if found != strings.TrimSpace(found) || !strings.HasSuffix(strings.TrimSpace(header), found) || found != "" && (!q.hasAuth || q.basic != nil) {
			t.Fatalf("%q gave %q", header, found)
		}
		if found != "" && !strings.EqualFold(strings.TrimSpace(header)[:6], "bearer") {
			t.Fatalf("%q is a bearer", header)
		}
		if q.basic != nil {
			user, pass, ok := strings.Cut(q.basic.RawUser+":"+string(q.basic.RawPassword), ":")
			if !ok || user != q.basic.RawUser || pass != string(q.basic.RawPassword) {
				t.Fatalf("%q gave %q", header, q.basic.RawUser)
			}
		}
		token = strings.TrimLeft(strings.TrimSpace(token), ":")
		if token = strings.TrimSpace(token); token == "" {
			return
		}
		for _, scheme := range []string{"Bearer ", "bearer ", "BEARER: ", "Bearer\t  "} {
			if got := oauth.ParseBearer(scheme + token + " "); string(got) != token {
				t.Fatalf("%q gave %q", scheme+token, string(got))
			}
		}
	})
}
