package doctor

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"

	"mintkeep/internal/oauth"
)

// How the token endpoint answers when it is asked from outside.

// The lines that keep the header, for the two servers that need one.
const (
	apacheLine = `put this line into .htaccess: SetEnvIf Authorization "(.+)" HTTP_AUTHORIZATION=$1`
	nginxLine  = "add to the location: fastcgi_param HTTP_AUTHORIZATION $http_authorization;"
)

func (s *Site) baseSecure(context.Context) Finding {
	u, err := url.Parse(s.URL)
	switch {
	case err == nil && u.Scheme == "https":
		return ok("the token endpoint is https")
	case err == nil && oauth.IsLoopback(u.Hostname()):
		return ok("the token endpoint is on this machine only")
	}
	return fail("change the line `url:` to https://…", "the token endpoint is not https, so tokens can be read on the way")
}

// basePost sends a grant type that does not exist: only a program that got the
// body can say so.
func (s *Site) basePost(ctx context.Context) Finding {
	a := s.post(ctx, s.URL, url.Values{"grant_type": {"doctor"}})
	said, _ := a.members()
	switch {
	case a.err != nil:
		what, do := explain(a.err)
		if s.Within {
			return warn("look whether the address works in a browser: some hosts cannot reach their own, or answer one request at a time", "the token endpoint %s cannot be reached from here: %s", s.URL, what)
		}
		return fail(do, "the token endpoint cannot be reached: %s", what)
	case a.redirects():
		return fail("set `url:` and the rel token_endpoint to the final address, or end the redirect: it loses what clients send", "POST to %s is redirected to %s", s.URL, a.header.Get("Location"))
	case said["error"] == "unsupported_grant_type":
		return ok("the token endpoint answers, and gets what clients send")
	case said["error"] == "invalid_request":
		return fail("look for a rewrite or redirect in front of the program", "POST reaches the token endpoint without its body")
	case said["error"] == "temporarily_unavailable":
		return fail("look into the error log; or put an empty file named check beside the database and open "+s.URL+"/check", "the token endpoint is not ready for use")
	}
	return a.notOurs(s.URL)
}

// notOurs explains an answer that did not come from the program.
func (a *answer) notOurs(address string) Finding {
	switch {
	case bytes.HasPrefix(a.body, []byte("#!")) || bytes.HasPrefix(a.body, []byte("\x7fELF")):
		return fail("chmod 755; in .htaccess: Options +ExecCGI and AddHandler cgi-script .cgi", "the web server shows the file of the program instead of running it")
	case a.status == http.StatusNotFound:
		return fail("correct the line `url:`, or upload the program there", "there is nothing at %s", address)
	case a.status == http.StatusForbidden || a.status == http.StatusMethodNotAllowed:
		return fail("chmod 755; in .htaccess: Options +ExecCGI and AddHandler cgi-script .cgi; then ask the host about filters (mod_security)", "the web server refuses requests to %s (status %d)", address, a.status)
	case a.status >= 500:
		return fail("look into the web server's error log; usual are: not chmod 755, not uploaded in binary mode, the program for another kind of processor", "the program at %s does not start or does not answer (status %d)", address, a.status)
	}
	return fail("correct the line `url:`", "something else answers at %s (status %d, %s)", address, a.status, a.header.Get("Content-Type"))
}

// baseBelow looks whether addresses below BASE lead to the program.
func (s *Site) baseBelow(ctx context.Context) Finding {
	a := s.post(ctx, s.URL+"/revoke", url.Values{})
	if said, _ := a.members(); a.err == nil && said["error"] == "invalid_request" {
		return ok("addresses below the token endpoint lead to it")
	}
	return fail("let the web server hand everything below to the program (nginx: location ~ ^/token(/|$); a rewrite rule: ^token(/.*)?$)", "%s/revoke does not lead to the program (status %d), so tokens cannot be revoked or introspected there", s.URL, a.status)
}

// authorization sends a token that was never issued. If the program says that it
// is wrong, the header arrived.
func (s *Site) authorization(ctx context.Context) Finding {
	a := s.get(ctx, s.URL, map[string]string{"Authorization": "Bearer doctor", "Accept": "application/json"})
	said, isJSON := a.members()
	do := apacheLine
	if a.err == nil && strings.Contains(strings.ToLower(a.header.Get("Server")), "nginx") {
		do = nginxLine
	}
	switch {
	case a.err != nil || !isJSON || a.status != http.StatusUnauthorized:
		return fail("look into the error log, and whether something stands in front of the program", "the token endpoint does not verify tokens (status %d)", a.status)
	case said["error"] == "invalid_token":
		return ok("the Authorization header arrives")
	}
	return fail(do, "the web server removes the Authorization header, so no token can be verified")
}
