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
	"strings"
	"time"

	"golang.org/x/oauth2"

	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/provider"
)

// code is the authorization code grant for a person at a terminal, with
// a loopback redirect (RFC 8252 section 7.3). Where the browser runs on another
// machine, the address it ends at can be pasted.
func (o *obtaining) code(ctx context.Context) error {
	p := o.provider
	if p.AuthURL == "" {
		return fault.Invalid("provider "+p.Name+" has no authorization endpoint",
			"`mintkeep provider set "+text.ShellWord(p.Name)+" -auth-url URL`")
	}
	l, err := net.Listen("tcp", cmp.Or(o.Listen, "127.0.0.1:0"))
	if err != nil {
		return fmt.Errorf("listening for the browser: %w", err)
	}
	redirect := "http://" + l.Addr().String() + "/callback"
	state, verifier := rand.Text(), oauth2.GenerateVerifier()
	back := make(chan callback, 2)
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serveCallback(w, r, p, state, back)
	})}
	go func() { _ = server.Serve(l) }()
	defer func() {
		stop, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Shutdown(stop)
	}()
	o.inviteToBrowser(p.AuthorizationURL(state, redirect, o.Scope, verifier), state, back)
	select {
	case r := <-back:
		if r.err != nil {
			return r.err
		}
		o.Token, err = o.ExchangeCode(context.WithoutCancel(ctx), p, r.code, redirect, verifier)
		return err
	case <-ctx.Done():
		return &Fault{Kind: ErrDenied, What: "stopped while waiting for the browser", Err: ctx.Err()}
	case <-time.After(10 * time.Minute):
		return &Fault{Kind: ErrExpired, What: "nobody authorized it within 10 minutes", Hint: "run the same command again"}
	}
}

// callback is what the browser brought back.
type callback struct {
	code string
	err  error
}

func parseCallback(p provider.Provider, q url.Values) callback {
	code, err := p.ParseCallback(q)
	return callback{code, err}
}

// inviteToBrowser sends the person to the provider, and takes the address that
// the browser ended at, if it is pasted.
func (o *obtaining) inviteToBrowser(to, state string, back chan<- callback) {
	o.say("To authorize %s, open this address in a browser:\n  %s", o.provider.Name, to)
	if o.Open != nil && o.Open(to) != nil {
		o.say("No browser could be started here.")
	}
	if o.In == nil {
		return
	}
	o.say("If the browser runs elsewhere, paste the address that it ends at (http://127.0.0.1...):")
	go func() {
		lines := bufio.NewScanner(o.In)
		for lines.Scan() {
			u, err := url.Parse(strings.TrimSpace(lines.Text()))
			if err == nil && u.Query().Get("state") == state {
				deliver(back, parseCallback(o.provider, u.Query()))
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

func serveCallback(w http.ResponseWriter, r *http.Request, p provider.Provider, state string, back chan<- callback) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	q := r.URL.Query()
	if r.URL.Path != "/callback" || q.Get("state") != state {
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
