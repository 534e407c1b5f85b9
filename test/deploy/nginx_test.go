package deploy

import (
	"fmt"
	"strings"
	"testing"

	"mintkeep/test/tools"
)

// nginx starts nginx with further lines in its server block.
func (h *host) nginx(further string) {
	h.t.Helper()
	tools.Need(h.t, "nginx-light", "/usr/sbin/nginx")
	h.write("run/nginx.conf", fmt.Sprintf(`daemon off;
worker_processes 2;
pid %[1]s/run/nginx.pid;
error_log %[1]s/run/nginx.log;
events { }
http {
  access_log off;
  client_body_temp_path %[1]s/run/nginx-body;
  fastcgi_temp_path %[1]s/run/nginx-fastcgi;
  proxy_temp_path %[1]s/run/nginx-proxy;
  scgi_temp_path %[1]s/run/nginx-scgi;
  uwsgi_temp_path %[1]s/run/nginx-uwsgi;
  server {
    listen 127.0.0.1:%[2]d;
    root %[1]s/site;
%[3]s
  }
}
`, h.dir, h.port, further), 0o644)
	h.copy("/etc/nginx/fastcgi_params", "run/fastcgi_params")
	h.startHTTP(h.command("/usr/sbin/nginx", "-e", h.path("run/nginx.log"), "-c", h.path("run/nginx.conf")))
}

func TestNginxFastCGI(t *testing.T) {
	h := newHost(t, "/token")
	socket, helloSocket := h.fastCGI()
	h.old = fmt.Sprintf("http://127.0.0.1:%d/mintoken/endpoint.php", h.port)
	h.nginx(edited(t, "nginx-fastcgi.conf", "/token(/|$)", `/(token|mintoken/endpoint\.php)(/|$)`, "/run/mintkeep/fcgi.sock", socket) +
		"location /hello { fastcgi_pass unix:" + helloSocket + "; include fastcgi_params; }\n")
	token := h.scenario(t)
	h.wellKnown(t)
	h.load(t, token, strings.Replace(h.base, "token", "hello", 1))
}

func TestNginxFcgiwrap(t *testing.T) {
	tools.Need(t, "fcgiwrap", "/usr/sbin/fcgiwrap")
	h := newHost(t, "/auth/token.cgi")
	h.script("site/auth/token.cgi")
	h.hello("site/auth/hello.cgi")
	socket := h.path("run/fcgiwrap.sock")
	h.start(h.command("/usr/sbin/fcgiwrap", "-c", "4", "-s", "unix:"+socket), socket)
	h.nginx(edited(t, "nginx-fcgiwrap.conf", "/srv/www/auth/token.cgi", h.path("site/auth/token.cgi"), "/run/fcgiwrap.socket", socket) +
		"location = /auth/hello.cgi { fastcgi_param SCRIPT_FILENAME $document_root/auth/hello.cgi; fastcgi_pass unix:" + socket + "; include fastcgi_params; }\n")
	token := h.scenario(t)
	h.wellKnown(t)
	h.load(t, token, strings.Replace(h.base, "token", "hello", 1))
}
