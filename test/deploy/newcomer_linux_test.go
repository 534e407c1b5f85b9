package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mintkeep/test/tools"
)

// Issue Release: what the README and docs/ say, done as printed by somebody who has nothing
// but a bare Debian. The commands are taken out of the pages.
func TestNewcomer(t *testing.T) {
	tools.Long(t) // two minutes: a system is installed, and SQLite compiled in it
	tools.Root(t)
	tools.Need(t, "mmdebstrap", "mmdebstrap")
	tools.Need(t, "iproute2", "ip")
	program(t, "amd64") // while others fetch
	b := newBare(t)
	t.Run("package", b.installPackage)
	t.Run("service", b.openService)
	t.Run("source", b.runSource)
}

// A bare is the folder of a system with a C compiler, curl, nginx and systemd's tools.
type bare string

// newBare installs the Debian that this machine has, from where apt here gets it.
func newBare(t *testing.T) bare {
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		t.Fatal(err)
	}
	suite := regexp.MustCompile(`(?m)^VERSION_CODENAME=(\w+)$`).FindSubmatch(release)
	if suite == nil {
		tools.Missing(t, "Debian", "run the tests on Debian")
	}
	b := bare(filepath.Join(t.TempDir(), "bare"))
	run(t, exec.Command("mmdebstrap", "-q", "--variant=minbase", "--include=gcc,libc6-dev,ca-certificates,curl,systemd,nginx-light,openssl", string(suite[1]), string(b)))
	if err := os.WriteFile(string(b)+"/etc/hosts", []byte("127.0.0.1 localhost you.example\n"), 0o644); err != nil { // Debian's installer writes it
		t.Fatal(err)
	}
	return b
}

// sh runs commands inside, with a loopback, processes and mounts of their own. Nothing
// of Go's is there but the program and what its proxy would serve, both read-only. (SQLite need
// not be fast.)
func (b bare) sh(t *testing.T, commands string) string {
	t.Helper()
	mounts := "ip link set lo up; mount -t proc proc $0/proc\n"
	for _, m := range [][2]string{{goEnv(t, "GOROOT"), "/usr/local/go"}, {filepath.Join(goEnv(t, "GOMODCACHE"), "cache/download"), "/mod"}} {
		if err := os.MkdirAll(string(b)+m[1], 0o755); err != nil {
			t.Fatal(err)
		}
		mounts += "mount --bind -o ro " + m[0] + " $0" + m[1] + "\n"
	}
	// In a namespace of its own a mount is gone with the last process, whatever happens.
	c := exec.Command("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc",
		mounts+`chroot=$(command -v chroot); exec env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/go/bin:/usr/sbin:/usr/bin:/sbin:/bin GOPROXY=file:///mod GOTOOLCHAIN=local \
			CGO_CFLAGS=-O0 DEBIAN_FRONTEND=noninteractive "$chroot" "$0" sh -euc "$1"`, string(b), commands)
	return run(t, c)
}

// The system was never booted: systemctl enables the unit, and in place of process 1 this
// does what the enabled unit says, as a user without a name.
const systemctl = `
systemctl() {
	[ "$1 $2" = "enable --now" ]
	command systemctl enable "$3"
	unit=/etc/systemd/system/multi-user.target.wants/$3.service
	install -d -m 700 -o 61234 -g 61234 /var/lib/$(sed -n 's/^StateDirectory=//p' $unit)
	as="setpriv --reuid 61234 --regid 61234 --clear-groups"
	$as $(sed -n 's/^ExecStartPre=//p' $unit)
	$as $(sed -n 's/^ExecStart=//p' $unit) &
	curl -sS -o /dev/null --retry 50 --retry-delay 1 --retry-connrefused http://127.0.0.1:8080/token
}
`

// installPackage sets the Debian package up, and issues, verifies and revokes a token.
func (b bare) installPackage(t *testing.T) {
	folder := filepath.Dir(program(t, "amd64"))
	deb := strings.TrimSpace(run(t, exec.Command(files+"/deb.sh", "1.2.3", folder)))
	run(t, exec.Command("cp", deb, string(b)+"/root"))
	out := b.sh(t, "cd /root\n"+systemctl+commandsOf(t, "docs/hosts.md", "## Debian, with the package")+
		commandsOf(t, "docs/hosts.md", "see that it works"))
	if !regexp.MustCompile(`(?s)It trusts https://you.example/auth/.*HTTP/1.1 200 .*"scope":"create".*HTTP/1.1 401 `).MatchString(out) {
		t.Error(out)
	}
}

// What a server has before: nginx with the site, and the service, which says who asks.
const server = `
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=you.example -keyout /etc/nginx/key.pem -out /etc/nginx/cert.pem 2>/dev/null
sed -i 's#server_name _;#server_name you.example;\nlisten 443 ssl; ssl_certificate cert.pem; ssl_certificate_key key.pem;#' /etc/nginx/sites-enabled/default
echo 'server { listen 127.0.0.1:3000; return 200 "for $http_mintkeep_me"; }' > /etc/nginx/conf.d/service.conf
nginx
systemctl() {
	[ "$1" != enable ] || { command systemctl enable "$3"; return; }
	[ "$1 $2" = "start mintkeep-fcgi" ]
	install -d -m 700 -o 61234 -g 33 /var/lib/mintkeep
	install -d -o 61234 -g 33 /run/mintkeep
	setpriv --reuid 61234 --regid www-data --clear-groups $(sed -n 's/^ExecStart=//p' /lib/systemd/system/mintkeep-fcgi.service) -listen unix:/run/mintkeep/fcgi.sock &
	until [ -S /run/mintkeep/fcgi.sock ]; do sleep 0.1; done
}
cd /root
`

// openService follows docs/resources.md up to the line for Claude Code: the service is closed
// to strangers, and what they are told leads to the token endpoint.
func (b bare) openService(t *testing.T) {
	commands, _, found := strings.Cut(commandsOf(t, "docs/resources.md", "## From nothing to an MCP client"), "    claude mcp add")
	if !found {
		t.Fatal("the last command is another")
	}
	out := b.sh(t, server+commands+`
		for i in $(seq 100); do ! curl -sSkfo /dev/null https://you.example/token/metadata || break; sleep 0.1; done # nginx reloads in its own time
		curl -sSki https://you.example/mcp
		curl -sSk https://you.example/.well-known/oauth-protected-resource/mcp
		echo; curl -sSk https://you.example/token/metadata`)
	for _, want := range []string{"HTTP/1.1 401 ", `resource_metadata="https://you.example/.well-known/oauth-protected-resource/mcp"`,
		`{"resource": "https://you.example/mcp", "authorization_servers": ["https://you.example/token"]}`, `"issuer":"https://you.example/token"`} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing: %s", want, out)
		}
	}
}

// runSource runs the two commands of the README; of all the tests those of one package,
// for the others are what is running now.
func (b bare) runSource(t *testing.T) {
	copySource(t, string(b)+"/root/mintkeep")
	commands := commandsOf(t, "README.md", "**See it work**")
	if commands != "    go run . demo\n    go test ./...\n" {
		t.Fatalf("the README says %q", commands)
	}
	out := b.sh(t, "cd /root/mintkeep\n"+strings.Replace(commands, "./...", "./internal/store", 1))
	if !strings.Contains(out, "\nok  \tmintkeep/internal/store\t") {
		t.Error(out)
	}
}
