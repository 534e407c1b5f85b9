package instance

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"mintkeep/internal/config"
	"mintkeep/internal/discover"
	"mintkeep/internal/doctor"
	"mintkeep/internal/page"
	"mintkeep/internal/store"
	"mintkeep/keeper"
)

// DoctorTimeout bounds the checks from inside and those from outside.
const DoctorTimeout = 40 * time.Second

// Doctor describes an installation to the doctor. The function it returns closes
// the database.
func (e *Environment) Doctor(c *config.Config) (*doctor.Site, func(), error) {
	db, err := store.OpenAsIs(c.Database, false)
	if err != nil {
		return nil, nil, err
	}
	trusted := e.network(c).TrustedClient()
	pages := &discover.Client{Public: e.network(c).PublicOnlyClient(nil), Trusted: trusted}
	s := &doctor.Site{
		About:      fmt.Sprintf("mintkeep %s for %s-%s, process %d of user %d", e.Version, runtime.GOOS, runtime.GOARCH, os.Getpid(), os.Geteuid()),
		Database:   c.Database,
		KeyFile:    c.KeyFile,
		ErrorLog:   c.ErrorLog,
		URL:        c.URL,
		Journal:    c.Journal,
		InRoot:     c.DatabaseInDocRoot == "yes",
		SharedHost: c.SharedHost == "yes",
		Neighbour:  page.SharedHost,
		DB:         db,
		Schema:     store.SchemaVersion,
		Now:        e.Now,
		Settings:   func(ctx context.Context) (doctor.Settings, error) { return e.settingsToCheck(ctx, db, c) },
		Shown:      func(root string) error { return c.CheckDocRoot(root) },
		Key: func(ctx context.Context) error {
			err := e.Keeper(c, db, nil).CheckKey(ctx)
			if !errors.Is(err, keeper.ErrKey) {
				return nil // other checks look at the database
			}
			return err
		},
		Kept:   func(ctx context.Context) []doctor.Finding { return kept(ctx, e.Keeper(c, db, nil), e.Now()) },
		Public: config.PublicService,
		TLSRoots: func() (string, error) {
			_, source, err := discover.Roots(c.CAFile)
			return source, err
		},
		Client: trusted,
		Home: func(ctx context.Context, me string) (*discover.Links, error) {
			return pages.ReadLinks(ctx, me, []string{me})
		},
		Fetch: func(ctx context.Context, address, accept string) (*discover.Page, error) {
			return pages.Fetch(ctx, address, accept, []string{c.URL})
		},
	}
	s.System()
	return s, func() { db.Close() }, nil
}

// kept tells which tokens of other sites are no longer to be had, or end within a
// week; five at most. Where that cannot be read, other checks say why.
func kept(ctx context.Context, k *keeper.Keeper, now time.Time) (out []doctor.Finding) {
	all, _ := k.Connections(ctx, "")
	for _, c := range all {
		f := doctor.Finding{Level: doctor.Warn, What: "the connection " + c.Name + " of " + c.User, Do: "connect again on the page Connections", Shell: c.Reconnect}
		switch {
		case c.State == keeper.StateDead:
			f.What += " is dead: " + c.LastError
		case c.State == keeper.StateFailing:
			f.What += " fails: " + c.LastError
			f.Do, f.Shell = "it is tried again by itself, or at once on the page Connections", c.Command("refresh")
		case c.State == keeper.StateForgetting:
			f.What += " is to be forgotten, and the site has not confirmed: " + c.LastError
			f.Do, f.Shell = "the site is asked again by itself, or forget it here all the same", c.Command("forget")+" -even-if-revoke-fails"
		case c.Warning != "" && c.Ends.Before(now.Add(7*24*time.Hour)):
			f.What += ": " + c.Warning
		default:
			continue
		}
		if out = append(out, f); len(out) == 5 {
			break
		}
	}
	return out
}

// settingsToCheck returns what could be read, and all faults.
func (e *Environment) settingsToCheck(ctx context.Context, db *sql.DB, c *config.Config) (doctor.Settings, error) {
	var rows []config.Row
	var unread error
	if _, err := os.Stat(c.Database); err == nil { // else another check says so
		rows, unread = config.ReadRows(ctx, db)
	}
	v, refused, err := e.Settings.Parse(rows, c)
	st := e.EndpointSettings(v)
	return doctor.Settings{Endpoints: st.Endpoints, Me: st.Me, Admins: st.Admins, Direct: err == nil && st.Direct},
		cmp.Or(unread, errors.Join(err, refused))
}
