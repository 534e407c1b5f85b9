package doctor

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// The file that the web server is asked to run, as the kernel and the server look at
// it. deploy/why.php says the same where nothing starts.

// A Script is the path of that file; "" if it is not known.
type Script string

// NewScript is a configuration file, if a web server may be asked to run it.
func NewScript(file string) Script {
	if bytes.Contains(start(file, 16), []byte("#!")) || strings.HasSuffix(file, "cgi") {
		return Script(file)
	}
	return ""
}

// Findings looks at the script alone, so that it is also told what is wrong with one
// whose lines cannot be read.
func (s Script) Findings() []Finding {
	if info, err := os.Stat(string(s)); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	return in(Program, given(s.begins(), s.firstLine(), s.htaccess(), s.mode(), s.mintoken()))
}

func (s Script) folder() string { return filepath.Dir(string(s)) }

// start is the beginning of a file, nil if it cannot be read or is none: a pipe would
// keep who opens it.
func start(file string, most int64) []byte {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, most))
	return b
}

const (
	utf8Mark  = "\xef\xbb\xbf"
	saveAgain = `save it again with the encoding "UTF-8", not "UTF-8 with BOM" or "Unicode", and upload it again`
)

// begins finds what an editor put in front of #!.
func (s Script) begins() Finding {
	text := start(string(s), 512)
	switch {
	case bytes.HasPrefix(text, []byte(utf8Mark)):
		return fail(saveAgain, "%s begins with a byte order mark, so the system does not find #! there and starts nothing", s).
			shell(`sed -i '1s/^\xEF\xBB\xBF//'`, string(s))
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")):
		return fail(saveAgain, `%s was saved with two bytes for a character (UTF-16, "Unicode"), so the system starts nothing`, s).
			shell("file", string(s))
	case bytes.Index(text, []byte("#!")) > 0 && len(bytes.TrimSpace(text[:bytes.Index(text, []byte("#!"))])) == 0:
		return fail("let the file begin with #!: no blank and no empty line before it", "something stands before #! in the first line of %s", s)
	case strings.HasSuffix(string(s), "cgi") && len(bytes.TrimSpace(text)) == 0:
		return fail("upload it again", "%s is empty", s)
	case strings.HasSuffix(string(s), "cgi") && !bytes.HasPrefix(text, []byte("#!")) && !bytes.HasPrefix(text, []byte("\x7fELF")):
		return fail("let the first line be: #!../../bin/mintkeep cgi", "the first line of %s does not begin with #!", s)
	}
	return Finding{}
}

// firstLine follows the path after #!: the kernel knows no \r, no quotes and one argument.
func (s Script) firstLine() Finding {
	text := string(bytes.TrimSpace(bytes.TrimPrefix(start(string(s), 512), []byte(utf8Mark))))
	line, isScript := strings.CutPrefix(text, "#!")
	line, _, _ = strings.Cut(line, "\n")
	program, argument, _ := strings.Cut(strings.TrimLeft(line, " \t"), " ")
	if !isScript {
		return Finding{}
	}
	do := "correct the first line, such as #!../../bin/mintkeep cgi: the path starts in the folder of the file, and each ../ goes one folder up"
	if strings.HasSuffix(program, "\r") && argument == "" {
		return fail("write the word cgi behind the path, or save the file with the line ends of Unix (LF)",
			"the first line of %s ends in CR LF, and the system takes the CR for a part of the path", s).shell(`sed -i 's/\r$//'`, string(s))
	}
	if strings.Contains(strings.TrimSuffix(line, "\r"), "\r") {
		return fail("save the file with the line ends of Unix (LF), and upload it again", "%s has the line ends of old Macintoshes (CR): to the system it is one line", s).
			shell(`sed -i 's/\r/\n/g'`, string(s))
	}
	if shells := regexp.MustCompile(`^(env|(ba|da|z)?sh|perl|php.*|python.*)$`); shells.MatchString(filepath.Base(program)) && strings.Contains(text, "\ndatabase:") {
		return fail(do, "the first line of %s starts %s, not mintkeep", s, filepath.Base(program)).shell("head -n 1", string(s))
	}
	path := program
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.folder(), path)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fail(do, "the first line of %s leads nowhere: there is no program at %s", s, path).shell("ls -l", path)
	case info.IsDir():
		return fail("add the name of the program: #!"+program+"/mintkeep cgi", "the first line of %s leads to the folder %s", s, path).shell("ls -l", path)
	case info.Mode().Perm()&0o111 == 0:
		return fail("", "the program %s is not executable (mode %04o)", path, info.Mode().Perm()).chmod("755", path)
	case runtime.GOOS == "linux" && !bytes.HasPrefix(start(path, 4), []byte("\x7fELF")) && !bytes.HasPrefix(start(path, 4), []byte("#!")):
		return fail("upload the program again, in binary mode", "%s is no program: it was uploaded in text mode, or is another file", path).shell("ls -l", path)
	case info.Mode().Perm()&0o022 != 0:
		return warn("", "others on this machine can change the program %s (mode %04o)", path, info.Mode().Perm()).chmod("755", path)
	}
	return ok("the first line of %s leads to %s", filepath.Base(string(s)), path)
}

// mode is suexec's rule: a script that others may change, or in a folder that they may
// change, is not run.
func (s Script) mode() Finding {
	const open = "%s can be changed by others (mode %04o); many web servers run no such script"
	info, err := os.Stat(string(s))
	dir, err2 := os.Stat(s.folder())
	switch {
	case err != nil || err2 != nil:
		return Finding{}
	case info.Mode().Perm()&0o022 != 0 || info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0:
		return fail("", open, s, info.Mode().Perm()).chmod("755", string(s))
	case dir.Mode().Perm()&0o022 != 0:
		return fail("", open, s.folder(), dir.Mode().Perm()).chmod("755", s.folder())
	case info.Mode().Perm()&0o111 == 0 && bytes.Contains(start(string(s), 16), []byte("#!")):
		return fail("", "%s is not executable (mode %04o)", s, info.Mode().Perm()).chmod("755", string(s))
	}
	return ok("only its owner can change %s", s)
}

// htaccess finds a mark in front of its first line, which is an error 500 for the whole folder.
func (s Script) htaccess() Finding {
	file := filepath.Join(s.folder(), ".htaccess")
	if text := start(file, 3); !bytes.HasPrefix(text, []byte(utf8Mark)) && !bytes.HasPrefix(text, []byte("\xff\xfe")) {
		return Finding{}
	}
	return fail(saveAgain, "%s begins with a byte order mark, which Apache takes for a part of its first line", file).shell(`sed -i '1s/^\xEF\xBB\xBF//'`, file)
}

// mintoken finds php-mintoken's own endpoint, left running on the same database.
func (s Script) mintoken() Finding {
	dir := s.folder()
	for _, folder := range []string{dir, filepath.Join(dir, "mintoken"), filepath.Join(dir, "../mintoken"), filepath.Dir(dir)} {
		file := filepath.Join(folder, "endpoint.php")
		if bytes.Contains(start(file, 64<<10), []byte("MINTOKEN_")) {
			return warn("make a copy of the database, then delete endpoint.php; there is no way back to php-mintoken",
				"php-mintoken's %s is still there: it accepts tokens that were revoked here, and answers 200 to revocations that it does not make", file).
				shell("rm", file)
		}
	}
	return Finding{}
}

// needsHtaccess reports whether the server reads .htaccess, and there is none beside the
// script: then it shows the text of the script, or refuses it. FTP programs hide such files.
func (s *Site) needsHtaccess(a *answer) bool {
	if s.Script == "" || regexp.MustCompile(`(?i)nginx|lighttpd|caddy`).MatchString(a.header.Get("Server")) {
		return false
	}
	_, err := os.Lstat(filepath.Join(s.Script.folder(), ".htaccess"))
	return errors.Is(err, fs.ErrNotExist)
}
