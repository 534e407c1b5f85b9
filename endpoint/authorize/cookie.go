package authorize

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/page"
	"mintkeep/internal/secret"
)

const maxCookies = 10 // pending authorizations at once in one browser

// pending finds the authorization with this ID that the browser began.
func (h *Handler) pending(ctx context.Context, r Request, id secret.Secret) (*grant.Pending, error) {
	for _, c := range r.Cookies {
		if c.Name == h.cookieName(id) {
			return h.Grants.Pending(ctx, r.Now, id, secret.Secret(c.Value))
		}
	}
	return nil, grant.ErrNotPending()
}

// cookiePrefix begins the names of this installation's cookies for pending authorizations.
func (h *Handler) cookiePrefix() string { return page.CookieName(h.URL, "mkflow") + "_" }

// cookieName is the name of the cookie that ties an authorization to the browser.
// Each has its own, so that tabs do not disturb each other.
func (h *Handler) cookieName(id secret.Secret) string {
	sum := sha256.Sum256([]byte(h.URL + " " + string(id)))
	return h.cookiePrefix() + hex.EncodeToString(sum[:12])
}

func (h *Handler) deleteCookie(a *grant.Pending) *http.Cookie {
	return page.Cookie(h.URL, h.cookieName(a.ID), "", 0)
}

// cookies are those of a new authorization: its own, and deletions of the oldest
// ones if somebody makes this browser begin many.
func (h *Handler) cookies(r Request, a *grant.Pending) []*http.Cookie {
	var out []*http.Cookie
	for _, c := range r.Cookies {
		if strings.HasPrefix(c.Name, h.cookiePrefix()) {
			out = append(out, page.Cookie(h.URL, c.Name, "", 0))
		}
	}
	out = out[:max(0, len(out)-maxCookies+1)]
	return append(out, page.Cookie(h.URL, h.cookieName(a.ID), string(a.Cookie), grant.PendingLife))
}
