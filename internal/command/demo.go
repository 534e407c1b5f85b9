package command

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"mintkeep/internal/config"
	"mintkeep/internal/demo"
	"mintkeep/internal/instance"
	"mintkeep/internal/store"
)

func demoFlags(in *Command) { in.boolFlag("stay", "leave both endpoints running at the end") }

// runDemo walks the whole inbound flow over real HTTP and shows each exchange.
func runDemo(in *Command) error {
	if len(in.args) > 0 {
		return in.usageError()
	}
	dir, err := os.MkdirTemp("", "mintkeep-demo")
	if err != nil {
		return wrap("demo", err)
	}
	defer os.RemoveAll(dir)
	w := &demo.Walk{Out: in.Stdout, Self: &demo.Selfauth{Me: "https://you.example", Password: "demo", Key: "demo", Now: in.Now}}
	auth, stop, err := startDemo(in, w, filepath.Join(dir, "tokens.db"))
	if err != nil {
		return wrap("demo", err)
	}
	defer stop()
	if err := w.Run(); err != nil {
		return wrap("demo", err)
	}
	if *in.bools["stay"] {
		stayUntilSignal(in, auth, w.Base)
	}
	return nil
}

// startDemo starts the stand-in Selfauth and a token endpoint with an empty
// database, and completes w. It returns the URL of the former.
func startDemo(in *Command, w *demo.Walk, database string) (auth string, stop func(), err error) {
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
	c := &config.Config{Database: database, URL: w.Base, Endpoints: []string{auth}, Me: []string{w.Self.Me}, Journal: "rollback"}
	db, err := in.OpenDatabase(in.ctx, c, true, store.Always)
	if err != nil {
		return "", nil, err
	}
	s := in.Endpoint(c, db, instance.NewLog(in.Stderr, ""))
	secret, err := s.Grants.AddServer(in.ctx, demo.Server)
	if err != nil {
		return "", nil, err
	}
	w.Secret = string(secret)
	self, mint := &http.Server{Handler: w.Self}, &http.Server{Handler: s}
	go self.Serve(selfListener)
	go mint.Serve(l)
	return auth, func() { mint.Close(); self.Close(); db.Close() }, nil
}

func stayUntilSignal(in *Command, auth, base string) {
	fmt.Fprintf(in.Stdout, "\nBoth endpoints stay; the password is \"demo\". End with Ctrl-C. A page that uses them has\n\n"+
		"<link rel=\"authorization_endpoint\" href=\"%s\">\n<link rel=\"token_endpoint\" href=\"%s\">\n", auth, base)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
}
