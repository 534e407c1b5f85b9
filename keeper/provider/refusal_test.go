package provider_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"mintkeep/keeper/provider"
)

// refusals are answers to a refresh, or to a poll where the meaning is one of RFC 8628.
var refusals = []struct {
	name    string
	status  int
	label   string
	body    string
	meaning string
	dead    bool // only connecting again helps
	says    string
}{
	{"D3 RFC 6749", 400, "application/json", `{"error":"invalid_grant","error_description":"gone"}`, "invalid_grant", true, "400 invalid_grant (gone)"},
	{"D3 Fitbit (home-assistant #141223)", 400, "application/json",
		`{"errors":[{"errorType":"invalid_grant","message":"Refresh token invalid: a1b2. Visit https://dev.fitbit.com"}],"success":false}`,
		"invalid_grant", true, "400 invalid_grant (Refresh token invalid: a1b2. Visit"},
	{"D3 Fitbit, the app", 401, "application/json",
		`{"errors":[{"errorType":"invalid_client","message":"Invalid authorization header format"}],"success":false}`, "invalid_client", false, "invalid_client"},
	{"D3 Twitch", 400, "application/json", `{"status":400,"message":"Invalid refresh token"}`, "invalid_grant", true, "400 (Invalid refresh token)"},
	{"D3 Twitch, with error", 401, "application/json", `{"error":"Unauthorized","status":401,"message":"Invalid refresh token"}`, "invalid_grant", true,
		"401 Unauthorized (Invalid refresh token)"},
	{"D3 Twitch, the app", 403, "application/json", `{"status":403,"message":"invalid client secret"}`, "invalid_client", false, "invalid client secret"},
	{"D3 Twitch, a poll", 400, "application/json", `{"status":400,"message":"authorization_pending"}`, "authorization_pending", false, "authorization_pending"},
	{"D3 Twitch, a late poll", 400, "application/json", `{"status":400,"message":"invalid device code"}`, "expired_token", true, "invalid device code"},
	{"D3 Strava", 400, "application/json", `{"message":"Bad Request","errors":[{"resource":"RefreshToken","field":"refresh_token","code":"invalid"}]}`,
		"invalid_grant", true, "400 refresh_token (Bad Request: invalid: RefreshToken)"},
	{"D3 Strava, the app", 401, "application/json",
		`{"message":"Authorization Error","errors":[{"resource":"Application","field":"client_id","code":"invalid"}]}`, "invalid_client", false, "Application"},
	{"D3 HubSpot", 400, "application/json", `{"status":"BAD_REFRESH_TOKEN","message":"missing or invalid refresh token","correlationId":"2d"}`,
		"invalid_grant", true, "400 BAD_REFRESH_TOKEN (missing or invalid refresh token)"},
	{"D3 HubSpot, the app", 400, "application/json", `{"status":"BAD_CLIENT_ID","message":"missing or unknown client id"}`, "invalid_client", false, "BAD_CLIENT_ID"},
	{"D3 Facebook", 400, "text/javascript", `{"error":{"message":"Error validating access token: Session has expired on Friday","type":"OAuthException",
		"code":190,"error_subcode":463,"fbtrace_id":"Ab"}}`, "invalid_grant", true, "Session has expired on Friday"},
	{"D3 Facebook, a poll", 400, "application/json",
		`{"error":{"message":"This request requires the user to take a pending action","code":31,"error_subcode":1349174}}`, "authorization_pending", false, "pending"},
	{"D3 Reddit", 400, "application/json", `{"message":"Bad Request","error":400}`, "", true, "400 (Bad Request)"},
	{"D3 Reddit, a number alone", 400, "application/json", `{"error":400}`, "", true, "answered 400"},
	{"D3 Reddit, the app", 401, "application/json", `{"message":"Unauthorized","error":401}`, "", false, "401 (Unauthorized)"},
	{"D3 Zoom", 401, "application/json", `{"reason":"Invalid Token!","error":"invalid_request"}`, "invalid_grant", true, "401 invalid_request (Invalid Token!)"},
	{"D3 Zoom, the app", 401, "application/json", `{"reason":"Invalid client_id or client_secret","error":"invalid_client"}`, "invalid_client", false, "Invalid client_id"},
	{"D3 LinkedIn", 400, "application/json",
		`{"error":"invalid_request","error_description":"The provided authorization grant or refresh token is invalid, expired or revoked"}`,
		"invalid_grant", true, "is invalid, expired or revoked"},
	{"D3 LinkedIn, its own form", 401, "application/json", `{"serviceErrorCode":65601,"message":"The token used in the request has been revoked by the user","status":401}`,
		"invalid_grant", true, "revoked by the user"},
	{"D3 Slack", 200, "application/json", `{"ok":false,"error":"token_expired"}`, "invalid_grant", true, "200 token_expired"},
	{"D3 Slack, account", 200, "application/json", `{"ok":false,"error":"account_inactive"}`, "invalid_grant", true, "account_inactive"},
	{"D3 Slack, the app", 200, "application/json", `{"ok":false,"error":"bad_client_secret"}`, "invalid_client", false, "bad_client_secret"},
	{"D3 Slack, too often", 200, "application/json", `{"ok":false,"error":"ratelimited"}`, "slow_down", false, "ratelimited"},
	{"D3 Withings", 200, "application/json", `{"status":503,"body":{},"error":"Invalid Params: invalid refresh_token"}`, "invalid_grant", true, "invalid refresh_token"},
	{"D3 Withings, too often", 200, "application/json", `{"status":601,"body":{},"error":"Too Many Requests"}`, "slow_down", false, "Too Many Requests"},
	{"D3 text/plain", 400, "text/plain", "The refresh token has expired.\n", "invalid_grant", true, "400 (The refresh token has expired.)"},
	{"D3 text/plain, a code", 400, "text/plain", "invalid_grant", "invalid_grant", true, "invalid_grant"},
	{"GitHub", 200, "application/x-www-form-urlencoded", "error=bad_refresh_token&error_description=The+refresh+token+passed+is+incorrect", "invalid_grant", true,
		"bad_refresh_token (The refresh token passed is incorrect)"},
	{"GitHub, the app", 200, "application/json", `{"error":"incorrect_client_credentials"}`, "invalid_client", false, "incorrect_client_credentials"},
	{"Zoho", 200, "application/json", `{"error":"invalid_code"}`, "invalid_grant", true, "invalid_code"},
	{"Microsoft", 400, "application/json", `{"error":"interaction_required","error_description":"AADSTS50076: you must use multi-factor authentication"}`,
		"invalid_grant", true, "AADSTS50076"},
	{"Apigee", 401, "application/json", `{"fault":{"faultstring":"Invalid Refresh Token","detail":{"errorcode":"oauth.v2.InvalidRefreshToken"}}}`,
		"invalid_grant", true, "oauth.v2.InvalidRefreshToken (Invalid Refresh Token)"},
	{"TikTok, v1", 200, "application/json", `{"data":{"description":"Invalid refresh_token","error_code":10010},"message":"error"}`,
		"invalid_grant", true, "Invalid refresh_token"},
	{"WeChat", 200, "text/plain", `{"errcode":40030,"errmsg":"invalid refresh_token"}`, "invalid_grant", true, "40030: invalid refresh_token"},
	{"Lark", 400, "application/json", `{"code":20037,"msg":"refresh token expired"}`, "invalid_grant", true, "refresh token expired"},
	{"JSON:API", 401, "application/vnd.api+json", `{"errors":[{"status":"401","title":"Unauthorized","detail":"The refresh token was already used."}]}`,
		"invalid_grant", true, "The refresh token was already used."},
	{"RFC 9457", 422, "application/problem+json", `{"type":"https://site.example/e","title":"Unprocessable","detail":"session no longer valid"}`,
		"invalid_grant", true, "session no longer valid"},
	{"a code in capitals", 400, "application/json", `{"Error":"Invalid_Grant"}`, "invalid_grant", true, "Invalid_Grant"},
	{"a code in one word", 400, "application/json", `{"errorCode":"InvalidRefreshToken"}`, "invalid_grant", true, "InvalidRefreshToken"},
	{"sign in again", 403, "application/json", `{"error":{"code":"x","message":"Please log in again"}}`, "invalid_grant", true, "log in again"},
	{"denied, a poll", 400, "application/json", `{"message":"The user denied the request"}`, "access_denied", true, "denied"},
	{"not yet, a poll", 400, "application/json", `{"detail":"User has not yet authorized"}`, "authorization_pending", false, "not yet"},
	{"slower, a poll", 400, "text/plain", "slow_down", "slow_down", false, "slow_down"},
	{"a list (Salesforce)", 401, "application/json", `[{"errorCode":"INVALID_SESSION_ID","message":"Session expired or invalid"}]`, "invalid_grant", true,
		"401 INVALID_SESSION_ID (Session expired or invalid)"},
	{"a list of texts", 400, "application/json", `["Refresh token not found"]`, "invalid_grant", true, "Refresh token not found"},
	{"a text in JSON", 400, "application/json", `"invalid_grant"`, "invalid_grant", true, "invalid_grant"},
	{"XML", 400, "text/xml", `<?xml version="1.0"?><OAuth><error>invalid_grant</error><error_description>expired token</error_description></OAuth>`,
		"invalid_grant", true, "400 (invalid_grant expired token)"},
	{"SOAP", 500, "text/xml", `<?xml version="1.0"?><s:Envelope><s:Fault>refresh token revoked</s:Fault></s:Envelope>`, "invalid_grant", false, "refresh token revoked"},
	{"a header alone", 401, "bearer", ``, "invalid_grant", true, "401 invalid_token (The refresh token expired)"},
	{"a form with blanks", 400, "text/plain", "error=invalid_grant&error_description=The token is gone", "invalid_grant", true, "400 invalid_grant (The token is gone)"},
	{"a prefix against scripts", 400, "application/json", ")]}'\n{\"error\":\"invalid_grant\"}", "invalid_grant", true, "400 invalid_grant"},
	{"PayPal's name", 401, "application/json", `{"name":"invalid_refresh_token","debug_id":"x","details":[]}`, "invalid_grant", true, "invalid_refresh_token"},
	{"Django", 400, "application/json", `{"non_field_errors":["Token is invalid or expired"]}`, "invalid_grant", true, "Token is invalid or expired"},
	{"simplejwt", 401, "application/json", `{"detail":"Token is blacklisted","code":"token_not_valid"}`, "invalid_grant", true, "401 token_not_valid (Token is blacklisted)"},
	{"FastAPI", 422, "application/json", `{"detail":[{"loc":["body"],"msg":"refresh token expired","type":"value_error"}]}`, "invalid_grant", true, "refresh token expired"},
	{"Okta", 400, "application/json", `{"errorCode":"E0000011","errorSummary":"Invalid token provided","errorCauses":[]}`, "invalid_grant", true, "Invalid token provided"},
	{"Cognito", 400, "application/x-amz-json-1.1", `{"__type":"NotAuthorizedException","message":"Refresh Token has been revoked"}`, "invalid_grant", true, "has been revoked"},
	{"Tesla", 401, "application/json", `{"error":"login_required","error_description":"The refresh_token is invalid"}`, "invalid_grant", true, "login_required"},
	{"Monzo", 401, "application/json", `{"code":"unauthorized.bad_refresh_token.evicted","message":"Refresh token has been evicted"}`, "invalid_grant", true, "evicted"},
	{"in a result", 200, "application/json", `{"result":{"error":"refresh token does not exist"},"status":"error"}`, "invalid_grant", true, "does not exist"},
	{"eBay", 400, "application/json", `{"errors":[{"errorId":1001,"domain":"OAuth","message":"Invalid access token","longMessage":"x"}]}`, "invalid_grant", true, "Invalid access token"},
	{"GraphQL", 200, "application/json", `{"data":null,"errors":[{"message":"jwt expired: the token has expired","extensions":{"code":"UNAUTHENTICATED"}}]}`,
		"invalid_grant", true, "the token has expired"},
	{"Spring", 401, "application/json", `{"timestamp":1,"status":401,"error":"Unauthorized","message":"Cannot convert access token to JSON: token was not recognised","path":"/t"}`,
		"invalid_grant", true, "not recognised"},
	{"! a parameter", 400, "application/json", `{"error":"invalid_request","error_description":"Missing parameter: audience"}`, "", false, "Missing parameter"},
	{"! the grant type", 400, "application/json", `{"error":"invalid_request","error_description":"Invalid grant_type"}`, "", false, "Invalid grant_type"},
	{"! scope", 400, "application/json", `{"error":"invalid_scope"}`, "invalid_scope", false, "invalid_scope"},
	{"! another client", 400, "application/json", `{"error":"unauthorized_client","error_description":"token invalid"}`, "unauthorized_client", false, "unauthorized_client"},
	{"! a filter", 403, "text/html", "<!doctype html><html><head><title>Access\ndenied | token expired</title>", "", false, "403 (a web page: Access denied | token expired)"},
	{"! a filter, text", 403, "text/plain", "Access denied by security policy", "", false, "Access denied by security policy"},
	{"! a filter, JSON", 403, "application/json", `{"message":"Access denied"}`, "", false, "Access denied"},
	{"! a filter, an error", 403, "application/json", `{"error":"Request rejected","support_id":"1"}`, "", false, "Request rejected"},
	{"! a filter, RFC 9457", 403, "application/problem+json", `{"type":"https://site.example/1020","title":"Error 1020: Access denied","status":403}`, "", false,
		"Access denied"},
	{"denied, the code", 403, "application/json", `{"error":"access_denied"}`, "access_denied", true, "access_denied"},
	{"denied, by the owner", 400, "application/json", `{"message":"Denied by the resource owner, as consent was denied"}`, "access_denied", true, "consent was denied"},
	{"! busy", 503, "application/json", `{"error":"invalid_grant"}`, "invalid_grant", false, "503 invalid_grant"},
	{"! no such page", 404, "application/json", `{"message":"token endpoint not found"}`, "", false, "token endpoint not found"},
	{"! nothing", 400, "none", "", "", false, "answered 400"},
	{"! nothing that is known", 400, "application/json", `{"error":"x_1","error_description":"sorry"}`, "", false, "x_1 (sorry)"},
	{"! too many", 429, "application/json", `{"message":"refresh token invalid"}`, "invalid_grant", false, "429"},
}

// A refusal is understood at every endpoint that is asked.
func TestRefusals(t *testing.T) {
	for _, test := range refusals {
		t.Run(test.name, func(t *testing.T) {
			url, c := site(t, test.status, test.label, test.body)
			p := provider.Provider{TokenURL: url, DeviceURL: url, RevokeURL: url, IntrospectURL: url}
			_, refresh := c.Refresh(t.Context(), p, "", "the-refresh-token")
			_, code := c.ExchangeCode(t.Context(), p, "the-code", "https://back.example/", "the-verifier")
			_, device := c.StartDevice(t.Context(), p, "")
			_, poll := c.PollDevice(t.Context(), p, "the-device-code")
			_, introspect := c.Introspect(t.Context(), p, "the-access-token", "access_token")
			_, password := c.Password(t.Context(), p, "ada", "the-password", "")
			_, metadata := c.Discover(t.Context(), url)
			for asked, err := range map[string]error{"refresh": refresh, "code": code, "device": device, "poll": poll, "introspect": introspect,
				"password": password, "metadata": metadata} {
				var e *provider.Error
				if asked == "poll" && test.says == "answered 400" {
					continue // there a status alone says something: TestD3DevicePoll
				}
				if asked == "poll" && strings.HasPrefix(test.name, "! a filter, ") {
					continue // a person has just been asked there, and may have denied
				}
				if test.status == 200 && slices.Contains([]string{"device", "introspect", "metadata"}, asked) {
					continue // may be no error where no token is asked for
				}
				if !errors.As(err, &e) {
					t.Fatalf("%s: %v", asked, err)
				}
				if e.Meaning() != test.meaning || provider.IsRefused(err) != test.dead || !strings.Contains(err.Error(), test.says) {
					t.Errorf("%s: %v; means %q, dead %t, want %q, %t, and %q", asked, err, e.Meaning(), provider.IsRefused(err), test.meaning, test.dead, test.says)
				}
			}
			err := c.Revoke(t.Context(), p, "the-token", "refresh_token")
			if gone := test.meaning == "invalid_grant" && test.status < 500 && test.status != 401 && test.status != 429; gone && err != nil {
				t.Errorf("revoking what the site does not know: %v", err)
			}
		})
	}
}

// What an answer quotes of the request is hidden, and what may be a token is not shown.
func TestRefusalsHide(t *testing.T) {
	for _, body := range []string{
		`{"status":1,"error":"Invalid: the-refresh-token"}`, `{"data":"a-new-token"}`, `{"ok":false,"body":"a-new-token"}`,
		`{"errors":[{"message":"got the-refresh-token"}],"id_token":"a-new-token"}`, `the-refresh-token=1`,
	} {
		for _, status := range []int{200, 400} {
			url, c := site(t, status, "application/json", body)
			_, err := c.Refresh(t.Context(), provider.Provider{TokenURL: url}, "", "the-refresh-token")
			if err == nil || strings.Contains(err.Error(), "-token") {
				t.Errorf("%d %s: %v", status, body, err)
			}
		}
	}
}

// Nor is a secret shown that the owner's options send, whatever the site makes of it.
func TestRefusalsHideOptions(t *testing.T) {
	p := provider.Provider{ClientID: "c", ClientSecret: "CLIENT-SECRET", AuthStyle: provider.AuthHeader, Options: provider.Options{
		TokenParams: map[string]string{"api_key": "PARAM-SECRET"}, Headers: map[string]string{"X-Key": "HEADER-SECRET", "X-Auth": "Key WORD-SECRET"}}}
	login := p
	login.Login = &provider.Login{LoginPath: "login", RefreshPath: "refresh", LogoutPath: "logout", UsernameField: "user", PasswordField: "password",
		SendRefresh: "refresh", Access: "token"}
	for _, json := range []bool{false, true} {
		for _, status := range []int{200, 400, 403} {
			for _, says := range []string{"PARAM-SECRET", "HEADER-SECRET", "Key WORD-SECRET", "WORD-SECRET", "CLIENT-SECRET", "YzpDTElFTlQtU0VDUkVU"} {
				url, c := site(t, status, "application/json", `{"error":"invalid_grant","error_description":"it was `+says+`"}`)
				if status == 200 { // which is no error, and no token
					url, c = site(t, status, "application/json", `{"message":"it was `+says+`"}`)
				}
				p.TokenURL, p.RevokeURL, p.JSONBody, login.Login.Base = url, url, json, url
				_, err1 := c.Refresh(t.Context(), p, "", "the-refresh-token")
				_, err2 := c.Refresh(t.Context(), login, "", "the-refresh-token")
				for _, err := range []error{err1, err2} {
					if err == nil || strings.Contains(err.Error(), says) {
						t.Errorf("%d %s: %v", status, says, err)
					}
				}
			}
		}
	}
}

// What a JSON login answers refuses the password or the session, unless somebody in the
// way says it, or it is said of something else.
func TestLoginRefused(t *testing.T) {
	for _, test := range []struct {
		status  int
		body    string
		refused bool
	}{
		{401, `{"message":"wrong user name or password"}`, true},
		{400, `{"message":"Authentication failed"}`, true},
		{403, `{"code":7}`, true},
		{401, ``, true},
		{403, `<html><head><title>Attention required</title></head></html>`, false},
		{403, `{"message":"Too many requests, rate limit"}`, false},
		{400, `{"error":"temporarily_unavailable"}`, false},
		{400, `{"error":"server_error"}`, false},
		{401, `{"message":"unknown application id"}`, false},
		{404, `{"message":"not here"}`, false},
		{503, `{"message":"wrong password"}`, false},
	} {
		url, c := site(t, test.status, "application/json", test.body)
		p := provider.Provider{Options: provider.Options{Login: &provider.Login{Base: url, LoginPath: "in", RefreshPath: "again", UsernameField: "u", PasswordField: "p",
			SendRefresh: "r", Access: "a"}}}
		_, login := c.LogIn(t.Context(), p, "ada", "a-password")
		_, refresh := c.Refresh(t.Context(), p, "", "a-refresh-token")
		for asked, err := range map[string]error{"login": login, "refresh": refresh} {
			if err == nil || provider.IsRefused(err) != test.refused {
				t.Errorf("%s, %d %s: %v; refused %t, want %t", asked, test.status, test.body, err, !test.refused, test.refused)
			}
		}
	}
}
