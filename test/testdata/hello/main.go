// Hello is the least that a web server can run: the measure for what our own
// program adds to the server's cost. CGI, FastCGI on fd 0 or on a socket that
// its argument names, or plain HTTP on a port.
package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"strings"
)

func main() {
	if os.Getenv("REQUEST_METHOD") != "" {
		fmt.Print("Content-Type: text/plain\r\n\r\nhello\n")
		return
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, "hello\n")
	})
	var err error
	switch address := strings.Join(os.Args[1:], ""); {
	case address == "":
		err = fcgi.Serve(nil, hello)
	case strings.Contains(address, "/"):
		l, err2 := net.Listen("unix", address)
		if err = err2; err == nil {
			err = fcgi.Serve(l, hello)
		}
	default:
		err = http.ListenAndServe(address, hello)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
