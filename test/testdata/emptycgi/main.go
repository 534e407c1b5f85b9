// Emptycgi answers a CGI or, if it is told to listen, a FastCGI request with
// nothing: the floor under the benchmarks.
package main

import (
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/fcgi"
	"os"
)

func main() {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte("{}\n"))
	})
	if len(os.Args) == 2 {
		l, err := net.Listen("unix", os.Args[1])
		if err != nil {
			os.Exit(1)
		}
		fcgi.Serve(l, h)
		return
	}
	cgi.Serve(h)
}
