package deploy

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"mintkeep/test/tools"
)

// php installs token.php; program and configuration lie where it says already.
func (h *host) php() {
	h.t.Helper()
	h.install("token.php", "site/auth/token.php", 0o644)
	h.install("token.php", "site/mintoken/endpoint.php", 0o644)
	h.old = strings.Replace(h.base, "/auth/token.php", "/mintoken/endpoint.php", 1)
	h.install("token.php", "site/auth/hello.php", 0o644, "bin/mintkeep'", "bin/hello'")
	h.hello("bin/hello")
	h.install("mintkeep.conf", "mintkeep.conf", 0o644, h.urls("https://example.com/auth/token.cgi")...)
}

// phpFPM starts PHP's own FastCGI server and returns its socket.
func (h *host) phpFPM(further string) string {
	h.t.Helper()
	found, _ := filepath.Glob("/usr/sbin/php-fpm*")
	if len(found) == 0 {
		tools.Missing(h.t, "php-fpm", "apt-get install php-fpm")
	}
	socket := h.path("run/php.sock")
	h.write("run/fpm.conf", fmt.Sprintf(`[global]
error_log = %[1]s/run/fpm.log
[www]
listen = %[2]s
listen.mode = 0666
pm = static
pm.max_children = 4
catch_workers_output = yes
php_admin_value[error_log] = %[1]s/run/php.log
%[3]s
`, h.dir, socket, further), 0o644)
	h.start(h.command(found[0], "-F", "-n", "-y", h.path("run/fpm.conf")), socket)
	return socket
}

const nginxPHP = `location ~ \.php(/|$) {
  fastcgi_split_path_info ^(.+?\.php)(/.*)?$;
  fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
  include fastcgi_params;
  fastcgi_param PATH_INFO $fastcgi_path_info;
  fastcgi_pass unix:%s;
}
`

func TestNginxPHP(t *testing.T) {
	h := newHost(t, "/auth/token.php")
	h.php()
	h.nginx(fmt.Sprintf(nginxPHP, h.phpFPM("")))
	token := h.scenario(t)
	h.load(t, token, strings.Replace(h.base, "token", "hello", 1))
	h.write("bin/mintkeep", "not a program", 0o644)
	a := get(t, h.base, token)
	a.want(t, "verify without a program that runs", 503, "error", "temporarily_unavailable")
	if strings.Contains(a.body, h.dir) {
		t.Errorf("the answer shows paths: %s", a.body)
	}
}

func TestApachePHP(t *testing.T) {
	h := newHost(t, "/auth/token.php")
	h.php()
	h.install("apache-php.htaccess", "site/auth/.htaccess", 0o644)
	h.install("apache-php.htaccess", "site/mintoken/.htaccess", 0o644)
	h.rewritten()
	h.apache([]string{"proxy", "proxy_fcgi", "rewrite"}, fmt.Sprintf("<FilesMatch \"\\.php$\">\nSetHandler \"proxy:unix:%s|fcgi://localhost/\"\n</FilesMatch>\n", h.phpFPM("")))
	token := h.scenario(t)
	h.wellKnown(t)
	h.withoutLine(t, "site/auth/.htaccess", token)
	h.write("site/auth/.htaccess", "", 0o644)
	send(t, h.base, h.code(), true).want(t, "chunked without the other line", 411, "error", "invalid_request")
}

// PHP as a CGI program, which itself takes Basic credentials apart.
func TestLighttpdPHPCGI(t *testing.T) {
	tools.Need(t, "php-cgi", "/usr/bin/php-cgi")
	h := newHost(t, "/auth/token.php")
	h.php()
	h.lighttpd(`server.modules += ( "mod_cgi" )
cgi.assign = ( ".php" => "/usr/bin/php-cgi" )
`)
	h.scenario(t)
}

func TestPHPWithoutProcOpen(t *testing.T) {
	h := newHost(t, "/auth/token.php")
	h.php()
	h.nginx(fmt.Sprintf(nginxPHP, h.phpFPM("php_admin_value[disable_functions] = exec,proc_open,system")))
	for name, a := range map[string]answer{"verify": get(t, h.base, "mka_x"), "redeem": post(t, h.base, h.code())} {
		a.want(t, name, 503, "error", "temporarily_unavailable")
		if !strings.Contains(a.text("error_description"), "proc_open") || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s", name, a.body)
		}
	}
}
