package command

import (
	"flag"

	"mintkeep/keeper"
)

func apiKeyVerb(f *flag.FlagSet) action {
	var key keeper.APIKey
	f.StringVar(&key.User, "user", "", "only for connections of this `user`")
	f.StringVar(&key.Provider, "provider", "", "only for connections to this `provider`")
	file := f.String("key-file", "", "with add: a key of your own, at least 32 characters, in this `file`; nothing is printed")
	f.BoolVar(&key.Write, "write", false, "may also store, refresh and delete")
	return func(c *Command) error {
		return c.withKeeper(func(k *keeper.Keeper) error {
			switch {
			case c.is("add", 1):
				if err := c.ensureKey(k); err != nil { // without it, nothing is answered
					return err
				}
				key.Name = c.args[1]
				if *file != "" {
					own, err := c.secret("API key", *file)
					if err != nil {
						return err
					}
					return k.APIKeys().AddOwn(c.ctx, key, own)
				}
				secret, err := k.APIKeys().Add(c.ctx, key)
				return c.println(string(secret), err)
			case c.is("remove", 1):
				return k.APIKeys().Remove(c.ctx, c.args[1])
			case c.isList():
				return c.listAPIKeys(k)
			}
			return c.usage()
		})
	}
}

func (c *Command) listAPIKeys(k *keeper.Keeper) error {
	all, err := k.APIKeys().List(c.ctx)
	return list(c, "name user provider write created last_use", all, err, func(a keeper.APIKey) []string {
		return []string{a.Name, a.User, a.Provider, yesNo(a.Write), timeText(a.Created), timeText(a.LastUse)}
	})
}
