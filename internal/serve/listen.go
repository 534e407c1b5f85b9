package serve

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"

	"mintkeep/internal/config"
	"mintkeep/internal/instance"
)

// Inherited is FastCGI on a listening socket that a web server left on
// file descriptor 0. The first argument is the configuration file: no server
// puts words of a query there.
func Inherited(e *instance.Environment) int {
	l, err := net.FileListener(e.Stdin)
	if err != nil {
		fmt.Fprintln(e.Stderr, "mintkeep: taking over the FastCGI socket:", err)
		return 1
	}
	in := instance.New(e, func() (*config.Config, error) {
		file := config.FirstArgument(e.Args)
		if file == "" {
			file = e.Env["MINTKEEP_CONFIG"]
		}
		return loadConfig(e, file, "")
	}, true)
	if err := FastCGI([]net.Listener{l}, in, true); err != nil {
		fmt.Fprintln(e.Stderr, "mintkeep: FastCGI:", err)
		return 1
	}
	return 0
}

// HasSystemdSockets reports whether sockets were handed over by systemd (sd_listen_fds(3)).
func HasSystemdSockets(env map[string]string) bool {
	n, err := strconv.Atoi(env["LISTEN_FDS"])
	return err == nil && n >= 1 && env["LISTEN_PID"] == strconv.Itoa(os.Getpid())
}

// Listen takes systemd's sockets, or opens one: unix:/path, which gets the mode,
// or host:port.
func Listen(env map[string]string, address string, mode fs.FileMode) ([]net.Listener, error) {
	if HasSystemdSockets(env) {
		return systemdListeners(env)
	}
	path, unix := strings.CutPrefix(address, "unix:")
	if !unix {
		l, err := net.Listen("tcp", address)
		return []net.Listener{l}, err
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
	return []net.Listener{l}, nil
}

// systemdListeners are all sockets that systemd hands over, from file descriptor 3 on.
func systemdListeners(env map[string]string) ([]net.Listener, error) {
	n, err := strconv.Atoi(env["LISTEN_FDS"])
	if err != nil {
		return nil, fmt.Errorf("reading LISTEN_FDS: %w", err)
	}
	all := make([]net.Listener, n)
	for fd := range n {
		if all[fd], err = net.FileListener(os.NewFile(uintptr(3+fd), "systemd")); err != nil {
			return nil, fmt.Errorf("taking over systemd's socket %d: %w", fd+1, err)
		}
	}
	return all, nil
}

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
