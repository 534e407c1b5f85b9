package doctor

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"mintkeep/internal/oauth"
)

// How the token endpoint answers when it is asked from outside.

// base asks the token endpoint at its public address, and says whether it works
// there. What depends on its answers is only looked at if it gives any.
func (s *Site) base(ctx context.Context) (findings []Finding, works bool) {
	if s.URL == "" {
		return []Finding{fail("add a line `url: https://…` with the public address of the token endpoint to the configuration",
			"no url is set, so pages and metadata cannot name the endpoint")}, false
	}
	a, post := s.basePost(ctx)
	findings = given(s.secure(), s.neighbours(), post)
	if post.Level != OK {
		return findings, false
	}
	return append(findings, given(s.below(ctx), s.authorization(ctx), s.wellKnown(ctx, a.header.Get("Server")))...), true
}

func (s *Site) secure() Finding {
	u, err := url.Parse(s.URL)
	switch {
	case err == nil && u.Scheme == "https":
		return ok("the token endpoint is %s", s.URL)
	case err == nil && oauth.IsLoopback(u.Hostname()):
		return ok("the token endpoint %s is on this machine only", s.URL)
	}
	return fail("change the line `url:` to https://…", "the token endpoint is not https, so tokens can be read on the way")
}

// neighbours is case E14: a browser sends the cookies of a host to all who have pages there.
func (s *Site) neighbours() Finding {
	const do = "use an address on a host name of your own"
	switch {
	case !s.Neighbour(s.URL):
		return Finding{}
	case s.SharedHost:
		return warn(do+", and remove the line `shared_host: yes`",
			"others have pages on the host of %s: their programs receive the cookies with which you sign in to the owner's pages", s.URL)
	}
	return warn(do+"; or, if you trust all who have pages there, add the line `shared_host: yes`",
		"others have pages on the host of %s, and their programs would receive your cookies: the owner's pages are refused there", s.URL)
}

// basePost sends a grant type that does not exist: only a program that got the
// body can say so.
func (s *Site) basePost(ctx context.Context) (*answer, Finding) {
	a := s.post(ctx, s.URL, url.Values{"grant_type": {"doctor"}})
	said, _ := a.members()
	_, faulty := s.Settings(ctx)
	switch {
	case a.err != nil:
		f := unreachable(a.err, "the token endpoint %s cannot be reached from here", s.URL)
		if f.Level == Fail && s.Within {
			f.Level, f.Do = Warn, "look whether the address works in a browser: some hosts cannot reach their own, or answer one request at a time"
		}
		return a, f
	case a.status >= 300 && a.status < 400:
		return a, fail("set `url:` and the rel token_endpoint to the final address, or end the redirect: it loses what clients send", "POST to %s is redirected to %s", s.URL, a.header.Get("Location"))
	case said["error"] == "unsupported_grant_type":
		return a, ok("the token endpoint answers, and gets what clients send")
	case said["error"] == "invalid_request":
		return a, fail("look for a rewrite or redirect in front of the program", "POST reaches the token endpoint without its body")
	case said["error"] == "server_error" && faulty != nil,
		said["error"] == "temporarily_unavailable" && (s.databaseFile().Level != OK || s.shown().Level == Fail):
		return a, Finding{} // said already
	case said["error"] == "server_error":
		return a, fail("look into the error log", "the token endpoint answers with an error of its own: %v", said["error_description"])
	case said["error"] == "temporarily_unavailable":
		return a, fail("look into the error log; or put an empty file named check beside the database and open "+s.URL+"/check", "the token endpoint is not ready for use")
	}
	return a, s.notOurs(a)
}

// notOurs explains an answer that did not come from the program.
func (s *Site) notOurs(a *answer) Finding {
	shown := bytes.HasPrefix(bytes.TrimPrefix(a.body, []byte(utf8Mark)), []byte("#!")) || bytes.HasPrefix(a.body, []byte("\x7fELF"))
	shut := a.status == http.StatusForbidden || a.status == http.StatusMethodNotAllowed
	const options = "; in .htaccess: Options +ExecCGI and AddHandler cgi-script .cgi"
	switch {
	case (shown || shut || a.status >= 500) && s.needsHtaccess(a):
		dir := s.Script.folder()
		return fail("upload deploy/apache-cgi.htaccess into "+dir+" as htaccess.txt, and rename it there to .htaccess: FTP programs hide names that begin with a dot, and leave such files behind",
			"there is no .htaccess in %s, without which the web server does not run the program (status %d)", dir, a.status).shell("ls -la", dir)
	case shown:
		return fail("look whether .htaccess is in the folder of the program"+options+"; then set the permissions to 755", "the web server shows the file of the program instead of running it")
	case a.status == http.StatusNotFound:
		return fail("correct the line `url:`, or upload the program there", "there is nothing at %s", s.URL)
	case shut:
		return fail("look whether .htaccess is in the folder of the program"+options+"; set the permissions to 755; then ask the host about filters (mod_security)", "the web server refuses requests to %s (status %d)", s.URL, a.status)
	case a.status >= 500:
		return fail("upload deploy/why.php beside the program and open it: it names the cause. Usual are: .htaccess missing, permissions other than 755, not uploaded in binary mode, the program for another kind of processor",
			"the program at %s does not start or does not answer (status %d)", s.URL, a.status)
	}
	return fail("correct the line `url:`", "something else answers at %s (status %d, %s)", s.URL, a.status, a.header.Get("Content-Type"))
}

// below looks whether addresses below BASE lead to the program.
func (s *Site) below(ctx context.Context) Finding {
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
	do := `put this line into .htaccess: SetEnvIf Authorization "(.+)" HTTP_AUTHORIZATION=$1`
	if a.err == nil && strings.Contains(strings.ToLower(a.header.Get("Server")), "nginx") {
		do = "add to the location: fastcgi_param HTTP_AUTHORIZATION $http_authorization;"
	}
	switch {
	case a.err != nil || !isJSON || a.status != http.StatusUnauthorized:
		return fail("look into the error log, and whether something stands in front of the program", "the token endpoint does not verify tokens (status %d)", a.status)
	case said["error"] == "invalid_token":
		return ok("the Authorization header arrives")
	}
	return fail(do, "the web server removes the Authorization header, so no token can be verified")
}

// wellKnown looks for the metadata where clients look that know the issuer alone
// (RFC 8414 section 3), once there is any: case L6. The lines to add are those of the
// server that answered.
func (s *Site) wellKnown(ctx context.Context, server string) Finding {
	u, err := url.Parse(s.URL)
	if err != nil || s.get(ctx, s.URL+"/metadata", nil).status != http.StatusOK {
		return Finding{}
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	at := "/.well-known/oauth-authorization-server" + path
	said, _ := s.get(ctx, u.Scheme+"://"+u.Host+at, map[string]string{"Accept": "application/json"}).members()
	if said["issuer"] == s.URL {
		return ok("programs that know the issuer alone find the metadata")
	}
	pattern := regexp.QuoteMeta(at)
	do := "in the .htaccess of the document root: RewriteEngine On, and below it: RewriteRule ^" + pattern[1:] + "$ " + path + "/metadata [L]"
	switch word, _, _ := strings.Cut(strings.ToLower(server), "/"); word {
	case "nginx":
		do = "let the location of the token endpoint begin: location ~ ^(/\\.well-known/oauth-authorization-server)?" + regexp.QuoteMeta(path) + "(/|$) {"
	case "lighttpd":
		do = `add: url.rewrite-once = ( "^` + pattern + `$" => "` + path + `/metadata" )`
	case "caddy":
		do = "name " + at + " among the paths of the token endpoint"
	}
	return warn(do, "programs that know the issuer alone, such as MCP clients, find no metadata at %s", at)
}
