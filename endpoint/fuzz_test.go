package endpoint

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// What strangers send, and what must hold of it whatever it is.

const (
	likeAccess  = "mka_000000000000000000000000000000000000000000012dFLN6"
	oldMintoken = "e631cc814a4759443bd9678b7745bdb9c086cf52a4ffc6b12309589bdfe9634a_b6896e7ef22445d0"
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
	s := &Server{URL: "https://jane.example/auth/token", Now: time.Now, Unavailable: func(error) bool { return false }, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	f.Fuzz(func(t *testing.T, method, query, contentType, accept, body string) {
		r := &http.Request{Method: method, URL: &url.URL{Path: "/auth/token", RawQuery: query}, RemoteAddr: query, Body: io.NopCloser(strings.NewReader(body)),
			Header: http.Header{"Content-Type": {contentType}, "Accept": {accept}}}
		q, err := s.parse(r, "")
		w := httptest.NewRecorder()
		if err != nil {
			e := new(Error)
			if !errors.As(err, &e) || e.Status != 400 && e.Status != 413 && e.Status != 415 {
				t.Fatalf("%v", err)
			}
			s.fail(w, q, err)
			var answer map[string]string
			if w.Code != e.Status || json.Unmarshal(w.Body.Bytes(), &answer) != nil || answer["error"] != "invalid_request" {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			return
		}
		v := make(url.Values)
		for name, value := range q.form {
			if !read(name) || value == "" || name != "token" && (!utf8.ValidString(value) || strings.ContainsAny(value, "\x00\r\n\x7f")) {
				t.Fatalf("%q=%q got through", name, value)
			}
			v.Set(name, value)
		}
		again := &request{}
		if err := again.parseForm(v.Encode()); err != nil || !maps.Equal(again.form, q.form) || len(again.bare) != 0 {
			t.Fatalf("%v became %v, %v", q.form, again.form, err)
		}
		if method != http.MethodPost && (len(q.form) != 0 || len(q.bare) != 0) {
			t.Fatal("parameters of a", method)
		}
		if q.wantsForm(false) && !q.wantsForm(true) {
			t.Fatal("a default of form gives JSON")
		}
		if a := q.address; a != "" {
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
			user, pass, ok := strings.Cut(q.basic.raw[0]+":"+q.basic.raw[1], ":")
			if !ok || user != q.basic.raw[0] || pass != q.basic.raw[1] {
				t.Fatalf("%q gave %q", header, q.basic.raw)
			}
		}
		token = strings.TrimLeft(strings.TrimSpace(token), ":")
		if token = strings.TrimSpace(token); token == "" {
			return
		}
		for _, scheme := range []string{"Bearer ", "bearer ", "BEARER: ", "Bearer\t  "} {
			if got := parseBearer(scheme + token + " "); string(got) != token {
				t.Fatalf("%q gave %q", scheme+token, string(got))
			}
		}
	})
}

// FuzzAnswer: whatever an endpoint answers, it is a yes, a no or a fault; and a
// yes comes with 200, a canonical me and a clean scope.
func FuzzAnswer(f *testing.F) {
	const asJSON, asForm = "application/json", "application/x-www-form-urlencoded"
	f.Add(200, asJSON, `{"me":"https://jane.example","scope":"create update"}`)
	f.Add(200, asJSON, `{"me":"HTTPS://Jane.Example?x#","scope":["a","b c",1,null,"\""]}`)
	f.Add(200, asForm, "me=https%3A%2F%2Fjane.example&scope=a+b+a")
	f.Add(200, "text/html", "<h1>Error: Verification Failed</h1>")
	f.Add(200, "text/plain", `{"me":"http://[::1]:80"}`)
	f.Add(201, asJSON, `{"me":"https://jane.example"}`)
	f.Add(302, "", "")
	f.Add(400, asJSON, `{"me":"https://jane.example"}`)
	f.Add(200, asJSON, `{"me":"http://[fe80::1%25eth0]/"}`)
	f.Add(200, asForm, "me=https://%C3%A9.example&scope=%C3%A9+\\+x")
	f.Fuzz(func(t *testing.T, status int, contentType, body string) {
		found, err := readConfirmation(status, contentType, []byte(body))
		if (found == nil) == (err == nil) {
			t.Fatalf("%v and %v", found, err)
		}
		if found == nil {
			return
		}
		if again, err := CanonicalURL(found.me); status != http.StatusOK || err != nil || again != found.me {
			t.Fatalf("%d: %q is canonically %q, %v", status, found.me, again, err)
		}
		if u, err := url.Parse(found.me); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Path == "" || u.Fragment != "" {
			t.Fatalf("me is %q", found.me)
		}
		if readScope(found.scope) != found.scope || strings.Trim(found.scope, " ") != found.scope || narrow(found.scope, found.scope) != found.scope {
			t.Fatalf("scope is %q", found.scope)
		}
	})
}

// FuzzToken: a token is of one kind at most, has one spelling, and no change of
// one character goes unseen.
func FuzzToken(f *testing.F) {
	f.Add(likeAccess, 10, byte('x'))
	f.Add(string(newSecret(prefixAccess)), 4, byte('0'))
	f.Add(string(newSecret(prefixRefresh)), 52, byte('z'))
	f.Add(oldMintoken, 64, byte('-'))
	f.Add(strings.ToUpper(oldMintoken), 0, byte('a'))
	f.Add("", 0, byte(0))
	f.Fuzz(func(t *testing.T, text string, at int, c byte) {
		s := Secret(text)
		kinds := 0
		for _, prefix := range []string{prefixAccess, prefixRefresh, prefixCode, prefixServer} {
			if s.wellFormed(prefix) {
				kinds++
				if whole := prefix + text[len(prefix):len(text)-checkChars]; whole+checksum(whole) != text {
					t.Fatalf("%q is well-formed", text)
				}
			}
		}
		if id, hashed, old := s.mintokenParts(); old {
			kinds++
			if id+"_"+hex.EncodeToString(hashed) != text {
				t.Fatalf("%q is spelled %s_%x", text, id, hashed)
			}
		}
		if kinds > 1 {
			t.Fatalf("%q is of %d kinds", text, kinds)
		}
		if fmt.Sprint(s) != "[secret]" || fmt.Sprintf("%v %s", s, s) != "[secret] [secret]" {
			t.Fatal("a secret shows itself")
		}
		for _, prefix := range []string{prefixAccess, prefixRefresh} {
			fresh := []byte(newSecret(prefix))
			if !Secret(fresh).wellFormed(prefix) {
				t.Fatalf("%q is not well-formed", fresh)
			}
			i := int(uint(at) % uint(len(fresh)))
			if fresh[i] == c {
				continue
			}
			fresh[i] = c
			if Secret(fresh).wellFormed(prefix) {
				t.Fatalf("%q is well-formed", fresh)
			}
		}
	})
}

// FuzzCode: all spellings that Selfauth takes for one code are one to the
// ledger, other codes are others, and a shape is short and clean.
func FuzzCode(f *testing.F) {
	mac := strings.Repeat("0a", 32)
	f.Add("6a3f"+":"+mac+":"+"Y3JlYXRl", "=", "0")
	f.Add("6a3f:"+strings.ToUpper(mac)+":", "!", "00")
	f.Add("abc", "x", "y")
	f.Add("a%3Ab", "", "")
	f.Add("é:::", "\xff", "-_.~")
	f.Fuzz(func(t *testing.T, code, behind, before string) {
		parts := strings.SplitN(code, ":", 3)
		if len(parts) == 3 && len(parts[1]) == 64 && isHex(parts[0]) && isHex(parts[1]) {
			if codeKey(code) != codeKey(code+behind) || isHex(before) && codeKey(code) != codeKey(before+code) {
				t.Fatalf("%q has several keys", code)
			}
		} else if behind != "" && codeKey(code) == codeKey(code+behind) {
			t.Fatalf("%q and %q have one key", code, code+behind)
		}
		if s := shape(code); len(s) > 40 || !utf8.ValidString(s) || strings.Trim(s, "hw") == "" && len(s) > 1 {
			t.Fatalf("%q has the shape %q", code, s)
		}
	})
}

// FuzzReply: an answer is the same in JSON, in a form and after it was sealed;
// and only the token it was sealed with opens it.
func FuzzReply(f *testing.F) {
	f.Add("create update", "https://jane.example/", int64(7776000), likeAccess)
	f.Add("<&>\u2028", "https://é.example/?a=b&c=d", int64(-1), "")
	f.Fuzz(func(t *testing.T, scope, me string, seconds int64, token string) {
		if !utf8.ValidString(scope) || !utf8.ValidString(me) {
			return // refused where they come in
		}
		in := fields{{"scope", scope}, {"me", me}, {"expires_in", seconds}}
		sealed, err := sealReply(Secret(token), in)
		if err != nil {
			t.Fatal(err)
		}
		if len(token) > 20 && strings.Contains(string(sealed), token) || len(scope) > 8 && strings.Contains(string(sealed), scope) {
			t.Fatal("the sealed answer is readable")
		}
		out, err := openReply(Secret(token), sealed)
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range []bool{false, true} {
			a, err1 := encode(in, form)
			b, err2 := encode(out, form)
			if err1 != nil || err2 != nil || string(a.body) != string(b.body) || a.contentType != b.contentType {
				t.Fatalf("%s became %s, %v %v", a.body, b.body, err1, err2)
			}
		}
		v, err := url.ParseQuery(string(formReply(in).body))
		if err != nil || v.Get("scope") != scope || v.Get("me") != me || v.Get("expires_in") != fmt.Sprint(seconds) {
			t.Fatalf("%v, %v", v, err)
		}
		if _, err := openReply(Secret(token+"x"), sealed); err == nil {
			t.Fatal("another token opens the answer")
		}
		sealed[len(sealed)/2] ^= 1
		if _, err := openReply(Secret(token), sealed); err == nil {
			t.Fatal("a changed answer is opened")
		}
	})
}
