package instance

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"mintkeep/internal/config"
	"mintkeep/internal/doctor"
)

// BASE/check: what the doctor finds in the web server's own process, for those
// who have no command line.

// checkAsked reports whether a request is for BASE/check and the owner has
// lately put a file named check beside the database: the page shows paths.
func (s *Instance) checkAsked(r *http.Request, c *config.Config) bool {
	p := path.Clean("/" + r.URL.Path)
	if path.Base(p) != "check" || r.Method != http.MethodGet || c.Database == "" {
		return false
	}
	if u, err := url.Parse(c.URL); c.URL != "" && err == nil {
		base := strings.TrimSuffix(u.Path, "/")
		if p == base || strings.HasPrefix(p, base+"/") && p != base+"/check" {
			return false
		}
	}
	info, err := os.Stat(filepath.Join(filepath.Dir(c.Database), "check"))
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	age := s.env.Now().Sub(info.ModTime())
	return age > -time.Hour && age < time.Hour
}

// check answers BASE/check with what the doctor sees from this process, the web
// server's own, and with how the endpoint answers at its address.
func (s *Instance) check(w http.ResponseWriter, r *http.Request, c *config.Config, fault error) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	findings := doctor.Faults(fault)
	if fault == nil {
		findings = s.findings(r, c)
	}
	if err := doctor.Print(w, findings); err != nil {
		s.log.Warn("writing the check page", "error", err)
	}
}

func (s *Instance) findings(r *http.Request, c *config.Config) []doctor.Finding {
	ctx, cancel := context.WithTimeout(r.Context(), DoctorTimeout)
	defer cancel()
	d, done, err := s.env.Doctor(c)
	if err != nil {
		return doctor.Faults(err)
	}
	defer done()
	d.Script, d.Roots, d.OneShot = server(r)["SCRIPT_FILENAME"], strings.Split(documentRoots(r), "\n"), !s.longRunning
	d.Within = true
	base, _ := d.Base(ctx)
	return append(d.Inside(ctx), base...)
}
