package keepertest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"mintkeep/keeper/keepertest"
)

func refresh(srv *httptest.Server, token string) string {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {keepertest.ClientID}, "client_secret": {keepertest.ClientSecret}}
	res, err := http.PostForm(srv.URL+"/token", form)
	if err != nil {
		return "no answer"
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if strings.Contains(string(body), "invalid_grant") {
		return "invalid_grant"
	}
	return res.Status
}

// A client that presents a rotated refresh token twice loses its connection;
// one whose answer was lost on the way may retry, if the provider allows it.
func Example() {
	box := keepertest.New()
	srv := httptest.NewServer(box)
	defer srv.Close()

	box.Rotate, box.DetectReuse = true, true
	_, first := box.Grant("read")
	fmt.Println(refresh(srv, first), "|", refresh(srv, first))

	box.Set(func(p *keepertest.Provider) { p.AllowRetry = true })
	_, second := box.Grant("read")
	box.DropAnswer("/token", 1)
	fmt.Println(refresh(srv, second), "|", refresh(srv, second))

	box.Fail("/token", 1, http.StatusServiceUnavailable)
	fmt.Println(refresh(srv, second), "|", box.Count("refresh_token"))
	// Output:
	// 200 OK | invalid_grant
	// no answer | 200 OK
	// 503 Service Unavailable | 4
}
