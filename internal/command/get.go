package command

import (
	"cmp"
	"flag"
	"fmt"
	"strconv"
	"time"

	"mintkeep/internal/config"
	"mintkeep/keeper"
)

func userFlag(f *flag.FlagSet, user *string) {
	f.StringVar(user, "user", "", "whose connection; `owner` by default")
}

func orOwner(user string) string { return cmp.Or(user, keeper.DefaultUser) }

// seconds reads the value of a flag: a number of seconds, or a duration.
func seconds(flag, value string) (time.Duration, error) {
	v := value
	if n, err := strconv.Atoi(v); err == nil && n >= 0 {
		v = strconv.Itoa(n) + "s"
	}
	if v == "0s" {
		return 0, nil
	}
	d, err := config.ParseDuration(v)
	if err != nil || d == 0 {
		return 0, usageError(fmt.Sprintf("-%s: %q is neither seconds nor a duration like 20m", flag, value))
	}
	return d, nil
}

func getVerb(f *flag.FlagSet) action {
	var user string
	userFlag(f, &user)
	minTTL := f.String("min-ttl", "300", "refresh if the token has less than this left: `seconds`, or 5m")
	return func(c *Command) error {
		ttl, err := seconds("min-ttl", *minTTL)
		if err != nil {
			return err
		}
		if len(c.args) != 1 {
			return c.usage()
		}
		return c.withKeeper(func(k *keeper.Keeper) error {
			t, err := k.Token(c.ctx, orOwner(user), c.args[0], ttl)
			return c.println(string(t.AccessToken), err)
		})
	}
}
