package authorize

import (
	"context"
	"slices"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/oauth"
)

// findResource reads the resource that a client wants its token for (RFC 8707 section
// 2): one that is registered, or an address on a host of the owner's. If the client
// asks for no scope, the owner is asked about those that belong to the resource.
func (h *Handler) findResource(ctx context.Context, st *grant.Settings, a *grant.Pending, named string) error {
	if named == "" {
		return nil
	}
	at, err := oauth.ParseResource(named)
	if err != nil {
		return oauth.InvalidTarget("the resource cannot be used: " + err.Error())
	}
	server, err := h.Grants.ServerAt(ctx, at)
	if err != nil {
		return err
	}
	host := oauth.HostOf(string(at))
	own := host == oauth.HostOf(h.URL) || slices.ContainsFunc(st.Me, func(me string) bool { return oauth.HostOf(me) == host })
	if server == nil && !own || a.ClientID == h.OwnerClient() {
		return oauth.InvalidTarget("no tokens are issued here for " + string(at) +
			"; the owner of this site registers it with: mintkeep server add NAME -resource " + string(at))
	}
	if a.Resource = at; server != nil && a.Scope == "" {
		a.Scope = server.Scope
	}
	return nil
}
