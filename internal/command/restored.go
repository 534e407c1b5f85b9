package command

import (
	"database/sql"
	"fmt"
	"io"
	"strings"
	"time"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/config"
	"mintkeep/internal/doctor"
	"mintkeep/internal/instance"
	"mintkeep/internal/store"
	"mintkeep/keeper"
)

// doctorRestored makes a database that was put back from a copy safe to serve, and names
// what happened after the copy as far as that can be known.
func doctorRestored(c *Command) error {
	if len(c.args) > 0 {
		return c.usageErrorf("-restored is about the database alone\nhint: mintkeep doctor %s afterwards", strings.Join(c.args, " "))
	}
	return c.withDatabase(func(conf *config.Config, db *sql.DB) error {
		if err := store.Check(c.ctx, db); err != nil {
			return err
		}
		done, err := c.Grants(conf, db, instance.NewLog(c.Stderr, "")).Restored(c.ctx)
		if err != nil {
			return err
		}
		kept, err := keeper.Restored(c.ctx, c.Keeper(conf, db, instance.NewLog(io.Discard, conf.ErrorLog)))
		if err != nil {
			return err
		}
		findings := append(restoredGrants(done), restoredConnections(kept)...)
		return show(c, findings)
	})
}

// restoredGrants tells what was done about what this site issued.
func restoredGrants(done grant.Restoration) []doctor.Finding {
	known := "nothing"
	if !done.Known.IsZero() {
		known = "what was written until " + done.Known.Format(time.DateTime) + " UTC"
	}
	all := []doctor.Finding{
		{Level: doctor.OK, What: "codes and sign-ins of before are refused, and every browser is signed out; codes that an authorization endpoint gave an app itself until " +
			done.Until.Format(time.TimeOnly) + " UTC"},
		{Level: doctor.OK, What: fmt.Sprintf("%d revocations that the log knows were done again", done.Revoked)},
		{Level: doctor.Warn, What: "the copy knows " + known + "; apps that got or renewed a token after that have to sign in again"},
	}
	if len(done.Apps) > 0 {
		all = append(all, doctor.Finding{Level: doctor.Warn, What: "what was revoked after that is not revoked; these apps have tokens: " + strings.Join(done.Apps, ", "),
			Do: "look through the page Apps and end what should have none", Shell: "mintkeep token list"})
	}
	all = append(all, doctor.Finding{Level: doctor.Warn,
		What: "settings, keys and resource servers that were changed or removed after that are as they were before", Do: "look through the owner's pages"})
	return in(doctor.Database, all)
}

// restoredConnections tells which tokens of other sites have to prove themselves.
func restoredConnections(kept []keeper.Connection) (all []doctor.Finding) {
	for _, k := range kept {
		f := doctor.Finding{Level: doctor.Warn, What: "the connection " + k.Name + " of " + k.User, Do: "connect again if the site refuses it", Shell: k.GetCommand()}
		switch {
		case k.State == keeper.StateFailing:
			f.What += " is refreshed before it is used; if its refresh token was replaced after the copy, the site refuses, and the log says so"
		case k.State == keeper.StateForgetting:
			f.What += " was being forgotten: its revocation is tried again"
			f.Do, f.Shell = "", ""
		case k.State == keeper.StateDead:
			f.What += " was dead already"
			f.Shell = k.Reconnect
		default:
			f.What += " cannot be refreshed, so it is used as it is; if it was replaced after the copy, the site may refuse it"
		}
		all = append(all, f)
	}
	return in(doctor.Program, all)
}

func in(group string, all []doctor.Finding) []doctor.Finding {
	for i := range all {
		all[i].Group = group
	}
	return all
}
