package keeper

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"mintkeep/internal/secret"
	"mintkeep/internal/store"
	"mintkeep/keeper/internal/fault"
	"mintkeep/keeper/keyring"
)

const flowLifetime = 10 * time.Minute

// Ticket makes a link that starts a connection in any browser, once, within 10
// minutes. Whoever opens it connects an account of theirs to the target.
func (k *Keeper) Ticket(ctx context.Context, t Target) (link Secret, err error) {
	if k.URL == "" {
		return "", fault.Invalid("no public URL is configured", "set `url` in the configuration")
	}
	r, err := k.Keys.Load()
	if err != nil {
		return "", err
	}
	s, err := k.siteNamed(ctx, r, t.Provider)
	if err != nil {
		return "", err
	}
	if err := k.aim(ctx, s, &t); err != nil {
		return "", err
	}
	if s.AuthURL == "" {
		return "", fault.Invalid("provider "+s.Name+" has no browser flow", "`mintkeep connect` without -web")
	}
	ticket := secret.New("mkt_")
	err = store.Write(ctx, k.DB, func(tx *sql.Tx) error {
		return k.insertFlow(ctx, tx, "ticket", ticket, t, "", nil)
	})
	q := url.Values{"provider": {t.Provider}, "name": {t.Name}, "user": {t.User}, "ticket": {string(ticket)}}
	return Secret(k.URL + "/keep/connect?" + q.Encode()), err
}

// insertFlow also sweeps out what has expired.
func (k *Keeper) insertFlow(ctx context.Context, tx *sql.Tx, kind string, secret Secret, t Target, browser string, verifier any) error {
	now := k.now()
	if _, err := tx.ExecContext(ctx, `DELETE FROM flows WHERE expires <= ?`, store.Time(now)); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO flows (flow_hash, kind, provider_name, user_id, connection_name, scope, browser_hash, verifier, created, expires)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, secret.Hash(), kind, t.Provider, t.User, t.Name, t.Scope, browser, verifier,
		store.Time(now), store.NullTime(now.Add(flowLifetime)))
	if err != nil {
		return fmt.Errorf("starting a browser flow: %w", err)
	}
	return nil
}

type flow struct {
	Target
	verifier sql.NullString
}

// takeFlow uses a ticket or a state up: it can be had once, a state only in the
// browser where it was begun; nothing happens to it elsewhere.
func (k *Keeper) takeFlow(ctx context.Context, kind string, secret Secret, browser string) (flow, error) {
	var f flow
	err := k.DB.QueryRowContext(ctx, `DELETE FROM flows WHERE flow_hash = ? AND kind = ? AND expires > ? AND browser_hash = ?
		RETURNING provider_name, user_id, connection_name, scope, verifier`, secret.Hash(), kind, store.Time(k.now()), browser).
		Scan(&f.Provider, &f.User, &f.Name, &f.Scope, &f.verifier)
	if errors.Is(err, sql.ErrNoRows) {
		waits := false
		if err := k.DB.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM flows WHERE flow_hash = ? AND kind = ? AND expires > ?)`,
			secret.Hash(), kind, store.Time(k.now())).Scan(&waits); err != nil {
			return f, err
		}
		if waits {
			return f, &apiError{status: http.StatusForbidden, code: "access_denied", desc: "this connection was begun in another browser"}
		}
		return f, &Fault{Kind: ErrExpired, What: "this link was used already, or is older than 10 minutes",
			Hint: "start again: `mintkeep connect -web`, or the owner's page"}
	}
	return f, err
}

// connectPage answers GET keep/connect: for an administrator who clicked here,
// or with a ticket.
func (k *Keeper) connectPage(w http.ResponseWriter, r *http.Request, q url.Values) error {
	t := Target{Provider: q.Get("provider"), Name: q.Get("name"), User: q.Get("user")}
	switch ticket := Secret(q.Get("ticket")); {
	case ticket != "":
		if !ticket.WellFormed("mkt_") {
			return &apiError{status: http.StatusBadRequest, code: "invalid_request", desc: "this link is damaged"}
		}
		f, err := k.takeFlow(r.Context(), "ticket", ticket, "")
		if err != nil {
			return err
		}
		t = f.Target
	case k.Admin == nil || !k.Admin(r):
		return &apiError{status: http.StatusForbidden, code: "access_denied", desc: "sign in as the owner first, or use the link that `mintkeep connect -web` prints"}
	case Foreign(r):
		return &apiError{status: http.StatusForbidden, code: "access_denied", desc: "another site sent you here; start from the owner's page"}
	}
	keys, err := k.Keys.Load()
	if err != nil {
		return err
	}
	s, err := k.siteNamed(r.Context(), keys, t.Provider)
	if err != nil {
		return err
	}
	if before, err := k.load(r.Context(), k.DB, cmp.Or(t.User, DefaultUser), cmp.Or(t.Name, t.Provider)); err == nil && t.Scope == "" {
		t.Scope = before.requested // connected again as it was
	}
	if err := k.aim(r.Context(), s, &t); err != nil {
		return err
	}
	if s.AuthURL == "" {
		return fault.Invalid("provider "+s.Name+" has no browser flow", "")
	}
	state := secret.New("mks_")
	to, browser, err := k.startFlow(r.Context(), keys, s, t, state)
	if err != nil {
		return err
	}
	http.SetCookie(w, k.cookie(state, string(browser), int(flowLifetime/time.Second)))
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// Foreign reports whether another site sent the browser here (the cookie of a
// session comes along with links). http.CrossOriginProtection would let every GET pass.
func Foreign(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site != "" && site != "same-origin" && site != "none"
}

func (k *Keeper) startFlow(ctx context.Context, r *keyring.Keyring, s site, t Target, state Secret) (to string, browser Secret, err error) {
	verifier := oauth2.GenerateVerifier()
	browser = secret.New("mkb_")
	err = store.Write(ctx, k.DB, func(tx *sql.Tx) error {
		key, err := r.Current(ctx, tx)
		if err != nil {
			return err
		}
		at := keyring.At("flows", "verifier", state.Hash())
		return k.insertFlow(ctx, tx, "code", state, t, browser.Hash(), key.Seal(Secret(verifier), at))
	})
	return s.authURL(string(state), k.callbackURL(), t.Scope, verifier), browser, err
}

func (k *Keeper) callbackURL() string { return k.URL + "/keep/callback" }

// cookie ties a flow to the browser it began in, so that nobody can have
// somebody else finish a flow of theirs (RFC 9700 section 4.7). Each flow has its
// own: several may be on their way in one browser.
func (k *Keeper) cookie(state Secret, value string, age int) *http.Cookie {
	c := &http.Cookie{Name: cookieName(state), Value: value, Path: "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if u, err := url.Parse(k.URL); err == nil {
		c.Secure = u.Scheme == "https"
		c.Path = strings.TrimRight(u.EscapedPath(), "/") + "/keep/"
	}
	return c
}

func cookieName(state Secret) string { return "mintkeep_connect_" + state.Hash()[:12] }

// callbackPage answers GET keep/callback.
func (k *Keeper) callbackPage(w http.ResponseWriter, r *http.Request, q url.Values) error {
	state := Secret(q.Get("state"))
	if !state.WellFormed("mks_") {
		return &apiError{status: http.StatusBadRequest, code: "invalid_request", desc: "this answer has no usable state"}
	}
	browser := ""
	if cookie, err := r.Cookie(cookieName(state)); err == nil {
		browser = Secret(cookie.Value).Hash()
	}
	f, err := k.takeFlow(r.Context(), "code", state, browser)
	if err != nil {
		return err
	}
	http.SetCookie(w, k.cookie(state, "", -1))
	ctx := context.WithoutCancel(r.Context())
	keys, err := k.Keys.Load()
	if err != nil {
		return err
	}
	verifier, err := keys.Open(f.verifier, keyring.At("flows", "verifier", state.Hash()))
	if err != nil {
		return err
	}
	s, err := k.siteNamed(ctx, keys, f.Provider)
	if err != nil {
		return err
	}
	got := judgeReturn(s, q)
	if got.err != nil {
		return got.err
	}
	n := first{Target: f.Target, grant: GrantCode, kind: KindOAuth2, field: "access_token"}
	if n.answer, err = k.exchange(ctx, s, got.code, k.callbackURL(), string(verifier)); err != nil {
		return err
	}
	c, err := k.keep(ctx, keys, n, "connected")
	if err != nil {
		return err
	}
	k.page(w, http.StatusOK, "Connected", fmt.Sprintf("%s is connected as %q.", c.Provider, c.Name), "You can close this window.")
	return nil
}
