package deploy

import (
	"fmt"
	"net"
	"net/http"
	"net/http/fcgi"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"mintkeep/test/tools"
)

// seen tells what a program would count a request for: the address that the web
// server names, and the last entry of X-Forwarded-For.
func seen(w http.ResponseWriter, r *http.Request) {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = r.RemoteAddr
	}
	fmt.Fprintf(w, "peer=%s last=%s\n", peer, last(strings.Join(r.Header.Values("X-Forwarded-For"), ",")))
}

func last(list string) string {
	return strings.TrimSpace(list[strings.LastIndex(list, ",")+1:])
}

// seenFCGI answers so over FastCGI, on a socket that the web server may open.
func (h *host) seenFCGI() string {
	h.t.Helper()
	socket := h.path("run/seen.sock")
	l, err := net.Listen("unix", socket)
	if err == nil {
		err = os.Chmod(socket, 0o666)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { l.Close() })
	go fcgi.Serve(l, http.HandlerFunc(seen))
	return socket
}

// seenCGI is a CGI program that answers so.
const seenCGI = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\n" +
	"printf 'peer=%s last=%s\\n' \"$REMOTE_ADDR\" \"$(printf %s \"$HTTP_X_FORWARDED_FOR\" | sed 's/.*, *//')\"\n"

// A visitor may write what it likes into X-Forwarded-For. Behind every shipped
// configuration, what limits count by is still the address that the web server saw:
// the last entry, or where there is none, the peer.
func TestForwardedFor(t *testing.T) {
	want := func(h *host) {
		t.Helper()
		for _, claimed := range [][]string{nil, {"192.0.2.7"}, {"192.0.2.7, 198.51.100.9"}, {"192.0.2.7, "}, {"unknown"}} {
			var header []string
			for _, c := range claimed {
				header = append(header, "X-Forwarded-For", c)
			}
			a := send(t, h.base, nil, false, header...)
			if a.body != "peer=127.0.0.1 last=\n" && !strings.HasSuffix(a.body, " last=127.0.0.1\n") {
				t.Errorf("%s with X-Forwarded-For %q: %d %s", h.base, claimed, a.status, a.body)
			}
		}
	}
	t.Run("nginx FastCGI", func(t *testing.T) {
		h := newHost(t, "/token")
		h.nginx(edited(t, "nginx-fastcgi.conf", "/run/mintkeep/fcgi.sock", h.seenFCGI()))
		want(h)
	})
	t.Run("nginx fcgiwrap", func(t *testing.T) {
		tools.Need(t, "fcgiwrap", "/usr/sbin/fcgiwrap")
		h := newHost(t, "/auth/token.cgi")
		h.write("site/auth/token.cgi", seenCGI, 0o755)
		socket := h.path("run/fcgiwrap.sock")
		h.start(h.command("/usr/sbin/fcgiwrap", "-c", "4", "-s", "unix:"+socket), socket)
		h.nginx(edited(t, "nginx-fcgiwrap.conf", "/srv/www/auth/token.cgi", h.path("site/auth/token.cgi"), "/run/fcgiwrap.socket", socket))
		want(h)
	})
	t.Run("lighttpd CGI", func(t *testing.T) {
		h := newHost(t, "/auth/token.cgi")
		h.write("site/auth/token.cgi", seenCGI, 0o755)
		h.lighttpd(edited(t, "lighttpd-cgi.conf"))
		want(h)
	})
	t.Run("lighttpd FastCGI", func(t *testing.T) {
		h := newHost(t, "/token")
		socket := h.seenFCGI()
		conf := edited(t, "lighttpd-fastcgi.conf", "/run/lighttpd/mintkeep.sock", socket)
		h.lighttpd(strings.Replace(conf, `"bin-path" => var.mintkeep_program, `, "", 1)) // it is there already
		want(h)
	})
	t.Run("Caddy", func(t *testing.T) {
		h := newHost(t, "/token")
		h.caddy(edited(t, "Caddyfile", "example.com {", fmt.Sprintf("http://127.0.0.1:%d {", h.port), "/srv/www", h.path("site"),
			"unix//run/mintkeep/fcgi.sock", "unix/"+h.seenFCGI()))
		want(h)
	})
	t.Run("Apache in front of fcgi", func(t *testing.T) {
		h := newHost(t, "/token")
		h.apache([]string{"proxy", "proxy_fcgi", "headers"}, edited(t, "apache-fcgi.conf", "/run/mintkeep/fcgi.sock", h.seenFCGI()))
		want(h)
	})
	t.Run("Apache in front of serve", func(t *testing.T) {
		h := newHost(t, "/token")
		s := httptest.NewServer(http.HandlerFunc(seen))
		t.Cleanup(s.Close)
		h.apache([]string{"proxy", "proxy_http"}, proxied(t, strings.TrimPrefix(s.URL, "http://")))
		want(h)
	})
}
