package wire

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// SignIn follows an authorization request as the browser of an owner does who has
// Selfauth's password and allows everything, up to the app's redirect_uri, which it
// returns with its parameters and does not ask.
func SignIn(authorize, password string) (*url.URL, error) {
	asked, err := url.Parse(authorize)
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	at, form := asked, url.Values(nil)
	var page string
	for range 8 {
		if strings.HasPrefix(at.String(), asked.Query().Get("redirect_uri")) {
			return at, nil
		}
		var resp *http.Response
		if form == nil {
			resp, err = browser.Get(at.String())
		} else {
			resp, err = browser.PostForm(at.String(), form)
		}
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
		page = string(body)
		if at, form, err = next(at, resp, page, password); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("the sign-in does not end: %s", page)
}

// next is where a page leads, and the form that is filled in for that if there is one.
func next(at *url.URL, resp *http.Response, page, password string) (*url.URL, url.Values, error) {
	if to, err := resp.Location(); err == nil {
		return to, nil, nil
	}
	if m := regexp.MustCompile(`http-equiv="refresh" content="0; url=([^"]*)"`).FindStringSubmatch(page); m != nil {
		to, err := at.Parse(html.UnescapeString(m[1]))
		return to, nil, err
	}
	form := url.Values{"password": {password}, "answer": {"allow"}}
	for _, m := range regexp.MustCompile(`name="(_csrf|flow|scope|scopes\[\])" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		form.Add(m[1], html.UnescapeString(m[2]))
	}
	if !form.Has("_csrf") && !form.Has("flow") {
		return nil, nil, fmt.Errorf("%s answers %d %s", at, resp.StatusCode, page)
	}
	if m := regexp.MustCompile(`<form[^>]* action="([^"]*)"`).FindStringSubmatch(page); m != nil {
		to, err := at.Parse(html.UnescapeString(m[1]))
		return to, form, err
	}
	return at, form, nil
}
