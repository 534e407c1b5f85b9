package test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mintkeep/test/tools"
	"mintkeep/test/wire"
)

// TestE1Hostile: whatever pages strangers let a process that stays read, it is below
// 128 MB, answers others in time, and gives the memory back. The pages must lie at
// public addresses, so it runs in a network of its own, where all of 45.0.0.0/8 is
// this machine.
func TestE1Hostile(t *testing.T) {
	const inside = "MINTKEEP_HOSTILE"
	if program := os.Getenv(inside); program != "" {
		newNetwork(t)
		var attacked []*door
		for _, attack := range []string{"http direct", "http behind a proxy", "fcgi direct", "fcgi behind a proxy"} {
			attacked = append(attacked, hostileSeries(t, program, attack))
		}
		time.Sleep(time.Duration(long(20, 60)) * time.Second)
		for _, d := range attacked {
			after := d.memory(t, "VmRSS")
			t.Logf("%s: %d pages read; %d KB before, %d at the peak, %d afterwards", d.name, d.read, d.before, d.peak, after)
			if 2*after > 3*d.before {
				t.Errorf("%s: %d KB afterwards, %d before", d.name, after, d.before)
			}
		}
		return
	}
	t.Parallel()
	tools.Root(t)
	tools.OwnMounts(t)
	tools.Need(t, "iproute2", "ip")
	cmd := exec.Command(os.Args[0], "-test.run=^TestE1Hostile$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"="+released(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v", err)
	}
	t.Logf("%s", out)
}

// hostileHosts is how many names attackers have.
const hostileHosts = 500

func newNetwork(t *testing.T) {
	t.Helper()
	hosts := "127.0.0.1 localhost\n45.1.0.1 app.example back.example\n"
	for i := range hostileHosts {
		hosts += fmt.Sprintf("45.1.0.1 evil%d.example\n", i)
	}
	file := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(file, []byte(hosts), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
		syscall.Mount(file, "/etc/hosts", "", syscall.MS_BIND, ""),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	runTool(t, "/", "ip", "link", "set", "lo", "up")
	runTool(t, "/", "ip", "route", "add", "local", "45.0.0.0/8", "dev", "lo")
}

// hostileShapes are pages that cost most to read (interface.md section 5).
func hostileShapes() []string {
	nested := func(open string, text int) string {
		return strings.Repeat(open+strings.Repeat("x", text), 480) + strings.Repeat("</div>", 480)
	}
	return []string{
		strings.Repeat("<a>", 350_000),
		nested(`<div class="h-card e-x p-y">`, 118),
		nested(`<div class="h-card e-x p-y">`, 1660),
		nested(`<div class="h-app p-name">`, 0),
		strings.Repeat("<b>", 200) + strings.Repeat("<p>x", 250_000),
		strings.Repeat("<a href=x rel=redirect_uri>", 38_000),
	}
}

// hostileSeries sends 400 authorization requests, 200 at once, for each kind of page,
// of one address and of forty. Who is told to try later does so.
func hostileSeries(t *testing.T, program, attack string) *door {
	mode, proxied := strings.Fields(attack)[0], strings.HasSuffix(attack, "proxy")
	h := newTestHost(t, program, mode)
	h.mustRun(t, "init", "-config", h.config())
	shapes, kind, read := hostileShapes(), atomic.Int64{}, atomic.Int64{}
	site, err := net.Listen("tcp", "45.1.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close()
	go http.Serve(site, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if r.Host == "app.example" {
			fmt.Fprint(w, `<link rel=redirect_uri href="http://back.example/cb"><p class=h-app>An app`)
			return
		}
		read.Add(1)
		fmt.Fprint(w, shapes[kind.Load()])
	}))
	door := openDoor(t, h, mode, proxied)
	for i := range 100 { // so that everything has been used once
		door.authorize(t, fmt.Sprintf("45.2.3.%d", i), "http://app.example/", "http://app.example/cb")
	}
	door.name, door.before = attack, door.memory(t, "VmRSS")
	for k := range shapes {
		kind.Store(int64(k))
		for _, addresses := range []int{1, 40} {
			var wg sync.WaitGroup
			slots := make(chan struct{}, 200)
			for i := range 400 {
				slots <- struct{}{}
				wg.Go(func() {
					defer func() { <-slots }()
					from, client := fmt.Sprintf("45.%d.%d.%d", 10+k, addresses, i%addresses), fmt.Sprintf("http://evil%d.example/", i)
					for range long(3, 100) {
						if door.authorize(t, from, client, "http://elsewhere.example/") != http.StatusServiceUnavailable {
							return
						}
						time.Sleep(20 * time.Millisecond)
					}
				})
				if i == 250 {
					wg.Go(func() { door.honest(t, fmt.Sprintf("45.3.%d.%d", k, addresses), addresses == 1) })
				}
			}
			wg.Wait()
		}
	}
	door.read, door.peak = read.Load(), door.memory(t, "VmHWM")
	if door.peak > 128<<10 {
		t.Errorf("%s: %d KB at its peak", attack, door.peak)
	}
	return door
}

// A door is a process that stays, as strangers reach it.
type door struct {
	h                *testHost
	network, address string
	proxied          bool // it sees a Unix socket and X-Forwarded-For
	process          *os.Process

	name         string
	before, peak int // KB
	read         int64
}

func openDoor(t *testing.T, h *testHost, mode string, proxied bool) *door {
	t.Helper()
	d := &door{h: h, network: "unix", address: h.path("door.sock"), proxied: proxied}
	verb, listen := "fcgi", "unix:"+d.address
	if mode == "http" {
		verb = "serve"
		if !proxied {
			d.network, d.address, listen = "tcp", "45.0.0.2:8080", "45.0.0.2:8080"
		}
	}
	cmd := exec.Command(h.path("bin/mintkeep"), verb, "-listen", listen, "-config", h.config())
	cmd.Stdout, cmd.Stderr = h.stderr, h.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.process = cmd.Process
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for range 500 {
		if c, err := net.Dial(d.network, d.address); err == nil {
			c.Close()
			return d
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it does not listen")
	return nil
}

// do sends a request that comes from an address.
func (d *door) do(from string, r *wire.Request) (*wire.Reply, error) {
	dialer := &net.Dialer{Timeout: 30 * time.Second}
	if d.network == "tcp" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	if d.proxied {
		r.Header = append(r.Header, [2]string{"X-Forwarded-For", "45.9.9.9, " + from})
	}
	c, err := dialer.Dial(d.network, d.address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(60 * time.Second))
	if d.h.mode != "fcgi" {
		return wire.HTTP(c, r)
	}
	vars := d.h.variables(r)
	if vars["REMOTE_ADDR"] = from; d.proxied {
		vars["REMOTE_ADDR"] = "unix:"
	}
	return wire.FastCGI(c, vars, r.Body)
}

// authorize begins a sign-in and returns the status.
func (d *door) authorize(t *testing.T, from, client, redirect string) int {
	q := url.Values{"response_type": {"code"}, "client_id": {client}, "redirect_uri": {redirect}, "state": {"s"}, "scope": {"create"}}
	a, err := d.do(from, &wire.Request{Method: "GET", Target: scriptPath + "/authorize?" + q.Encode()})
	if err != nil {
		t.Errorf("from %s: %v", from, err)
		return 0
	}
	if a.Status != http.StatusFound && a.Status != http.StatusBadRequest && a.Status != http.StatusServiceUnavailable && a.Status != http.StatusTooManyRequests {
		t.Errorf("from %s: %d %s", from, a.Status, a.Body)
	}
	return a.Status
}

// honest is somebody else's sign-in in the meantime, with a redirect that needs the
// app's page or not.
func (d *door) honest(t *testing.T, from string, needsPage bool) {
	redirect := "http://app.example/cb"
	if needsPage {
		redirect = "http://back.example/cb"
	}
	start := time.Now()
	if status := d.authorize(t, from, "http://app.example/", redirect); status != http.StatusFound || time.Since(start) > 5*time.Second {
		t.Errorf("an honest sign-in to %s: %d after %v", redirect, status, time.Since(start))
	}
}

// memory is a line of /proc/PID/status, in KB.
func (d *door) memory(t *testing.T, name string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), name+":")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestE1Slow: four hundred callers who send as much as they may and never come to an
// end cost less than 128 MB, and others are answered once they have been thrown out.
func TestE1Slow(t *testing.T) {
	for _, mode := range []string{"http", "fcgi"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			h := newTestHost(t, released(t), mode)
			h.mustRun(t, "init", "-config", h.config())
			d := openDoor(t, h, mode, true)
			for range 400 {
				c, err := net.Dial(d.network, d.address)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond)) // those that are not accepted yet
				c.Write(d.endless())
			}
			time.Sleep(time.Second)
			if peak := d.memory(t, "VmHWM"); peak > 128<<10 {
				t.Errorf("%d KB at its peak", peak)
			} else {
				t.Logf("%d KB at its peak", peak)
			}
			start := time.Now()
			if a, err := d.do("203.0.113.7", get("")); err != nil || a.Status != http.StatusUnauthorized {
				t.Errorf("%+v, %v", a, err)
			}
			t.Logf("answered after %v", time.Since(start))
		})
	}
}

// endless is a request whose end does not come.
func (d *door) endless() []byte {
	long, body := strings.Repeat("x", 60_000), strings.Repeat("x", 64_000)
	if d.h.mode == "http" {
		return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: x\r\nX: %s\r\nContent-Length: 65000\r\n\r\n%s", scriptPath, long, body)
	}
	vars := map[string]string{"REQUEST_METHOD": "POST", "REQUEST_URI": scriptPath, "HTTP_HOST": "x", "HTTP_X": long, "CONTENT_LENGTH": "65000"}
	whole := wire.FastCGIRequest(vars, body, false)
	return whole[:len(whole)-8] // without the record that ends it
}

// TestE1Verifications: memory is flat however many tokens are verified.
func TestE1Verifications(t *testing.T) {
	t.Parallel()
	h := newTestHost(t, released(t), "http")
	h.mustRun(t, "init", "-config", h.config())
	token := pairOf(h.mustDo(t, redemption(h.code()))).access
	h.stop()
	d := openDoor(t, h, "http", true)
	client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial(d.network, d.address)
	}}}
	n := long(20_000, 200_000)
	early := 0
	for i := range n {
		r, _ := http.NewRequest(http.MethodGet, "http://x"+scriptPath, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		a, err := client.Do(r)
		if err != nil || a.StatusCode != http.StatusOK {
			t.Fatalf("%+v %v", a, err)
		}
		io.Copy(io.Discard, a.Body)
		a.Body.Close()
		if i == n/10 {
			early = d.memory(t, "VmRSS")
		}
	}
	late := d.memory(t, "VmRSS")
	t.Logf("%d KB after %d, %d KB after %d", early, n/10, late, n)
	if 4*late > 5*early {
		t.Errorf("%d KB after %d, %d KB after %d", early, n/10, late, n)
	}
}
