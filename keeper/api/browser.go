package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"mintkeep/internal/page"
	"mintkeep/keeper"
	"mintkeep/keeper/internal/fault"
)

func (h *Handler) serveBrowser(w http.ResponseWriter, r *http.Request, route string) error {
	serve := map[string]func(http.ResponseWriter, *http.Request, url.Values) error{"connect": h.connect, "callback": h.callback}[route]
	if serve == nil {
		return notFound("no such page")
	}
	if r.Method != http.MethodGet {
		return notAllowed("GET")
	}
	if h.Keeper.URL == "" {
		return fault.Invalid("no public URL is configured", "set `url` in the configuration")
	}
	q, err := parseQuery(r, "provider", "name", "user", "ticket", "state", "code", "iss", "error")
	if err != nil {
		return err
	}
	return serve(w, r, q)
}

// connect answers GET keep/connect: for an administrator who clicked here, or
// with a ticket.
func (h *Handler) connect(w http.ResponseWriter, r *http.Request, q url.Values) error {
	t := keeper.Target{Provider: q.Get("provider"), Name: q.Get("name"), User: q.Get("user")}
	switch ticket := keeper.Secret(q.Get("ticket")); {
	case ticket != "":
		var err error
		if t, err = h.Keeper.Browser().Redeem(r.Context(), ticket); err != nil {
			return err
		}
	case h.Admin == nil || !h.Admin(r):
		return forbidden("sign in as the owner first, or use the link that `mintkeep connect -web` prints")
	case page.SameSite(h.Keeper.URL, r) != nil: // the cookie of a session comes along with links
		return forbidden("another site sent you here; start from the owner's page")
	}
	f, err := h.Keeper.Browser().Start(r.Context(), t)
	if err != nil {
		return err
	}
	http.SetCookie(w, page.Cookie(h.Keeper.URL, h.cookieName(f.State), string(f.Browser), f.Lifetime))
	w.Header().Set("Location", f.URL)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// cookieName is the name of the cookie that ties a flow to the browser it began in,
// so that nobody can have somebody else finish a flow of theirs (RFC 9700 section
// 4.7). Each flow has its own: several may be under way in one browser.
func (h *Handler) cookieName(state keeper.Secret) string {
	return page.CookieName(h.Keeper.URL, "mintkeep_connect") + "_" + state.Hash()[:12]
}

// callback answers GET keep/callback, where the provider sends the browser back to.
func (h *Handler) callback(w http.ResponseWriter, r *http.Request, q url.Values) error {
	state, browser := keeper.Secret(q.Get("state")), keeper.Secret("")
	if cookie, err := r.Cookie(h.cookieName(state)); err == nil {
		browser = keeper.Secret(cookie.Value)
	}
	f, err := h.Keeper.Browser().Take(r.Context(), state, browser)
	if err != nil {
		return err
	}
	http.SetCookie(w, page.Cookie(h.Keeper.URL, h.cookieName(state), "", 0))
	c, err := h.Keeper.Browser().Finish(r.Context(), f, q)
	if err != nil {
		return err
	}
	h.writePage(w, http.StatusOK, "Connected", strings.Split(strings.Trim(
		fmt.Sprintf("%s is connected as %q.\n%s", c.Provider, c.Name, c.Warning), "\n")+"\nYou can close this window.", "\n")...)
	return nil
}
