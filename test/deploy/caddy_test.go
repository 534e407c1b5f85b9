package deploy

import (
	"fmt"
	"strings"
	"testing"

	"mintkeep/test/tools"
)

// caddy starts Caddy with the configuration.
func (h *host) caddy(conf string) {
	h.t.Helper()
	tools.Need(h.t, "caddy", "/usr/bin/caddy")
	h.write("run/Caddyfile", "{\n\tadmin off\n}\n"+conf, 0o644)
	c := h.command("/usr/bin/caddy", "run", "--adapter", "caddyfile", "--config", h.path("run/Caddyfile"))
	c.Env = append(c.Env, "HOME="+h.path("run"), "XDG_DATA_HOME="+h.path("run"), "XDG_CONFIG_HOME="+h.path("run"))
	h.startHTTP(c)
}

func TestCaddy(t *testing.T) {
	h := newHost(t, "/token")
	socket, helloSocket := h.fastCGI()
	h.old = fmt.Sprintf("http://127.0.0.1:%d/mintoken/endpoint.php", h.port)
	conf := edited(t, "Caddyfile", "example.com {", fmt.Sprintf("http://127.0.0.1:%d {", h.port), "/srv/www", h.path("site"),
		"path /token /token/*", "path /mintoken/endpoint.php /token /token/*", "unix//run/mintkeep/fcgi.sock", "unix/"+socket)
	before, after, _ := strings.Cut(conf, "@token path")
	h.caddy(before + "reverse_proxy /hello unix/" + helloSocket + " {\n\t\ttransport fastcgi\n\t}\n\t@token path" + after)
	token := h.scenario(t)
	h.wellKnown(t)
	h.load(t, token, strings.Replace(h.base, "token", "hello", 1))
}
