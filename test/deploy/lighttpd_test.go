package deploy

import (
	"fmt"
	"strings"
	"testing"

	"mintkeep/test/tools"
)

func (h *host) lighttpd(further string) {
	h.t.Helper()
	tools.Need(h.t, "lighttpd", "/usr/sbin/lighttpd")
	h.write("run/lighttpd.conf", fmt.Sprintf(`server.bind = "127.0.0.1"
server.port = %d
server.document-root = "%s"
server.errorlog = "%s"
server.modules = ( "mod_access" )
%s`, h.port, h.path("site"), h.path("run/lighttpd.log"), further), 0o644)
	h.startHTTP(h.command("/usr/sbin/lighttpd", "-D", "-f", h.path("run/lighttpd.conf")))
}

func TestLighttpdCGI(t *testing.T) {
	h := newHost(t, "/auth/token.cgi")
	h.script("site/auth/token.cgi")
	h.hello("site/auth/hello.cgi")
	h.lighttpd(edited(t, "lighttpd-cgi.conf") + `
$HTTP["url"] =~ "^/auth/hello" { cgi.assign = ( ".cgi" => "" ) }
`)
	token := h.scenario(t)
	h.wellKnown(t)
	h.load(t, token, strings.Replace(h.base, "token", "hello", 1))
}

func TestLighttpdFastCGI(t *testing.T) {
	h := newHost(t, "/token")
	h.folder("home", 0o755)
	h.folder("home/u", 0o755)
	h.script("home/u/token.fcgi")
	h.old = fmt.Sprintf("http://127.0.0.1:%d/mintoken/endpoint.php", h.port)
	helloProgram := h.hello("bin/hello")
	h.lighttpd(edited(t, "lighttpd-fastcgi.conf", "/srv/mintkeep/token.fcgi", h.path("home/u/token.fcgi"),
		"/run/lighttpd/mintkeep.sock", h.path("run/mintkeep.sock"), `/token(/|$)"`, `/(token|mintoken/endpoint\.php)(/|$)"`) + `
$HTTP["url"] =~ "^/hello" {
  fastcgi.server = ( "" => (( "bin-path" => "` + helloProgram + `", "socket" => "` + h.path("run/hello.sock") + `",
                              "check-local" => "disable", "max-procs" => 1 )) )
}
`)
	token := h.scenario(t)
	h.wellKnown(t)
	h.load(t, token, strings.Replace(h.base, "token", "hello", 1))
}
