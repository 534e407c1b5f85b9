package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"mintkeep/internal/demo"
)

func demoFlags(in *invocation) { in.boolFlag("stay", "leave both endpoints running at the end") }

// runDemo walks the whole inbound flow over real HTTP and shows each exchange.
func runDemo(in *invocation) error {
	if len(in.args) > 0 {
		return in.wrong()
	}
	dir, err := os.MkdirTemp("", "mintkeep-demo")
	if err != nil {
		return wrap("demo", err)
	}
	defer os.RemoveAll(dir)
	w := &demo.Walk{Out: in.stdout, Self: &demo.Selfauth{Me: "https://you.example", Password: "demo", Key: "demo", Now: in.now}}
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
func startDemo(in *invocation, w *demo.Walk, database string) (auth string, stop func(), err error) {
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
	c := &config{database: database, url: w.Base, endpoint: []string{auth}, me: []string{w.Self.Me}, journal: "rollback"}
	db, err := openDatabase(in.ctx, c, opening{in.now(), true, always})
	if err != nil {
		return "", nil, err
	}
	s := inbound(in.process, c, db, newLog(in.stderr, ""))
	secret, err := s.AddServer(in.ctx, demo.Server)
	if err != nil {
		return "", nil, err
	}
	w.Secret = string(secret)
	self, mint := &http.Server{Handler: w.Self}, &http.Server{Handler: s}
	go self.Serve(selfListener)
	go mint.Serve(l)
	return auth, func() { mint.Close(); self.Close(); db.Close() }, nil
}

func stayUntilSignal(in *invocation, auth, base string) {
	fmt.Fprintf(in.stdout, "\nBoth endpoints stay; the password is \"demo\". End with Ctrl-C. A page that uses them has\n\n"+
		"<link rel=\"authorization_endpoint\" href=\"%s\">\n<link rel=\"token_endpoint\" href=\"%s\">\n", auth, base)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
}
