package test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"mintkeep/internal/demo"
	"mintkeep/test/tools"
	"mintkeep/test/wire"
)

// manySites is a folder of n sites, all made from one: they have the same token.
func manySites(tb testing.TB, bin string, n int, endpoints ...string) (f *fleet, token string) {
	tb.Helper()
	f = newFleet(tb)
	f.bin = bin
	token = f.site("s0.example", endpoints...)
	f.run("s0.example", "key", "new")
	database, err := os.ReadFile(f.file("s0.example", "tokens.db"))
	key, err2 := os.ReadFile(f.file("s0.example", "mintkeep.key"))
	if err != nil || err2 != nil {
		tb.Fatal(err, err2)
	}
	for i := 1; i < n; i++ {
		host := siteName(i)
		err := os.Mkdir(filepath.Join(f.dir, host), 0o700)
		for name, text := range map[string][]byte{"tokens.db": database, "mintkeep.key": key,
			"mintkeep.conf": []byte("database: tokens.db\nurl: https://" + host + "/token\n")} {
			if err == nil {
				err = os.WriteFile(f.file(host, name), text, 0o600)
			}
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	return f, token
}

func siteName(i int) string { return fmt.Sprintf("s%d.example", i) }

// A caller is a program that asks over a connection that stays.
type caller struct {
	tb    testing.TB
	conn  net.Conn
	read  *bufio.Reader
	token string
}

func (f *fleet) caller(token string) *caller {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { conn.Close() })
	return &caller{f.t, conn, bufio.NewReader(conn), token}
}

// verify times a verification.
func (c *caller) verify(host string) time.Duration {
	start := time.Now()
	c.send("GET /token HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer " + c.token + "\r\n\r\n")
	return time.Since(start)
}

// post sends a form, and returns the refresh token that came back, if any.
func (c *caller) post(host, path string, form url.Values) (refresh string) {
	body := form.Encode()
	a := c.send(fmt.Sprintf("POST /token%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/x-www-form-urlencoded\r\n"+
		"Content-Length: %d\r\n\r\n%s", path, host, c.token, len(body), body))
	refresh, _ = a.Member("refresh_token")
	return refresh
}

func (c *caller) send(request string) *wire.Reply {
	_, err := io.WriteString(c.conn, request)
	if err != nil {
		c.tb.Fatal(err)
	}
	resp, err := http.ReadResponse(c.read, nil)
	if err != nil {
		c.tb.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		c.tb.Fatalf("%q answers %d %s %v", request, resp.StatusCode, body, err)
	}
	return &wire.Reply{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
}

// percentile is the value below which so many in a hundred are.
func percentile(v []time.Duration, p int) time.Duration {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[min(len(v)-1, len(v)*p/100)]
}

// Ten thousand sites in one process: it starts at once, and its memory is bounded by
// the sites that are open, not by those that there are.
func TestSitesMany(t *testing.T) {
	tools.Long(t)
	const n = 10_000
	f, token := manySites(t, released(t), n)
	start := time.Now()
	f.start("serve")
	ready := time.Since(start)
	c := f.caller(token)
	var first []time.Duration
	for i := range n {
		first = append(first, c.verify(siteName(i)))
	}
	kb := resident(t, f.process.Process.Pid)
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", f.process.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("it serves after %v; a first request takes %v at the median, %v at the 99th percentile; after one at each of %d sites it has %d MB and %d open files",
		ready.Round(time.Millisecond), percentile(first, 50), percentile(first, 99), n, kb>>10, len(files))
	if kb > 300<<10 {
		t.Errorf("it has %d MB", kb>>10)
	}
	if len(files) > 2*500+100 {
		t.Errorf("it has %d open files", len(files))
	}
}

// BenchmarkSitesOpen compares verifications at 400 open sites of one process with those
// of a process for one site, in turns, at the 99th percentile.
func BenchmarkSitesOpen(b *testing.B) {
	dir := builds(b)
	many, token := manySites(b, filepath.Join(dir, "mintkeep"), 400)
	one := &fleet{t: b, dir: many.dir, bin: many.bin, stderr: many.stderr + "-one"}
	many.start("serve")
	one.startOne("s0.example")
	all, single := many.caller(token), one.caller(token)
	var times [2][]time.Duration
	for range 2 { // opened and warm
		for i := range 400 {
			all.verify(siteName(i))
			single.verify("s0.example")
		}
	}
	b.ResetTimer()
	for range max(b.N, 50) * 400 {
		times[0] = append(times[0], all.verify(siteName(rand.N(400))))
		times[1] = append(times[1], single.verify("s0.example"))
	}
	b.ReportMetric(float64(percentile(times[0], 99))/float64(percentile(times[1], 99)), "p99/single")
	b.ReportMetric(float64(percentile(times[0], 50))/float64(percentile(times[1], 50)), "p50/single")
}

// BenchmarkSitesClosed compares the first request to a site that is not open with a
// whole CGI verification, in turns.
func BenchmarkSitesClosed(b *testing.B) {
	dir := builds(b)
	f, token := manySites(b, filepath.Join(dir, "mintkeep"), 1000)
	f.start("serve", "-max-open", "10")
	c := f.caller(token)
	var first, cgi []time.Duration
	b.ResetTimer()
	for i := range max(b.N, 300) {
		host := siteName(i % 1000)
		first = append(first, c.verify(host))
		start := time.Now()
		cgiOnce(b, f.bin, f.file(host, "tokens.db"), token, nil)
		cgi = append(cgi, time.Since(start))
	}
	b.ReportMetric(float64(median(first))/float64(median(cgi)), "first/cgi")
	b.ReportMetric(float64(percentile(first, 99))/float64(percentile(cgi, 99)), "p99/cgi-p99")
}

// A world is callers of many sites: most are asked seldom, few are asked much (Zipf).
type world struct {
	auth    *demo.Selfauth
	callers func(host string) *caller
	refresh map[string]string // the refresh token that a site gave last
	codes   int
}

// ask is one request to a site, of the kinds that there are in the world: 95 of 100 are
// verifications, 3 introspections, 1 redeems a code, 1 refreshes.
func (w *world) ask(host string) {
	c := w.callers(host)
	switch n := rand.N(100); {
	case n < 95:
		c.verify(host)
	case n < 98:
		c.post(host, "/introspect", url.Values{"token": {c.token}})
	case n < 99 && w.refresh[host] != "":
		w.refresh[host] = c.post(host, "", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {w.refresh[host]}, "client_id": {"https://app.example/"}})
	default:
		w.codes++
		redirect := fmt.Sprint("https://app.example/", w.codes)
		w.refresh[host] = c.post(host, "", url.Values{"grant_type": {"authorization_code"}, "client_id": {"https://app.example/"},
			"redirect_uri": {redirect}, "code": {w.auth.Code("https://app.example/", redirect, "create")}})
	}
}

// load is the CPU time that processes need for a request of the world to n sites.
func (w *world) load(b *testing.B, n, requests int, processes ...*os.Process) time.Duration {
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, uint64(n))), 1.1, 1, uint64(n-1))
	used := func() (sum time.Duration) {
		for _, p := range processes {
			sum += cpuOf(b, p.Pid)
		}
		return sum
	}
	before := used()
	for range requests {
		w.ask(siteName(int(zipf.Uint64())))
	}
	return (used() - before) / time.Duration(requests)
}

// cpuOf is the CPU time that a process has used, in steps of 10 ms.
func cpuOf(b *testing.B, pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields, sum := strings.Fields(rest), 0
	for _, f := range fields[11:13] {
		n, _ := strconv.Atoi(f)
		sum += n
	}
	return time.Duration(sum) * 10 * time.Millisecond
}

// BenchmarkSitesLoad compares what a request costs in one process for n sites, from 1 to
// 10,000, and what it costs if each site has a process of its own.
func BenchmarkSitesLoad(b *testing.B) {
	const most, processes = 10_000, 50
	requests := max(b.N*100, 5000)
	auth := &demo.Selfauth{Me: "https://s0.example", Key: "key"}
	server := httptest.NewServer(auth)
	b.Cleanup(server.Close)
	f, token := manySites(b, filepath.Join(builds(b), "mintkeep"), most, server.URL+"/auth/")
	f.start("serve")
	one := f.caller(token)
	w := &world{auth: auth, refresh: make(map[string]string), callers: func(string) *caller { return one }}
	cost := make(map[int]time.Duration)
	b.ResetTimer()
	for n := 1; n <= most; n *= 10 {
		w.load(b, n, requests/5, f.process.Process) // opened and warm
		cost[n] = w.load(b, n, requests, f.process.Process)
		b.ReportMetric(float64(time.Second/cost[n]), fmt.Sprintf("requests/core-s@%d", n))
		b.ReportMetric(float64(cost[n])/float64(cost[1]), fmt.Sprintf("cpu/1@%d", n))
	}
	together := w.load(b, processes, requests, f.process.Process)
	own := make(map[string]*caller)
	var all []*os.Process
	for i := range processes {
		single := &fleet{t: b, dir: f.dir, bin: f.bin, stderr: fmt.Sprint(f.stderr, i)}
		single.startOne(siteName(i))
		own[siteName(i)] = single.caller(token)
		all = append(all, single.process.Process)
	}
	w.callers = func(host string) *caller { return own[host] }
	w.load(b, processes, requests/5, all...)
	b.ReportMetric(float64(together)/float64(w.load(b, processes, requests, all...)), "cpu/own-process")
	memory := 0
	for _, p := range all {
		memory += resident(b, p.Pid)
	}
	b.ReportMetric(float64(resident(b, f.process.Process.Pid))/1024, "resident-MB")
	b.ReportMetric(float64(memory)/1024/processes, "resident-MB/own-process")
}
