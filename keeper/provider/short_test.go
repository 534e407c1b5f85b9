package provider_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"mintkeep/keeper/provider"
)

// What was cut off behind a whole answer, a wrong length or the end of the chunks,
// does not matter: the refresh token in it may be the only one. A part is nothing.
func TestShortAnswers(t *testing.T) {
	const whole = `{"access_token":"a","refresh_token":"new","expires_in":3600}`
	for _, test := range []struct {
		name, header, body string
		want               string // the refresh token; "" is an error
	}{
		{"length too large", "200 OK\r\nContent-Length: " + fmt.Sprint(len(whole)+2), whole, "new"},
		{"chunks without an end", "200 OK\r\nTransfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n", len(whole), whole), "new"},
		{"a part", "200 OK\r\nContent-Length: " + fmt.Sprint(len(whole)), whole[:40], ""},
		{"a part of a form", "200 OK\r\nContent-Length: 100", "access_token=a&refresh_token=ne", ""},
		{"an error", "400 Bad Request\r\nContent-Length: 100", `{"error":"invalid_grant"}`, ""},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprintf(c, "HTTP/1.1 %s\r\nContent-Type: application/json\r\n\r\n%s", test.header, test.body)
			c.Close()
		}))
		got, err := provider.Client{}.Refresh(context.Background(), provider.Provider{TokenURL: s.URL, ClientID: "c"}, "", "old")
		s.Close()
		if (err == nil) != (test.want != "") || string(got.RefreshToken) != test.want {
			t.Errorf("%s: %q, %v", test.name, string(got.RefreshToken), err)
		}
		if test.want == "" && provider.IsRefused(err) {
			t.Errorf("%s: refused: %v", test.name, err)
		}
	}
}
