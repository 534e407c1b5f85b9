package command

import (
	"cmp"
	"io/fs"
	"log/slog"
	"net"
	"strconv"

	"mintkeep/internal/instance"
	"mintkeep/internal/serve"
	"mintkeep/internal/store"
)

// The long-running modes that a person or systemd starts: serve, fcgi.

func serveFlags(in *Command) {
	in.stringFlag("listen", "", "where to listen: `host:port` or unix:/path")
	in.stringFlag("socket-mode", "0660", "permissions of the socket file, `octal`")
}

// socketMode reads -socket-mode; these verbs have no arguments.
func (in *Command) socketMode() (fs.FileMode, error) {
	mode, err := strconv.ParseUint(*in.strings["socket-mode"], 8, 9)
	if err != nil || len(in.args) > 0 {
		return 0, in.usageError()
	}
	return fs.FileMode(mode), nil
}

func runServe(in *Command) error {
	return in.serve(store.Never, "127.0.0.1:8080", "serving HTTP", serve.HTTP)
}

// runFastCGI may create the database, as a start by a web server may.
func runFastCGI(in *Command) error {
	return in.serve(store.InNewFolder, "127.0.0.1:9000", "serving FastCGI", func(l []net.Listener, s *instance.Instance) error {
		return serve.FastCGI(l, s, serve.HasSystemdSockets(in.Env))
	})
}

// serve opens the installation and then listens, so that a fault is seen before
// the first request.
func (in *Command) serve(create store.Creation, address, what string, run func([]net.Listener, *instance.Instance) error) error {
	mode, err := in.socketMode()
	if err != nil {
		return err
	}
	c, err := in.config()
	if err != nil {
		return err
	}
	s, err := instance.Open(in.ctx, in.Environment, c, create)
	if err != nil {
		return err
	}
	l, err := serve.Listen(in.Env, cmp.Or(*in.strings["listen"], address), mode)
	if err != nil {
		return wrap(in.verb.name, err)
	}
	s.Log().Info(what, slog.String("address", l[0].Addr().String()))
	return wrap(in.verb.name, run(l, s))
}
