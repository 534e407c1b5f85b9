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
		if len(c.args) > 1 {
			return c.usage()
		}
		return c.withKeeper(func(k *keeper.Keeper) error {
			if len(c.args) == 1 {
				_, err := k.Refresh(c.ctx, orOwner(user), c.args[0])
				return err
			}
			all, err := k.RefreshDue(c.ctx, within)
			return c.listOutcomes(all, err, "failed")
		})
	}
}

func introspectVerb(f *flag.FlagSet) action {
	var user string
	userFlag(f, &user)
	return func(c *Command) error {
		if len(c.args) != 1 {
			return c.usage()
		}
		return c.withKeeper(func(k *keeper.Keeper) error {
			members, err := k.Introspect(c.ctx, orOwner(user), c.args[0])
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
				outcomes, err := k.ForgetAll(c.ctx, *user, policy)
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
