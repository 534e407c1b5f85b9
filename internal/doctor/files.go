package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What can be read off the files: where they are, whose, and who may read them.

// beside is the advice for everything that lies where visitors can reach it.
const beside = "move the database to a folder that the web server does not show (beside public_html, not in it) and change the line `database:`"

func (s *Site) databaseFile() Finding {
	info, err := os.Stat(s.Database)
	dir := filepath.Dir(s.Database)
	folder, err2 := os.Stat(dir)
	switch {
	case errors.Is(err2, fs.ErrNotExist) || err2 == nil && !folder.IsDir():
		return fail("create the folder with the permissions 700, or correct the line `database:`", "there is no database at %s, nor the folder %s", s.Database, dir).
			shell("mkdir -m 700", dir)
	case errors.Is(err, fs.ErrNotExist):
		return fail("correct the line `database:`; or have it created: by a start in an empty folder with the line `endpoint:`", "there is no database at %s", s.Database).
			shell("mintkeep init -db", s.Database)
	case err != nil:
		return fail("let this user read the file and enter its folders", "the database cannot be looked at: %v", err)
	case !info.Mode().IsRegular():
		return fail("name a file in the line `database:`", "%s is not a file", s.Database)
	}
	return ok("the database is %s, %d KB", s.Database, info.Size()/1024)
}

// databaseMode is lenient where the folder lets nobody else in, but for what the
// program refuses: a file that everybody may write.
func (s *Site) databaseMode() Finding {
	info, err := os.Stat(s.Database)
	if err != nil || !modes {
		return Finding{}
	}
	mode := info.Mode().Perm()
	folder, err := os.Stat(filepath.Dir(s.Database))
	closed := err == nil && folder.Mode().Perm()&0o077 == 0
	f := ok("only its owner can open the database (mode %04o)", mode)
	switch {
	case mode&0o002 != 0 || mode&0o007 != 0 && !closed:
		f = fail("", "everybody on this machine can open the database (mode %04o)", mode)
	case mode&0o077 != 0:
		f = warn("", "the database has mode %04o", mode)
	}
	return s.closeTo(f, info, "600", s.Database)
}

// folderMode does not mind those who may only pass through to files that they
// know by name: the files are closed on their own.
func (s *Site) folderMode() Finding {
	dir := filepath.Dir(s.Database)
	info, err := os.Stat(dir)
	if err != nil || !modes {
		return Finding{}
	}
	f := ok("only its owner can look into the folder of the database (mode %04o)", info.Mode().Perm())
	switch mode := info.Mode().Perm(); {
	case mode&0o022 != 0:
		f = fail("", "others on this machine can replace files in %s (mode %04o)", dir, mode)
	case mode&0o044 != 0:
		f = warn("", "others can look into %s (mode %04o)", dir, mode)
	}
	if f.Level != OK && s.holdsMore(dir) {
		f.Do = "move the database into a folder of its own, which only its owner may enter (700), and change the line `database:`"
		return f
	}
	return s.closeTo(f, info, "700", dir)
}

// closeTo adds how a file or folder is closed to others without closing out this process.
func (s *Site) closeTo(f Finding, info fs.FileInfo, mode, path string) Finding {
	uid, known := s.Owner(info)
	switch {
	case f.Level == OK:
		return f
	case known && uid != s.UID && s.UID != 0:
		f.Do = fmt.Sprintf("give %s to user %d, who runs this, and then the permissions %s; if you cannot, ask the host for suexec", path, s.UID, mode)
		return f.shell(fmt.Sprintf("chown %d", s.UID), path)
	}
	return f.chmod(mode, path)
}

// holdsMore reports whether the web server must reach something below a folder.
func (s *Site) holdsMore(dir string) bool {
	needed := append([]string{string(s.Script)}, s.Roots...)
	return slices.ContainsFunc(needed, func(shown string) bool { return strings.HasPrefix(shown, dir+"/") })
}

// owned warns if a file belongs to another user than the process runs as.
func (s *Site) owned(file, do string) Finding {
	info, err := os.Stat(file)
	if file == "" || err != nil {
		return Finding{}
	}
	uid, known := s.Owner(info)
	switch {
	case !known:
		return Finding{}
	case uid != s.UID:
		return warn(do, "%s belongs to user %d, and this process runs as user %d", file, uid, s.UID)
	}
	return ok("%s belongs to the user of this process (%d)", file, uid)
}

// shown fails if a file of ours is in the reach of the web server: below a folder that
// it shows, or below that of the script. It warns where only the names of folders tell.
func (s *Site) shown() Finding {
	roots := s.Roots
	if s.Script != "" {
		roots = append(slices.Clone(roots), s.Script.folder())
	}
	for _, root := range roots {
		if err := s.Shown(root); root != "" && err != nil {
			return Faults(err)[0]
		}
	}
	path := strings.TrimPrefix(strings.TrimPrefix(s.Database, "/var/www/"), "/srv/www/")
	for _, name := range []string{"public_html", "htdocs", "httpdocs", "html", "www", "webroot", "wwwroot", "docroot"} {
		if !s.InRoot && slices.Contains(strings.Split(filepath.Dir(path), "/"), name) {
			return warn(beside, "the database lies in a folder named %s, which web servers usually show", name)
		}
	}
	return ok("the database is not known to lie below the document root")
}

// keyFile looks at the file's mode, and whether its keys open what is kept.
func (s *Site) keyFile(ctx context.Context) Finding {
	info, err := os.Stat(s.KeyFile)
	exists := s.KeyFile != "" && !errors.Is(err, fs.ErrNotExist)
	switch {
	case exists && err != nil:
		return fail("let this user read it", "the key file cannot be looked at: %v", err)
	case exists && modes && info.Mode().Perm()&0o077 != 0:
		return fail("", "the key file may be opened by others (mode %04o), so it is refused", info.Mode().Perm()).chmod("600", s.KeyFile)
	}
	if lost := s.Key(ctx); lost != nil {
		what, hint, _ := strings.Cut(lost.Error(), "\nhint: ")
		return fail(hint, "%s", what)
	}
	if !exists {
		return Finding{}
	}
	return ok("the sealing key is that of the database, and only its owner can open the key file")
}

// errorLog tries to open the log as the program does, but does not create it:
// a file made by another user would be one that the program cannot write.
func (s *Site) errorLog() Finding {
	if s.ErrorLog == "" {
		return Finding{}
	}
	do := "let this user write it, or change the line `errorlog:`"
	f, err := os.OpenFile(s.ErrorLog, os.O_APPEND|os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if err = tryFile(filepath.Dir(s.ErrorLog), nil); err == nil {
			return ok("the error log %s can be created", s.ErrorLog)
		}
	}
	if err != nil {
		return fail(do, "the error log cannot be written: %v", err)
	}
	defer f.Close()
	return ok("the error log %s can be written", s.ErrorLog)
}

// tryFile writes a file into a folder and removes it.
func tryFile(dir string, content []byte) error {
	f, err := os.CreateTemp(dir, "doctor-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
