package keeper

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"mintkeep/internal/oauth"
	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/provider"
)

// code is the authorization code grant for a person at a terminal, with
// a loopback redirect (RFC 8252 section 7.3). Where the browser runs on another
// machine, or the site knows another address, the one it ends at can be pasted.
func (o *obtaining) code(ctx context.Context) error {
	p := o.provider
	if p.AuthURL == "" {
		return fault.Invalid("provider "+p.Name+" has no authorization endpoint",
			"`mintkeep provider set "+text.ShellWord(p.Name)+" -auth-url URL`")
	}
	listeners, redirect, err := o.listen()
	if err != nil {
		return err
	}
	state, verifier := rand.Text(), oauth2.GenerateVerifier()
	back := make(chan callback, 2)
	path := cmp.Or(redirect.Path, "/")
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serveCallback(w, r, p, path, state, back)
	})}
	for _, l := range listeners {
		go func() { _ = server.Serve(l) }()
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Shutdown(stop)
	}()
	o.inviteToBrowser(p.AuthorizationURL(state, redirect.String(), o.Scope, verifier), redirect, state, back)
	select {
	case r := <-back:
		if r.err != nil {
			return r.err
		}
		o.Token, err = o.ExchangeCode(context.WithoutCancel(ctx), p, r.code, redirect.String(), verifier)
		o.Token.Scope = cmp.Or(o.Token.Scope, r.scope)
		return err
	case <-ctx.Done():
		return &Fault{Kind: ErrDenied, What: "stopped while waiting for the browser", Err: ctx.Err()}
	case <-time.After(10 * time.Minute):
		return &Fault{Kind: ErrExpired, What: "nobody authorized it within 10 minutes", Hint: "run the same command again"}
	}
}

// listen waits for the browser on a loopback address, and returns the redirect
// address to send. Its host is the one that was typed: some sites take localhost
// only, others 127.0.0.1 only. The name localhost may be either protocol's.
func (o *obtaining) listen() (listeners []net.Listener, redirect *url.URL, err error) {
	to := cmp.Or(o.Redirect, o.provider.RedirectURI)
	if redirect, err = url.Parse(to); err != nil || to != "" && redirect.Scheme == "" {
		return nil, nil, fault.Invalid(fmt.Sprintf("redirect address %q", to), "an absolute URL")
	}
	address, loopback := o.Listen, redirect.Scheme == "http" && oauth.IsLoopback(redirect.Hostname())
	switch {
	case address == "" && loopback:
		address = net.JoinHostPort(redirect.Hostname(), cmp.Or(redirect.Port(), "80"))
	case address == "" && redirect.Scheme != "" && o.In == nil:
		return nil, nil, fault.Invalid("nobody can paste the address that the browser ends at, "+redirect.String(), "-web, or a terminal")
	}
	host, port, err := net.SplitHostPort(cmp.Or(address, "127.0.0.1:0"))
	if err != nil || !oauth.IsLoopback(host) {
		return nil, nil, fault.Invalid(fmt.Sprintf("cannot wait for the browser at %q", address), "-listen 127.0.0.1:PORT or localhost:PORT")
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, nil, fmt.Errorf("listening for the browser: %w", err)
	}
	listeners, port = append(listeners, l), strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	if strings.EqualFold(host, "localhost") {
		if l, err := net.Listen("tcp6", "[::1]:"+port); err == nil {
			listeners = append(listeners, l)
		}
	}
	if redirect.Scheme == "" {
		redirect = &url.URL{Scheme: "http", Host: net.JoinHostPort(host, port), Path: "/callback"}
	}
	return listeners, redirect, nil
}

// callback is what the browser brought back.
type callback struct {
	code, scope string
	err         error
}

func parseCallback(p provider.Provider, q url.Values) (c callback) {
	c.code, c.scope, c.err = p.ParseCallback(q)
	return c
}

// inviteToBrowser sends the person to the provider, and takes the address that
// the browser ended at, if it is pasted.
func (o *obtaining) inviteToBrowser(to string, redirect *url.URL, state string, back chan<- callback) {
	o.say("To authorize %s, open this address in a browser:\n  %s", o.provider.Name, to)
	if o.Open != nil && o.Open(to) != nil {
		o.say("No browser could be started here.")
	}
	if o.In == nil {
		return
	}
	o.say("If the browser runs elsewhere, paste the address that it ends at (%s...):", redirect)
	go func() {
		lines := bufio.NewScanner(o.In)
		for lines.Scan() {
			u, err := url.Parse(strings.TrimSpace(lines.Text()))
			if err == nil && u.Query().Get("state") == state {
				deliver(back, parseCallback(o.provider, u.Query()))
				return
			}
			if code := strings.TrimSpace(lines.Text()); redirect.Scheme == "urn" && code != "" && !strings.Contains(code, "/") {
				deliver(back, callback{code: code}) // the site shows it instead of redirecting
				return
			}
			o.say("That is not the address: it should have a code and a state in it.")
		}
	}()
}

// deliver never blocks: the first callback counts.
func deliver(back chan<- callback, c callback) {
	select {
	case back <- c:
	default:
	}
}

func serveCallback(w http.ResponseWriter, r *http.Request, p provider.Provider, path, state string, back chan<- callback) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	q := r.URL.Query()
	if cmp.Or(r.URL.Path, "/") != path || q.Get("state") != state {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintln(w, "This is not the answer that was waited for.")
		return
	}
	got := parseCallback(p, q)
	if got.err != nil {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintln(w, text.FirstLine(got.err.Error()))
	} else {
		fmt.Fprintln(w, "Done. You can close this window and go back to the terminal.")
	}
	deliver(back, got)
}
