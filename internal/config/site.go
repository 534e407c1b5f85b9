package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Many sites: a folder for each host name, in which all of the site lies.

// SiteFile is the configuration file of a site, in its folder.
const SiteFile = "mintkeep.conf"

// IsSiteName reports whether a word is a host name in lower case, as folders of sites
// are called. No such word leads out of the folder that they lie in.
func IsSiteName(host string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || strings.Trim(label, letters+"-") != "" || label != strings.Trim(label, "-") {
			return false
		}
	}
	return len(host) <= 253
}

// Sites are the names of the sites that have a folder in dir, in order.
func Sites(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if IsSiteName(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// ReadSite reads the configuration of a site. Neither environment nor flags count. The
// host of its url must be the folder's name, and every file that it names must lie in
// the folder, links resolved: a site sees nothing of the others. With an error there is no
// configuration.
func (t Table) ReadSite(dir, host string) (*Config, error) {
	folder, err := filepath.Abs(filepath.Join(dir, host))
	if err != nil {
		return nil, err
	}
	c, err := t.Read(filepath.Join(folder, SiteFile), func(string) string { return "" }, nil)
	if err == nil {
		c, err = c.WithDefaults("")
	}
	if err == nil {
		err = t.checkSite(c, folder, host)
	}
	if err != nil { // nothing that it names may be touched, not even to write why
		return nil, err
	}
	return c, nil
}

func (t Table) checkSite(c *Config, folder, host string) error {
	if u, err := url.Parse(c.URL); c.URL == "" || err != nil || !strings.EqualFold(u.Hostname(), host) {
		return fmt.Errorf("%s: url %q is not on %s, as its folder is called\nhint: url: https://%s/token", c.File, c.URL, host, host)
	}
	type file struct{ name, path string }
	files := []file{{"the configuration", c.File}}
	for _, k := range t.Keys() {
		if k.Path && *k.File(c) != "" {
			files = append(files, file{k.Name, *k.File(c)})
		}
	}
	for _, ending := range []string{"-journal", "-wal", "-shm"} {
		files = append(files, file{"database", c.Database + ending})
	}
	for _, f := range files {
		real, err := realFile(f.path)
		if err == nil && !isBelow(realPath(folder), filepath.Dir(real)) {
			err = fmt.Errorf("%s lies outside of the site's folder\nhint: everything that a site names must lie in %s", real, folder)
		}
		if err != nil {
			return fmt.Errorf("%s: %s: %w", c.File, f.name, err)
		}
	}
	return nil
}

// realFile is a path with symbolic links resolved. The file itself may be missing, but
// then it must not be a link: whoever made it would make its target.
func realFile(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return real, err
	}
	if _, err := os.Lstat(path); err == nil {
		return "", fmt.Errorf("%s is a link to nothing", path)
	}
	dir, err := realFile(filepath.Dir(path))
	return filepath.Join(dir, filepath.Base(path)), err
}
