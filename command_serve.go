package main

import (
	"io/fs"
	"log/slog"
	"strconv"
)

// The long-running modes that a person or systemd starts: serve, fcgi.

func serveFlags(in *invocation) {
	in.stringFlag("listen", "", "where to listen: `host:port` or unix:/path")
	in.stringFlag("socket-mode", "0660", "permissions of the socket file, `octal`")
}

// ready opens the site before the first request, so that a fault is seen at once.
// FastCGI may create the database as a start by a web server may; serve may not.
func (in *invocation) ready(create creation) (*site, error) {
	c, err := in.config()
	if err != nil {
		return nil, err
	}
	s := newSite(in.process, func() (*config, error) { return c, nil }, true)
	db, err := openDatabase(in.ctx, c, opening{now: in.now(), longRunning: true, create: create})
	if err != nil {
		return nil, err
	}
	s.config, s.log = c, newLog(in.stderr, c.errorLog)
	s.db, s.handler = db, s.both(db)
	return s, nil
}

// socketMode reads -socket-mode; these verbs have no arguments.
func (in *invocation) socketMode() (fs.FileMode, error) {
	mode, err := strconv.ParseUint(*in.strings["socket-mode"], 8, 9)
	if err != nil || len(in.args) > 0 {
		return 0, in.wrong()
	}
	return fs.FileMode(mode), nil
}

func runServe(in *invocation) error {
	mode, err := in.socketMode()
	if err != nil {
		return err
	}
	s, err := in.ready(never)
	if err != nil {
		return err
	}
	l, err := listen(in.process, orDefault(*in.strings["listen"], "127.0.0.1:8080"), mode)
	if err != nil {
		return wrap("serve", err)
	}
	s.log.Info("serving HTTP", slog.String("address", l.Addr().String()))
	spendMemory(800)
	return wrap("serve", serveHTTP(l, s))
}

func runFastCGI(in *invocation) error {
	mode, err := in.socketMode()
	if err != nil {
		return err
	}
	s, err := in.ready(inNewFolder)
	if err != nil {
		return err
	}
	l, err := listen(in.process, orDefault(*in.strings["listen"], "127.0.0.1:9000"), mode)
	if err != nil {
		return wrap("fcgi", err)
	}
	s.log.Info("serving FastCGI", slog.String("address", l.Addr().String()))
	spendMemory(800)
	return wrap("fcgi", serveFastCGI(l, s, socketsFromSystemd(in.env)))
}

func orDefault(v, standard string) string {
	if v == "" {
		return standard
	}
	return v
}
