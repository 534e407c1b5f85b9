package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"mintkeep/internal/config"
	"mintkeep/internal/store"
)

// runBackup copies the database while it may be in use. It never writes over
// anything, and the copy is as closed to others as the original.
func runBackup(c *Command) error {
	if len(c.args) != 1 {
		return c.usage()
	}
	conf, err := c.config()
	if err != nil {
		return err
	}
	if err := c.copyDatabase(conf, c.args[0]); err != nil {
		return wrap("backup", err)
	}
	if _, err := os.Stat(conf.KeyFile); err == nil {
		fmt.Fprintf(c.Stderr, "The key file is not in the copy: keep %s as well, but elsewhere.\n", conf.KeyFile)
	}
	return nil
}

func (c *Command) copyDatabase(conf *config.Config, to string) (err error) {
	if _, err := os.Stat(conf.Database); err != nil {
		return err
	}
	if to, err = filepath.Abs(to); err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already\nhint: name a new file, or remove the old one first", to)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			os.Remove(to)
		}
	}()
	db, err := store.OpenAsIs(conf.Database, false)
	if err != nil {
		return err
	}
	defer db.Close()
	defer c.progress("Copying the database", sizeOf(to, conf.Database))()
	if _, err := db.ExecContext(c.ctx, `VACUUM INTO ?`, to); err != nil {
		return fmt.Errorf("copying %s: %w", conf.Database, err)
	}
	return f.Sync()
}
