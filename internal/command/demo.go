package command

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/config"
	"mintkeep/internal/demo"
	"mintkeep/internal/instance"
	"mintkeep/internal/store"
)

// demoVerb walks the whole inbound flow over real HTTP and shows each exchange.
func demoVerb(f *flag.FlagSet) action {
	stay := f.Bool("stay", false, "leave both endpoints running at the end")
	return func(c *Command) error { return c.demo(*stay) }
}

func (c *Command) demo(stay bool) error {
	if len(c.args) > 0 {
		return c.usage()
	}
	dir, err := os.MkdirTemp("", "mintkeep-demo")
	if err != nil {
		return wrap("demo", err)
	}
	defer os.RemoveAll(dir)
	w := &demo.Walk{Out: c.Stdout, Self: &demo.Selfauth{Me: "https://you.example", Password: "demo", Key: "demo", Now: c.Now}}
	auth, stop, err := startDemo(c, w, filepath.Join(dir, "tokens.db"))
	if err != nil {
		return wrap("demo", err)
	}
	defer stop()
	if err := w.Run(); err != nil {
		return wrap("demo", err)
	}
	if stay {
		stayUntilSignal(c, auth, w.Base)
	}
	return nil
}

// startDemo starts the stand-in Selfauth and a token endpoint with an empty
// database, and completes w. It returns the URL of the former.
func startDemo(c *Command, w *demo.Walk, database string) (auth string, stop func(), err error) {
	selfListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	auth = "http://" + selfListener.Addr().String() + "/auth/"
	w.Base = "http://" + l.Addr().String() + "/auth/token"
	conf := &config.Config{Database: database, URL: w.Base, Endpoints: []string{auth}, Me: []string{w.Self.Me}, Journal: "rollback"}
	db, err := c.OpenDatabase(c.ctx, conf, true, store.Always)
	if err != nil {
		return "", nil, err
	}
	s := c.Endpoint(conf, db, instance.NewLog(c.Stderr, ""))
	secret, err := s.Grants.AddServer(c.ctx, grant.ResourceServer{Name: demo.Server})
	if err != nil {
		return "", nil, err
	}
	w.Secret = string(secret)
	self, mint := &http.Server{Handler: w.Self}, &http.Server{Handler: s}
	go self.Serve(selfListener)
	go mint.Serve(l)
	return auth, func() { mint.Close(); self.Close(); db.Close() }, nil
}

func stayUntilSignal(c *Command, auth, base string) {
	fmt.Fprintf(c.Stdout, "\nBoth endpoints stay; the password is \"demo\". End with Ctrl-C. A page that uses them has\n\n"+
		"<link rel=\"authorization_endpoint\" href=\"%s\">\n<link rel=\"token_endpoint\" href=\"%s\">\n", auth, base)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
}
