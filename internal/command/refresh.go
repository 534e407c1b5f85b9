package command

import (
	"flag"

	"mintkeep/keeper"
)

func refreshVerb(f *flag.FlagSet) action {
	var user string
	userFlag(f, &user)
	due := f.String("within", "20m", "without a name: what has less than this `duration` left")
	return func(c *Command) error {
		within, err := seconds("within", *due)
		if err != nil {
			return err
		}
		switch {
		case len(c.args) > 1:
			return c.usage()
		case len(c.args) == 0 && c.given("user"):
			return c.usageErrorf("-user goes with a name: without one all are refreshed that end soon")
		case len(c.args) == 1 && c.given("within"):
			return c.usageErrorf("-within goes without a name: that one is refreshed now")
		}
		return c.withKeeper(func(k *keeper.Keeper) error {
			if len(c.args) == 1 {
				_, err := k.Refresh(c.ctx, orOwner(user), c.args[0])
				return err
			}
			stop := c.progress("Refreshing what ends soon", nil)
			all, err := k.RefreshDue(c.ctx, within)
			stop()
			return c.listOutcomes(all, err, "failed")
		})
	}
}

func introspectVerb(f *flag.FlagSet) action {
	var user, secretFile string
	var ask keeper.Inspection
	userFlag(f, &user)
	which := f.String("token", "access", "which of the two: `access` or refresh")
	f.StringVar(&ask.ClientID, "client-id", "", "ask as another client, with this `id`; its secret comes from stdin")
	f.StringVar(&secretFile, "secret-file", "", "read that secret from this `file` instead")
	return func(c *Command) error {
		if len(c.args) != 1 {
			return c.usage()
		}
		if ask.Refresh = *which == "refresh"; !ask.Refresh && *which != "access" {
			return c.usageErrorf("-token is access or refresh")
		}
		if ask.ClientID == "" {
			if err := refuse(c, "the provider's client asks", "secret-file"); err != nil {
				return err
			}
		}
		return c.withKeeper(func(k *keeper.Keeper) (err error) {
			if ask.ClientID != "" {
				if ask.ClientSecret, err = c.secret("Client secret", secretFile); err != nil {
					return err
				}
			}
			members, err := k.Introspect(c.ctx, orOwner(user), c.args[0], ask)
			if err != nil {
				return err
			}
			return c.printJSON(members)
		})
	}
}

func forgetVerb(f *flag.FlagSet) action {
	var policy keeper.Policy
	user := f.String("user", "", "whose connection; `owner` by default, with -all everybody")
	all := f.Bool("all", false, "every connection")
	f.BoolVar(&policy.RevokeOffline, "revoke-offline", true, "revoke tokens with the scope offline_access at the provider")
	f.BoolVar(&policy.RevokeOnline, "revoke-online", true, "revoke all other tokens at the provider")
	f.BoolVar(&policy.EvenIfRevokeFails, "even-if-revoke-fails", false, "forget here although the provider did not confirm; the next refresh asks it again")
	return func(c *Command) error {
		if *all == (len(c.args) == 1) || len(c.args) > 1 {
			return c.usage()
		}
		return c.withKeeper(func(k *keeper.Keeper) error {
			if *all {
				stop := c.progress("Asking the sites to revoke", nil)
				outcomes, err := k.ForgetAll(c.ctx, *user, policy)
				stop()
				return c.listOutcomes(outcomes, err, keeper.KeptQueued)
			}
			outcome, err := k.Forget(c.ctx, orOwner(*user), c.args[0], policy)
			if err != nil {
				return c.listOutcomes(nil, err, keeper.KeptQueued)
			}
			return c.listOutcomes([]keeper.Outcome{outcome}, nil, keeper.KeptQueued)
		})
	}
}

func revokeVerb(f *flag.FlagSet) action {
	var user string
	userFlag(f, &user)
	which := f.String("token", "", "which of the two: `access`, and the rest is kept; or refresh, and the connection is of no further use")
	return func(c *Command) error {
		if len(c.args) != 1 || *which != "access" && *which != "refresh" {
			return c.usage()
		}
		return c.withKeeper(func(k *keeper.Keeper) error {
			return wrap("revoke", k.Revoke(c.ctx, orOwner(user), c.args[0], *which+"_token"))
		})
	}
}
