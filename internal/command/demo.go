package command

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/config"
	"mintkeep/internal/demo"
	"mintkeep/internal/instance"
	"mintkeep/internal/store"
	"mintkeep/keeper"
	"mintkeep/keeper/keepertest"
	"mintkeep/keeper/provider"
)

// demoVerb walks through both halves over real HTTP and shows each exchange.
func demoVerb(f *flag.FlagSet) action {
	stay := f.Bool("stay", false, "leave all of it running at the end, and print the addresses of the pages")
	return func(c *Command) error { return wrap("demo", c.demo(*stay)) }
}

func (c *Command) demo(stay bool) error {
	if len(c.args) > 0 {
		return c.usage()
	}
	dir, err := os.MkdirTemp("", "mintkeep-demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &stage{Walk: &demo.Walk{Out: c.Stdout, Self: &demo.Selfauth{Me: "https://you.example", Password: "demo", Key: "demo", Now: c.Now}}}
	defer s.close()
	if err := s.build(c, dir); err != nil {
		return err
	}
	if err := s.Run(); err != nil {
		return err
	}
	if stay {
		s.stay(c)
	}
	return nil
}

// A stage is what the demonstration needs on loopback: an authorization endpoint,
// an app, a site that gives tokens, and an installation with an empty database.
type stage struct {
	*demo.Walk
	auth  string // URL of the authorization endpoint
	ends  []func() error
	fault error // of listening
}

func (s *stage) close() {
	for _, end := range s.ends {
		_ = end() // the process ends
	}
}

// listen makes a listener and returns its URL.
func (s *stage) listen() (net.Listener, string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.fault = err
		return nil, ""
	}
	return l, "http://" + l.Addr().String() + "/"
}

// serve answers on a listener until the end.
func (s *stage) serve(l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	s.ends = append(s.ends, server.Close)
	go server.Serve(l)
}

func (s *stage) build(c *Command, dir string) error {
	self, selfURL := s.listen()
	app, appURL := s.listen()
	mint, mintURL := s.listen()
	site, siteURL := s.listen()
	if s.fault != nil {
		return s.fault
	}
	s.auth, s.App, s.Base = selfURL+"auth/", appURL, mintURL+"auth/token"
	conf := &config.Config{Database: filepath.Join(dir, "tokens.db"), KeyFile: filepath.Join(dir, "mintkeep.key"), URL: s.Base,
		Endpoints: []string{s.auth}, Me: []string{s.Self.Me}, Journal: "rollback"}
	in, err := instance.Open(c.ctx, c.Environment, conf, store.Always)
	if err != nil {
		return err
	}
	s.ends = append(s.ends, func() error { in.Close(); return nil })
	s.serve(self, s.Self)
	s.serve(app, http.NotFoundHandler())
	s.serve(mint, in)
	box := keepertest.New()
	box.Rotate = true
	s.serve(site, box)
	return s.furnish(c, conf, siteURL)
}

// furnish makes what the walk asks with: a resource server, a connection, an API key.
func (s *stage) furnish(c *Command, conf *config.Config, site string) error {
	db, err := c.OpenDatabase(c.ctx, conf, false, store.Never)
	if err != nil {
		return err
	}
	defer db.Close()
	log := instance.NewLog(c.Stderr, "")
	secret, err := c.Grants(conf, db, log).AddServer(c.ctx, grant.ResourceServer{Name: demo.Server})
	if err != nil {
		return err
	}
	k := c.Keeper(conf, db, log)
	_, keyed := k.EnsureKey(c.ctx)
	added := k.Registry().Add(c.ctx, provider.Provider{Name: demo.Provider, TokenURL: site + "token",
		ClientID: keepertest.ClientID, ClientSecret: keepertest.ClientSecret})
	_, connected := k.Connect(c.ctx, keeper.Target{Provider: demo.Provider}, "client_credentials", keeper.Ask{})
	key, err := k.APIKeys().Add(c.ctx, keeper.APIKey{Name: "script", Provider: demo.Provider})
	s.Secret, s.APIKey = string(secret), string(key)
	return errors.Join(keyed, added, connected, err)
}

// stay prints every address and waits for a signal.
func (s *stage) stay(c *Command) {
	fmt.Fprintf(c.Stdout, "\nAll of it stays; the password is \"demo\". End with Ctrl-C.\n\n")
	for _, page := range [][2]string{{"The public page", ""}, {"Your pages", "/owner"}, {"Metadata", "/metadata"}, {"mintkeep as a client", "/client"}} {
		fmt.Fprintf(c.Stdout, "%-22s %s\n", page[0], s.Base+page[1])
	}
	fmt.Fprintf(c.Stdout, "%-22s %s\n\nA page that uses them has\n\n<link rel=\"authorization_endpoint\" href=\"%s/authorize\">\n"+
		"<link rel=\"token_endpoint\" href=\"%s\">\n", "Selfauth's stand-in", s.auth, s.Base, s.Base)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
}
