package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// isListening reports whether the file is a listening socket, by which a web
// server hands over FastCGI. A socket alone says nothing: Apache gives CGI
// programs a connected one.
func isListening(f *os.File) bool {
	if f == nil {
		return false
	}
	c, err := f.SyscallConn()
	if err != nil {
		return false
	}
	listening := 0
	err2 := c.Control(func(fd uintptr) {
		listening, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	})
	return err == nil && err2 == nil && listening == 1
}

// serveInherited is FastCGI on a listening socket that a web server left on
// file descriptor 0. The first argument is the configuration file: no server
// puts words of a query there.
func serveInherited(p *process) int {
	l, err := net.FileListener(p.stdin)
	if err != nil {
		fmt.Fprintln(p.stderr, "mintkeep: taking over the FastCGI socket:", err)
		return 1
	}
	s := newSite(p, func() (*config, error) {
		file := firstArgument(p.args)
		if file == "" {
			file = p.env["MINTKEEP_CONFIG"]
		}
		if file == "" && p.env["MINTKEEP_DATABASE"] == "" {
			return nil, &noConfigError{}
		}
		c, err := readConfig(file, p.getenv, nil)
		if err != nil {
			return c, err
		}
		return c.withDefaults("")
	}, true)
	spendMemory(400)
	if err := serveFastCGI(l, s, true); err != nil {
		fmt.Fprintln(p.stderr, "mintkeep: FastCGI:", err)
		return 1
	}
	return 0
}

// socketsFromSystemd reports whether sockets were handed over by systemd (sd_listen_fds(3)).
func socketsFromSystemd(env map[string]string) bool {
	n, err := strconv.Atoi(env["LISTEN_FDS"])
	return err == nil && n >= 1 && env["LISTEN_PID"] == strconv.Itoa(os.Getpid())
}

// listen takes systemd's sockets, or opens one: unix:/path or host:port.
func listen(p *process, address string, mode fs.FileMode) (net.Listener, error) {
	if socketsFromSystemd(p.env) {
		return systemdListener(p.env)
	}
	path, unix := strings.CutPrefix(address, "unix:")
	if !unix {
		return net.Listen("tcp", address)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// systemdListener accepts on all sockets that systemd hands over, from file
// descriptor 3 on.
func systemdListener(env map[string]string) (net.Listener, error) {
	n, err := strconv.Atoi(env["LISTEN_FDS"])
	if err != nil {
		return nil, wrap("reading LISTEN_FDS", err)
	}
	all := &joined{accepted: make(chan accepted), closed: make(chan struct{})}
	for fd := range n {
		l, err := net.FileListener(os.NewFile(uintptr(3+fd), "systemd"))
		if err != nil {
			return nil, fmt.Errorf("taking over systemd's socket %d: %w", fd+1, err)
		}
		all.listeners = append(all.listeners, l)
	}
	if n == 1 {
		return all.listeners[0], nil
	}
	for _, l := range all.listeners {
		go all.acceptFrom(l)
	}
	return all, nil
}

// A joined listener accepts what several do.
type joined struct {
	listeners []net.Listener
	accepted  chan accepted
	closed    chan struct{}
	closing   sync.Once
}

type accepted struct {
	conn net.Conn
	err  error
}

func (j *joined) acceptFrom(l net.Listener) {
	for {
		c, err := l.Accept()
		select {
		case j.accepted <- accepted{c, err}:
		case <-j.closed:
			return
		}
	}
}

// Accept waits for the next connection on any of them.
func (j *joined) Accept() (net.Conn, error) {
	select {
	case a := <-j.accepted:
		return a.conn, a.err
	case <-j.closed:
		return nil, net.ErrClosed
	}
}

// Close closes all of them.
func (j *joined) Close() (err error) {
	j.closing.Do(func() {
		close(j.closed)
		for _, l := range j.listeners {
			err = errors.Join(err, l.Close())
		}
	})
	return err
}

// Addr is the address of the first.
func (j *joined) Addr() net.Addr { return j.listeners[0].Addr() }

// removeStale removes a socket file that nobody listens on any more.
func removeStale(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return nil
	}
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return fmt.Errorf("listening on %s: another program does already", path)
	}
	return os.Remove(path)
}

// serveHTTP serves plain HTTP until a signal, then lets requests finish.
func serveHTTP(l net.Listener, site *site) error {
	defer site.close()
	s := &http.Server{Handler: site, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 60 * time.Second, IdleTimeout: 60 * time.Second, MaxHeaderBytes: 64 << 10}
	stop := make(chan os.Signal, 8)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1)
	drained := make(chan error, 1)
	go func() {
		<-stop
		ctx, cancel := context.WithTimeout(context.Background(), 3*drainHandlers)
		defer cancel()
		drained <- s.Shutdown(ctx)
	}()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-drained
}
