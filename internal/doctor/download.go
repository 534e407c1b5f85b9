package doctor

import (
	"bytes"
	"context"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Whether the database can be fetched by anybody.

// magic is how every SQLite file begins.
const magic = "SQLite format 3\x00"

// downloads tries likely addresses at the profile's host and the endpoint's.
func (s *Site) downloads(ctx context.Context, profile string) Finding {
	addresses := s.likely(profile)
	for _, address := range addresses {
		if a := s.beginning(ctx, address); a.err == nil && bytes.HasPrefix(a.body, []byte(magic)) {
			return fail(beside, "anybody can download a database at %s", address)
		}
	}
	return ok("no database can be downloaded at %d likely addresses", len(addresses))
}

// beginning fetches the first bytes of a file.
func (s *Site) beginning(ctx context.Context, address string) *answer {
	return s.get(ctx, address, map[string]string{"Range": "bytes=0-15", "Accept": "*/*"})
}

// likely lists where a database may have been uploaded: under usual names in
// usual folders, and where its path says.
func (s *Site) likely(profile string) []string {
	all := s.computed(s.Database)
	for _, address := range []string{s.URL, profile} {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" {
			continue
		}
		folders := []string{"/", "/mintkeep", "/auth", "/auth/mintkeep", "/data", "/mintoken", path.Dir("/" + u.Path)}
		for _, folder := range folders {
			for _, name := range []string{filepath.Base(s.Database), "tokens.db"} {
				all = append(all, at(u, path.Join(folder, name)))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// computed is where the web server would show a file, going by where it lies
// from the document root, or from the script, whose address is BASE.
func (s *Site) computed(file string) []string {
	u, err := url.Parse(s.URL)
	if err != nil || u.Host == "" {
		return nil
	}
	var all []string
	for _, root := range s.Roots {
		if rel, err := filepath.Rel(root, file); root != "" && err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			all = append(all, at(u, "/"+filepath.ToSlash(rel)))
		}
	}
	if s.Script == "" {
		return all
	}
	if rel, err := filepath.Rel(s.Script.folder(), file); err == nil {
		all = append(all, at(u, path.Join(path.Dir(path.Clean("/"+u.Path)), filepath.ToSlash(rel))))
	}
	return all
}

func at(u *url.URL, file string) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: path.Clean("/" + file)}).String()
}

// publicDatabase is for accounts whose whole space is shown: there the web
// server's refusal is all that protects the database (case F13).
func (s *Site) publicDatabase(ctx context.Context) Finding {
	if !s.InRoot {
		return Finding{}
	}
	addresses := s.computed(s.Database)
	if len(addresses) == 0 {
		return fail("set `url:` and run this as the web server does: an empty file named check beside the database, then BASE/check",
			"database_in_docroot is yes, and it is not known at which address to try a download")
	}
	if s.KeyFile != "" {
		addresses = append(addresses, s.computed(s.KeyFile)...)
	}
	if s.ErrorLog != "" {
		addresses = append(addresses, s.computed(s.ErrorLog)...)
	}
	for _, address := range addresses {
		a := s.beginning(ctx, address)
		at, _ := url.Parse(address)
		if a.err != nil || !slices.Contains([]int{401, 403, 404, 410, 500}, a.status) { // 500: .htaccess is not allowed to forbid
			return fail("upload deploy/private.htaccess as .htaccess beside the database (\"Require all denied\"); nginx: location ^~ "+strings.TrimSuffix(path.Dir(at.Path), "/")+"/ { deny all; }",
				"database_in_docroot is yes, and the web server does not refuse %s (status %d)", address, a.status)
		}
	}
	return ok("the web server refuses to show the database (%s)", addresses[0])
}
