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

	"mintkeep/endpoint/grant"
	"mintkeep/internal/config"
	"mintkeep/internal/discover"
	"mintkeep/internal/doctor"
)

// BASE/check: what the doctor finds in the web server's own process, for those
// who have no command line.

// homeLife is how long what a person's page said will do: the page may be asked for
// by anybody while it is open, and be looked at again by its owner after a change.
const homeLife = 10 * time.Second

// isCheck reports whether a request is for BASE/check.
func isCheck(r *http.Request, c *config.Config) bool {
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
	return true
}

// checkLife is how long a file named check opens the page.
const checkLife = time.Hour

// checkClosed returns why BASE/check shows nothing; empty if the owner has lately put a
// file named check (or check.txt, as Windows names it) beside the database: the page
// shows paths.
func (s *Instance) checkClosed(c *config.Config) string {
	entries, err := os.ReadDir(filepath.Dir(c.Database))
	if err != nil {
		return "The folder of the database cannot be read."
	}
	why := "There is no file named check beside the database."
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !strings.Contains(strings.ToLower(e.Name()), "check") {
			continue
		}
		age := s.env.Now().Sub(info.ModTime()).Abs()
		switch named := e.Name() == "check" || e.Name() == "check.txt"; {
		case named && info.Mode().IsRegular() && age < checkLife:
			return ""
		case named && info.Mode().IsRegular():
			why = "The file " + e.Name() + " beside the database is older than an hour."
		case named:
			why = e.Name() + " beside the database is no file."
		default:
			why = "The file beside the database is named " + e.Name() + ", not check."
		}
	}
	return why
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
	if err := doctor.Print(w, findings, false); err != nil {
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
	d.Script, d.Roots, d.OneShot = doctor.Script(server(r)["SCRIPT_FILENAME"]), strings.Split(documentRoots(r), "\n"), !s.longRunning
	d.Within = true
	in := s.env.Endpoint(c, d.DB, s.log)
	d.Home = func(ctx context.Context, me string) (*discover.Links, error) {
		return in.Authorize.Home(ctx, &grant.Settings{Me: []string{me}}, me, homeLife)
	}
	return append(d.Inside(ctx), d.Outside(ctx, "")...)
}
