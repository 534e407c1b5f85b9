package deploy

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mintkeep/test/tools"
)

// unit installs a systemd unit and returns the value of one of its keys.
func (h *host) unit(file, key string, changes ...string) string {
	h.t.Helper()
	h.install(file, "run/"+file, 0o644, changes...)
	b, _ := os.ReadFile(h.path("run/" + file))
	m := regexp.MustCompile(`(?m)^` + key + `=(.*)$`).FindSubmatch(b)
	if m == nil {
		h.t.Fatalf("%s has no %s", file, key)
	}
	return string(m[1])
}

// verifyUnits has systemd read the units: no complaint is allowed.
func (h *host) verifyUnits(files ...string) {
	h.t.Helper()
	tools.Need(h.t, "systemd", "systemd-analyze")
	c := exec.Command("systemd-analyze", append([]string{"verify", "--man=no"}, files...)...)
	c.Dir = h.path("run")
	if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
		h.t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

func TestSystemdService(t *testing.T) {
	h := newHost(t, "/token")
	address := fmt.Sprintf("127.0.0.1:%d", h.port)
	bin, config := h.path("bin/mintkeep"), h.conf()
	changes := []string{"ExecStartPre=/usr/local/bin/mintkeep init -config /etc/mintkeep.conf", "ExecStartPre=" + bin + " init -config " + config,
		"ExecStart=/usr/local/bin/mintkeep serve -config /etc/mintkeep.conf", "ExecStart=" + bin + " serve -config " + config, "127.0.0.1:8080", address}
	before := strings.Fields(h.unit("mintkeep.service", "ExecStartPre", changes...))
	words := strings.Fields(h.unit("mintkeep.service", "ExecStart", changes...))
	h.verifyUnits("mintkeep.service")
	run(t, h.command(before[0], before[1:]...))
	h.startHTTP(h.command(words[0], words[1:]...))
	token := h.scenario(t)
	helloAddress := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	h.start(h.command(h.hello("bin/hello"), helloAddress), helloAddress)
	h.load(t, token, "http://"+helloAddress+"/")
}

// One of many sites answers as the only one does.
func TestSystemdSites(t *testing.T) {
	h := newHost(t, "/token")
	h.folder("sites", 0o700)
	start := strings.Fields(h.unit("mintkeep-sites.service", "ExecStart", "/usr/local/bin/mintkeep", h.path("bin/mintkeep"),
		"/var/lib/mintkeep-sites", h.path("sites"), "127.0.0.1:8080", fmt.Sprintf("127.0.0.1:%d", h.port)))
	h.verifyUnits("mintkeep-sites.service")
	h.startHTTP(h.command(start[0], start[1:]...))
	h.folder("sites/127.0.0.1", 0o700)
	h.write("sites/127.0.0.1/mintkeep.conf", "database: tokens.db\nurl: "+h.base+"\n", 0o600)
	run(t, h.command(h.path("bin/mintkeep"), "init", "-sites", h.path("sites"), "-site", "127.0.0.1", "-me", "https://you.example/", h.auth))
	if err := errors.Join(os.RemoveAll(h.path("mintkeep")), os.Symlink(h.path("sites/127.0.0.1"), h.path("mintkeep"))); err != nil {
		t.Fatal(err)
	}
	h.scenario(t)
}

// systemd's own tool hands the socket over as the unit would; nginx is in front.
func TestSystemdSocket(t *testing.T) {
	tools.Need(t, "systemd", "systemd-socket-activate")
	h := newHost(t, "/token")
	start := h.unit("mintkeep-fcgi.service", "ExecStart", "/usr/local/bin/mintkeep", h.path("bin/mintkeep"),
		"-config /etc/mintkeep.conf", "-config "+h.conf())
	socket := h.unit("mintkeep-fcgi.socket", "ListenStream", "/run/mintkeep/fcgi.sock", h.path("run/fcgi.sock"))
	h.verifyUnits("mintkeep-fcgi.service", "mintkeep-fcgi.socket")
	h.start(h.command("systemd-socket-activate", append([]string{"-l", socket}, strings.Fields(start)...)...), socket)
	h.nginx(edited(t, "nginx-fastcgi.conf", "/run/mintkeep/fcgi.sock", socket))
	h.scenario(t)
}

// serve takes a socket from systemd as well.
func TestSystemdSocketHTTP(t *testing.T) {
	tools.Need(t, "systemd", "systemd-socket-activate")
	h := newHost(t, "/token")
	run(t, h.command(h.path("bin/mintkeep"), "init", "-config", h.conf()))
	h.startHTTP(h.command("systemd-socket-activate", "-l", fmt.Sprintf("127.0.0.1:%d", h.port),
		h.path("bin/mintkeep"), "serve", "-config", h.conf()))
	h.scenario(t)
}

// TestContainer does what the two files say, without an engine: the image's root
// is an empty folder with the program, the volumes are those of compose.yaml.
func TestContainer(t *testing.T) {
	tools.Root(t)
	h := newHost(t, "/token")
	image, err := os.ReadFile(files + "/Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	uid := h.owner.Uid + ":" + h.owner.Gid
	compose := edited(t, "compose.yaml", "1000:1000", uid, "127.0.0.1:8080:8080", fmt.Sprintf("127.0.0.1:%d:8080", h.port))
	h.folder("root", 0o755)
	context := filepath.Dir(program(t, "amd64")) // what build.sh made
	for _, m := range regexp.MustCompile(`(?m)^COPY (\S+) (\S+)$`).FindAllStringSubmatch(string(image), -1) {
		h.copy(filepath.Join(context, strings.ReplaceAll(m[1], "${TARGETARCH}", "amd64")), "root"+m[2])
	}
	h.conf()
	h.write("daemon.conf", edited(t, "daemon.conf", h.urls("https://example.com/token")...), 0o644)
	volumes := regexp.MustCompile(`(?m)^ *- \./(\S+?):(/[^:\s]+)(:ro)?$`).FindAllStringSubmatch(compose, -1)
	if len(volumes) != 2 || volumes[0][1] != "daemon.conf" || volumes[1][1] != "data" {
		t.Fatalf("volumes of compose.yaml: %q", volumes)
	}
	h.folder("root"+filepath.Dir(volumes[0][2]), 0o755)
	h.copy(h.path("daemon.conf"), "root"+volumes[0][2])
	h.folder("root"+filepath.Dir(volumes[1][2]), 0o755)
	h.folder("root"+volumes[1][2], 0o700)

	words := func(text []byte, key string) (list []string) {
		m := regexp.MustCompile(`(?m)^ *` + key + `:? \[(.*)\]$`).FindSubmatch(text)
		if m == nil {
			t.Fatalf("there is no %s", key)
		}
		for w := range strings.SplitSeq(string(m[1]), ",") {
			list = append(list, strings.Trim(w, ` "`))
		}
		return list
	}
	entry := words(image, "ENTRYPOINT")
	args := slices.Concat(entry, words(image, "CMD"))
	for i := range args { // the engine maps the port; here it is taken directly
		args[i] = strings.Replace(args[i], "0.0.0.0:8080", fmt.Sprintf("127.0.0.1:%d", h.port), 1)
	}
	inside := func(args []string) *exec.Cmd {
		c := h.command(args[0], args[1:]...)
		c.Dir, c.Env, c.SysProcAttr.Chroot = "/", []string{"PATH=/"}, h.path("root")
		return c
	}
	run(t, inside(slices.Concat(entry, words([]byte(compose), "command"))))
	h.startHTTP(inside(args))
	if err := os.Symlink(h.path("root"+volumes[1][2]+"/tokens.db"), h.path("mintkeep/tokens.db")); err != nil {
		t.Fatal(err)
	}
	h.scenario(t)
}
