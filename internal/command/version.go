package command

import (
	"fmt"
	"runtime/debug"

	"mintkeep/internal/store"
)

func runVersion(c *Command) error {
	if len(c.args) > 0 {
		return c.usage()
	}
	build := "unknown build"
	if info, ok := debug.ReadBuildInfo(); ok {
		build = info.GoVersion
		for _, s := range info.Settings {
			if s.Key == "GOOS" || s.Key == "GOARCH" || s.Key == "vcs.revision" {
				build += " " + s.Value
			}
		}
	}
	return c.println(fmt.Sprintf("mintkeep %s\nSQLite %s\n%s", c.Version, store.SQLiteVersion(), build), nil)
}
