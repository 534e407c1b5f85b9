package test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mintkeep/test/wire"
)

// The benchmarks report ratios of one run, never times: machines differ. What is
// compared runs in turns, and as copies made just before: which pages of a file lie
// in memory moves a program by 0.4 ms. MINTKEEP_BEFORE names another binary
// of the program, such as the one before a change, to run beside this one.
//
//	go test -run - -bench . -benchtime 200x ./test

// builds compiles mintkeep and the programs it is held against, with the same flags: those
// of deploy/build.sh where its compiler is installed, which the figures are for.
func builds(tb testing.TB) (dir string) {
	tb.Helper()
	dir = tb.TempDir()
	linker := "-s -w"
	if cc, err := exec.LookPath("musl-gcc"); err == nil {
		tb.Setenv("CC", cc)
		script, err := os.ReadFile("../deploy/build.sh")
		if err != nil {
			tb.Fatal(err)
		}
		_, flags, _ := strings.Cut(string(script), "CGO_CFLAGS='")
		flags, _, _ = strings.Cut(flags, "'")
		tb.Setenv("CGO_CFLAGS", flags)
		linker += " -linkmode external -extldflags '-static'"
	}
	for name, pkg := range map[string]string{"mintkeep": "..", "least": "./testdata/leastcgi", "empty": "./testdata/emptycgi", "peak": "./testdata/peak"} {
		err := goBuild(filepath.Join(dir, name), pkg, "-trimpath", "-tags", "sqlite_omit_load_extension netgo osusergo nethttpomithttp2", "-ldflags", linker)
		if err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// benchSite is a database with one token that was used just now.
func benchSite(tb testing.TB, bin string) (database, token string) {
	tb.Helper()
	database = filepath.Join(tb.TempDir(), "tokens.db")
	mint := func(args ...string) string {
		out, err := exec.Command(bin, append(args, "-db", database)...).Output()
		if err != nil {
			tb.Fatalf("mintkeep %v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	mint("init", "-me", "https://you.example/", "https://you.example/auth/")
	token = mint("token", "mint", "-me", "https://you.example/", "-client", "https://app.example/", "-scope", "create update")
	if out := cgiOnce(tb, bin, database, token, nil); !strings.Contains(out, "create update") {
		tb.Fatalf("verification says %s", out)
	}
	return database, token
}

func cgiEnv(database, token string) []string {
	return []string{"REQUEST_METHOD=GET", "GATEWAY_INTERFACE=CGI/1.1", "SERVER_PROTOCOL=HTTP/1.1", "REQUEST_URI=/auth/token.cgi",
		"SCRIPT_NAME=/auth/token.cgi", "HTTP_HOST=you.example", "HTTP_ACCEPT=application/json", "REMOTE_ADDR=127.0.0.1",
		"HTTP_AUTHORIZATION=Bearer " + token, "MINTKEEP_DATABASE=" + database, "LEAST_DATABASE=" + database, "PATH=/usr/bin:/bin",
		"DOCUMENT_ROOT=/srv/www"}
}

// cgiOnce runs one verification as a CGI child and sets cpu, if it is not nil,
// to the child's CPU time.
func cgiOnce(tb testing.TB, bin, database, token string, cpu *time.Duration) string {
	tb.Helper()
	cmd := exec.Command(bin)
	cmd.Env = cgiEnv(database, token)
	c, err := wire.StartCGI(cmd)
	if err != nil {
		tb.Fatal(err)
	}
	c.Send("")
	if err := c.Wait(); err != nil {
		tb.Fatalf("%s: %v", bin, err)
	}
	if cpu != nil {
		*cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	return c.Stdout.String()
}

func median[T ~int64 | ~float64](v []T) T {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}

// series is how many turns are run with one set of copies.
const series = 50

// fresh copies the programs into a new folder.
func fresh(tb testing.TB, programs map[string]string) map[string]string {
	tb.Helper()
	dir := tb.TempDir()
	copies := make(map[string]string)
	for name, file := range programs {
		b, err := os.ReadFile(file)
		if err == nil {
			err = writeExecutable(filepath.Join(dir, name), string(b))
		}
		if err != nil {
			tb.Fatal(err)
		}
		copies[name] = filepath.Join(dir, name)
	}
	return copies
}

// BenchmarkCGI runs a whole CGI verification beside the least program that does
// the same and an empty one, in turns.
func BenchmarkCGI(b *testing.B) {
	dir := builds(b)
	programs := make(map[string]string)
	for _, name := range []string{"mintkeep", "least", "empty"} {
		programs[name] = filepath.Join(dir, name)
	}
	if before := os.Getenv("MINTKEEP_BEFORE"); before != "" {
		programs["before"] = before
	}
	database, token := benchSite(b, programs["mintkeep"])
	cpu := make(map[string][]time.Duration)
	var copies map[string]string
	b.ResetTimer()
	for i := range b.N {
		if i%series == 0 {
			copies = fresh(b, programs)
		}
		for name, file := range copies {
			var t time.Duration
			cgiOnce(b, file, database, token, &t)
			cpu[name] = append(cpu[name], t)
		}
	}
	own := float64(median(cpu["mintkeep"]))
	for _, name := range []string{"least", "empty", "before"} {
		if len(cpu[name]) > 0 {
			b.ReportMetric(own/float64(median(cpu[name])), "cpu/"+name)
		}
	}
	b.ReportMetric(own/1e6, "cpu-ms")
}

// BenchmarkCGIMemory reports the peak memory of a CGI verification.
func BenchmarkCGIMemory(b *testing.B) {
	dir := builds(b)
	database, token := benchSite(b, filepath.Join(dir, "mintkeep"))
	program := fresh(b, map[string]string{"mintkeep": filepath.Join(dir, "mintkeep")})["mintkeep"]
	peak := 0
	for range b.N {
		cmd := exec.Command(filepath.Join(dir, "peak"), program)
		cmd.Env = cgiEnv(database, token)
		out, err := cmd.Output()
		if err != nil {
			b.Fatal(err)
		}
		kb, err := strconv.Atoi(strings.TrimSpace(string(out)))
		if err != nil {
			b.Fatal(err)
		}
		peak = max(peak, kb)
	}
	b.ReportMetric(float64(peak)/1024, "peak-MB")
}

// BenchmarkFastCGI compares verifications a second with those of an empty
// net/http/fcgi handler: the same client, in turns, a connection for each
// request as nginx and Apache make them. It also reports how much memory the process
// has after its 20,000 verifications or more.
func BenchmarkFastCGI(b *testing.B) {
	dir := builds(b)
	database, token := benchSite(b, filepath.Join(dir, "mintkeep"))
	own, empty := filepath.Join(dir, "own.sock"), filepath.Join(dir, "empty.sock")
	process := startSocket(b, own, filepath.Join(dir, "mintkeep"), "fcgi", "-db", database, "-listen", "unix:"+own)
	startSocket(b, empty, filepath.Join(dir, "empty"), empty)
	request := fastCGIRequest(cgiEnv(database, token))
	var ratios []float64
	b.ResetTimer()
	for range max(b.N/10, 50) {
		a := fastCGIRound(b, own, request, "create update")
		e := fastCGIRound(b, empty, request, "{}")
		ratios = append(ratios, float64(e)/float64(a))
	}
	b.ReportMetric(median(ratios), "throughput/empty")
	b.ReportMetric(float64(resident(b, process.Pid))/1024, "resident-MB")
}

// resident is how many kilobytes of memory a process has.
func resident(tb testing.TB, pid int) int {
	tb.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		tb.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		tb.Fatal(err)
	}
	return kb
}

// startSocket starts a program and waits until it listens on the socket.
func startSocket(tb testing.TB, socket, bin string, args ...string) *os.Process {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, bin, args...)
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { cancel(); cmd.Wait() })
	for range 500 {
		if c, err := net.Dial("unix", socket); err == nil {
			c.Close()
			return cmd.Process
		}
		time.Sleep(10 * time.Millisecond)
	}
	tb.Fatalf("%s does not listen", bin)
	return nil
}

// fastCGIRound times 400 requests, 8 at once.
func fastCGIRound(tb testing.TB, socket string, request []byte, want string) time.Duration {
	tb.Helper()
	start := time.Now()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				if out, err := fastCGICall(socket, request); err != nil || !bytes.Contains(out, []byte(want)) {
					tb.Errorf("answer %q, %v", out, err)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(start)
}

// fastCGIRequest is a request with the variables of a CGI environment.
func fastCGIRequest(env []string) []byte {
	vars := make(map[string]string)
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		vars[name] = value
	}
	return wire.FastCGIRequest(vars, "", false)
}

// fastCGICall sends one request on a connection of its own and returns what
// came back on standard output.
func fastCGICall(socket string, request []byte) ([]byte, error) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	return wire.FastCGIOutput(c)
}

// BenchmarkManyTokens compares a verification among 1,000,000 tokens with one among 10.
func BenchmarkManyTokens(b *testing.B) {
	dir := builds(b)
	bin := filepath.Join(dir, "mintkeep")
	few, fewToken := benchSite(b, bin)
	many, manyToken := benchSite(b, bin)
	fillTokens(b, few, 9)
	fillTokens(b, many, 999_999)
	sockets := map[string]string{few: filepath.Join(dir, "few.sock"), many: filepath.Join(dir, "many.sock")}
	for database, socket := range sockets {
		startSocket(b, socket, bin, "fcgi", "-db", database, "-listen", "unix:"+socket)
	}
	var ratios, whole []float64
	b.ResetTimer()
	for range max(b.N/100, 10) {
		m := fastCGIRound(b, sockets[many], fastCGIRequest(cgiEnv(many, manyToken)), "create update")
		f := fastCGIRound(b, sockets[few], fastCGIRequest(cgiEnv(few, fewToken)), "create update")
		ratios = append(ratios, float64(m)/float64(f))
	}
	for range max(b.N/4, 10) {
		var m, f time.Duration
		cgiOnce(b, bin, many, manyToken, &m)
		cgiOnce(b, bin, few, fewToken, &f)
		whole = append(whole, float64(m)/float64(f))
	}
	b.ReportMetric(median(ratios), "fastcgi-many/few")
	b.ReportMetric(median(whole), "cgi-many/few")
}

func fillTokens(tb testing.TB, database string, n int) {
	tb.Helper()
	db := openDatabase(tb, database)
	_, err := db.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ` + strconv.Itoa(n) + `)
		INSERT INTO tokens (token_id, token_hash, auth_me, auth_client_id, auth_scope, grant_id)
		SELECT lower(hex(randomblob(8))), lower(hex(randomblob(32))), 'https://you.example/', 'https://app.example/' || i, 'create', i FROM n`)
	if err != nil {
		tb.Fatal(fmt.Errorf("filling the database: %w", err))
	}
}
