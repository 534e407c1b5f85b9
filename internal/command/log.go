package command

import (
	"database/sql"
	"flag"
	"slices"
	"strconv"

	"mintkeep/internal/config"
	"mintkeep/internal/store"
)

func logVerb(f *flag.FlagSet) action {
	count := f.String("n", "50", "how many; 0 for all")
	return func(c *Command) error {
		n, err := strconv.Atoi(*count)
		if err != nil || n < 0 || len(c.args) > 0 {
			return c.usage()
		}
		if n == 0 {
			n = -1
		}
		return c.withDatabase(func(_ *config.Config, db *sql.DB) error {
			events, err := store.Events(c.ctx, db, 0, n)
			slices.Reverse(events)
			return list(c, "at event me client token connection actor address detail", events, err, func(e store.Event) []string {
				return []string{timeText(e.At), e.Kind, e.Me, e.ClientID, e.TokenID, e.Connection, e.Actor, e.Address, e.Detail}
			})
		})
	}
}
