package command

import "mintkeep/endpoint/grant"

func runServer(c *Command) error {
	return c.withGrants(func(s *grant.Store) error {
		switch {
		case c.is("add", 1):
			secret, err := s.AddServer(c.ctx, c.args[1])
			return c.println(string(secret), err)
		case c.is("remove", 1):
			return s.RemoveServer(c.ctx, c.args[1])
		case c.isList():
			servers, err := s.Servers(c.ctx)
			return list(c, "name created last_use", servers, err, func(v grant.ResourceServer) []string {
				return []string{v.Name, timeText(v.Created), timeText(v.LastUse)}
			})
		}
		return c.usage()
	})
}
