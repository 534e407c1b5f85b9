package keeper_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	neturl "net/url"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/api"
	"mintkeep/keeper/keepertest"
	"mintkeep/keeper/provider"
)

func (h *house) handler() http.Handler {
	return &api.Handler{Keeper: h.Keeper, Admin: func(r *http.Request) bool { return h.admin },
		Route: func(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, "/auth/token.cgi/") }}
}

// do makes one request with an API key.
func (h *house) do(key keeper.Secret, method, route, body string, headers ...string) *httptest.ResponseRecorder {
	h.t.Helper()
	r := httptest.NewRequest(method, "https://example.com/auth/token.cgi/"+route, strings.NewReader(body))
	if key != "" {
		r.Header.Set("X-API-Key", string(key))
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.handler().ServeHTTP(w, r)
	if w.Code >= 400 && strings.Contains(w.Header().Get("Content-Type"), "json") {
		var e struct{ Error, Error_Description string }
		if json.Unmarshal(w.Body.Bytes(), &e) != nil || e.Error == "" || e.Error_Description == "" {
			h.t.Errorf("%s %s: not an error body: %s", method, route, w.Body)
		}
	}
	equal(h.t, "cache", w.Header().Get("Cache-Control"), "no-store")
	return w
}

func (h *house) key(a keeper.APIKey) keeper.Secret {
	h.t.Helper()
	key, err := h.APIKeys().Add(context.Background(), a)
	check(h.t, err)
	return key
}

const storeGoogle = `{
    "integration_key": "google",
    "provider": "google",
    "token_type": "oauth2",
    "token_data": {
      "access_token": "ya29.a0AfH6SM...",
      "refresh_token": "1//0dx2Xj...",
      "token_type": "Bearer",
      "expires_in": 3600,
      "scope": "https://www.googleapis.com/auth/calendar",
      "client_id": "123456.apps.googleusercontent.com",
      "client_secret": "GOCSPX-..."
    },
    "scopes": ["calendar", "email"],
    "expires_at": "2025-01-16T10:00:00Z"
  }`

// shape is a body with every value replaced by its kind, so that field names
// and types can be compared with the documentation.
func shape(v any) string {
	switch v := v.(type) {
	case map[string]any:
		parts := []string{}
		for name, value := range v {
			parts = append(parts, name+":"+shape(value))
		}
		sort.Strings(parts)
		return "{" + strings.Join(parts, " ") + "}"
	case []any:
		parts := []string{}
		for _, value := range v {
			parts = append(parts, shape(value))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case string:
		if _, err := time.Parse("2006-01-02T15:04:05", v); err == nil {
			return "time"
		}
		return "string"
	}
	return fmt.Sprintf("%T", v)
}

func shapeOf(t *testing.T, body string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return shape(v)
}

// Every request of the Tokens API page with its documented body; the answers
// have its field names, types and statuses.
func TestTokensAPIDocumented(t *testing.T) {
	h := newHouse(t)
	h.clock.t = time.Date(2025, 1, 15, 10, 0, 0, 0, time.UTC)
	key := h.key(keeper.APIKey{Name: "agent", Write: true})
	// The refresh of the last request but one must not leave the house.
	google, err := provider.FromPreset("google", "google", "")
	check(t, err)
	google.Issuer, google.TokenURL = "", h.url+"/token"
	check(t, h.Registry().Add(context.Background(), google))
	_, refresh := h.box.Grant("calendar email")
	for _, test := range []struct {
		method, route, body string
		status              int
		answer              string // as documented; values that must be equal are compared too
	}{
		{"POST", "v2/users/user-42/tokens", storeGoogle, 201, `{"integration_key":"google","provider":"google","token_type":"oauth2",
			"message":"Token stored successfully for google","created_at":"2025-01-15T10:00:00"}`},
		{"POST", "v2/users/user-42/tokens", `{"integration_key":"openai","provider":"openai","token_type":"api_key","token_data":{"api_key":"sk-1"}}`, 201,
			`{"integration_key":"openai","provider":"openai","token_type":"api_key","message":"Token stored successfully for openai","created_at":"2025-01-15T10:00:00"}`},
		{"GET", "v2/users/user-42/tokens/google", "", 200, `{"integration_key":"google","provider":"google","token_type":"oauth2",
			"token_data":{"access_token":"ya29.a0AfH6SM...","refresh_token":"1//0dx2Xj...","token_type":"Bearer"},
			"scopes":["calendar","email"],"expires_at":"2025-01-16T10:00:00","is_expired":false,"refreshed":false}`},
		{"GET", "v2/users/user-42/tokens", "", 200, `[{"integration_key":"google","provider":"google","token_type":"oauth2","scopes":["calendar","email"],
			"expires_at":"2025-01-16T10:00:00","created_at":"2025-01-15T10:00:00","updated_at":"2025-01-15T10:00:00","is_expired":false},
			{"integration_key":"openai","provider":"openai","token_type":"api_key","scopes":null,"expires_at":null,
			"created_at":"2025-01-15T10:00:00","updated_at":"2025-01-15T10:00:00","is_expired":false}]`},
		{"POST", "v2/users/user-42/tokens", strings.NewReplacer("1//0dx2Xj...", refresh, "123456.apps.googleusercontent.com", keepertest.ClientID,
			"GOCSPX-...", keepertest.ClientSecret).Replace(storeGoogle), 201, `{"integration_key":"google","provider":"google","token_type":"oauth2",
			"message":"Token stored successfully for google","created_at":"2025-01-15T10:00:00"}`},
		{"POST", "v2/users/user-42/tokens/google/refresh", "", 200, `{"integration_key":"google","success":true,"message":"Token refreshed successfully",
			"refreshed_at":"2025-01-15T10:00:00"}`},
		{"DELETE", "v2/users/user-42/tokens/google", "", 200, `{"integration_key":"google","message":"Token for google deleted successfully"}`},
		{"GET", "v2/users/user-42/tokens/google", "", 404, `{"detail":"","error":"","error_description":""}`},
	} {
		w := h.do(key, test.method, test.route, test.body)
		what := test.method + " " + test.route
		equal(t, what, w.Code, test.status)
		equal(t, what+" type", w.Header().Get("Content-Type"), "application/json")
		equal(t, what+" shape", shapeOf(t, w.Body.String()), shapeOf(t, test.answer))
		if test.status < 300 {
			var got, want any
			check(t, json.Unmarshal(w.Body.Bytes(), &got))
			check(t, json.Unmarshal([]byte(test.answer), &want))
			equal(t, what+" body", fmt.Sprint(got), fmt.Sprint(want))
		}
	}
	equal(t, "stored", h.events("stored"), 3)
	equal(t, "read", h.events("read"), 1)
}

func TestTokensAPIRefreshesExpired(t *testing.T) {
	h := newHouse(t)
	h.provider()
	key := h.key(keeper.APIKey{Name: "agent", Write: true})
	_, refresh := h.box.Grant("x")
	w := h.do(key, "POST", "v2/users/u/tokens", `{"integration_key":"k","provider":"box","token_type":"oauth2","token_data":{"refresh_token":"`+refresh+`","expires_in":"60","token_url":"https://evil.example/","id_token":"abc"}}`)
	equal(t, "stored", w.Code, 201)
	w = h.do(key, "GET", "v2/users/u/tokens/k", "")
	equal(t, "status", w.Code, 200)
	for _, want := range []string{`"refreshed":true`, `"is_expired":false`, `"access_token":"box-access-`, `"id_token":"abc"`, `"scopes":null`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("lacks %s: %s", want, w.Body)
		}
	}
	if strings.Contains(w.Body.String(), "evil") {
		t.Error("an address was kept")
	}
	h.box.Kill()
	h.clock.pass(2 * time.Hour)
	w = h.do(key, "GET", "v2/users/u/tokens/k", "")
	equal(t, "dead", w.Code, 409)
	equal(t, "dead", strings.Contains(w.Body.String(), "connect_again"), true)
	w = h.do(key, "POST", "v2/users/u/tokens/k/refresh", "")
	equal(t, "dead refresh", w.Code, 409)
	w = h.do(key, "POST", "v2/users/u/tokens", `{"integration_key":"j","provider":"openai","token_type":"jwt","token_data":{"token":"abc"},"expires_at":"2020-01-01T00:00:00"}`)
	equal(t, "stored", w.Code, 201)
	w = h.do(key, "GET", "v2/users/u/tokens/j", "")
	equal(t, "expired, given as what it is", w.Code == 200 && strings.Contains(w.Body.String(), `"is_expired":true`), true)
	w = h.do(key, "POST", "v2/users/u/tokens/j/refresh", "")
	equal(t, "not refreshable", w.Code, 400)
}

// The Tokens API folds and trims keys, providers and types, and refreshes what has
// less than a minute left.
func TestTokensAPIFolds(t *testing.T) {
	h := newHouse(t)
	h.provider()
	key := h.key(keeper.APIKey{Name: "agent", Write: true})
	for _, test := range []struct{ stored, provider, kind, read, name string }{
		{"Google", "Google", "OAuth2", "google", "google"},
		{" My-Google ", " Google ", "OAUTH2", " My-Google ", "my-google"},
		{"MY-GOOGLE2", "gOOGLE", "oauth2", "My-google2", "my-google2"},
		{"\tSlack\n", "slack\n", "oauth2", "SLACK", "slack"},
		{"OpenAI", "OpenAI", " API_Key ", "openai", "openai"},
		{"Ünï", "BOX", "JWT", "ünï", "ünï"},
		{"plain", "box", "Api_Key", "PLAIN", "plain"},
		{"a b", "Box ", "jwt", "A B", "a b"},
	} {
		body, err := json.Marshal(map[string]any{"integration_key": test.stored, "provider": test.provider, "token_type": test.kind,
			"token_data": map[string]any{"access_token": "a-secret"}})
		check(t, err)
		w := h.do(key, "POST", "v2/users/U/tokens", string(body))
		equal(t, test.stored+" "+w.Body.String(), w.Code, 201)
		for _, read := range []string{test.read, test.stored, test.name} {
			w = h.do(key, "GET", "v2/users/U/tokens/"+neturl.PathEscape(read), "")
			equal(t, "read "+read, w.Code, 200)
			equal(t, w.Body.String(), strings.Contains(w.Body.String(), `"integration_key":"`+test.name+`"`), true)
		}
	}
	// A name of the command line is found as it is, and is not taken for another.
	_, err := h.Connect(context.Background(), keeper.Target{Provider: "box", Name: "Box", User: "U"}, keeper.GrantPassword, ask(keepertest.Password))
	check(t, err)
	w := h.do(key, "GET", "v2/users/U/tokens/Box", "")
	equal(t, "exact", strings.Contains(w.Body.String(), `"integration_key":"Box"`), true)
	for left, refreshes := range map[int]int{61: 0, 58: 1} {
		h.clock.pass(time.Duration(3600-left) * time.Second)
		before := h.box.Count("refresh_token")
		equal(t, "read", h.do(key, "GET", "v2/users/U/tokens/Box", "").Code, 200)
		equal(t, fmt.Sprintf("refreshes with %d s left", left), h.box.Count("refresh_token")-before, refreshes)
		_, err = h.Refresh(context.Background(), "U", "Box")
		check(t, err)
	}
	equal(t, "deleted", h.do(key, "DELETE", "v2/users/U/tokens/GOOGLE", "").Code, 200)
	equal(t, "gone", h.do(key, "GET", "v2/users/U/tokens/google", "").Code, 404)
}

// A token that no header can carry is refused from wherever it comes: one with a
// line break would be two lines of `curl -H`.
func TestE10TokenWithLineBreak(t *testing.T) {
	h := newHouse(t)
	h.provider()
	key := h.key(keeper.APIKey{Name: "agent", Write: true})
	for _, bad := range []string{"sk-1\nX-Other: 2", "sk-1\n", "\nsk-1", "sk-1\r", "sk\r\n1", "sk\x001", "sk\x7f", "sk\u2028x", "sk\x85x", "ключ", "sk\t1"} {
		for kind, field := range map[string]string{keeper.KindAPIKey: "api_key", keeper.KindJWT: "jwt", keeper.KindOAuth2: "access_token"} {
			body, err := json.Marshal(map[string]any{"integration_key": "k", "provider": "box", "token_type": kind, "token_data": map[string]any{field: bad}})
			check(t, err)
			w := h.do(key, "POST", "v2/users/owner/tokens", string(body))
			equal(t, fmt.Sprintf("%s %q", kind, bad), w.Code, 400)
		}
		_, err := h.Connect(context.Background(), keeper.Target{Provider: "box", Name: "k"}, keeper.GrantAPIKey, ask("a"+bad+"z"))
		wants(t, err, keeper.ErrInvalid, "no header can carry")
	}
	w := h.do(key, "POST", "v2/users/owner/tokens",
		`{"integration_key":"k","provider":"box","token_type":"oauth2","token_data":{"access_token":"a","token_type":"Bearer\nX: 1"}}`)
	equal(t, "token type", w.Code, 400)
	w = h.do(key, "GET", "v2/users/owner/tokens/k", "")
	equal(t, "nothing was kept", w.Code, 404)
}

func TestAPIRefusals(t *testing.T) {
	h := newHouse(t)
	h.provider()
	h.connect()
	all, reader := h.key(keeper.APIKey{Name: "all", Write: true}), h.key(keeper.APIKey{Name: "reader"})
	other := h.key(keeper.APIKey{Name: "other", User: "eve", Provider: "openai", Write: true})
	openai := h.key(keeper.APIKey{Name: "openai", Provider: "openai", Write: true})
	gone := h.key(keeper.APIKey{Name: "gone"})
	check(t, h.APIKeys().Remove(context.Background(), "gone"))
	ok := `{"integration_key":"box","provider":"openai","token_type":"api_key","token_data":{"api_key":"x"}}`
	for i, test := range []struct {
		key                 keeper.Secret
		method, route, body string
		status              int
	}{
		{"", "GET", "keep/token?provider=box", "", 401},
		{"nonsense", "GET", "keep/token?provider=box", "", 401},
		{gone, "GET", "keep/token?provider=box", "", 401},
		{all, "GET", "keep/token?provider=box", "", 200},
		{all, "GET", "keep/token?name=box&min_ttl=60", "", 200},
		{all, "GET", "keep/token", "", 400},
		{all, "GET", "keep/token?name=box&name=box", "", 400},
		{all, "GET", "keep/token?name=box&min_ttl=x", "", 400},
		{all, "GET", "keep/token?name=nothing", "", 404},
		{all, "POST", "keep/token?name=box", "", 405},
		{all, "GET", "keep/other", "", 404},
		{all, "GET", "v2/users/owner/tokens/box/refresh", "", 405},
		{all, "PUT", "v2/users/owner/tokens", "", 405},
		{all, "GET", "v2/users/owner/tokens/box/refresh/x", "", 404},
		{all, "GET", "v2/nothing", "", 404},
		{reader, "GET", "v2/users/owner/tokens/box", "", 200},
		{reader, "GET", "v2/users/owner/tokens", "", 200},
		{reader, "POST", "v2/users/owner/tokens", ok, 403},
		{reader, "POST", "v2/users/owner/tokens/box/refresh", "", 403},
		{reader, "DELETE", "v2/users/owner/tokens/box", "", 403},
		{other, "GET", "v2/users/owner/tokens", "", 403},
		{other, "GET", "keep/token?provider=box&user=owner", "", 403},
		{openai, "GET", "v2/users/owner/tokens/box", "", 404},
		{openai, "DELETE", "v2/users/owner/tokens/box", "", 404},
		{openai, "GET", "keep/token?provider=box", "", 404},
		{openai, "POST", "v2/users/owner/tokens", ok, 403}, // it would replace the other provider's
		{all, "POST", "v2/users/owner/tokens", "nonsense", 400},
		{all, "POST", "v2/users/owner/tokens", `[]`, 400},
		{all, "POST", "v2/users/owner/tokens", `{"provider":"openai","token_type":"api_key","token_data":{"api_key":"x"}}`, 400},
		{all, "POST", "v2/users/owner/tokens", `{"integration_key":"a/b","provider":"openai","token_type":"api_key","token_data":{"api_key":"x"}}`, 400},
		{all, "POST", "v2/users/owner/tokens", `{"integration_key":"k","provider":"unheard","token_type":"api_key","token_data":{"api_key":"x"}}`, 400},
		{all, "POST", "v2/users/owner/tokens", `{"integration_key":"k","provider":"openai","token_type":"magic","token_data":{"api_key":"x"}}`, 400},
		{all, "POST", "v2/users/owner/tokens", `{"integration_key":"k","provider":"openai","token_type":"api_key","token_data":{}}`, 400},
		{all, "POST", "v2/users/owner/tokens", `{"integration_key":"k","provider":"openai","token_type":"api_key"}`, 400},
		{all, "POST", "v2/users/owner/tokens", `{"integration_key":7,"provider":"openai","token_type":"api_key","token_data":{"api_key":"x"}}`, 400},
		{all, "POST", "v2/users/owner/tokens", `{"integration_key":"k","provider":"openai","token_type":"api_key","token_data":{"api_key":"x"},"expires_at":"soon"}`, 400},
		{all, "POST", "v2/users/owner/tokens", `{"integration_key":"` + strings.Repeat("k", 2<<20) + `"}`, 413},
	} {
		w := h.do(test.key, test.method, test.route, test.body)
		equal(t, fmt.Sprintf("%d: %s %s %.80s", i, test.method, test.route, test.body), w.Code, test.status)
		switch w.Code {
		case 401:
			equal(t, "challenge", strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer"), true)
		case 405:
			equal(t, "allow", w.Header().Get("Allow") != "", true)
		}
	}
	w := h.do("", "GET", "keep/token?provider=box", "", "Authorization", "bearer "+string(all))
	equal(t, "bearer", w.Code, 200)
	equal(t, "body", shapeOf(t, w.Body.String()), "{access_token:string expires_at:string token_type:string}")
	w = h.do(reader, "GET", "keep/token?provider=box", "", "Authorization", "Bearer "+string(all))
	equal(t, "two keys", w.Code, 400)
	w = h.do(all, "POST", "v2/users/owner/tokens", ok, "Content-Type", "text/plain")
	equal(t, "type", w.Code, 415)
	equal(t, "reads recorded once a minute for each key", h.events("read"), 2)
	h.box.Fail("/token", 1, 503)
	h.clock.pass(2 * time.Hour)
	w = h.do(all, "GET", "keep/token?provider=box", "")
	equal(t, "failing", w.Code, 503)
	equal(t, "retry", w.Header().Get("Retry-After") != "", true)
	keys, err := h.APIKeys().List(context.Background())
	check(t, err)
	equal(t, "keys", len(keys), 4)
}

// 50 HTTP requests for an expired token, each as another process would answer it.
func TestHTTPOneRefresh(t *testing.T) {
	h := newHouse(t)
	h.box.Rotate, h.box.DetectReuse, h.box.Delay = true, true, 300*time.Millisecond
	h.provider()
	h.connect()
	key := h.key(keeper.APIKey{Name: "k"})
	h.clock.pass(2 * time.Hour)
	var wg sync.WaitGroup
	bodies := make([]string, 50)
	for i := range bodies {
		wg.Go(func() {
			k := open(h.path)
			defer k.DB.Close()
			k.Now = h.clock.now
			r := httptest.NewRequest("GET", "/keep/token?provider=box", nil)
			r.Header.Set("Authorization", "Bearer "+string(key))
			w := httptest.NewRecorder()
			(&api.Handler{Keeper: k, Route: func(r *http.Request) string { return r.URL.Path[1:] }}).ServeHTTP(w, r)
			bodies[i] = fmt.Sprint(w.Code, w.Body)
		})
	}
	wg.Wait()
	for _, b := range bodies {
		equal(t, "body", b, bodies[0])
	}
	equal(t, "status", bodies[0][:3], "200")
	equal(t, "refresh requests", h.box.Count("refresh_token"), 1)
}
