package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// CheckDocRoot refuses a file that the web server could hand out, for this
// domain or another one: roots are the folders that it shows. The better place
// that it names is beside the document root.
func (c *Config) CheckDocRoot(roots ...string) error {
	if c.DatabaseInDocRoot == "yes" {
		return nil
	}
	for _, root := range roots {
		if shown := ShownFolder(root); shown != root {
			roots = append(roots, shown)
		}
	}
	for _, root := range roots {
		if root == "" || root == "/" {
			continue
		}
		root = filepath.Clean(root)
		realRoot, realDirs := realPath(root), make(map[string]string)
		for _, file := range []struct{ key, path string }{{"database", c.Database}, {"key_file", c.KeyFile}, {"errorlog", c.ErrorLog}} {
			dir := filepath.Dir(file.path)
			if realDirs[dir] == "" {
				realDirs[dir] = realPath(dir)
			}
			if file.path == "" || !isBelow(root, dir) && !isBelow(realRoot, realDirs[dir]) &&
				!(isLink(file.path) && isBelow(realRoot, realPath(file.path))) {
				continue
			}
			better := filepath.Join(filepath.Dir(ShownFolder(root)), "mintkeep", filepath.Base(file.path))
			return fmt.Errorf("%s lies below %s, from where the web server may hand it to anybody\nhint: move it, for example to `%s: %s`",
				file.path, root, file.key, better)
		}
	}
	return nil
}

// RefuseNewDatabase says what else the owner can do to get a database, or "" if
// a start by a web server may make it: with an endpoint in the configuration, in
// a folder that holds nothing but hidden files and what the program itself writes
// before there is a database.
func (c *Config) RefuseNewDatabase() string {
	if len(c.Endpoints) == 0 {
		return "; or put `endpoint: URL` into the configuration file, and let the database lie in an existing, empty folder"
	}
	dir := filepath.Dir(c.Database)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "; or correct the line `database:`, or create the folder " + dir
	}
	for _, e := range entries {
		if name := e.Name(); name[0] != '.' && name != filepath.Base(c.ErrorLog) && name != "check" && name != "check.txt" {
			return "; or correct the line `database:`: a new database is only made in an empty folder, and " + dir + " holds " + name
		}
	}
	return ""
}

func isLink(file string) bool {
	info, err := os.Lstat(file)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

func isBelow(folder, dir string) bool {
	return dir == folder || strings.HasPrefix(dir, strings.TrimSuffix(folder, "/")+"/")
}

// realPath is the path with symbolic links resolved, or as it is.
func realPath(p string) string {
	if r, err := filepath.EvalSymlinks(p); err == nil {
		return r
	}
	return filepath.Clean(p)
}
