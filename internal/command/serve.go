package command

import (
	"cmp"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"strconv"

	"mintkeep/internal/instance"
	"mintkeep/internal/serve"
	"mintkeep/internal/store"
)

// A listening verb is serve or fcgi: a mode that goes on until a signal.
type listening struct {
	address, socketMode string
	standard            string // address without -listen
	create              store.Creation
	maxOpen             int
	message, scheme     string
	serve               func(*Command, []net.Listener, serve.Site) error
}

func serveVerb(f *flag.FlagSet) action {
	o := &listening{standard: "127.0.0.1:8080", create: store.Never, message: "serving HTTP", scheme: "http://"}
	o.serve = func(_ *Command, l []net.Listener, in serve.Site) error { return serve.HTTP(l, in) }
	return o.declare(f)
}

// fastCGIVerb may create the database, as a start by a web server may.
func fastCGIVerb(f *flag.FlagSet) action {
	o := &listening{standard: "127.0.0.1:9000", create: store.InNewFolder, message: "serving FastCGI"}
	o.serve = func(c *Command, l []net.Listener, in serve.Site) error {
		return serve.FastCGI(l, in, serve.HasSystemdSockets(c.Env))
	}
	return o.declare(f)
}

func (o *listening) declare(f *flag.FlagSet) action {
	f.StringVar(&o.address, "listen", "", "where to listen: `host:port` or unix:/path")
	f.StringVar(&o.socketMode, "socket-mode", "0660", "permissions of the socket file, `octal`")
	f.IntVar(&o.maxOpen, "max-open", 500, "with -sites: how many sites are open at once, `number`")
	return o.run
}

// spell writes an address as a person types it.
func (o *listening) spell(a net.Addr) string {
	if a.Network() == "unix" {
		return "unix:" + a.String()
	}
	return o.scheme + a.String()
}

// run opens the installation and then listens, so that a fault is seen before
// the first request.
func (o *listening) run(c *Command) error {
	mode, err := strconv.ParseUint(o.socketMode, 8, 9)
	if err != nil || len(c.args) > 0 || c.given("max-open") && (c.sites == "" || o.maxOpen < 1) {
		return c.usage()
	}
	in, err := o.open(c)
	if err != nil {
		return err
	}
	l, err := serve.Listen(c.Env, cmp.Or(o.address, o.standard), fs.FileMode(mode))
	if err != nil {
		return wrap(c.verb.name, err)
	}
	fmt.Fprintf(c.Stdout, "mintkeep is %s at %s; Ctrl-C ends it.\n", o.message, o.spell(l[0].Addr()))
	in.Log().Info(o.message, slog.String("address", l[0].Addr().String()))
	return wrap(c.verb.name, o.serve(c, l, in))
}

// open opens the installation, or all that lie in a folder.
func (o *listening) open(c *Command) (serve.Site, error) {
	if c.sites != "" && c.site == "" {
		if err := c.checkSites(); err != nil {
			return nil, err
		}
		return instance.OpenSites(c.Environment, c.sites, o.maxOpen)
	}
	conf, err := c.config()
	if err != nil {
		return nil, err
	}
	return instance.Open(c.ctx, c.Environment, conf, o.create)
}
