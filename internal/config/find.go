package config

import (
	"io"
	"os"
	"path/filepath"
	"strings"
)

// ScriptConfig finds the configuration file of a CGI request. An argument is
// taken for it only if it is the very file that the web server was asked to run
// (and not this program): the other arguments may come from the query string.
func ScriptConfig(args []string, getenv func(string) string) string {
	script := getenv("SCRIPT_FILENAME")
	if file := FirstArgument(args); file != "" && script != "" {
		executable, err := os.Executable()
		if err == nil && sameFile(file, script) && !sameFile(file, executable) && StartsWithHashBang(file) {
			return file
		}
	}
	if file := getenv("MINTKEEP_CONFIG"); file != "" {
		return file
	}
	root := getenv("DOCUMENT_ROOT")
	for _, file := range []string{Beside(root), Beside(ShownFolder(root))} {
		if file == "" {
			continue
		}
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	return ""
}

// Beside is where the configuration of a program that is itself the CGI script
// lies: one folder above the document root.
func Beside(root string) string {
	if root == "" || filepath.Dir(filepath.Clean(root)) == filepath.Clean(root) {
		return ""
	}
	return filepath.Join(filepath.Dir(filepath.Clean(root)), "mintkeep.conf")
}

// ShownFolder is the topmost folder around a document root that is called
// public_html: a second domain's document root often lies inside the first one's.
func ShownFolder(root string) string {
	shown := root
	for dir := filepath.Clean(root); len(dir) > 1; dir = filepath.Dir(dir) {
		if filepath.Base(dir) == "public_html" {
			shown = dir
		}
	}
	return shown
}

// FirstArgument is the file that the kernel names to a #! interpreter, after
// the word cgi, which may carry the \r of a line that ends in CRLF.
func FirstArgument(args []string) string {
	if len(args) > 0 && strings.TrimSpace(args[0]) == "cgi" {
		args = args[1:]
	}
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func sameFile(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// StartsWithHashBang reports whether a file is one that the kernel gives to an interpreter.
func StartsWithHashBang(file string) bool {
	b, err := readStart(file, 2)
	return err == nil && string(b) == "#!"
}

// maxConfig is more than a configuration file has, in bytes.
const maxConfig = 64 << 10

// readStart reads at most so many bytes of a file.
func readStart(file string, atMost int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, atMost))
}
