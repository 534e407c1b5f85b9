package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mintkeep/test/tools"
)

const modules = "/usr/lib/apache2/modules"

// apache starts Apache with the modules and further configuration on the host:
// as root, as everywhere, with children that are www-data.
func (h *host) apache(loaded []string, further string) *os.Process {
	h.t.Helper()
	tools.Need(h.t, "apache2", "/usr/sbin/apache2", modules+"/mod_cgid.so")
	tools.Need(h.t, "media-types", "/etc/mime.types")
	mpm := "mpm_event"
	if slices.Contains(loaded, "cgi") {
		mpm = "mpm_prefork" // the one that mod_cgi is made for
	}
	var b strings.Builder
	for _, m := range append([]string{mpm, "authn_core", "authz_core", "authz_user", "mime", "dir", "setenvif"}, loaded...) {
		fmt.Fprintf(&b, "LoadModule %s_module %s/mod_%s.so\n", m, modules, m)
	}
	fmt.Fprintf(&b, `ServerRoot %[1]s
ServerName 127.0.0.1
Listen 127.0.0.1:%[2]d
User www-data
Group www-data
PidFile run/apache.pid
DefaultRuntimeDir %[1]s/run
Mutex file:%[1]s/run default
ErrorLog run/apache.log
TypesConfig /etc/mime.types
DocumentRoot %[1]s/site
<Directory %[1]s/site>
  Require all granted
  AllowOverride FileInfo Options
</Directory>
%[3]s`, h.dir, h.port, further)
	if !slices.Contains(loaded, "suexec") {
		b.WriteString("Suexec Off\n") // mod_fcgid would insist on root
	}
	h.write("run/apache.conf", b.String(), 0o644)
	c := exec.Command("/usr/sbin/apache2", "-DFOREGROUND", "-f", h.path("run/apache.conf"))
	c.Env = []string{"PATH=" + os.Getenv("PATH")}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return h.startHTTP(c)
}

// cgid is mod_cgid's configuration, fcgid mod_fcgid's.
func (h *host) cgid() string { return "ScriptSock " + h.path("run/cgid.sock") + "\n" }

func (h *host) fcgid() string {
	tools.Need(h.t, "libapache2-mod-fcgid", modules+"/mod_fcgid.so")
	return "FcgidIPCDir " + h.path("run/fcgid") + "\nFcgidProcessTableFile " + h.path("run/fcgid_shm") + "\n"
}

// withoutLine takes the SetEnvIf line out of a .htaccess file and expects a
// verification to name it, and puts it back.
func (h *host) withoutLine(t *testing.T, file, token string) {
	t.Helper()
	with, err := os.ReadFile(h.path(file))
	if err != nil {
		t.Fatal(err)
	}
	without := strings.Replace(string(with), line, "", 1)
	if without == string(with) {
		t.Fatalf("%s has no SetEnvIf line", file)
	}
	h.write(file, without, 0o644)
	a := get(t, h.base, token)
	a.want(t, "verify without the line", 401)
	if said := a.text("error_description"); !strings.Contains(said, "the web server removed it") || !strings.Contains(said, line) {
		t.Errorf("verify without the line: %s", a.body)
	}
	h.write(file, string(with), 0o644)
	get(t, h.base, token).want(t, "verify with the line", 200)
}

func TestApacheCGI(t *testing.T) {
	h := newHost(t, "/auth/token.cgi")
	h.script("site/auth/token.cgi")
	h.install("apache-cgi.htaccess", "site/auth/.htaccess", 0o644)
	h.script("site/mintoken/endpoint.php")
	h.install("apache-mintoken.htaccess", "site/mintoken/.htaccess", 0o644)
	h.old = strings.Replace(h.base, "/auth/token.cgi", "/mintoken/endpoint.php", 1)
	h.hello("site/auth/hello.cgi")
	h.rewritten()
	h.apache([]string{"cgid", "rewrite"}, h.cgid())
	token := h.scenario(t)
	h.wellKnown(t)
	h.withoutLine(t, "site/auth/.htaccess", token)
	h.load(t, token, strings.Replace(h.base, "token", "hello", 1))
}

// The file as a Windows editor saves it.
func TestApacheCGICRLF(t *testing.T) {
	h := newHost(t, "/auth/token.cgi")
	h.write("site/auth/token.cgi", strings.ReplaceAll(edited(t, "token.cgi", h.urls("https://example.com/auth/token.cgi")...), "\n", "\r\n"), 0o755)
	h.write("site/auth/.htaccess", strings.ReplaceAll(edited(t, "apache-cgi.htaccess"), "\n", "\r\n"), 0o644)
	h.apache([]string{"cgid"}, h.cgid())
	h.scenario(t)
}

// The program itself is token.cgi, its configuration beside the document root.
func TestApacheBinary(t *testing.T) {
	h := newHost(t, "/auth/token.cgi")
	h.copy(program(t, "amd64"), "site/auth/token.cgi")
	h.install("apache-cgi.htaccess", "site/auth/.htaccess", 0o644)
	h.hello("site/auth/hello.cgi")
	h.apache([]string{"cgid"}, h.cgid())
	a := get(t, h.base, "")
	a.want(t, "before it is set up", 503)
	if !strings.Contains(a.body, h.path("mintkeep.conf")) {
		t.Errorf("before it is set up: the page does not name %s: %s", h.path("mintkeep.conf"), a.body)
	}
	h.install("mintkeep.conf", "mintkeep.conf", 0o644, h.urls("https://example.com/auth/token.cgi")...)
	token := h.scenario(t)
	h.load(t, token, strings.Replace(h.base, "token", "hello", 1))
}

func TestApacheFcgid(t *testing.T) {
	h := newHost(t, "/auth/token.fcgi")
	h.script("site/auth/token.fcgi")
	h.install("apache-fcgid.htaccess", "site/auth/.htaccess", 0o644)
	h.script("site/mintoken/endpoint.php")
	h.install("apache-mintoken.htaccess", "site/mintoken/.htaccess", 0o644, "SetHandler cgi-script", "SetHandler fcgid-script")
	h.old = strings.Replace(h.base, "/auth/token.fcgi", "/mintoken/endpoint.php", 1)
	h.hello("site/auth/hello.fcgi")
	h.rewritten()
	server := h.apache([]string{"fcgid", "rewrite"}, h.fcgid())
	token := h.scenario(t)
	h.wellKnown(t)
	h.withoutLine(t, "site/auth/.htaccess", token)
	h.load(t, token, strings.Replace(h.base, "token", "hello", 1))
	h.graceful(t, server)
}

// graceful restarts Apache while a redemption waits 6 s for Selfauth.
func (h *host) graceful(t *testing.T, server *os.Process) {
	t.Helper()
	h.delay.Store(int64(6 * time.Second))
	time.AfterFunc(time.Second, func() { server.Signal(syscall.SIGUSR1) })
	start := time.Now()
	post(t, h.base, h.code()).want(t, "6 s redemption during a graceful restart", 200, "me", "https://you.example/")
	if took := time.Since(start); took < 6*time.Second {
		t.Errorf("it took only %v", took)
	}
	if b, _ := os.ReadFile(h.path("run/apache.log")); !strings.Contains(string(b), "Doing graceful restart") {
		t.Error("Apache was not restarted meanwhile")
	}
	h.delay.Store(0)
	get(t, h.base, h.redeem(t)).want(t, "verify after the restart", 200)
}

// suexecHost lies where Debian's suexec looks, and belongs to another user.
func suexecHost(t *testing.T, path string) *host {
	t.Helper()
	tools.Root(t)
	tools.Need(t, "apache2-suexec-custom", "/usr/lib/apache2/suexec-custom", modules+"/mod_suexec.so")
	return newHostIn(t, "/var/www", "nobody", path)
}

const asNobody = "SuexecUserGroup nobody nogroup\n"

// wantOwner: what runs is the owner's, and the database is nobody else's.
func (h *host) wantOwner(t *testing.T) {
	t.Helper()
	info, err := os.Stat(h.path("mintkeep/tokens.db"))
	if err != nil {
		t.Fatal(err)
	}
	uid := fmt.Sprint(info.Sys().(*syscall.Stat_t).Uid)
	if uid != h.owner.Uid || info.Mode().Perm() != 0o600 {
		t.Errorf("the database belongs to %s with mode %v, want %s and 0600", uid, info.Mode(), h.owner.Uid)
	}
}

func TestApacheSuexecCGI(t *testing.T) {
	h := suexecHost(t, "/auth/token.cgi")
	h.script("site/auth/token.cgi")
	h.install("apache-cgi.htaccess", "site/auth/.htaccess", 0o644)
	h.script("site/mintoken/endpoint.php")
	h.install("apache-mintoken.htaccess", "site/mintoken/.htaccess", 0o644)
	h.old = strings.Replace(h.base, "/auth/token.cgi", "/mintoken/endpoint.php", 1)
	h.hello("site/auth/hello.cgi")
	h.rewritten()
	h.apache([]string{"cgid", "suexec", "rewrite"}, asNobody+h.cgid())
	token := h.scenario(t)
	h.wellKnown(t)
	h.wantOwner(t)
	h.withoutLine(t, "site/auth/.htaccess", token)
	h.load(t, token, strings.Replace(h.base, "token", "hello", 1))
}

func TestApacheSuexecFcgid(t *testing.T) {
	h := suexecHost(t, "/auth/token.fcgi")
	h.script("site/auth/token.fcgi")
	h.install("apache-fcgid.htaccess", "site/auth/.htaccess", 0o644)
	h.hello("site/auth/hello.fcgi")
	h.rewritten()
	server := h.apache([]string{"fcgid", "suexec", "rewrite"}, asNobody+h.fcgid())
	token := h.scenario(t)
	h.wellKnown(t)
	h.wantOwner(t)
	h.withoutLine(t, "site/auth/.htaccess", token)
	h.load(t, token, strings.Replace(h.base, "token", "hello", 1))
	h.graceful(t, server)
}

// A header that a rewrite has renamed arrives too, where suexec lets it.
func TestApacheRewrite(t *testing.T) {
	h := newHost(t, "/auth/token")
	h.script("site/auth/token.cgi")
	h.install("apache-cgi.htaccess", "site/auth/.htaccess", 0o644)
	text, _ := os.ReadFile(h.path("site/auth/.htaccess"))
	h.write("site/auth/.htaccess", strings.Replace(string(text), line, "", 1)+
		"RewriteEngine On\nRewriteRule ^token(/.*)?$ token.cgi$1 [E=HTTP_AUTHORIZATION:%{HTTP:Authorization},L]\n", 0o644)
	h.apache([]string{"cgid", "rewrite"}, h.cgid())
	h.scenario(t)
}

func TestApacheProxyFCGI(t *testing.T) {
	h := newHost(t, "/token")
	socket, helloSocket := h.fastCGI()
	conf := edited(t, "apache-fcgi.conf", `/token(/|$)"`, `/(token|mintoken/endpoint\.php)(/|$)"`, "/run/mintkeep/fcgi.sock", socket)
	h.old = fmt.Sprintf("http://127.0.0.1:%d/mintoken/endpoint.php", h.port)
	h.apache([]string{"proxy", "proxy_fcgi"}, conf+
		"\n<Location /hello>\n  SetHandler \"proxy:unix:"+helloSocket+"|fcgi://localhost/\"\n</Location>\n")
	token := h.scenario(t)
	h.wellKnown(t)
	h.load(t, token, strings.Replace(h.base, "token", "hello", 1))
}

// Without CGIPassAuth, the header is lost on the way to the daemon too.
func TestApacheProxyFCGIWithoutHeader(t *testing.T) {
	h := newHost(t, "/token")
	socket, _ := h.fastCGI()
	conf := edited(t, "apache-fcgi.conf", "/run/mintkeep/fcgi.sock", socket)
	h.apache([]string{"proxy", "proxy_fcgi"}, strings.Replace(conf, "CGIPassAuth On", "", 1))
	a := get(t, h.base, h.redeem(t))
	if a.want(t, "verify", 401); !strings.Contains(a.text("error_description"), line) {
		t.Error(a.body)
	}
}

// proxied is apache-proxy.conf with another address behind it.
func proxied(t *testing.T, address string) string {
	t.Helper()
	return edited(t, "apache-proxy.conf", `"/token" "http://127.0.0.1:8080`, `"/token" "http://`+address,
		`token" "http://127.0.0.1:8080/.`, `token" "http://`+address+`/.`)
}

func TestApacheProxy(t *testing.T) {
	h := newHost(t, "/token")
	address, helloAddress := fmt.Sprintf("127.0.0.1:%d", freePort(t)), fmt.Sprintf("127.0.0.1:%d", freePort(t))
	h.serve(address)
	h.start(h.command(h.hello("bin/hello"), helloAddress), helloAddress)
	conf := proxied(t, address)
	h.apache([]string{"proxy", "proxy_http"}, conf+"\nProxyPass /hello http://"+helloAddress+"/hello\n")
	token := h.scenario(t)
	h.wellKnown(t)
	h.load(t, token, strings.Replace(h.base, "token", "hello", 1))
}
