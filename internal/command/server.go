package command

import (
	"flag"

	"mintkeep/endpoint/grant"
)

func serverVerb(f *flag.FlagSet) action {
	var v grant.ResourceServer
	f.StringVar(&v.Resource, "resource", "", "tokens for this `URL` and no others: an MCP server of yours, for example")
	f.StringVar(&v.Scope, "scope", "", "`words` that are offered to an app that asks for none")
	return func(c *Command) error { return runServer(c, v) }
}

func runServer(c *Command, v grant.ResourceServer) error {
	return c.withGrants(func(s *grant.Store) error {
		switch {
		case c.is("add", 1):
			v.Name = c.args[1]
			secret, err := s.AddServer(c.ctx, v)
			return c.println(string(secret), err)
		case c.is("remove", 1):
			return s.RemoveServer(c.ctx, c.args[1])
		case c.isList():
			servers, err := s.Servers(c.ctx)
			return list(c, "name created last_use resource scope", servers, err, func(v grant.ResourceServer) []string {
				return []string{v.Name, timeText(v.Created), timeText(v.LastUse), v.Resource, v.Scope}
			})
		}
		return c.usage()
	})
}
