package keeper

import (
	"bufio"
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
)

// authURL is the authorization request: RFC 6749 section 4.1.1 with PKCE S256 (RFC 7636 section 4.3).
func (p Provider) authURL(state, redirect, scope, verifier string) string {
	config := oauth2.Config{ClientID: p.ClientID, Endpoint: oauth2.Endpoint{AuthURL: p.AuthURL}, RedirectURL: redirect}
	if scope != "" {
		config.Scopes = []string{p.scopeWords(scope)}
	}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier)}
	for name, value := range p.AuthParams {
		options = append(options, oauth2.SetAuthURLParam(name, value))
	}
	// OpenID Connect Core 1.0 section 11: without consent there is no offline access.
	if _, ok := p.AuthParams["prompt"]; !ok && strings.Contains(" "+scope+" ", " offline_access ") {
		options = append(options, oauth2.SetAuthURLParam("prompt", "consent"))
	}
	return config.AuthCodeURL(state, options...)
}

// exchange is RFC 6749 section 4.1.3.
func (k *Keeper) exchange(ctx context.Context, s site, code, redirect, verifier string) (answer, error) {
	return k.askToken(ctx, s, url.Values{"grant_type": {"authorization_code"}, "code": {code},
		"redirect_uri": {redirect}, "code_verifier": {verifier}})
}

// returned is what the browser brought back.
type returned struct {
	code string
	err  error
}

// judgeReturn checks an authorization response (RFC 6749 sections 4.1.2 and
// 4.1.2.1, RFC 9207 section 2.4).
func judgeReturn(s site, q url.Values) returned {
	if iss := q.Get("iss"); iss != "" && s.Issuer != "" && iss != s.Issuer {
		return returned{err: &Fault{Kind: ErrDenied, What: fmt.Sprintf("the answer comes from %q instead of %q", text.Redact(iss, nil), s.Issuer)}}
	}
	if code := q.Get("error"); code != "" {
		return returned{err: &Fault{Kind: ErrDenied, What: "the provider said no", Err: &providerError{code: text.Redact(code, nil), desc: text.Redact(q.Get("error_description"), nil)}}}
	}
	if q.Get("code") == "" {
		return returned{err: &Fault{Kind: ErrDenied, What: "the provider sent no code"}}
	}
	return returned{code: q.Get("code")}
}

// connectCode is the authorization code grant for a person at a terminal, with
// a loopback redirect (RFC 8252 section 7.3). Where the browser runs on another
// machine, the address it ends at can be pasted.
func (k *Keeper) connectCode(ctx context.Context, s site, n *first, ask Ask) error {
	if s.AuthURL == "" {
		return fault.Invalid("provider "+s.Name+" has no authorization endpoint", "`mintkeep provider set "+text.ShellWord(s.Name)+" -auth-url URL`")
	}
	listen := ask.Listen
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("listening for the browser: %w", err)
	}
	redirect := "http://" + l.Addr().String() + "/callback"
	state, verifier := rand.Text(), oauth2.GenerateVerifier()
	back := make(chan returned, 2)
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		loopbackCallback(w, r, s, state, back)
	})}
	go func() { _ = server.Serve(l) }()
	defer func() {
		stop, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Shutdown(stop)
	}()
	invite(s, ask, s.authURL(state, redirect, n.Scope, verifier), state, back)
	select {
	case r := <-back:
		if r.err != nil {
			return r.err
		}
		n.answer, err = k.exchange(context.WithoutCancel(ctx), s, r.code, redirect, verifier)
		return err
	case <-ctx.Done():
		return &Fault{Kind: ErrDenied, What: "stopped while waiting for the browser", Err: ctx.Err()}
	case <-time.After(10 * time.Minute):
		return &Fault{Kind: ErrExpired, What: "nobody authorized it within 10 minutes", Hint: "run the same command again"}
	}
}

// invite sends the person to the provider, and takes the address that the
// browser ended at, if it is pasted.
func invite(s site, ask Ask, to, state string, back chan<- returned) {
	ask.say("To authorize %s, open this address in a browser:\n  %s", s.Name, to)
	if ask.Open != nil && ask.Open(to) != nil {
		ask.say("No browser could be started here.")
	}
	if ask.In == nil {
		return
	}
	ask.say("If the browser runs elsewhere, paste the address that it ends at (http://127.0.0.1...):")
	go func() {
		lines := bufio.NewScanner(ask.In)
		for lines.Scan() {
			u, err := url.Parse(strings.TrimSpace(lines.Text()))
			if err == nil && u.Query().Get("state") == state {
				offer(back, judgeReturn(s, u.Query()))
				return
			}
			ask.say("That is not the address: it should have a code and a state in it.")
		}
	}()
}

func offer(back chan<- returned, r returned) {
	select {
	case back <- r:
	default:
	}
}

func loopbackCallback(w http.ResponseWriter, r *http.Request, s site, state string, back chan<- returned) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	q := r.URL.Query()
	if r.URL.Path != "/callback" || q.Get("state") != state {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintln(w, "This is not the answer that was waited for.")
		return
	}
	got := judgeReturn(s, q)
	if got.err != nil {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintln(w, text.FirstLine(got.err.Error()))
	} else {
		fmt.Fprintln(w, "Done. You can close this window and go back to the terminal.")
	}
	offer(back, got)
}
