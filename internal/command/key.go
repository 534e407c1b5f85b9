package command

import (
	"errors"
	"fmt"

	"mintkeep/keeper"
)

// ensureKey makes the sealing key of an installation that never had one.
func (c *Command) ensureKey(k *keeper.Keeper) error {
	made, err := k.EnsureKey(c.ctx)
	if made {
		fmt.Fprintf(c.Stderr, "A sealing key was made: %s\nKeep a copy of it apart from the database: without it the kept tokens are lost.\n", k.Keys.Path)
	}
	return err
}

func runKey(c *Command) error {
	if !c.is("new", 0) && !c.is("rotate", 0) {
		return c.usage()
	}
	return c.withKeeper(func(k *keeper.Keeper) error {
		if c.args[0] == "rotate" {
			stop := c.progress("Sealing everything with a new key", nil)
			n, id, err := k.Rotate(c.ctx)
			stop()
			return c.println(fmt.Sprintf("%d values sealed again, with key %s", n, id), err)
		}
		if k.Keys.Exists() {
			return errors.New("key: there is one already: " + k.Keys.String() + "\nhint: mintkeep key rotate changes it")
		}
		return c.ensureKey(k)
	})
}
