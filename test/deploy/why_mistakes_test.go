package deploy

import (
	"os"
	"strings"
)

// A mistake is one thing that goes wrong on the way to a working token.cgi.
type mistake struct {
	name   string
	make   func(h *host)
	finds  string // what why.php says: the title of the only finding that is not fine
	does   string // what it says to do
	broken bool   // … as broken, not as what could be better
	apache string // what Apache with suexec answers for token.cgi: statuses, "text" for 200 with the file's text, "" not tried
}

// planted stands in every file where why.php must not show it.
const planted = "planted-secret-4711"

// healthy is an installation by the README's steps, with why.php beside it.
func (h *host) healthy() {
	h.t.Helper()
	for _, d := range []string{"site/auth", "bin", "mintkeep"} {
		os.Chmod(h.path(d), 0o755)
		entries, _ := os.ReadDir(h.path(d))
		for _, e := range entries {
			os.RemoveAll(h.path(d + "/" + e.Name()))
		}
	}
	os.RemoveAll(h.path("site/mintoken"))
	os.RemoveAll(h.path("mintkeep"))
	for _, d := range []string{".", "bin", "site", "site/auth"} {
		h.folder(d, 0o755)
	}
	h.folder("mintkeep", 0o700)
	h.copy(program(h.t, "amd64"), "bin/mintkeep")
	h.script("site/auth/token.cgi")
	h.edit("site/auth/token.cgi", func(s string) string { return s + "# " + planted + "\n" })
	h.install("apache-cgi.htaccess", "site/auth/.htaccess", 0o644)
	h.edit("site/auth/.htaccess", func(s string) string { return s + "# " + planted + "\n" })
	h.write("mintkeep/.hidden", planted, 0o600)
	h.install("why.php", "site/auth/why.php", 0o644)
}

// edit changes the text of a file and nothing else of it.
func (h *host) edit(name string, change func(string) string) {
	h.t.Helper()
	info, err := os.Stat(h.path(name))
	if err != nil {
		h.t.Fatal(err)
	}
	b, err := os.ReadFile(h.path(name))
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(name, change(string(b)), info.Mode().Perm())
}

func (h *host) chmod(name string, mode os.FileMode) {
	h.t.Helper()
	if err := os.Chmod(h.path(name), mode); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) rename(from, to string) {
	h.t.Helper()
	if err := os.Rename(h.path(from), h.path(to)); err != nil {
		h.t.Fatal(err)
	}
}

const (
	script   = "site/auth/token.cgi"
	htaccess = "site/auth/.htaccess"
	prog     = "bin/mintkeep"
)

// firstLine makes a mistake in the first line of token.cgi.
func firstLine(line string) func(*host) {
	return func(h *host) {
		h.edit(script, func(s string) string { _, rest, _ := strings.Cut(s, "\n"); return line + "\n" + rest })
	}
}

func replaced(file, old, new string) func(*host) {
	return func(h *host) {
		h.edit(file, func(s string) string {
			if !strings.Contains(s, old) {
				h.t.Fatalf("%s does not contain %q", file, old)
			}
			return strings.ReplaceAll(s, old, new)
		})
	}
}

func before(file, text string) func(*host) {
	return func(h *host) { h.edit(file, func(s string) string { return text + s }) }
}

func mode(file string, m os.FileMode) func(*host) { return func(h *host) { h.chmod(file, m) } }

func contents(file, text string) func(*host) {
	return func(h *host) { h.edit(file, func(string) string { return text }) }
}

// utf16 is a text as an editor saves it as "Unicode".
func utf16(s string) string {
	b := []byte("\xff\xfe")
	for _, c := range []byte(s) {
		b = append(b, c, 0)
	}
	return string(b)
}

// mistakes are those of cases.md part B (F6, F8, and L4, F7), and others of their kind.
var mistakes = []mistake{
	// the text of token.cgi
	{"F6 byte order mark in token.cgi", before(script, "\xef\xbb\xbf"), "token.cgi begins with a byte order mark", `"UTF-8"`, true, "500"},
	{"token.cgi in UTF-16", func(h *host) { h.edit(script, utf16) }, "token.cgi begins with the mark of UTF-16", `"UTF-8"`, true, "500"},
	{"empty line first", before(script, "\n"), "Something stands before #!", "no empty line before it", true, "500"},
	{"blank first", before(script, " "), "Something stands before #!", "no blank", true, "500"},
	{"no first line", firstLine("# mintkeep"), "does not begin with #!", "#!../../bin/mintkeep cgi", true, "500"},
	{"a web page", contents(script, "<!doctype html><title>token.cgi</title>database: x"), "does not begin with #!", "#!../../bin/mintkeep cgi", true, "500"},
	{"CR LF without the word cgi", func(h *host) {
		firstLine("#!../../bin/mintkeep")(h)
		replaced(script, "\n", "\r\n")(h)
	}, "ends in CR LF, without the word cgi", "#!../../bin/mintkeep cgi", true, "500"},
	{"CR alone", replaced(script, "\n", "\r"), "line ends of old Macintoshes", "Unix (LF)", true, "503"},
	{"empty", contents(script, ""), "token.cgi is empty", "Upload it again", true, "500"},
	{"too long", firstLine("#!" + strings.Repeat("./", 130) + "../../bin/mintkeep cgi"), "bytes long", "path", true, "500"},
	{"no-break space", firstLine("#!../../bin/mintkeep\u00a0cgi"), "character that does not belong there", "typed, not copied", true, "500"},
	{"quotes", firstLine(`#!"../../bin/mintkeep" cgi`), "character that does not belong there", "no quotes", true, "500"},
	{"backslashes", firstLine(`#!..\..\bin\mintkeep cgi`), "character that does not belong there", "no backslash", true, "500"},
	{"another word", firstLine("#!../../bin/mintkeep cgi -config x"), "another word than cgi", "#!../../bin/mintkeep cgi", true, ""},

	// where its first line leads
	{"F6 wrong path", firstLine("#!../bin/mintkeep cgi"), "leads nowhere", "#!../../bin/mintkeep cgi", true, "500"},
	{"a path of the FTP account", firstLine("#!/bin/mintkeep cgi"), "leads nowhere", "#!../../bin/mintkeep cgi", true, "500"},
	{"another name", func(h *host) { h.rename(prog, "bin/mintkeep-linux-amd64") }, "leads nowhere", "#!../../bin/mintkeep-linux-amd64 cgi", true, "500"},
	{"upper case", func(h *host) { h.rename(prog, "bin/Mintkeep") }, "leads nowhere", "#!../../bin/Mintkeep cgi", true, "500"},
	{"no program", func(h *host) { os.Remove(h.path(prog)) }, "leads nowhere", "Upload the program to that place", true, "500"},
	{"a folder", firstLine("#!../../bin cgi"), "leads to a folder", "#!../../bin/mintkeep cgi", true, "500"},
	{"env", firstLine("#!/usr/bin/env mintkeep"), "starts env, not mintkeep", "#!../../bin/mintkeep cgi", true, ""},
	{"a link without target", func(h *host) {
		os.Remove(h.path(prog))
		os.Symlink("nowhere", h.path(prog))
	}, "leads to a link whose target is not there", "Upload the program", true, "500"},

	// permissions
	{"F6 644 of token.cgi", mode(script, 0o644), "token.cgi is not executable (permissions 644)", "755", true, "500"},
	{"F6 775 of token.cgi", mode(script, 0o775), "token.cgi can be changed by others (permissions 775)", "755", true, "500"},
	{"F6 777 of token.cgi", mode(script, 0o777), "token.cgi can be changed by others (permissions 777)", "755", true, "500"},
	{"600 of token.cgi", mode(script, 0o600), "token.cgi is not executable (permissions 600)", "755", true, "500"},
	{"setgid on token.cgi", mode(script, 0o755|os.ModeSetgid), "special permission", "755", true, "500"},
	{"F6 775 of its folder", mode("site/auth", 0o775), "The folder of token.cgi can be changed by others (permissions 775)", "755", true, "500"},
	{"F6 777 of its folder", mode("site/auth", 0o777), "The folder of token.cgi can be changed by others (permissions 777)", "755", true, "500"},
	{"777 of the document root", mode("site", 0o777), "/site can be changed by others (permissions 777)", "755", false, "200"},
	{"F6 644 of the program", mode(prog, 0o644), "The program is not executable (permissions 644)", "755", true, "500"},
	{"666 of the program", mode(prog, 0o666), "The program is not executable (permissions 666)", "755", true, "500"},
	{"F6 775 of the program", mode(prog, 0o775), "The program can be changed by others (permissions 775)", "755", false, "200"},
	{"F6 777 of the program", mode(prog, 0o777), "The program can be changed by others (permissions 777)", "755", false, "200"},
	{"700 of the program", mode(prog, 0o700), "Not everybody may start the program (permissions 700)", "755", false, "200"},
	{"775 of bin", mode("bin", 0o775), "/bin can be changed by others (permissions 775)", "755", false, "200"},
	{"777 of bin", mode("bin", 0o777), "/bin can be changed by others (permissions 777)", "755", false, "200"},
	{"644 of bin", mode("bin", 0o644), "/bin cannot be entered", "755", true, "500"},

	// the program
	{"F6 cut", func(h *host) { os.Truncate(h.path(prog), 6<<20) }, "The program was cut off", "binary mode", true, "500"},
	{"cut near its end", func(h *host) { h.edit(prog, func(s string) string { return s[:len(s)-700] }) }, "The program was cut off", "binary mode", true, ""},
	{"cut to 20 bytes", func(h *host) { os.Truncate(h.path(prog), 20) }, "The program was cut off", "binary mode", true, "500"},
	{"cut in its header", func(h *host) { os.Truncate(h.path(prog), 40) }, "The program was cut off", "binary mode", true, "500"},
	{"zeros at its end", func(h *host) {
		h.edit(prog, func(s string) string { return s[:8<<20] + strings.Repeat("\x00", len(s)-8<<20) })
	}, "The program is damaged", "binary mode", true, ""},
	{"program empty", contents(prog, ""), "The program is empty", "binary mode", true, ""},
	{"F6 text mode, CR LF to LF", replaced(prog, "\r\n", "\n"), "uploaded in text mode", "binary mode", true, "500"},
	{"F6 text mode, LF to CR LF", replaced(prog, "\n", "\r\n"), "uploaded in text mode", "binary mode", true, "500"},
	{"text mode, seven bits", func(h *host) {
		h.edit(prog, func(s string) string {
			b := []byte(s)
			for i := range b {
				b[i] &= 0x7f
			}
			return string(b)
		})
	}, "uploaded in text mode", "binary mode", true, ""},
	{"text mode, made UTF-8", func(h *host) {
		h.edit(prog, func(s string) string { return strings.ToValidUTF8(s, "\ufffd") })
	}, "uploaded in text mode", "binary mode", true, ""},
	{"F6 for another processor", func(h *host) { h.copy(program(h.t, "arm64"), prog) }, "another kind of processor (arm64; this host is amd64)", "mintkeep-linux-amd64", true, ""},
	{"for Windows", contents(prog, "MZ\x90\x00"+strings.Repeat("\xff\x00", 5000)), "a program for Windows", "mintkeep-linux-amd64", true, "500"},
	{"for the Mac", contents(prog, "\xcf\xfa\xed\xfe"+strings.Repeat("\xff\x00", 5000)), "a program for the Mac", "mintkeep-linux-amd64", true, "500"},
	{"packed", contents(prog, "\x1f\x8b\x08"+strings.Repeat("\xff\x00", 5000)), "packed (gzip)", "unpacked", true, "500"},
	{"a download page", contents(prog, "\n<!DOCTYPE html><title>mintkeep-linux-amd64</title>"), "a web page", "binary mode", true, ""},
	{"another program", func(h *host) { h.copy("/bin/true", prog) }, "another one, not mintkeep", "release", true, ""},

	// .htaccess
	{"F8 no .htaccess", func(h *host) { os.Remove(h.path(htaccess)) }, "There is no .htaccess in this folder", "htaccess.txt", true, "text"},
	{"F8 under another name", func(h *host) { h.rename(htaccess, "site/auth/htaccess.txt") }, "There is no .htaccess in this folder", "Rename it", true, "text"},
	{"F6 byte order mark in .htaccess", before(htaccess, "\xef\xbb\xbf"), ".htaccess begins with a byte order mark", `"UTF-8"`, true, "500"},
	{"before a directive", contents(htaccess, "\xef\xbb\xbfOptions +ExecCGI\nAddHandler cgi-script .cgi\nSetEnvIf Authorization \"(.+)\" HTTP_AUTHORIZATION=$1\n"),
		".htaccess begins with a byte order mark", `"UTF-8"`, true, "500"},
	{".htaccess in UTF-16", func(h *host) { h.edit(htaccess, utf16) }, ".htaccess begins with the mark of UTF-16", `"UTF-8"`, true, "500"},
	{".htaccess with CR", replaced(htaccess, "\n", "\r"), "line ends of old Macintoshes", "Unix (LF)", true, "text"},
	{".htaccess without a beginning", replaced(htaccess, "<IfModule mod_setenvif.c>\n", ""), "a section without its beginning or end", "to its end", true, "500"},
	{".htaccess cut", before(htaccess, "<Files \"x\">\n"), "a section without its beginning or end", "to its end", true, "500"},
	{"typographic quotes", replaced(htaccess, `"(.+)"`, "“(.+)”"), "characters that do not belong there", "apache-cgi.htaccess", true, ""},
	{"no-break space in .htaccess", replaced(htaccess, "AddHandler ", "AddHandler\u00a0"), "characters that do not belong there", "apache-cgi.htaccess", true, "500"},
	{"options mixed", replaced(htaccess, "Options +ExecCGI", "Options ExecCGI +Indexes"), "mixes words with and without a sign", "Options +ExecCGI", true, "500"},
	{"600 of .htaccess", mode(htaccess, 0o600), "The web server may not be able to read .htaccess (permissions 600)", "644", false, "403"},
	{"no handler", replaced(htaccess, "AddHandler cgi-script .cgi\n", ""), "does not say that token.cgi is a program", "AddHandler cgi-script .cgi", true, "text"},
	{"no ExecCGI", replaced(htaccess, "Options +ExecCGI\n", ""), "no line Options +ExecCGI", "Options +ExecCGI", false, "403"},
	{"no SetEnvIf", replaced(htaccess, line, ""), "no line that lets the app's token through", "SetEnvIf Authorization", false, "200"},
	{"lines for PHP", before(htaccess, "php_value memory_limit 64M\n"), "lines for PHP as a module", "Take these lines out", false, "500"},

	// the folder of the database
	{"F7 no folder", func(h *host) { os.RemoveAll(h.path("mintkeep")) }, "The folder of the database is not there", "Make an empty folder", true, ""},
	{"F7 wrong path", replaced(script, "../../mintkeep/", "../../mintkep/"), "The folder of the database is not there", "Make an empty folder", true, ""},
	{"a path of the FTP account for it", replaced(script, "database: ../../", "database: /"), "The folder of the database is not there", "Make an empty folder", true, ""},
	{"F7 not empty", func(h *host) { h.write("mintkeep/old.db", "x", 0o600) }, "The database is not there, and its folder is not empty", "Empty the folder", true, ""},
	{"below the document root", func(h *host) {
		h.folder("site/auth/data", 0o700)
		replaced(script, "../../mintkeep/", "data/")(h)
	}, "The database lies where visitors can reach it", "beside the one that the server shows", true, ""},
	{"in the document root", replaced(script, "database: ../../", "database: ../"), "The database lies where visitors can reach it", "beside the one that the server shows", true, ""},
	{"777 of it", mode("mintkeep", 0o777), "The folder of the database can be changed by others (permissions 777)", "700", true, ""},
	{"755 of it", mode("mintkeep", 0o755), "Others can look into the folder of the database", "700", false, "200"},
	{"500 of it", mode("mintkeep", 0o500), "Its owner cannot write into the folder of the database (permissions 500)", "700", true, ""},
	{"a file in its place", func(h *host) {
		os.RemoveAll(h.path("mintkeep"))
		h.write("mintkeep", "x", 0o644)
	}, "/mintkeep is a file, not a folder", "database:", true, ""},
	{"no line database", replaced(script, "database:", "data:"), `no line "database:"`, "database: ../../mintkeep/tokens.db", true, ""},
	{"a database of everybody", func(h *host) { h.write("mintkeep/tokens.db", planted, 0o666) }, "tokens.db may be changed by others", "600", true, ""},
	{"a key file of everybody", func(h *host) {
		h.write("mintkeep/tokens.db", planted, 0o600)
		h.write("mintkeep/mintkeep.key", planted, 0o644)
	}, "mintkeep.key may be opened by others", "600", true, ""},

	// the rest
	{"no token.cgi", func(h *host) { os.Remove(h.path(script)) }, "There is no token.cgi in this folder", "Upload token.cgi", true, "404"},
	{"token.cgi.txt", func(h *host) { h.rename(script, script+".txt") }, "There is no token.cgi in this folder", "Rename it to token.cgi", true, "404"},
	{"Token.CGI", func(h *host) { h.rename(script, "site/auth/Token.CGI") }, `"url:" does not end in /Token.CGI`, "Correct the line", false, "404"},
	{"another name than url says", func(h *host) { h.rename(script, "site/auth/Token.cgi") }, `"url:" does not end in /Token.cgi`, "Correct the line", false, "404"},
	{"L4 endpoint.php of php-mintoken", func(h *host) {
		h.write("site/auth/endpoint.php", "<?php\ndefine('MINTOKEN_SQLITE_PATH', '../../"+planted+".db');\n", 0o644)
	}, "php-mintoken's endpoint.php is still there", "Make a copy of the database, then delete endpoint.php", false, "200"},
}
