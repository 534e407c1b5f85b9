package test

import (
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper/keepertest"
)

// benchKeep gives a bench site a kept token and an API key that has just read it.
func benchKeep(b *testing.B, bin, database string) (key string) {
	b.Helper()
	box := httptest.NewServer(keepertest.New())
	b.Cleanup(box.Close)
	verb := func(stdin string, args ...string) string {
		cmd := exec.Command(bin, append(args, "-db", database)...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.Output()
		if err != nil {
			b.Fatalf("mintkeep %v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	verb(keepertest.ClientSecret, "provider", "add", "box", "-issuer", box.URL, "-client-id", keepertest.ClientID)
	verb(keepertest.Password, "connect", "box", "-grant", "password", "-username", keepertest.Username)
	return verb("", "apikey", "add", "bench")
}

// keptEnv is the request for a kept token that stands beside cgiEnv's verification.
func keptEnv(database, key string) []string {
	env := cgiEnv(database, key)
	for i, v := range env {
		if strings.HasPrefix(v, "REQUEST_URI=") {
			env[i] = "REQUEST_URI=/auth/token.cgi/keep/token?provider=box"
		}
	}
	return append(env, "QUERY_STRING=provider=box")
}

// BenchmarkKeepFastCGI compares handing a fresh kept token out with verifying
// one of our own: the same process, in turns.
func BenchmarkKeepFastCGI(b *testing.B) {
	dir := builds(b)
	bin, socket := filepath.Join(dir, "mintkeep"), filepath.Join(dir, "own.sock")
	database, token := benchSite(b, bin)
	key := benchKeep(b, bin, database)
	startSocket(b, socket, bin, "fcgi", "-db", database, "-listen", "unix:"+socket, "-url", "https://you.example/auth/token.cgi")
	verify, get := fastCGIRequest(cgiEnv(database, token)), fastCGIRequest(keptEnv(database, key))
	var ratios []float64
	b.ResetTimer()
	for range max(b.N/100, 10) {
		g := fastCGIRound(b, socket, get, "access_token")
		v := fastCGIRound(b, socket, verify, "create update")
		ratios = append(ratios, float64(g)/float64(v))
	}
	b.ReportMetric(median(ratios), "time/verification")
}

// BenchmarkKeepGet compares `mintkeep get`, the whole process, with `mintkeep version`.
func BenchmarkKeepGet(b *testing.B) {
	dir := builds(b)
	bin := filepath.Join(dir, "mintkeep")
	database, _ := benchSite(b, bin)
	benchKeep(b, bin, database)
	cpu, wall := make(map[string][]time.Duration), make(map[string][]time.Duration)
	b.ResetTimer()
	for range b.N {
		for _, args := range [][]string{{"get", "box"}, {"version"}} {
			cmd := exec.Command(bin, append(args, "-db", database)...)
			start := time.Now()
			if err := cmd.Run(); err != nil {
				b.Fatal(err)
			}
			wall[args[0]] = append(wall[args[0]], time.Since(start))
			cpu[args[0]] = append(cpu[args[0]], cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
		}
	}
	b.ReportMetric(float64(median(cpu["get"]))/float64(median(cpu["version"])), "cpu/version")
	b.ReportMetric(float64(median(wall["get"]))/float64(median(wall["version"])), "wall/version")
}
