package instance

import (
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"mintkeep/endpoint"
	"mintkeep/endpoint/authorize"
	"mintkeep/endpoint/grant"
	"mintkeep/internal/config"
	"mintkeep/internal/discover"
	"mintkeep/internal/owner"
	"mintkeep/internal/store"
	"mintkeep/keeper"
	"mintkeep/keeper/api"
	"mintkeep/keeper/keyring"
)

// route makes the handler of an opened installation: the keeper answers its own routes
// if there is an outbound half, the owner's pages theirs, the token endpoint everything
// else. What a verification pays for the others is a look at its path.
func (s *Instance) route(db *sql.DB) http.Handler {
	in, out := s.env.Endpoint(s.config, db, s.log), s.keeper(s.config, db)
	if s.longRunning {
		out.Patience = 2 * time.Second
	} else {
		in.Authorize.Discover.Places = 1 // there are as many processes as requests
	}
	pages := s.pages(in, out)
	kept := &api.Handler{Keeper: out, Admin: pages.Admin, Page: pages.KeeperPage,
		Route: func(r *http.Request) string {
			route, _ := in.Route(r)
			return route
		}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := r.URL.Path
		if !strings.Contains(p, "/keep/") && !strings.Contains(p, "/v2/users/") && !strings.HasSuffix(p, "/api/token.php") && !strings.Contains(p, "/owner") {
			in.ServeHTTP(w, r)
			return
		}
		switch route, below := in.Route(r); {
		case below && api.Serves(route) && out.On(r.Context()):
			kept.ServeHTTP(w, r)
		case below && owner.Serves(route), !below && path.Base(p) == "owner":
			pages.ServeHTTP(w, r)
		default:
			in.ServeHTTP(w, r)
		}
	})
}

// keeper makes the keeper of an installation of which others may be told what it is at.
func (s *Instance) keeper(c *config.Config, db *sql.DB) *keeper.Keeper {
	k := s.env.Keeper(c, db, s.log)
	hold := k.Hold
	k.Hold = func() func() {
		s.refreshing.Add(1)
		release := hold()
		return func() { release(); s.refreshing.Add(-1) }
	}
	return k
}

// Keeper makes the keeper of an opened installation.
func (e *Environment) Keeper(c *config.Config, db *sql.DB, log *slog.Logger) *keeper.Keeper {
	network := e.network(c)
	network.Patient = true // the keeper says how long: it knows when a refresh token would be lost
	return &keeper.Keeper{
		DB:     db,
		Keys:   e.keys(c),
		Now:    e.Now,
		Hold:   e.hold.take,
		Client: network.TrustedClient(),
		Public: network.PublicOnlyClient(nil),
		Log:    log,
		URL:    c.URL,
	}
}

// keys are the sealing keys. What is kept in memory alone is sealed with one that is
// nowhere else either.
func (e *Environment) keys(c *config.Config) keyring.Source {
	if c.Database == store.Memory {
		e.makeKey.Do(func() { e.memoryKey = keyring.NewValue() })
		return keyring.Source{Value: e.memoryKey}
	}
	return keyring.Source{Value: keeper.Secret(e.Getenv("MINTKEEP_KEY")), Path: c.KeyFile}
}

// Endpoint makes the token endpoint of an opened installation.
func (e *Environment) Endpoint(c *config.Config, db *sql.DB, log *slog.Logger) *endpoint.Handler {
	grants := e.Grants(c, db, log)
	trusted := e.network(c).TrustedClient()
	front := &authorize.Handler{URL: c.URL, Grants: grants, Upstreams: trusted, Version: e.Version, Log: log,
		Discover: &discover.Client{Public: e.network(c).PublicOnlyClient(nil), Trusted: trusted}}
	return &endpoint.Handler{URL: c.URL, Grants: grants, Authorize: front, HeaderHint: strippedBy, Log: log}
}

// Grants makes the store of an opened installation: what the token endpoint issued.
func (e *Environment) Grants(c *config.Config, db *sql.DB, log *slog.Logger) *grant.Store {
	read := config.Memoize(func(rows []config.Row) (*grant.Settings, error) { return e.ParseSettings(rows, c) })
	return &grant.Store{DB: db, Now: e.Now, Log: log, Settings: func(ctx context.Context) (*grant.Settings, error) {
		return read(context.WithoutCancel(ctx), db) // watching for cancellation would cost more than the statement
	}}
}

// pages makes the owner's pages of an opened installation.
func (s *Instance) pages(in *endpoint.Handler, out *keeper.Keeper) *owner.Pages {
	return &owner.Pages{
		In: in, Out: out, Table: s.env.Settings, Config: s.config, SharedHost: s.config.SharedHost == "yes",
		Parse: func(rows []config.Row) (*grant.Settings, error) { return s.env.ParseSettings(rows, s.config) },
		Check: func(r *http.Request) []owner.Finding {
			var all []owner.Finding
			for _, f := range s.findings(r, s.config) {
				all = append(all, owner.Finding{Group: f.Group, Level: string(f.Level), What: f.What, Do: f.Do, Shell: f.Shell})
			}
			return all
		},
	}
}
